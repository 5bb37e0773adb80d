//===- Synthetic.h - Weights made from a seed -------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Internal to the packer: tensors for models of which only the shape is known.
// An element is a function of (seed, tensor name, row, column) alone, so that
// any thread can make any row; magnitudes are such that activations stay near
// one through any number of layers.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_PACKING_SYNTHETIC_H
#define TERNAC_LIB_PACKING_SYNTHETIC_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace ternac::packing {

/// Rows [row, row + rows) of a ternary tensor; a third are zeros.
void makeTrits(uint64_t seed, llvm::StringRef name, int64_t row, int64_t rows,
               int64_t cols, int8_t *out);

/// Rows [row, row + rows) of any other tensor: bell-shaped with deviation
/// 1/sqrt(cols), or about 1 where the name says that it is the weight of a norm
/// ("norm" or "_ln").
void makeFloats(uint64_t seed, llvm::StringRef name, int64_t row, int64_t rows,
                int64_t cols, float *out);

/// The factor of a ternary matrix of `cols` columns: about 1/sqrt(2/3 * cols),
/// which keeps the variance of what the matrix is applied to.
float makeFactor(uint64_t seed, llvm::StringRef name, int64_t cols);

} // namespace ternac::packing

#endif // TERNAC_LIB_PACKING_SYNTHETIC_H
