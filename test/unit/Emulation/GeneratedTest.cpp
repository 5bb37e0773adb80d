//===- GeneratedTest.cpp - Code that LLVM generates, emulated -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM configures tiles by what it writes to the stack, spills and reloads
// them, and releases them at the end of each function.
//
//===----------------------------------------------------------------------===//

#include "Generated.h"
#include "Emulator.h"
#include "ternac/Runtime/HostFeatures.h"

#include <cstring>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

class GeneratedTest : public testing::Test {
protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
      GTEST_SKIP() << "needs a processor with AVX2 and FMA";
    // Where the processor has tiles, asking makes the system save them.
    (void)ternac::runtime::hostHasFeature("amx-int8");
    ASSERT_EQ(ternac_emulator_install(), 0);
  }

  template <typename T> static std::vector<T> bytes(size_t count, int seed) {
    std::mt19937 random(seed);
    std::vector<T> values(count);
    for (T &value : values)
      value = T(random());
    return values;
  }

  template <typename Function>
  static void checkMultiply(Function multiply, int rows, int columns,
                            int depth) {
    for (int steps : {1, 2, 5}) {
      int all = steps * depth;
      auto a = bytes<uint8_t>(rows * all, rows);
      auto b = bytes<int8_t>(columns * all, columns);
      std::vector<int32_t> c(rows * columns + 1, 77), expected = c;
      for (int m = 0; m < rows; ++m)
        for (int n = 0; n < columns; ++n)
          for (int k = 0; k < all; ++k)
            expected[m * columns + n] +=
                a[m * all + k] * b[(k / 4 * columns + n) * 4 + k % 4];
      multiply(steps, a.data(), b.data(), c.data());
      EXPECT_EQ(c, expected) << rows << " x " << columns << " x " << all;
    }
  }
};

#define CHECK(ROWS, COLUMNS, DEPTH)                                            \
  checkMultiply(multiply##ROWS##x##COLUMNS##x##DEPTH, ROWS, COLUMNS, DEPTH);

TEST_F(GeneratedTest, Bytes){EACH_SHAPE(CHECK)}

TEST_F(GeneratedTest, TwoThreads) {
  auto work = [] {
    for (int i = 0; i < 20; ++i) {
      EACH_SHAPE(CHECK)
    }
  };
  std::thread other(work);
  work();
  other.join();
}

TEST_F(GeneratedTest, SpilledTiles) {
  auto a = bytes<int8_t>(12 * 1024, 1), b = bytes<int8_t>(3 * 1024, 2);
  std::vector<int32_t> c(12 * 256), expected(12 * 256);
  for (int i = 0; i < 12; ++i)
    for (int round = 0; round < 3; ++round)
      for (int m = 0; m < 16; ++m)
        for (int n = 0; n < 16; ++n)
          for (int k = 0; k < 64; ++k)
            expected[256 * i + 16 * m + n] +=
                a[1024 * ((i + round) % 12) + 64 * m + k] *
                b[1024 * round + 64 * (k / 4) + 4 * n + k % 4];
  multiplyMany(a.data(), b.data(), c.data());
  EXPECT_EQ(c, expected);
}

TEST_F(GeneratedTest, Pairs) {
  auto float32 = [](int value) {
    float f = float(value);
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
  };
  std::vector<uint32_t> a(256), b(256);
  std::vector<float> c(256), expected(256);
  auto x = [](int m, int k) { return (m * 7 + k * 3) % 17 - 8; };
  auto y = [](int k, int n) { return (k * 5 + n * 11) % 13 - 6; };
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) {
      a[16 * i + j] = float32(x(i, 2 * j)) >> 16 | float32(x(i, 2 * j + 1));
      b[16 * i + j] = float32(y(2 * i, j)) >> 16 | float32(y(2 * i + 1, j));
      for (int k = 0; k < 32; ++k)
        expected[16 * i + j] += float(x(i, k) * y(k, j));
    }
  multiplyPairs(a.data(), b.data(), c.data());
  EXPECT_EQ(c, expected);
}

TEST_F(GeneratedTest, Vectors) {
  auto a = bytes<uint8_t>(1280, 1);
  auto b = bytes<int8_t>(1280, 2);
  EXPECT_EQ(dotBytes(1280, a.data(), b.data()),
            std::inner_product(a.begin(), a.end(), b.begin(), 0));
}

} // namespace
