//===- PortableTarget.cpp - A target as a plug-in -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PortableTarget.h"

#include "ternac/Target/Plugin.h"

TERNAC_TARGET_PLUGIN("portable", PortableTarget)
