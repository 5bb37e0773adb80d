//===- Half.h - Narrow floating-point numbers ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_CUDAEMULATOR_HALF_H
#define TERNAC_TEST_CUDAEMULATOR_HALF_H

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace ternac::cuda_emulator {

enum class Rounding : uint8_t { Nearest, Zero, Down, Up };

/// `a * b + c` rounded to odd, from where a narrower format can be rounded to
/// without the error of rounding twice.
inline double oddFma(double a, double b, double c) {
  double result = std::fma(a, b, c);
  if (!std::isfinite(result))
    return result;
  // What the rounding lost, exact unless it is far too small to matter.
  double product = a * b;
  double productError = std::fma(a, b, -product);
  double sum = product + c;
  double part = sum - product;
  double sumError = (product - (sum - part)) + (c - part);
  double lost = (sum - result) + (sumError + productError);
  uint64_t bits;
  std::memcpy(&bits, &result, 8);
  if (lost != 0 && !(bits & 1)) {
    bits += (lost > 0) == (result > 0) ? 1 : -1;
    std::memcpy(&result, &bits, 8);
  }
  return result;
}

/// Rounds to a format with `mantissa` stored bits and exponents from `least`
/// of normal numbers to `most`; infinity if the result is too large.
inline double roundTo(double x, int mantissa, int least, int most,
                      Rounding rounding) {
  if (x == 0 || !std::isfinite(x))
    return x;
  int exponent;
  std::frexp(x, &exponent);
  --exponent;
  int step = (exponent < least ? least : exponent) - mantissa;
  double scaled = std::ldexp(x, -step), rounded = 0;
  switch (rounding) {
  case Rounding::Nearest:
    rounded = std::nearbyint(scaled);
    break;
  case Rounding::Zero:
    rounded = std::trunc(scaled);
    break;
  case Rounding::Down:
    rounded = std::floor(scaled);
    break;
  case Rounding::Up:
    rounded = std::ceil(scaled);
    break;
  }
  double result = std::copysign(std::ldexp(rounded, step), x);
  double largest = std::ldexp(2 - std::ldexp(1.0, -mantissa), most);
  if (std::fabs(result) > largest) {
    bool toInfinity = rounding == Rounding::Nearest ||
                      (rounding == Rounding::Up && x > 0) ||
                      (rounding == Rounding::Down && x < 0);
    result = std::copysign(
        toInfinity ? std::numeric_limits<double>::infinity() : largest, x);
  }
  return result;
}

inline float roundToFloat(double x, Rounding rounding) {
  return static_cast<float>(roundTo(x, 23, -126, 127, rounding));
}

/// A format of 16 bits with `M` stored bits of mantissa.
template <int M> struct Narrow {
  static constexpr int mantissa = M;
  static constexpr int bias = (1 << (14 - M)) - 1;
  static constexpr uint16_t infinity = uint16_t(0x7FFF >> M << M);

  uint16_t bits = 0;

  Narrow() = default;
  explicit Narrow(double x, Rounding rounding = Rounding::Nearest) {
    uint16_t sign = std::signbit(x) ? 0x8000 : 0;
    if (std::isnan(x)) {
      bits = 0x7FFF;
      return;
    }
    double rounded = std::fabs(roundTo(x, M, 1 - bias, bias, rounding));
    if (std::isinf(rounded)) {
      bits = sign | infinity;
      return;
    }
    int exponent = 1 - bias;
    if (rounded >= std::ldexp(1.0, 1 - bias)) {
      std::frexp(rounded, &exponent);
      --exponent;
    }
    uint32_t value = static_cast<uint32_t>(std::ldexp(rounded, M - exponent));
    // A leading one adds one to the exponent.
    bits = static_cast<uint16_t>(sign | (((exponent + bias - 1) << M) + value));
  }

  operator double() const { return static_cast<double>(toFloat()); }

  float toFloat() const {
    uint32_t magnitude = bits & 0x7FFF;
    uint32_t word;
    if (M == 7) {
      word = uint32_t(bits) << 16;
    } else if (magnitude >= infinity) {
      word = uint32_t(bits & 0x8000) << 16 | 0x7F800000 |
             (magnitude & ((1 << M) - 1)) << (23 - M);
    } else if (magnitude >> M) {
      word = uint32_t(bits & 0x8000) << 16 |
             ((magnitude << (23 - M)) + ((127 - bias) << 23));
    } else {
      float small = std::ldexp(static_cast<float>(magnitude), 1 - bias - M);
      return bits & 0x8000 ? -small : small;
    }
    float value;
    std::memcpy(&value, &word, 4);
    return value;
  }
};

using Half = Narrow<10>;
using BHalf = Narrow<7>;

} // namespace ternac::cuda_emulator

#endif // TERNAC_TEST_CUDAEMULATOR_HALF_H
