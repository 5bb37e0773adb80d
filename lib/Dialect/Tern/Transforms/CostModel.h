//===- CostModel.h - What a ternary matmul costs on a target ----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The time of one row of activations on one core, estimated from `#tern.target`
// and the padded shape alone: the weights are read once from memory while the
// kernel's operations run. The longer of the two times counts, and a part of
// the shorter, because they overlap but not wholly.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_DIALECT_TERN_TRANSFORMS_COSTMODEL_H
#define TERNAC_LIB_DIALECT_TERN_TRANSFORMS_COSTMODEL_H

#include "ternac/Dialect/Tern/IR/Tern.h"

namespace ternac::tern {

/// A kernel that the lowerings can write: a strategy on a kind of packing.
struct KernelForm {
  Strategy strategy;
  /// The word of `--packing`; which layout it is depends on strategy and shape.
  llvm::StringLiteral packing;
  /// What a target must have for these costs; of the forms of one strategy and
  /// packing the first that fits is meant.
  llvm::StringLiteral capability;
  packing::Layout (*layout)(int64_t cols);
  /// Operations for each weight: on bytes of vector registers, int8
  /// multiply-accumulates, and on general registers.
  double byteOps;
  double products;
  double scalarOps;
};

/// All forms of `tern.matmul`, the better first where estimates are equal.
llvm::ArrayRef<KernelForm> matmulForms();
/// Those of `tern.ternary_linear`.
llvm::ArrayRef<KernelForm> linearForms();

/// Whether `target` has what `form` needs.
bool isPossible(const KernelForm &form, TargetAttr target);

/// An estimate, in seconds.
struct Cost {
  int64_t bytes; ///< of the packed weights
  double memory, arithmetic;
  double total() const;
};

/// Of `tokens` rows of activations times a matrix of `rows` x `cols`.
Cost estimate(const KernelForm &form, TargetAttr target, int64_t rows,
              int64_t cols, int64_t tokens = 1);

} // namespace ternac::tern

#endif // TERNAC_LIB_DIALECT_TERN_TRANSFORMS_COSTMODEL_H
