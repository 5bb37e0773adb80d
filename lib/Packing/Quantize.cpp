//===- Quantize.cpp - Master weights to integers --------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Written so that the result does not depend on how the compiler vectorises:
// sums have a fixed number of lanes, everything else is element by element.
//
//===----------------------------------------------------------------------===//

#include "Quantize.h"

#include "llvm/Support/ErrorHandling.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ternac::packing {

static constexpr uint32_t magnitudeMask = 0x7fffffff, infinityBits = 0x7f800000;

std::optional<int64_t> findNonFinite(const float *values, int64_t count) {
  auto isNonFinite = [](float value) {
    return (std::bit_cast<uint32_t>(value) & infinityBits) == infinityBits;
  };
  // The common case, where there is none, has no exit and so vectorises.
  bool any = false;
  for (int64_t i = 0; i < count; ++i)
    any |= isNonFinite(values[i]);
  if (!any)
    return std::nullopt;
  return std::find_if(values, values + count, isNonFinite) - values;
}

double absSum(const float *values, int64_t count) {
  constexpr int64_t lanes = 8;
  double sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t lane = 0; lane < lanes; ++lane)
      sums[lane] += std::abs(static_cast<double>(values[i + lane]));
  for (int64_t lane = 0; i < count; ++i, ++lane)
    sums[lane] += std::abs(static_cast<double>(values[i]));
  for (int64_t half = lanes / 2; half > 0; half /= 2)
    for (int64_t lane = 0; lane < half; ++lane)
      sums[lane] += sums[lane + half];
  return sums[0];
}

float absmeanMultiplier(float mean) { return 1.0f / std::max(mean, 1e-5f); }

void quantizeTrits(const float *weights, int64_t count, float multiplier,
                   int8_t *trits) {
  // A clamp to [-1, 1] leaves of rounding only the question on which side of
  // one half a value lies; half itself goes to the even neighbour, zero.
  for (int64_t i = 0; i < count; ++i) {
    float scaled = weights[i] * multiplier;
    trits[i] = static_cast<int8_t>((scaled > 0.5f) - (scaled < -0.5f));
  }
}

void signsOf(const float *weights, int64_t count, int8_t *trits) {
  for (int64_t i = 0; i < count; ++i)
    trits[i] = static_cast<int8_t>((weights[i] > 0.0f) - (weights[i] < 0.0f));
}

std::optional<int64_t> findOtherMagnitude(const float *weights, int64_t count,
                                          float &magnitude) {
  auto bitsOf = [](float value) {
    return std::bit_cast<uint32_t>(value) & magnitudeMask;
  };
  uint32_t shared = bitsOf(magnitude), most = shared;
  for (int64_t i = 0; i < count; ++i)
    most = std::max(most, bitsOf(weights[i]));
  // The common case, where there is none, has no exit and so vectorises.
  bool isOther = most >= infinityBits || (shared != 0 && shared != most);
  for (int64_t i = 0; i < count; ++i)
    isOther |= bitsOf(weights[i]) != 0 && bitsOf(weights[i]) != most;
  if (!isOther) {
    magnitude = std::bit_cast<float>(most);
    return std::nullopt;
  }
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits = bitsOf(weights[i]);
    if (bits >= infinityBits || (bits != 0 && shared != 0 && bits != shared))
      return i;
    shared = std::max(shared, bits);
  }
  llvm_unreachable("one of the weights is of another magnitude");
}

float quantizeRow(const float *weights, int64_t count, int8_t *out) {
  // The bits of magnitudes are ordered as the magnitudes are, and integer
  // maxima vectorise.
  uint32_t maxBits = 0;
  for (int64_t i = 0; i < count; ++i)
    maxBits =
        std::max(maxBits, std::bit_cast<uint32_t>(weights[i]) & magnitudeMask);
  const float absmax = std::bit_cast<float>(maxBits);
  if (absmax == 0.0f) {
    std::fill_n(out, count, 0);
    return 0.0f;
  }
  for (int64_t i = 0; i < count; ++i) {
    // At 1.5 * 2^52 the unit in the last place is 1: adding it rounds. The
    // library's functions that round are calls, one for each element.
    constexpr double rounder = 0x1.8p52;
    double scaled = 127.0 * weights[i] / absmax;
    out[i] =
        static_cast<int8_t>(static_cast<int32_t>(scaled + rounder - rounder));
  }
  return absmax / 127.0f;
}

} // namespace ternac::packing
