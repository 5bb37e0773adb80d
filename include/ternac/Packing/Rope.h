//===- Rope.h - Tables of rotary embeddings ---------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rotary embedding turns pair i of the D/2 pairs of a head by the angle
// p * f(i) at position p. Without scaling f(i) = theta^(-2i/D). For positions
// beyond the L that a model was trained on ("original length") frequencies are
// scaled; with the factor s:
//
//   linear   f / s
//   dynamic  f with theta * (s * n / L - (s - 1))^(D / (D - 2)) for theta; n is
//            the length of the text that ends with p, n = max(p + 1, L)
//   llama3   f * (1 - w + w / s), w = clamp((high - r) / (high - low), 0, 1),
//            where r = L * f / (2 pi) is the turns that a pair makes within L
//   yarn     f * (1 - w + w / s), w = clamp((i - a) / (b - a), 0, 1), where
//            a = max(floor(pair(high)), 0), b = min(ceil(pair(low)), D - 1) and
//            pair(r) = D * ln(L / (2 pi r)) / (2 ln theta) is the i that makes
//            r turns; where a = b, b is 0.001 more. Without `truncate` nothing
//            is rounded. Cosines and sines are multiplied by `attentionFactor`.
//
// These are the rules of transformers (modeling_rope_utils.py, versions 4.57
// and 5), but for "dynamic": there n is the length of the longest text of the
// call, so that it depends on how a prompt is cut; it is the same where a text
// is fed token by token. YaRN is arXiv:2309.00071.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PACKING_ROPE_H
#define TERNAC_PACKING_ROPE_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ternac::packing {

enum class RopeScaling : uint32_t {
  None = 0,
  Linear = 1,
  Dynamic = 2,
  Llama3 = 3,
  Yarn = 4,
};

/// The parameters of the file comment; each scaling reads its own.
struct Rope {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::None;
  double factor = 1.0;          ///< s
  int64_t originalLength = 0;   ///< L; all but linear
  double low = 0.0;             ///< llama3, yarn: fewer turns get the factor
  double high = 0.0;            ///< llama3, yarn: more turns stay as they are
  double attentionFactor = 1.0; ///< yarn
  bool truncate = true;         ///< yarn

  bool operator==(const Rope &) const = default;

  /// The reason why there are no tables for heads of `headDim` elements, or
  /// nullopt.
  std::optional<std::string> invalid(int64_t headDim) const;
};

/// Computes rows of the table of a valid Rope, in f64, each rounded to f32.
class RopeTable {
public:
  RopeTable(const Rope &rope, int64_t headDim);

  /// Writes row `position`: headDim / 2 cosines, then as many sines.
  void row(int64_t position, float *out) const;

private:
  Rope rope;
  std::vector<double> frequencies;
};

} // namespace ternac::packing

#endif // TERNAC_PACKING_ROPE_H
