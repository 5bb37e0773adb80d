//===- Passes.h - Passes out of the tern dialect ----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_PASSES_H
#define TERNAC_CONVERSION_PASSES_H

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace ternac {

#define GEN_PASS_DECL
#include "ternac/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "ternac/Conversion/Passes.h.inc"

} // namespace ternac

#endif // TERNAC_CONVERSION_PASSES_H
