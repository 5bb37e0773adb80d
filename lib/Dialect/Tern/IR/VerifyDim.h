//===- VerifyDim.h - Checks of dimensions in verifiers ----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_DIALECT_TERN_IR_VERIFYDIM_H
#define TERNAC_LIB_DIALECT_TERN_IR_VERIFYDIM_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace ternac::tern {

inline int64_t dim(mlir::Value value, unsigned index) {
  return llvm::cast<mlir::ShapedType>(value.getType()).getDimSize(index);
}

/// Checks one dimension; dynamic sizes agree with everything.
inline llvm::LogicalResult verifyDim(mlir::Operation *op,
                                     llvm::StringRef constraint,
                                     llvm::StringRef what, int64_t got,
                                     int64_t expected) {
  if (mlir::ShapedType::isDynamic(got) ||
      mlir::ShapedType::isDynamic(expected) || got == expected)
    return llvm::success();
  return op->emitOpError("(") << constraint << ") expected " << what
                              << " to be " << expected << ", but got " << got;
}

/// Checks sliding windows: one of all layers, or one for each; 0 is none.
inline llvm::LogicalResult
verifyWindows(mlir::Operation *op, llvm::StringRef constraint,
              std::optional<llvm::ArrayRef<int64_t>> windows, int64_t layers) {
  if (!windows)
    return llvm::success();
  int64_t count = windows->size();
  if (count != 1 && count != layers)
    return op->emitOpError("(")
           << constraint
           << ") expected one window, or one for each of "
              "the "
           << layers << " layers of the cache, but got " << count;
  for (int64_t window : *windows)
    if (window < 0)
      return op->emitOpError("(")
             << constraint << ") expected windows of at least 0, but got "
             << window;
  return llvm::success();
}

} // namespace ternac::tern

#endif // TERNAC_LIB_DIALECT_TERN_IR_VERIFYDIM_H
