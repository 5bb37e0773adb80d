//===- Rope.cpp - Tables of rotary embeddings -----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/Rope.h"

#include "llvm/Support/ErrorHandling.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

namespace ternac::packing {

static constexpr double fullTurn = 2.0 * std::numbers::pi;

/// theta^(-2i/D) of each pair.
static std::vector<double> plainFrequencies(double theta, int64_t half) {
  std::vector<double> frequencies(half);
  for (int64_t i = 0; i < half; ++i)
    frequencies[i] = std::pow(theta, -double(i) / double(half));
  return frequencies;
}

namespace {
/// The pairs between which yarn goes from no scaling to the whole factor.
struct Ramp {
  double first, last;
};
} // namespace

static Ramp rampOf(const Rope &rope, int64_t headDim) {
  auto pairOf = [&](double turns) {
    return double(headDim) *
           std::log(double(rope.originalLength) / (fullTurn * turns)) /
           (2.0 * std::log(rope.theta));
  };
  Ramp ramp = {pairOf(rope.high), pairOf(rope.low)};
  if (rope.truncate)
    ramp = {std::floor(ramp.first), std::ceil(ramp.last)};
  return {std::max(ramp.first, 0.0), std::min(ramp.last, double(headDim - 1))};
}

static bool isPositive(double value) {
  return value > 0.0 && std::isfinite(value);
}

static std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}

std::optional<std::string> Rope::invalid(int64_t headDim) const {
  if (!isPositive(theta))
    return "expected a positive finite theta, but got " + number(theta);
  if (scaling == RopeScaling::None)
    return std::nullopt;
  if (!isPositive(factor) || factor < 1.0)
    return "expected a finite factor of at least 1, but got " + number(factor);
  if (scaling == RopeScaling::Linear)
    return std::nullopt;
  if (originalLength < 1)
    return "expected an original length of at least 1, but got " +
           std::to_string(originalLength);
  if (scaling == RopeScaling::Dynamic) {
    if (headDim >= 4)
      return std::nullopt;
    return "expected heads of at least 4 elements for dynamic scaling, but "
           "got " +
           std::to_string(headDim);
  }
  if (!isPositive(low) || !isPositive(high) || low >= high)
    return "expected low and high with 0 < low < high, but got " + number(low) +
           " and " + number(high);
  if (scaling == RopeScaling::Llama3)
    return std::nullopt;
  if (!isPositive(attentionFactor))
    return "expected a positive finite attention factor, but got " +
           number(attentionFactor);
  if (theta <= 1.0)
    return "expected a theta above 1 for yarn, but got " + number(theta);
  if (Ramp ramp = rampOf(*this, headDim); ramp.first > ramp.last)
    return "expected yarn to begin before the pair it ends with, but it goes "
           "from " +
           number(ramp.first) + " to " + number(ramp.last) +
           " (the original length is too short, or theta too small)";
  return std::nullopt;
}

/// The part of the factor, from 0 to 1, that pair `i` of that frequency gets.
static double weightOf(const Rope &rope, int64_t headDim, int64_t i,
                       double frequency) {
  switch (rope.scaling) {
  case RopeScaling::None:
  case RopeScaling::Dynamic:
    return 0.0;
  case RopeScaling::Linear:
    return 1.0;
  case RopeScaling::Llama3: {
    const double turns = double(rope.originalLength) * frequency / fullTurn;
    return std::clamp((rope.high - turns) / (rope.high - rope.low), 0.0, 1.0);
  }
  case RopeScaling::Yarn: {
    auto [first, last] = rampOf(rope, headDim);
    const double width = first == last ? 0.001 : last - first;
    return std::clamp((double(i) - first) / width, 0.0, 1.0);
  }
  }
  llvm_unreachable("all scalings handled");
}

RopeTable::RopeTable(const Rope &rope, int64_t headDim)
    : rope(rope), frequencies(plainFrequencies(rope.theta, headDim / 2)) {
  for (int64_t i = 0; i < headDim / 2; ++i) {
    const double weight = weightOf(rope, headDim, i, frequencies[i]);
    frequencies[i] *= 1.0 - weight + weight / rope.factor;
  }
}

void RopeTable::row(int64_t position, float *out) const {
  const int64_t half = frequencies.size();
  auto write = [&](const std::vector<double> &frequencies) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = double(position) * frequencies[i];
      out[i] = static_cast<float>(std::cos(angle) * rope.attentionFactor);
      out[half + i] =
          static_cast<float>(std::sin(angle) * rope.attentionFactor);
    }
  };
  if (rope.scaling != RopeScaling::Dynamic || position < rope.originalLength)
    return write(frequencies);
  const double headDim = 2.0 * double(half);
  const double stretch =
      rope.factor * double(position + 1) / double(rope.originalLength) -
      (rope.factor - 1.0);
  write(plainFrequencies(
      rope.theta * std::pow(stretch, headDim / (headDim - 2.0)), half));
}

} // namespace ternac::packing
