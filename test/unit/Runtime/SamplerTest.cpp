//===- SamplerTest.cpp ----------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"
#include "gtest/gtest.h"

#include <cmath>
#include <set>
#include <vector>

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

int32_t sampleOnce(const std::vector<float> &logits, float temperature,
                   uint32_t topK = 0, float topP = 1, uint64_t seed = 0) {
  Sampler sampler(ternac_sampler_create(temperature, topK, topP, seed));
  return ternac_sample(sampler.get(), logits.data(),
                       static_cast<uint32_t>(logits.size()));
}

/// How often each token is drawn.
std::vector<int> countDraws(const std::vector<float> &logits, int draws,
                            float temperature, uint32_t topK, float topP) {
  Sampler sampler(ternac_sampler_create(temperature, topK, topP, 42));
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i)
    ++counts.at(ternac_sample(sampler.get(), logits.data(),
                              static_cast<uint32_t>(logits.size())));
  return counts;
}

TEST(Sampler, Greedy) {
  EXPECT_EQ(sampleOnce({1, 3, 3, 2}, 0), 1);
  EXPECT_EQ(sampleOnce({nan, -2, -1, nan}, 0), 2);
  EXPECT_EQ(sampleOnce({-inf, -inf}, 0), 0);
  EXPECT_EQ(sampleOnce({nan, inf, inf}, 0), 1);
}

TEST(Sampler, NoNumber) {
  EXPECT_EQ(sampleOnce({nan, nan}, 0), -1);
  EXPECT_EQ(sampleOnce({nan, nan}, 1, 1, 0.5f), -1);
  EXPECT_STREQ(ternac_last_error(),
               "cannot choose a token: no logit is a number");
}

TEST(Sampler, Frequencies) {
  // Probabilities 1/2, 1/4, 1/4 at temperature 1.
  std::vector<float> logits = {std::log(2.0f), 0, nan, 0, -inf};
  std::vector<int> counts = countDraws(logits, 40000, 1, 0, 1);
  EXPECT_NEAR(counts[0], 20000, 500);
  EXPECT_NEAR(counts[1], 10000, 500);
  EXPECT_NEAR(counts[3], 10000, 500);
  EXPECT_EQ(counts[2] + counts[4], 0);
  // At temperature 1/2: 4 : 1 : 1.
  counts = countDraws(logits, 60000, 0.5f, 0, 1);
  EXPECT_NEAR(counts[0], 40000, 700);
  EXPECT_NEAR(counts[1], 10000, 500);
}

TEST(Sampler, TopK) {
  std::vector<int> counts = countDraws({0, 5, 1, 5, 5, 2}, 3000, 1, 2, 1);
  EXPECT_NEAR(counts[1], 1500, 150);
  EXPECT_NEAR(counts[3], 1500, 150);
  EXPECT_EQ(counts[1] + counts[3], 3000);
  EXPECT_EQ(sampleOnce({0, 5, 1, 5}, 100, 1), 1);
  // More than there are keeps all.
  EXPECT_EQ(countDraws({0, 0}, 10, 1, 99, 1).size(), 2u);
}

TEST(Sampler, TopP) {
  // Probabilities 1/2, 1/4, 1/8, 1/8.
  std::vector<float> logits = {0, std::log(4.0f), std::log(2.0f), 0};
  EXPECT_EQ(countDraws(logits, 1000, 1, 0, 0.4f)[1], 1000);
  std::vector<int> counts = countDraws(logits, 9000, 1, 0, 0.7f);
  EXPECT_NEAR(counts[1], 6000, 300);
  EXPECT_NEAR(counts[2], 3000, 300);
  EXPECT_EQ(counts[0] + counts[3], 0);
  // The best token is kept however small top-p is.
  EXPECT_EQ(countDraws(logits, 100, 1, 0, 1e-9f)[1], 100);
  // Top-p is a share of what top-k keeps: 0.6 of 2/3 is one token.
  EXPECT_EQ(countDraws(logits, 1000, 1, 2, 0.6f)[1], 1000);
}

TEST(Sampler, Infinities) {
  std::vector<int> counts = countDraws({0, inf, 3, inf}, 2000, 1, 0, 1);
  EXPECT_NEAR(counts[1], 1000, 150);
  EXPECT_EQ(counts[1] + counts[3], 2000);
  counts = countDraws({-inf, -inf}, 2000, 1, 0, 0.9f);
  EXPECT_EQ(counts[0] + counts[1], 2000);
}

TEST(Sampler, SeedsDecide) {
  std::vector<float> logits(1000, 0.0f);
  std::set<int32_t> tokens;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    int32_t token = sampleOnce(logits, 1, 0, 1, seed);
    EXPECT_EQ(token, sampleOnce(logits, 1, 0, 1, seed));
    tokens.insert(token);
  }
  EXPECT_GT(tokens.size(), 40u);
}

TEST(Sampler, BadParameters) {
  EXPECT_EQ(ternac_sampler_create(-1, 0, 1, 0), nullptr);
  EXPECT_EQ(ternac_sampler_create(nan, 0, 1, 0), nullptr);
  EXPECT_EQ(ternac_sampler_create(inf, 0, 1, 0), nullptr);
  EXPECT_EQ(ternac_sampler_create(1, 0, 0, 0), nullptr);
  EXPECT_EQ(ternac_sampler_create(1, 0, nan, 0), nullptr);
  EXPECT_EQ(ternac_sampler_create(1, 0, 1.5f, 0), nullptr);
  EXPECT_STREQ(ternac_last_error(),
               "expected top-p above 0 and at most 1, but got 1.5");
}

} // namespace
