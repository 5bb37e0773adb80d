//===- Decode.cpp - Stored elements to values and back --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loops over whole runs of elements, written without branches so that they
// become vector loops on any target.
//
//===----------------------------------------------------------------------===//

#include "Decode.h"

#include "llvm/Support/ErrorHandling.h"

#include <bit>
#include <cassert>
#include <cstring>

namespace ternac::packing {

static_assert(std::endian::native == std::endian::little,
              "checkpoints and weight segments are little-endian, and are read "
              "and written here as the host's own numbers");

static constexpr uint32_t signBit = 0x80000000, infinityBits = 0x7f800000;

/// Binary16 has five exponent bits, biased by 15, and ten mantissa bits.
static float halfToFloat(uint16_t half) {
  // Read as a float, the shifted magnitude is too small by the difference of
  // the biases; the multiplication mends that for subnormals, too.
  uint32_t magnitude = (half & 0x7fffu) << 13;
  auto bits =
      std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  bits |= magnitude >= (0x7c00u << 13) ? infinityBits : 0;
  return std::bit_cast<float>(bits | (half & 0x8000u) << 16);
}

static uint16_t floatToHalf(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  uint32_t magnitude = bits & ~signBit;
  // Below 2^-14 a half is a multiple of 2^-24, which is the unit in the last
  // place of 0.5: the addition rounds.
  auto subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
      std::bit_cast<uint32_t>(0.5f);
  // Adding just under half a unit, and the lowest kept bit, rounds to even.
  uint32_t normal =
      (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  uint32_t half = magnitude < (113u << 23) ? subnormal : normal;
  // 65520 lies midway between the largest half and the next power of two.
  half = magnitude >= std::bit_cast<uint32_t>(65520.0f) ? 0x7c00 : half;
  half = magnitude > infinityBits ? 0x7e00 : half;
  return static_cast<uint16_t>(half | (bits & signBit) >> 16);
}

static float brainToFloat(uint16_t brain) {
  return std::bit_cast<float>(uint32_t(brain) << 16);
}

static uint16_t floatToBrain(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  // Rounding up could turn a NaN into an infinity: make it a quiet one.
  uint32_t quiet = bits >> 16 | 0x40;
  return static_cast<uint16_t>((bits & ~signBit) > infinityBits ? quiet
                                                                : rounded);
}

/// Applies `convert` to the elements of unaligned storage.
template <typename To, typename From>
static void convertAll(const void *from, int64_t count, void *to,
                       To (*convert)(From)) {
  const auto *source = static_cast<const uint8_t *>(from);
  auto *target = static_cast<uint8_t *>(to);
  for (int64_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, source + i * sizeof(From), sizeof(From));
    To converted = convert(value);
    std::memcpy(target + i * sizeof(To), &converted, sizeof(To));
  }
}

void decodeFloats(Encoding encoding, const uint8_t *stored, int64_t count,
                  float *out) {
  switch (encoding) {
  case Encoding::F32:
    std::memcpy(out, stored, count * sizeof(float));
    return;
  case Encoding::F16:
    return convertAll(stored, count, out, halfToFloat);
  case Encoding::BF16:
    return convertAll(stored, count, out, brainToFloat);
  default:
    llvm_unreachable("no plain numbers");
  }
}

void encodeFloats(Encoding encoding, const float *values, int64_t count,
                  uint8_t *out) {
  switch (encoding) {
  case Encoding::F32:
    std::memcpy(out, values, count * sizeof(float));
    return;
  case Encoding::F16:
    return convertAll(values, count, out, floatToHalf);
  case Encoding::BF16:
    return convertAll(values, count, out, floatToBrain);
  default:
    llvm_unreachable("no plain numbers");
  }
}

bool decodeField(const uint8_t *stored, int64_t field, int64_t count,
                 int8_t *trits) {
  assert(field >= 0 && field < 4 && "a byte has four fields");
  uint8_t bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    uint8_t code = stored[i] >> (2 * field) & 3;
    bad |= code & code >> 1;
    trits[i] = static_cast<int8_t>(code - 1);
  }
  return bad == 0;
}

} // namespace ternac::packing
