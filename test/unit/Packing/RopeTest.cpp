//===- RopeTest.cpp - Tables of rotary embeddings -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/Rope.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace ternac::packing;

namespace {

Rope ropeOf(RopeScaling scaling, double theta, double factor,
            int64_t originalLength = 0, double low = 0, double high = 0) {
  Rope rope;
  rope.theta = theta;
  rope.scaling = scaling;
  rope.factor = factor;
  rope.originalLength = originalLength;
  rope.low = low;
  rope.high = high;
  return rope;
}

/// Row `position` must be that of these frequencies.
void expectRow(const Rope &rope, int64_t position,
               const std::vector<double> &frequencies) {
  const int64_t half = frequencies.size();
  ASSERT_EQ(rope.invalid(2 * half), std::nullopt);
  std::vector<float> row(2 * half);
  RopeTable(rope, 2 * half).row(position, row.data());
  for (int64_t i = 0; i < half; ++i) {
    const double angle = double(position) * frequencies[i];
    EXPECT_NEAR(row[i], rope.attentionFactor * std::cos(angle), 1e-7) << i;
    EXPECT_NEAR(row[half + i], rope.attentionFactor * std::sin(angle), 1e-7)
        << i;
  }
}

void expectRows(const Rope &rope, const std::vector<double> &frequencies) {
  for (int64_t position : {0, 1, 17, 63, 64, 200})
    expectRow(rope, position, frequencies);
}

// The frequencies are those that the functions of transformers 5.23 gave when
// run in f64 on these parameters.

TEST(RopeTest, Default) { expectRows(Rope(), {1.0, 0.1, 0.01, 0.001}); }

TEST(RopeTest, Linear) {
  expectRows(ropeOf(RopeScaling::Linear, 1e4, 4),
             {0.25, 0.025, 0.0025, 0.00025});
}

TEST(RopeTest, DynamicFollowsTheLengthOfTheText) {
  Rope rope = ropeOf(RopeScaling::Dynamic, 1e4, 2, 16);
  for (int64_t position : {0, 3, 14, 15})
    expectRow(rope, position, {1.0, 0.1, 0.01, 0.001});
  expectRow(
      rope, 16,
      {1.0, 0.09614997135382723, 0.009244816991341796, 0.0008888888888888889});
  expectRow(rope, 39,
            {1.0, 0.06299605249474366, 0.003968502629920499, 0.00025});
}

TEST(RopeTest, Llama3) {
  expectRows(ropeOf(RopeScaling::Llama3, 5e5, 8, 32, 1, 4),
             {1.0, 0.02424034309358572, 0.004700753866357992,
              0.0009115830921521386, 0.00017677669529663688,
              3.428102195952591e-05, 6.647869871181236e-06,
              1.2891731721515574e-06});
  // Four pairs turn faster than `high`, two lie between.
  expectRows(ropeOf(RopeScaling::Llama3, 100, 3, 100, 0.5, 2.5),
             {1.0, 0.5623413251903491, 0.31622776601683794, 0.1778279410038923,
              0.06971831436396513, 0.026148759454668158, 0.010575627536677143,
              0.005927598033463076});
}

TEST(RopeTest, Yarn) {
  Rope rope = ropeOf(RopeScaling::Yarn, 1e4, 4, 64, 1, 32);
  rope.attentionFactor = 1.138629436111989;
  expectRows(rope,
             {1.0, 0.23717082451262847, 0.05, 0.007905694150420948, 0.0025,
              0.000790569415042095, 0.00025, 7.905694150420948e-05});
  rope.low = 0.5;
  rope.high = 8;
  rope.truncate = false;
  expectRows(rope, {1.0, 0.23840845044204842, 0.04424829579325597,
                    0.007905694150420948, 0.0025, 0.000790569415042095, 0.00025,
                    7.905694150420948e-05});
}

TEST(RopeTest, YarnFromAPairToItself) {
  // Both ends of the ramp are pair 0: all pairs but it get the whole factor.
  Rope rope = ropeOf(RopeScaling::Yarn, 1e4, 2, 4, 1, 32);
  expectRows(rope, {1.0, 0.05, 0.005, 0.0005});
}

TEST(RopeTest, Reasons) {
  auto reason = [](Rope rope, int64_t headDim = 8) {
    return rope.invalid(headDim).value_or("");
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(reason(ropeOf(RopeScaling::None, 0, 1)),
            "expected a positive finite theta, but got 0");
  EXPECT_EQ(reason(ropeOf(RopeScaling::None, nan, 1)),
            "expected a positive finite theta, but got nan");
  EXPECT_EQ(reason(ropeOf(RopeScaling::Linear, 1e4, 0.5)),
            "expected a finite factor of at least 1, but got 0.5");
  EXPECT_EQ(reason(ropeOf(RopeScaling::Linear, 1e4, infinity)),
            "expected a finite factor of at least 1, but got inf");
  EXPECT_EQ(reason(ropeOf(RopeScaling::Dynamic, 1e4, 2, 0)),
            "expected an original length of at least 1, but got 0");
  EXPECT_EQ(reason(ropeOf(RopeScaling::Dynamic, 1e4, 2, 8), 2),
            "expected heads of at least 4 elements for dynamic scaling, but "
            "got 2");
  EXPECT_EQ(reason(ropeOf(RopeScaling::Llama3, 1e4, 2, 8, 4, 4)),
            "expected low and high with 0 < low < high, but got 4 and 4");
  EXPECT_EQ(reason(ropeOf(RopeScaling::Llama3, 1e4, 2, 8, 0, 4)),
            "expected low and high with 0 < low < high, but got 0 and 4");
  EXPECT_EQ(reason(ropeOf(RopeScaling::Yarn, 1e4, 2, 8, 1, nan)),
            "expected low and high with 0 < low < high, but got 1 and nan");
  EXPECT_EQ(reason(ropeOf(RopeScaling::Yarn, 1, 2, 8, 1, 32)),
            "expected a theta above 1 for yarn, but got 1");
  EXPECT_EQ(reason(ropeOf(RopeScaling::Yarn, 2, 2, 1, 1, 32)),
            "expected yarn to begin before the pair it ends with, but it goes "
            "from 0 to -10 (the original length is too short, or theta too "
            "small)");
  Rope silent = ropeOf(RopeScaling::Yarn, 1e4, 2, 8, 1, 32);
  silent.attentionFactor = 0;
  EXPECT_EQ(reason(silent),
            "expected a positive finite attention factor, but got 0");
}

} // namespace
