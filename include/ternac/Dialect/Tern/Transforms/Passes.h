//===- Passes.h - Passes inside the tern dialect ----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_TRANSFORMS_PASSES_H
#define TERNAC_DIALECT_TERN_TRANSFORMS_PASSES_H

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace ternac::tern {

/// On ops that may become one kernel: the number of their group.
inline constexpr llvm::StringLiteral kRowGroupAttr = "tern.row_group";

#define GEN_PASS_DECL
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"

} // namespace ternac::tern

#endif // TERNAC_DIALECT_TERN_TRANSFORMS_PASSES_H
