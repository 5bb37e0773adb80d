//===- Int4.cpp - Dense weights to 4-bit integers -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Element by element, so that the result does not depend on how the compiler
// vectorises.
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/Int4.h"

#include "Decode.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ternac::packing {

namespace {
/// The integers of one group of a row, and their scale as stored.
struct Group {
  uint8_t codes[Int4::kGroup];
  uint8_t scale[2];
};
} // namespace

/// Quantises up to a group of weights; what is missing counts as zeros.
static Group quantizeGroup(const float *weights, int64_t count) {
  Group group;
  std::fill_n(group.codes, Int4::kGroup, Int4::kZero);
  float largest = 0.0f;
  for (int64_t i = 0; i < count; ++i)
    if (std::abs(weights[i]) > std::abs(largest))
      largest = weights[i];
  float scale = largest / -8.0f;
  encodeFloats(Encoding::BF16, &scale, 1, group.scale);
  decodeFloats(Encoding::BF16, group.scale, 1, &scale);
  if (scale == 0.0f)
    return group;
  for (int64_t i = 0; i < count; ++i) {
    // At 1.5 * 2^52 the unit in the last place is 1: adding it rounds.
    constexpr double rounder = 0x1.8p52;
    double rounded = double(weights[i]) / double(scale) + rounder - rounder;
    group.codes[i] = static_cast<uint8_t>(
        static_cast<int>(std::clamp(rounded, -8.0, 7.0)) + Int4::kZero);
  }
  return group;
}

/// Writes column `column` of row `row`, both counted within the span; the
/// nibble was zero.
static void store(uint8_t code, int64_t row, int64_t column, uint8_t *span) {
  const int64_t block = column / Int4::kBlockColumns;
  const int64_t nibble = column % Int4::kBlockColumns / 2, word = column % 2;
  uint8_t *byte = span + Int4::kScaleBytes + block * Int4::kBlockBytes +
                  2 * (2 * row + word) + nibble / 2;
  *byte |= static_cast<uint8_t>(code << (nibble % 2 * 4));
}

void Int4::pack(const float *weights, int64_t m, int64_t k, uint8_t *out) {
  std::memset(out, 0, bytes(m, k));
  const int64_t spanCount = spans(k), rows = tiles(m) * kRows;
  for (int64_t row = 0; row < rows; ++row) {
    uint8_t *tile = out + row / kRows * spanCount * kSpanBytes;
    const int64_t inTile = row % kRows;
    for (int64_t first = 0; first < spanCount * kSpan; first += kGroup) {
      uint8_t *span = tile + first / kSpan * kSpanBytes;
      const int64_t inSpan = first % kSpan;
      const int64_t count =
          row < m ? std::clamp<int64_t>(k - first, 0, kGroup) : 0;
      Group group =
          quantizeGroup(weights + (count ? row * k + first : 0), count);
      std::memcpy(span + (inSpan / kGroup * kRows + inTile) * 2, group.scale,
                  2);
      for (int64_t i = 0; i < kGroup; ++i)
        store(group.codes[i], inTile, inSpan + i, span);
    }
  }
}

} // namespace ternac::packing
