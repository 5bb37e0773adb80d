//===- Synthetic.cpp - Weights made from a seed ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Random bits come from a counter put through the finaliser of SplitMix64
// (Steele, Lea and Flood, 2014), which gives random access and a gigabyte per
// second. From there on only exact integer steps and single correctly rounded
// multiplications follow, so that every host makes the same weights.
//
//===----------------------------------------------------------------------===//

#include "Synthetic.h"

#include "llvm/Support/xxhash.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace ternac::packing {

static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

namespace {
/// The random numbers of one row of a tensor, by index.
class RowBits {
public:
  RowBits(uint64_t seed, llvm::StringRef name, int64_t row)
      : key(mix(mix(seed ^ llvm::xxh3_64bits(name)) + row)) {}

  uint64_t operator[](int64_t index) const {
    return mix(key + (index + 1) * 0x9e3779b97f4a7c15);
  }

private:
  uint64_t key;
};

/// Five trits, in a slot that one move of eight bytes fills.
using FiveTrits = std::array<int8_t, 8>;
} // namespace

/// Spreads the 256 bytes over the 243 groups of five trits.
static constexpr std::array<FiveTrits, 256> makeTritTable() {
  std::array<FiveTrits, 256> table{};
  for (int byte = 0; byte < 256; ++byte) {
    int rest = byte * 243 / 256;
    for (int digit = 0; digit < 5; ++digit, rest /= 3)
      table[byte][digit] = static_cast<int8_t>(rest % 3 - 1);
  }
  return table;
}

static void makeTritRow(const RowBits &random, int64_t cols, int8_t *out) {
  static constexpr std::array<FiveTrits, 256> table = makeTritTable();
  constexpr int64_t perByte = 5, perWord = 8 * perByte;
  for (int64_t col = 0, word = 0; col < cols; col += perWord, ++word) {
    uint64_t bits = random[word];
    // Each move but the last is overwritten from its sixth byte on; the slack
    // takes what the last writes too much.
    int8_t trits[perWord + sizeof(FiveTrits) - perByte];
    for (int64_t byte = 0; byte < 8; ++byte, bits >>= 8)
      std::memcpy(trits + byte * perByte, table[bits & 0xff].data(),
                  sizeof(FiveTrits));
    std::memcpy(out + col, trits, std::min(perWord, cols - col));
  }
}

void makeTrits(uint64_t seed, llvm::StringRef name, int64_t row, int64_t rows,
               int64_t cols, int8_t *out) {
  for (int64_t i = 0; i < rows; ++i)
    makeTritRow(RowBits(seed, name, row + i), cols, out + i * cols);
}

/// A whole number of mean 0: the centred sum of four uniform ones of 16 bits,
/// which is close to normal.
static int32_t bell(uint64_t bits) {
  auto sum = static_cast<int32_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                  (bits >> 32 & 0xffff) + (bits >> 48));
  return sum - 2 * 0xffff;
}

/// The standard deviation of `bell`: sqrt(4 * (2^32 - 1) / 12).
static constexpr float bellDeviation = 37837.227f;

void makeFloats(uint64_t seed, llvm::StringRef name, int64_t row, int64_t rows,
                int64_t cols, float *out) {
  const bool isNorm = name.contains("norm") || name.contains("_ln");
  const float mean = isNorm ? 1.0f : 0.0f;
  const float deviation =
      isNorm ? 0.1f : 1.0f / std::sqrt(static_cast<float>(cols));
  const float unit = deviation / bellDeviation;
  for (int64_t i = 0; i < rows; ++i) {
    const RowBits random(seed, name, row + i);
    for (int64_t col = 0; col < cols; ++col) {
      // Statements of their own are not contracted to a fused operation.
      float offset = static_cast<float>(bell(random[col])) * unit;
      out[i * cols + col] = mean + offset;
    }
  }
}

float makeFactor(uint64_t seed, llvm::StringRef name, int64_t cols) {
  const float variance = 2.0f / 3.0f * static_cast<float>(cols);
  const float unit = 0.05f / bellDeviation;
  float offset = static_cast<float>(bell(RowBits(seed, name, 0)[0])) * unit;
  return (1.0f + offset) / std::sqrt(variance);
}

} // namespace ternac::packing
