/*===- FakePlugin.c - Target plug-ins that must be refused ----------------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* Macros make one for each reason. Nothing of any of them may be called but the
|* create function of those that are right so far.
|*
\*===----------------------------------------------------------------------===*/

#include "ternac/Target/Plugin.h"

#include <stddef.h>
#include <stdlib.h>

#ifndef FAKE_SYMBOL
#define FAKE_SYMBOL ternac_target_plugin
#endif
#ifndef FAKE_PLUGIN_VERSION
#define FAKE_PLUGIN_VERSION TERNAC_TARGET_PLUGIN_VERSION
#endif
#ifndef FAKE_TERNAC_VERSION
#define FAKE_TERNAC_VERSION TERNAC_VERSION
#endif
#ifndef FAKE_LLVM_VERSION
#define FAKE_LLVM_VERSION TERNAC_LLVM_VERSION
#endif
#ifndef FAKE_NAME
#define FAKE_NAME "fake"
#endif
#ifndef FAKE_CREATE
#define FAKE_CREATE mustNotBeCalled
#endif

void *mustNotBeCalled(void) { abort(); }
void *createNothing(void) { return NULL; }
void *undefinedFunction(void);

#ifdef FAKE_FUNCTION
void ternac_target_plugin(void) { abort(); }
#else
const TernacTargetPlugin FAKE_SYMBOL = {FAKE_PLUGIN_VERSION,
                                        FAKE_TERNAC_VERSION, FAKE_LLVM_VERSION,
                                        FAKE_NAME, FAKE_CREATE};
#endif
