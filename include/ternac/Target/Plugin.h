/*===- Plugin.h - Targets in shared libraries of their own ---------------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* A target plug-in is a shared library that the tools open for
|* --load-target=FILE. It defines one symbol, by the macro at the end of this
|* file:
|*
|*   TERNAC_TARGET_PLUGIN("foo", FooTarget)
|*
|* where FooTarget is a class derived from ternac::Target, or HostTarget, whose
|* name() is "foo". Its constructor registers the passes of the plug-in, as
|* registerDialects does its dialects.
|*
|* C++ objects of Ternac and of MLIR cross the border, so a plug-in works with
|* the versions that it was built with and no others. The symbol says which they
|* were, in plain C that never changes its place: it is read before any function
|* of the plug-in is called. What the dynamic linker runs when it opens a
|* library, its static initialisers, has run by then: a plug-in should have none
|* that call Ternac or MLIR.
|*
\*===----------------------------------------------------------------------===*/

#ifndef TERNAC_TARGET_PLUGIN_H
#define TERNAC_TARGET_PLUGIN_H

#include "ternac/Version.h"

#include "llvm/Config/llvm-config.h"

#include <stdint.h>

/* Version of the struct below. Its first three members are in all versions. */
#define TERNAC_TARGET_PLUGIN_VERSION 1u

/* Name of the one symbol; its type is const TernacTargetPlugin. */
#define TERNAC_TARGET_PLUGIN_SYMBOL "ternac_target_plugin"

/* LLVM keeps its ABI within a minor version. */
#define TERNAC_LLVM_VERSION_TEXT(number) #number
#define TERNAC_LLVM_VERSION_OF(major, minor)                                   \
  TERNAC_LLVM_VERSION_TEXT(major) "." TERNAC_LLVM_VERSION_TEXT(minor)
#define TERNAC_LLVM_VERSION                                                    \
  TERNAC_LLVM_VERSION_OF(LLVM_VERSION_MAJOR, LLVM_VERSION_MINOR)

typedef struct TernacTargetPlugin {
  uint32_t plugin_version;    /* TERNAC_TARGET_PLUGIN_VERSION */
  const char *ternac_version; /* TERNAC_VERSION */
  const char *llvm_version;   /* TERNAC_LLVM_VERSION */
  const char *name;           /* of the target */
  void *(*create)(void);      /* a new ternac::Target, the compiler's own */
} TernacTargetPlugin;

#ifdef __cplusplus

#include "ternac/Target/Target.h"

/* Defines the symbol for the target of that name and class. */
#define TERNAC_TARGET_PLUGIN(Name, Class)                                      \
  extern "C" LLVM_ATTRIBUTE_VISIBILITY_DEFAULT const TernacTargetPlugin        \
      ternac_target_plugin = {TERNAC_TARGET_PLUGIN_VERSION, TERNAC_VERSION,    \
                              TERNAC_LLVM_VERSION, Name, []() -> void * {      \
                                return static_cast<::ternac::Target *>(        \
                                    new Class());                              \
                              }};

#endif /* __cplusplus */

#endif /* TERNAC_TARGET_PLUGIN_H */
