//===- Sampler.cpp - Drawing tokens from logits ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums are taken in one fixed order and the random numbers are our own, so the
// same logits and seed give the same tokens with every standard library.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "ternac/Runtime/Session.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

using namespace ternac::runtime;

namespace {

struct Candidate {
  int32_t token;
  float logit;
  double weight; ///< its probability, but for a common factor
};

/// Whether `a` is a better choice than `b`; of equals the lower id is.
bool isBetter(const Candidate &a, const Candidate &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

double sumOfWeights(const std::vector<Candidate> &candidates) {
  double sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.weight;
  return sum;
}

} // namespace

struct TernacSampler {
  float temperature;
  uint32_t topK;
  float topP;
  uint64_t state; ///< of the random numbers

  // Kept between calls to spare the allocations.
  std::vector<Candidate> candidates, kept;

  double nextUniform();
  void collect(const float *logits, uint32_t vocabSize);
  void keepLikely();
  int32_t draw(const std::vector<Candidate> &from);
};

/// A number in [0, 1) by SplitMix64 (Steele, Lea, Flood 2014): one word of
/// state, and any seed is a good one.
double TernacSampler::nextUniform() {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return double(z >> 11) * 0x1p-53;
}

/// Fills `candidates` with the tokens whose logit is a number.
void TernacSampler::collect(const float *logits, uint32_t vocabSize) {
  candidates.clear();
  float highest = -std::numeric_limits<float>::infinity();
  for (uint32_t token = 0; token < vocabSize; ++token) {
    if (std::isnan(logits[token]))
      continue;
    candidates.push_back({static_cast<int32_t>(token), logits[token], 0});
    highest = std::max(highest, logits[token]);
  }
  for (Candidate &candidate : candidates) {
    // Equality apart: the difference of two infinities is no number.
    candidate.weight =
        candidate.logit == highest
            ? 1
            : std::exp((double(candidate.logit) - highest) / temperature);
  }
}

/// Fills `kept` with the best `topK` candidates, and of those with the fewest
/// whose probability reaches `topP`.
void TernacSampler::keepLikely() {
  if (topK && topK < candidates.size()) {
    std::partial_sort(candidates.begin(), candidates.begin() + topK,
                      candidates.end(), isBetter);
    candidates.resize(topK);
  }
  double total = sumOfWeights(candidates);
  // A heap rather than a sort: few are kept of very many.
  auto isWorse = [](const Candidate &a, const Candidate &b) {
    return isBetter(b, a);
  };
  std::make_heap(candidates.begin(), candidates.end(), isWorse);
  kept.clear();
  double sum = 0;
  while (!candidates.empty() && (kept.empty() || sum < topP * total)) {
    std::pop_heap(candidates.begin(), candidates.end(), isWorse);
    kept.push_back(candidates.back());
    candidates.pop_back();
    sum += kept.back().weight;
  }
}

int32_t TernacSampler::draw(const std::vector<Candidate> &from) {
  double target = nextUniform() * sumOfWeights(from);
  double sum = 0;
  for (const Candidate &candidate : from) {
    sum += candidate.weight;
    if (target < sum)
      return candidate.token;
  }
  return from.back().token;
}

TernacSampler *ternac_sampler_create(float temperature, uint32_t top_k,
                                     float top_p, uint64_t seed) {
  // Written so that NaN fails.
  if (!(temperature >= 0) || std::isinf(temperature)) {
    setError("expected a temperature of at least 0, but got %g", temperature);
    return nullptr;
  }
  if (!(top_p > 0 && top_p <= 1)) {
    setError("expected top-p above 0 and at most 1, but got %g", top_p);
    return nullptr;
  }
  return new TernacSampler{temperature, top_k, top_p, seed, {}, {}};
}

void ternac_sampler_destroy(TernacSampler *sampler) { delete sampler; }

/// The lowest token among those with the highest logit; -1 if none is a number.
static int32_t greedy(const float *logits, uint32_t vocabSize) {
  int32_t best = -1;
  for (uint32_t token = 0; token < vocabSize; ++token)
    if (!std::isnan(logits[token]) &&
        (best < 0 || logits[token] > logits[best]))
      best = static_cast<int32_t>(token);
  return best;
}

int32_t ternac_sample(TernacSampler *sampler, const float *logits,
                      uint32_t vocab_size) {
  int32_t token = -1;
  if (sampler->temperature == 0) {
    token = greedy(logits, vocab_size);
  } else {
    sampler->collect(logits, vocab_size);
    if (!sampler->candidates.empty()) {
      bool keepAll = sampler->topK == 0 && sampler->topP == 1;
      if (!keepAll)
        sampler->keepLikely();
      token = sampler->draw(keepAll ? sampler->candidates : sampler->kept);
    }
  }
  if (token < 0)
    setError("cannot choose a token: no logit is a number");
  return token;
}
