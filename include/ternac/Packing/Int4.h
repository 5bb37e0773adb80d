//===- Int4.h - How 4-bit integers of dense weights lie -----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A matrix of M rows and K columns as integers of 4 bits, -8 to 7, with one
// bfloat16 scale for each row and group of 32 columns: 4.5 bits per weight.
// It is cut into tiles of 16 rows, and these into spans of 64 columns, of 576
// bytes each, a tile's spans one after the other. M and K are padded with
// zeros.
//
//   a span's first 64 bytes  the scales of its first group, one for each row of
//                            the tile, then those of its second group
//   eight blocks of 64 bytes block b has columns 8b to 8b+7, as 32 words of 16
//                            bits; bits 4j to 4j+3 of word 2r+p hold 8 more
//                            than the integer of row r, column 8b + 2j + p
//
// Two neighbouring columns of a row are one 32-bit lane and a block's 16 rows
// one vector, so that no sum over columns crosses lanes.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PACKING_INT4_H
#define TERNAC_PACKING_INT4_H

#include <cstdint>

namespace ternac::packing {

struct Int4 {
  static constexpr int64_t kRows = 16;  ///< rows of a tile
  static constexpr int64_t kGroup = 32; ///< columns that share a scale
  static constexpr int64_t kSpan = 64;  ///< columns of a span
  static constexpr int64_t kScaleBytes = kSpan / kGroup * kRows * 2;
  static constexpr int64_t kBlockColumns = 8;
  static constexpr int64_t kBlockBytes = kRows * kBlockColumns / 2;
  static constexpr int64_t kSpanBytes =
      kScaleBytes + kSpan / kBlockColumns * kBlockBytes;
  static constexpr int64_t kZero = 8; ///< the code of 0

  static int64_t tiles(int64_t m) { return (m + kRows - 1) / kRows; }
  static int64_t spans(int64_t k) { return (k + kSpan - 1) / kSpan; }
  /// Bytes of a packed M x K matrix.
  static int64_t bytes(int64_t m, int64_t k) {
    return tiles(m) * spans(k) * kSpanBytes;
  }

  /// Quantises and packs rows [0, m) of a row-major matrix of finite weights
  /// into `out`, which has room for `bytes(m, k)`. In each group the element v
  /// of largest magnitude (the first of equals) gives the scale
  /// s = bfloat16(v / -8), and q = clamp(round(w / s), -8, 7) in f64, half to
  /// even; where s is 0, q is. Packing a multiple of 16 rows at a time, one
  /// chunk after the other, gives the bytes of the whole.
  static void pack(const float *weights, int64_t m, int64_t k, uint8_t *out);
};

} // namespace ternac::packing

#endif // TERNAC_PACKING_INT4_H
