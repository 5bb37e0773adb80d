//===- Encoding.h - How a checkpoint stores a tensor ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Elements of their own, or blocks of elements of one row that share a scale.
// docs/Formats.md has the bytes of each.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PACKING_ENCODING_H
#define TERNAC_PACKING_ENCODING_H

#include <cstdint>
#include <optional>
#include <string>

namespace ternac::packing {

enum class Encoding : uint32_t {
  F32 = 0,
  F16 = 1,
  BF16 = 2,
  /// Ternary, U8 [M/4, K]: bits 2i..2i+1 of byte (r, k) are trit+1 of row
  /// r + i*M/4 (Hugging Face BitNet checkpoints).
  PackedRows = 3,
  /// Ternary, two bits each, with one f32 scale behind them: in each 32 bytes
  /// the fields of byte j are columns j, j+32, j+64 and j+96, the first in the
  /// highest bits.
  I2S = 4,
  /// The same in units of 16 bytes: columns j, j+16, j+32 and j+48.
  I2S64 = 5,
  /// The same with the fields of byte (r, k) in rows 4r to 4r+3, column k.
  I2SRows = 6,
  /// Ternary, base 3, 256 columns and an f16 scale in 54 bytes.
  TQ1_0 = 7,
  /// Ternary, two bits each, 256 columns and an f16 scale in 66 bytes.
  TQ2_0 = 8,
  /// Ternary, base 3, 64 columns in 13 bytes; rows begin with an f16 scale.
  IQ1BN = 9,
  /// Ternary, two bits each, 64 columns in 16 bytes; rows begin with an f32
  /// scale.
  IQ2BN = 10,
  /// 32 signed bytes behind an f16 scale.
  Q8_0 = 11,
  /// 256 integers of 6 bits, a signed byte for each 16, and an f16 scale.
  Q6_K = 12,
};

/// Whether the elements are numbers that a computer has: F32, F16 or BF16.
bool isFloat(Encoding encoding);

/// Whether the elements are trits.
bool isTernary(Encoding encoding);

/// Whether the elements are trits and their scales lie among them.
bool hasScales(Encoding encoding);

/// Bytes of one row of `cols` elements; PackedRows and I2SRows: of the four
/// rows that share them.
int64_t rowBytes(Encoding encoding, int64_t cols);

/// Bytes of a matrix, scales included.
int64_t matrixBytes(Encoding encoding, int64_t rows, int64_t cols);

/// The reason why no `rows` x `cols` matrix can be stored so, or nullopt.
std::optional<std::string> invalidShape(Encoding encoding, int64_t rows,
                                        int64_t cols);

} // namespace ternac::packing

#endif // TERNAC_PACKING_ENCODING_H
