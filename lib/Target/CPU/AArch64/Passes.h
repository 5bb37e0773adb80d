//===- Passes.h - Passes for AArch64 ----------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_AARCH64_PASSES_H
#define TERNAC_LIB_TARGET_CPU_AARCH64_PASSES_H

#include "ternac/Conversion/Passes.h"

namespace ternac::cpu {

#define GEN_PASS_DECL
#include "AArch64Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "AArch64Passes.h.inc"

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_AARCH64_PASSES_H
