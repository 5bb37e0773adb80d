//===- Passes.h - Passes for RISC-V -----------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_RISCV_PASSES_H
#define TERNAC_LIB_TARGET_CPU_RISCV_PASSES_H

#include "ternac/Conversion/Passes.h"

namespace ternac::cpu {

#define GEN_PASS_DECL
#include "RISCVPasses.h.inc"
#define GEN_PASS_REGISTRATION
#include "RISCVPasses.h.inc"

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_RISCV_PASSES_H
