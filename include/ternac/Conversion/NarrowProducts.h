//===- NarrowProducts.h - Products of attention in bf16 ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a target may do for attention of long prompts. The lowering rounds the
// factors of both products of a tile, queries by keys and weights by values, to
// bf16 and lays them out in a scratch; a target with an instruction for such
// products, dot products of pairs or of whole tiles, multiplies them.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_NARROWPRODUCTS_H
#define TERNAC_CONVERSION_NARROWPRODUCTS_H

#include "ternac/Conversion/VectorBuilder.h"

namespace ternac {

/// sums[i][n] = sum over k of left[i][k] * right[k][n]. Every place is one of
/// `memref`, which is of f32; each f32 of the factors is two of bf16, those of
/// k and k + 1, in this order in memory.
struct NarrowProduct {
  mlir::Value memref;
  mlir::Value left;   ///< factors of the first row, 2 * `pairs` of them
  int64_t leftStride; ///< from a row to the next
  mlir::Value right;  ///< `pairs` lines of `vectors` vectors of 16 columns
  int64_t pairs;      ///< a multiple of 16
  int64_t vectors;
  mlir::Value sums; ///< f32, of the first row
  int64_t sumStride;
  int64_t rows; ///< a multiple of `NarrowProducts::rows`
};

/// How a target computes them.
class NarrowProducts {
public:
  virtual ~NarrowProducts() = default;
  /// Whether they may be used, which only the host of a call may know; null:
  /// always.
  virtual mlir::Value usable(VectorBuilder &v) const { return mlir::Value(); }
  /// Whether vectors of f32 are rounded to bf16 by an instruction.
  virtual bool rounds() const = 0;
  /// Rows that are computed together, at most 16, and those of a product.
  virtual int64_t rows() const = 0;
  virtual int64_t mostRows() const { return rows(); }
  /// Vectors of 16 columns of a product, at most 4.
  virtual int64_t vectors() const = 0;
  virtual void multiply(VectorBuilder &v,
                        const NarrowProduct &product) const = 0;
};

/// Replaces `op`, which is in buffer form, by loops that use the first of
/// `products` that may be used where the op may be narrow, and a barrier.
llvm::LogicalResult
replaceAttention(tern::AttentionOp op, const VectorOptions &options,
                 llvm::ArrayRef<const NarrowProducts *> products);

} // namespace ternac

#endif // TERNAC_CONVERSION_NARROWPRODUCTS_H
