//===- TernToVector.h - What targets share with the lowering ----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_TERNTOVECTOR_H
#define TERNAC_CONVERSION_TERNTOVECTOR_H

#include "ternac/Conversion/VectorBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace ternac {

/// The options that the capabilities of the target of `op` give.
VectorOptions vectorOptions(mlir::Operation *op, int64_t lanes);

/// The argument of type !tern.environment, or null.
mlir::Value environmentOf(mlir::func::FuncOp func);

/// Replaces `op`, which is in buffer form, by what `body` writes before it, and
/// a barrier. Fails, with a diagnostic, if `body` does or if there is no
/// environment.
llvm::LogicalResult
replaceByLoops(mlir::Operation *op, const VectorOptions &options,
               llvm::function_ref<llvm::LogicalResult(VectorBuilder &)> body);

} // namespace ternac

#endif // TERNAC_CONVERSION_TERNTOVECTOR_H
