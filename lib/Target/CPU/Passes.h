//===- Passes.h - Passes of the cpu target ----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_PASSES_H
#define TERNAC_LIB_TARGET_CPU_PASSES_H

#include "ternac/Conversion/Passes.h"

#include "mlir/Dialect/AMX/AMXDialect.h"

namespace ternac::cpu {

#define GEN_PASS_DECL
#include "CPUPasses.h.inc"
#define GEN_PASS_REGISTRATION
#include "CPUPasses.h.inc"

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_PASSES_H
