//===- TilesTest.cpp - AMX, emulated --------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emulator.h"
#include "ternac/Runtime/HostFeatures.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

struct Config {
  uint8_t palette = 1;
  uint8_t startRow = 0;
  uint8_t reserved[14] = {};
  uint16_t rowBytes[16] = {};
  uint8_t rows[16] = {};

  Config &tile(int t, int tileRows, int tileRowBytes) {
    rows[t] = tileRows;
    rowBytes[t] = tileRowBytes;
    return *this;
  }
};
static_assert(sizeof(Config) == 64);

void loadConfig(const Config &config) {
  asm volatile("ldtilecfg %0" ::"m"(config));
}
void storeConfig(Config &config) {
  asm volatile("sttilecfg %0" : "=m"(config));
}
void release() { asm volatile("tilerelease"); }
template <int t> void zero() { asm volatile("tilezero %%tmm%c0" ::"i"(t)); }
template <int t> void load(const void *address, int64_t stride) {
  asm volatile("tileloadd (%1,%2), %%tmm%c0" ::"i"(t), "r"(address), "r"(stride)
               : "memory");
}
template <int t> void store(void *address, int64_t stride) {
  asm volatile("tilestored %%tmm%c0, (%1,%2)" ::"i"(t), "r"(address),
               "r"(stride)
               : "memory");
}

/// tmm(c) += tmm(a) * tmm(b)
#define DOT(NAME)                                                              \
  template <int c, int a, int b> void NAME() {                                 \
    asm volatile(#NAME " %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a),       \
                 "i"(b));                                                      \
  }
DOT(tdpbssd)
DOT(tdpbsud)
DOT(tdpbusd)
DOT(tdpbuud)
DOT(tdpbf16ps)

/// Memory of a tile, filled with bytes that no test expects.
struct Block {
  uint8_t bytes[16][64];
  explicit Block(int byte = 0xa5) { memset(bytes, byte, sizeof(bytes)); }
  template <typename Random> static Block of(Random &random) {
    static constexpr uint8_t extremes[] = {0, 1, 127, 128, 255};
    Block block;
    for (auto &row : block.bytes)
      for (uint8_t &byte : row)
        byte = random() % 3 ? random() : extremes[random() % 5];
    return block;
  }
  uint32_t lane(int row, int column) const {
    uint32_t value;
    memcpy(&value, &bytes[row][4 * column], 4);
    return value;
  }
  void setLane(int row, int column, uint32_t value) {
    memcpy(&bytes[row][4 * column], &value, 4);
  }
  bool operator==(const Block &other) const {
    return memcmp(bytes, other.bytes, sizeof(bytes)) == 0;
  }
};

class TilesTest : public testing::Test {
protected:
  void SetUp() override {
    // Where the processor has tiles, asking also makes the system save them.
    native = ternac::runtime::hostHasFeature("amx-int8").value_or(false);
    ASSERT_EQ(ternac_emulator_install(), 0);
    release();
  }
  void TearDown() override { release(); }

  /// Of the bytes that `t` has, those of `from`; of the others, those of `to`.
  static Block merge(const Config &config, int t, const Block &from, Block to) {
    for (int row = 0; row < config.rows[t]; ++row)
      memcpy(to.bytes[row], from.bytes[row], config.rowBytes[t]);
    return to;
  }

  std::mt19937 random;
  bool native = false;
};

TEST_F(TilesTest, Config) {
  Config stored;
  storeConfig(stored);
  Config none;
  none.palette = 0;
  EXPECT_EQ(memcmp(&stored, &none, 64), 0);
  Config config = Config().tile(0, 16, 64).tile(5, 3, 20).tile(7, 1, 1);
  loadConfig(config);
  storeConfig(stored);
  EXPECT_EQ(memcmp(&stored, &config, 64), 0);
  loadConfig(none);
  storeConfig(stored);
  EXPECT_EQ(memcmp(&stored, &none, 64), 0);
}

TEST_F(TilesTest, LoadAndStore) {
  Config config = Config().tile(0, 16, 64).tile(3, 5, 13).tile(7, 1, 64);
  loadConfig(config);
  Block block = Block::of(random), empty(0), rest;
  auto check = [&]<int t>() {
    Block stored;
    store<t>(&stored, 64);
    EXPECT_EQ(stored, merge(config, t, empty, rest)); // zero at first
    load<t>(&block, 64);
    stored = rest;
    store<t>(&stored, 64);
    EXPECT_EQ(stored, merge(config, t, block, rest));
    zero<t>();
    stored = rest;
    store<t>(&stored, 64);
    EXPECT_EQ(stored, merge(config, t, empty, rest));
    load<t>(&block, 64);
  };
  check.operator()<0>();
  check.operator()<3>();
  check.operator()<7>();
  // Another configuration clears all tiles, also the same one.
  loadConfig(config);
  Block stored;
  store<0>(&stored, 64);
  EXPECT_EQ(stored, empty);
}

TEST_F(TilesTest, Addresses) {
  Config config = Config().tile(2, 4, 24);
  loadConfig(config);
  std::vector<uint8_t> memory(4096);
  for (uint8_t &byte : memory)
    byte = random();
  const uint8_t *middle = memory.data() + 2048;
  auto check = [&](const char *what, int64_t offset, int64_t stride) {
    SCOPED_TRACE(what);
    Block stored, expected;
    store<2>(&stored, 64);
    for (int row = 0; row < 4; ++row)
      memcpy(expected.bytes[row], middle + offset + row * stride, 24);
    EXPECT_EQ(stored, expected);
    zero<2>();
  };
  load<2>(middle, 100);
  check("a stride", 0, 100);
  load<2>(middle, -333);
  check("backwards", 0, -333);
  asm volatile("tileloaddt1 (%0,%1,8), %%tmm2" ::"r"(middle), "r"(25L));
  check("times 8", 0, 200);
  asm volatile("tileloadd -64(%0,%1,2), %%tmm2" ::"r"(middle), "r"(60L));
  check("a byte of displacement", -64, 120);
  asm volatile("tileloadd 0x201(%0,%1,4), %%tmm2" ::"r"(middle), "r"(-30L));
  check("a displacement", 0x201, -120);
  asm volatile("tileloadd 8(%0), %%tmm2" ::"r"(middle));
  check("no index", 8, 0);
  asm volatile("movq %0, %%r12\n movq $70, %%r15\n"
               "tileloadd (%%r12,%%r15), %%tmm2" ::"r"(middle)
               : "r12", "r15");
  check("r12 and r15", 0, 70);
  asm volatile("movq %0, %%r13\n movq $70, %%r12\n"
               "tileloadd (%%r13,%%r12), %%tmm2" ::"r"(middle)
               : "r12", "r13");
  check("r13 and r12", 0, 70);
  asm volatile("movq %0, %%rax\n movq $70, %%r9\n"
               "tileloadd 127(%%rax,%%r9), %%tmm2" ::"r"(middle)
               : "rax", "r9");
  check("rax and r9", 127, 70);
  load<2>(middle, 64);
  asm volatile("tilestored %%tmm2, 0x64(%0,%1,2)" ::"r"(memory.data()),
               "r"(100L)
               : "memory");
  for (int row = 0; row < 4; ++row)
    EXPECT_EQ(memcmp(&memory[0x64 + 200 * row], middle + 64 * row, 24), 0);
}

template <typename A, typename B>
Block product(const Config &config, const Block &a, const Block &b, Block c) {
  for (int m = 0; m < config.rows[0]; ++m)
    for (int n = 0; n < config.rowBytes[0] / 4; ++n) {
      uint32_t sum = c.lane(m, n);
      for (int k = 0; k < config.rowBytes[1]; ++k)
        sum += uint32_t(int(A(a.bytes[m][k])) *
                        int(B(b.bytes[k / 4][4 * n + k % 4])));
      c.setLane(m, n, sum);
    }
  return c;
}

TEST_F(TilesTest, Bytes) {
  int shapes[][3] = {{16, 64, 16}, {1, 4, 1},  {5, 12, 3},  {16, 4, 2},
                     {1, 64, 16},  {9, 64, 7}, {16, 64, 1}, {3, 20, 16}};
  for (auto [m, k, n] : shapes) {
    Config config =
        Config().tile(0, m, 4 * n).tile(1, m, k).tile(7, k / 4, 4 * n);
    Block a = Block::of(random), b = Block::of(random), c = Block::of(random);
    Block rest;
    auto check = [&](auto dot, const Block &expected) {
      loadConfig(config);
      load<0>(&c, 64);
      load<1>(&a, 64);
      load<7>(&b, 64);
      dot();
      Block stored;
      store<0>(&stored, 64);
      EXPECT_EQ(stored, merge(config, 0, expected, rest));
    };
    check(tdpbssd<0, 1, 7>, product<int8_t, int8_t>(config, a, b, c));
    check(tdpbsud<0, 1, 7>, product<int8_t, uint8_t>(config, a, b, c));
    check(tdpbusd<0, 1, 7>, product<uint8_t, int8_t>(config, a, b, c));
    check(tdpbuud<0, 1, 7>, product<uint8_t, uint8_t>(config, a, b, c));
  }
}

TEST_F(TilesTest, ExtremesWrap) {
  Config config = Config().tile(0, 1, 4).tile(1, 1, 64).tile(2, 16, 4);
  Block low(0x80), high(0xff), sum;
  auto run = [&](auto dot, const Block &a, const Block &b, uint32_t start) {
    loadConfig(config);
    sum.setLane(0, 0, start);
    load<0>(&sum, 64);
    load<1>(&a, 64);
    load<2>(&b, 64);
    dot();
    store<0>(&sum, 64);
    return sum.lane(0, 0);
  };
  EXPECT_EQ(run(tdpbssd<0, 1, 2>, low, low, 0), 64u * 128 * 128);
  EXPECT_EQ(run(tdpbuud<0, 1, 2>, high, high, 0), 64u * 255 * 255);
  EXPECT_EQ(run(tdpbsud<0, 1, 2>, low, high, 0), -64u * 128 * 255);
  EXPECT_EQ(run(tdpbusd<0, 1, 2>, high, low, 0), -64u * 128 * 255);
  EXPECT_EQ(run(tdpbusd<0, 1, 2>, low, high, 0), -64u * 128);
  EXPECT_EQ(run(tdpbuud<0, 1, 2>, high, high, 0x7fffffff),
            0x7fffffff + 64u * 255 * 255);
  EXPECT_EQ(run(tdpbsud<0, 1, 2>, low, high, 0x80000000),
            0x80000000 - 64u * 128 * 255);
}

uint32_t bits(float value) {
  uint32_t result;
  memcpy(&result, &value, 4);
  return result;
}
uint32_t pair(float even, float odd) {
  return bits(even) >> 16 | (bits(odd) & 0xffff0000);
}

class BF16Test : public TilesTest {
protected:
  void SetUp() override {
    TilesTest::SetUp();
    if (!__builtin_cpu_supports("fma"))
      GTEST_SKIP() << "the emulation of tdpbf16ps needs FMA";
  }

  /// sum + the products of up to 16 pairs.
  static float run(float sum,
                   std::vector<std::pair<uint32_t, uint32_t>> pairs) {
    int count = int(pairs.size());
    loadConfig(Config().tile(0, 1, 4).tile(1, 1, 4 * count).tile(2, count, 4));
    Block a, b, c;
    c.setLane(0, 0, bits(sum));
    for (int k = 0; k < count; ++k) {
      a.setLane(0, k, pairs[k].first);
      b.setLane(k, 0, pairs[k].second);
    }
    load<0>(&c, 64);
    load<1>(&a, 64);
    load<2>(&b, 64);
    tdpbf16ps<0, 1, 2>();
    store<0>(&c, 64);
    uint32_t lane = c.lane(0, 0);
    memcpy(&sum, &lane, 4);
    return sum;
  }
};

TEST_F(BF16Test, Exact) {
  Config config = Config().tile(3, 5, 28).tile(4, 5, 48).tile(6, 12, 28);
  Block a, b, c, expected, stored;
  auto value = [&] { return float(int(random() % 31)) - 15; };
  std::vector<float> x(5 * 24), y(24 * 7);
  for (float &v : x)
    v = value();
  for (float &v : y)
    v = value();
  for (int k = 0; k < 12; ++k) {
    for (int m = 0; m < 5; ++m)
      a.setLane(m, k, pair(x[24 * m + 2 * k], x[24 * m + 2 * k + 1]));
    for (int n = 0; n < 7; ++n)
      b.setLane(k, n, pair(y[7 * (2 * k) + n], y[7 * (2 * k + 1) + n]));
  }
  for (int m = 0; m < 5; ++m)
    for (int n = 0; n < 7; ++n) {
      float sum = value();
      c.setLane(m, n, bits(sum));
      for (int k = 0; k < 24; ++k)
        sum += x[24 * m + k] * y[7 * k + n];
      expected.setLane(m, n, bits(sum));
    }
  loadConfig(config);
  load<3>(&c, 64);
  load<4>(&a, 64);
  load<6>(&b, 64);
  tdpbf16ps<3, 4, 6>();
  store<3>(&stored, 64);
  EXPECT_EQ(stored, merge(config, 3, expected, Block()));
}

TEST_F(BF16Test, OrderAndRounding) {
  float big = 16777216; // 2^24, beyond which f32 has only even integers
  EXPECT_EQ(run(0, {{pair(big, 0), pair(1, 0)}, {pair(1, 0), pair(1, 0)}}),
            big);
  EXPECT_EQ(run(0, {{pair(big, 0), pair(1, 0)}, {pair(3, 0), pair(1, 0)}}),
            big + 4);
  // Even and odd products have a sum each, which the old value joins last.
  EXPECT_EQ(run(0, {{pair(big, 1), pair(1, 1)}, {pair(1, 1), pair(1, 1)}}),
            big + 2);
  EXPECT_EQ(run(-big, {{pair(big, 1), pair(1, 1)}}), 0);
  // Products are not rounded before they are added: 257/256 has 9 bits.
  float x = 1 + 1.0f / 128;
  EXPECT_EQ(run(0, {{pair(-1, 0), pair(1, 0)}, {pair(x, 0), pair(x, 0)}}),
            1.0f / 64 + 1.0f / 16384);
}

TEST_F(BF16Test, DenormalsAreZero) {
  float smallest = std::numeric_limits<float>::min();
  float denormal = smallest / 4;
  EXPECT_EQ(run(0, {{pair(denormal, 0), pair(1e30f, 0)}}), 0);
  EXPECT_EQ(bits(run(denormal, {{0, 0}})), 0u);
  EXPECT_EQ(run(0, {{pair(smallest, 0), pair(0.5, 0)}}), 0);
  EXPECT_EQ(run(0, {{pair(smallest, 0), pair(1, 0)}}), smallest);
  float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(run(1, {{pair(infinity, 0), pair(2, 0)}}), infinity);
  EXPECT_TRUE(std::isnan(run(1, {{pair(infinity, 0), pair(0, 0)}})));
}

TEST_F(TilesTest, Threads) {
  auto work = [](int seed) {
    std::mt19937 own(seed);
    Config config;
    int m = 1 + seed, k = 4 * (seed + 2), n = 16 - seed;
    config.tile(0, m, 4 * n).tile(1, m, k).tile(7, k / 4, 4 * n);
    Block a = Block::of(own), b = Block::of(own), c = Block::of(own);
    Block expected = c;
    loadConfig(config);
    load<0>(&c, 64);
    load<1>(&a, 64);
    load<7>(&b, 64);
    for (int round = 0; round < 300; ++round) {
      tdpbssd<0, 1, 7>();
      expected = product<int8_t, int8_t>(config, a, b, expected);
    }
    store<0>(&c, 64);
    release();
    EXPECT_EQ(c, expected);
  };
  // More threads than may have tiles at once, one after the other.
  for (int round = 0; round < 100; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([] {
        loadConfig(Config().tile(0, 1, 4));
        release();
      });
    for (std::thread &thread : threads)
      thread.join();
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back(work, i);
  for (std::thread &thread : threads)
    thread.join();
}

TEST_F(TilesTest, Faults) {
  if (native)
    GTEST_SKIP() << "this processor has tiles and says nothing";
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Config ok = Config().tile(0, 4, 16).tile(1, 4, 8).tile(2, 2, 16);
  EXPECT_DEATH(zero<0>(), "emulator: tilezero: no tiles are configured");
  EXPECT_DEATH((loadConfig(ok), release(), zero<0>()),
               "tilezero: no tiles are configured");
  EXPECT_DEATH((loadConfig(ok), zero<3>()), "tilezero: tmm3 is not configured");
  auto refused = [](auto change, const char *message) {
    EXPECT_DEATH(
        {
          Config config = Config().tile(0, 4, 16);
          change(config);
          loadConfig(config);
        },
        message);
  };
  refused([](Config &c) { c.palette = 2; }, "ldtilecfg: there is no palette 2");
  refused([](Config &c) { c.startRow = 1; }, "start row 1");
  refused([](Config &c) { c.reserved[13] = 1; }, "reserved bytes");
  refused([](Config &c) { c.rowBytes[8] = 1; }, "reserved bytes");
  refused([](Config &c) { c.rows[15] = 1; }, "reserved bytes");
  refused([](Config &c) { c.rows[0] = 17; },
          "tmm0 cannot have 17 rows of 16 bytes");
  refused([](Config &c) { c.rowBytes[0] = 65; },
          "tmm0 cannot have 4 rows of 65 bytes");
  refused([](Config &c) { c.rows[0] = 0; },
          "tmm0 cannot have 0 rows of 16 bytes");
  refused([](Config &c) { c.rowBytes[0] = 0; },
          "tmm0 cannot have 4 rows of 0 bytes");

  auto noProduct = [&](auto change, const char *message) {
    EXPECT_DEATH(
        {
          Config config = ok;
          change(config);
          loadConfig(config);
          (tdpbusd<0, 1, 2>());
        },
        message);
  };
  noProduct([](Config &c) { c.tile(1, 3, 8); },
            "tdpbusd: 4 rows of 16 bytes in tmm0 do not fit 3 rows of 8 bytes "
            "in tmm1 times 2 rows of 16 bytes in tmm2");
  noProduct([](Config &c) { c.tile(1, 4, 12); }, "do not fit");
  noProduct([](Config &c) { c.tile(2, 2, 20); }, "do not fit");
  noProduct([](Config &c) { c.tile(1, 4, 6); },
            "tmm1 has rows of 6 bytes, no multiple of 4");
  noProduct([](Config &c) { c.tile(2, 0, 0); }, "tmm2 is not configured");
  EXPECT_DEATH(
      {
        loadConfig(ok);
        // tdpbusd %tmm1, %tmm1, %tmm0, which no assembler takes
        asm volatile(".byte 0xc4, 0xe2, 0x71, 0x5e, 0xc1");
      },
      "tmm0, tmm1 and tmm1 are not three tiles");
}

TEST_F(TilesTest, Count) {
  uint64_t before = ternac_emulator_count();
  loadConfig(Config().tile(0, 1, 4));
  zero<0>();
  release();
  EXPECT_EQ(ternac_emulator_count() - before, native ? 0u : 3u);
}

} // namespace
