//===- Blocks.cpp - Elements that are stored in blocks --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// docs/Formats.md has the layouts. Products of a scale and an integer are exact
// in f32: an f16 has 11 bits, a byte 8 and the elements of Q6_K 5 at most, a
// power of two aside.
//
//===----------------------------------------------------------------------===//

#include "Blocks.h"

#include "Decode.h"

#include "llvm/Support/ErrorHandling.h"

namespace ternac::packing {

static float readFloat(Encoding encoding, const uint8_t *stored) {
  float value;
  decodeFloats(encoding, stored, 1, &value);
  return value;
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

static void decodeQ8_0(const uint8_t *block, float *out) {
  const float scale = readFloat(Encoding::F16, block);
  for (int64_t i = 0; i < 32; ++i)
    out[i] = scale * static_cast<int8_t>(block[2 + i]);
}

/// Half a block holds 128 elements: four bits of each in 64 bytes, the other
/// two in 32 bytes, and eight scales.
static void decodeHalfQ6_K(float scale, const uint8_t *low, const uint8_t *high,
                           const uint8_t *scales, float *out) {
  for (int64_t i = 0; i < 128; ++i) {
    const int64_t quarter = i / 32, j = i % 32;
    const int nibble = low[j + quarter % 2 * 32] >> (quarter / 2 * 4) & 15;
    const int element = nibble | (high[j] >> (2 * quarter) & 3) << 4;
    const auto factor = static_cast<int8_t>(scales[i / 16]);
    out[i] = scale * factor * static_cast<float>(element - 32);
  }
}

void decodeBlocks(Encoding encoding, const uint8_t *stored, int64_t count,
                  float *out) {
  if (encoding == Encoding::Q8_0) {
    const int64_t blockBytes = rowBytes(encoding, 32);
    for (int64_t i = 0; i < count; i += 32)
      decodeQ8_0(stored + i / 32 * blockBytes, out + i);
    return;
  }
  const int64_t blockBytes = rowBytes(Encoding::Q6_K, 256);
  for (int64_t i = 0; i < count; i += 128) {
    const uint8_t *block = stored + i / 256 * blockBytes;
    const int64_t half = i / 128 % 2;
    decodeHalfQ6_K(readFloat(Encoding::F16, block + 208), block + 64 * half,
                   block + 128 + 32 * half, block + 192 + 8 * half, out + i);
  }
}

//===----------------------------------------------------------------------===//
// Trits
//===----------------------------------------------------------------------===//

/// Decodes `count` bytes of four fields each: those of byte j are the elements
/// j, j + count, j + 2 * count and j + 3 * count. Returns 0 unless a code is 3.
static uint8_t decodeFields(const uint8_t *bytes, int64_t count, bool highFirst,
                            int8_t *trits) {
  uint8_t bad = 0;
  for (int64_t field = 0; field < 4; ++field) {
    const int64_t shift = 2 * (highFirst ? 3 - field : field);
    for (int64_t j = 0; j < count; ++j) {
      const uint8_t code = bytes[j] >> shift & 3;
      bad |= code & code >> 1;
      trits[field * count + j] = static_cast<int8_t>(code - 1);
    }
  }
  return bad;
}

/// The same for as many units of `unit` bytes as `cols` elements have.
static bool decodeTwoBit(const uint8_t *row, int64_t cols, int64_t unit,
                         bool highFirst, int8_t *trits) {
  uint8_t bad = 0;
  for (int64_t i = 0; i < cols; i += 4 * unit)
    bad |= decodeFields(row + i / 4, unit, highFirst, trits + i);
  return bad == 0;
}

static bool decodeTQ2_0(const uint8_t *row, int64_t cols, int8_t *trits) {
  const int64_t blockBytes = rowBytes(Encoding::TQ2_0, 256);
  bool good = true;
  for (int64_t i = 0; i < cols; i += 256)
    good &= decodeTwoBit(row + i / 256 * blockBytes, 256, 32,
                         /*highFirst=*/false, trits + i);
  return good;
}

/// Decodes `digits` digits of each of `count` bytes: digit n of byte j is
/// element j + n * count.
static void decodeBase3(const uint8_t *bytes, int64_t count, int64_t digits,
                        int8_t *trits) {
  static constexpr uint8_t powers[] = {1, 3, 9, 27, 81};
  for (int64_t n = 0; n < digits; ++n)
    for (int64_t j = 0; j < count; ++j) {
      // A byte is a fraction of 256; the digit behind the point is next.
      const auto rest = static_cast<uint8_t>(bytes[j] * powers[n]);
      trits[n * count + j] = static_cast<int8_t>((rest * 3 >> 8) - 1);
    }
}

static void decodeTQ1_0(const uint8_t *row, int64_t cols, int8_t *trits) {
  for (int64_t i = 0; i < cols; i += 256) {
    const uint8_t *block = row + i / 256 * rowBytes(Encoding::TQ1_0, 256);
    decodeBase3(block, 32, 5, trits + i);
    decodeBase3(block + 32, 16, 5, trits + i + 160);
    decodeBase3(block + 48, 4, 4, trits + i + 240);
  }
}

/// Digit j of a byte of IQ1BN; the first digit is the least significant.
static int8_t digitOfIQ1BN(uint8_t byte, int64_t j) {
  static constexpr uint8_t powers[] = {81, 27, 9, 3, 1};
  const auto rest = static_cast<uint8_t>(byte * powers[j]);
  return static_cast<int8_t>(((rest + (rest >> 1)) >> 7) - 1);
}

static void decodeIQ1BN(const uint8_t *blocks, int64_t cols, int8_t *trits) {
  for (int64_t i = 0; i < cols; ++i) {
    const uint8_t *block = blocks + i / 64 * 13;
    // Of 16 elements the last is in the byte that the block ends with.
    const int64_t group = i % 64 / 16, j = i % 16;
    trits[i] = j == 15 ? digitOfIQ1BN(block[12], group)
                       : digitOfIQ1BN(block[group * 3 + j / 5], j % 5);
  }
}

bool decodeTritRow(Encoding encoding, const uint8_t *row, int64_t cols,
                   int8_t *trits) {
  const int64_t header = rowBytes(encoding, 0);
  switch (encoding) {
  case Encoding::I2S:
    return decodeTwoBit(row, cols, 32, /*highFirst=*/true, trits);
  case Encoding::I2S64:
    return decodeTwoBit(row, cols, 16, /*highFirst=*/true, trits);
  case Encoding::TQ1_0:
    decodeTQ1_0(row, cols, trits);
    return true;
  case Encoding::TQ2_0:
    return decodeTQ2_0(row, cols, trits);
  case Encoding::IQ1BN:
    decodeIQ1BN(row + header, cols, trits);
    return true;
  case Encoding::IQ2BN:
    return decodeTwoBit(row + header, cols, 16, /*highFirst=*/false, trits);
  default:
    llvm_unreachable("no rows of trits with scales");
  }
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

static bool isBlockScaled(Encoding encoding) {
  return encoding == Encoding::TQ1_0 || encoding == Encoding::TQ2_0;
}

int64_t columnsOfScale(Encoding encoding, int64_t cols) {
  return isBlockScaled(encoding) ? 256 : cols;
}

float scaleOfRow(Encoding encoding, const uint8_t *row, int64_t index) {
  if (encoding == Encoding::IQ2BN)
    return readFloat(Encoding::F32, row);
  if (encoding == Encoding::IQ1BN)
    return readFloat(Encoding::F16, row);
  // The scale ends a block.
  return readFloat(Encoding::F16, row + (index + 1) * rowBytes(encoding, 256) -
                                      sizeof(uint16_t));
}

} // namespace ternac::packing
