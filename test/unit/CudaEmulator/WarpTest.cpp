//===- WarpTest.cpp - Instructions of warps and blocks ------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestDriver.h"

#include <algorithm>
#include <bit>
#include <functional>

using namespace ternac::cuda_emulator;

namespace {

class WarpTest : public DriverTest {};

/// The shuffles as the manual defines them, without segments.
TEST_F(WarpTest, Shuffles) {
  std::vector<Lane> in = someLanes();
  auto out =
      run("shfl.sync.up.b32 %o0|%p0, %a0, 3, 0, -1; selp.b32 %o1, 1, 0, %p0;"
          "shfl.sync.down.b32 %o2|%p1, %a0, 5, 31, -1;"
          "selp.b32 %o3, 1, 0, %p1; shfl.sync.bfly.b32 %o4, %a0, 16, 31, -1;"
          "and.b32 %r1, %a1, 31; shfl.sync.idx.b32 %o5, %a0, %r1, 31, -1;"
          "shfl.sync.idx.b32 %o6, %a0, 2, 0x181f, -1;"
          "shfl.sync.down.b32 %o7, %a0, 1, 0x181f, -1;",
          in);
  for (uint32_t k = 0; k < 32; ++k) {
    EXPECT_EQ(out[k][0], in[k < 3 ? k : k - 3][0]);
    EXPECT_EQ(out[k][1], k >= 3);
    EXPECT_EQ(out[k][2], in[k + 5 > 31 ? k : k + 5][0]);
    EXPECT_EQ(out[k][3], k + 5 <= 31);
    EXPECT_EQ(out[k][4], in[k ^ 16][0]);
    EXPECT_EQ(out[k][5], in[in[k][1] & 31][0]);
    // Segments of eight lanes.
    EXPECT_EQ(out[k][6], in[(k & 24) | 2][0]);
    EXPECT_EQ(out[k][7], in[k % 8 == 7 ? k : k + 1][0]);
  }
}

TEST_F(WarpTest, ShuffleOfDivergedLanes) {
  std::vector<Lane> in = someLanes();
  std::string half = "setp.lt.u32 %p0, %tid, 16; @!%p0 bra DONE;"
                     "shfl.sync.bfly.b32 %o0, %a0, ";
  auto out = run(half + "8, 31, 0xFFFF; DONE:", in);
  for (uint32_t k = 0; k < 16; ++k)
    EXPECT_EQ(out[k][0], in[k ^ 8][0]);
  // A lane outside the mask, and a mask that lacks the lane.
  run(half + "16, 31, 0xFFFF; DONE:", in, "", CUDA_ERROR_ILLEGAL_INSTRUCTION);
}

TEST_F(WarpTest, ShuffleMisuse) {
  run("shfl.sync.idx.b32 %o0, %a0, 0, 31, 0xFF;", someLanes(), "",
      CUDA_ERROR_ILLEGAL_INSTRUCTION);
}

TEST_F(WarpTest, VotesMatchesAndReductions) {
  std::vector<Lane> in = someLanes();
  for (Lane &lane : in)
    lane[1] %= 3;
  auto out = run("setp.eq.u32 %p0, %a1, 1;"
                 "vote.sync.ballot.b32 %o0, %p0, -1;"
                 "vote.sync.all.pred %p1, !%p0, -1; selp.b32 %o1, 1, 0, %p1;"
                 "vote.sync.any.pred %p1, %p0, -1; selp.b32 %o2, 1, 0, %p1;"
                 "match.any.sync.b32 %o3, %a1, -1;"
                 "redux.sync.add.s32 %o4, %a0, -1;"
                 "redux.sync.min.s32 %o5, %a0, -1;"
                 "redux.sync.xor.b32 %o6, %a0, -1; activemask.b32 %o7;"
                 "bar.warp.sync -1; mov.u32 %o8, %lanemask_lt;",
                 in);
  uint32_t ballot = 0, sum = 0, exclusive = 0;
  int32_t least = INT32_MAX;
  for (uint32_t k = 0; k < 32; ++k) {
    ballot |= uint32_t(in[k][1] == 1) << k;
    sum += in[k][0];
    exclusive ^= in[k][0];
    least = std::min(least, int32_t(in[k][0]));
  }
  for (uint32_t k = 0; k < 32; ++k) {
    uint32_t same = 0;
    for (uint32_t other = 0; other < 32; ++other)
      same |= uint32_t(in[other][1] == in[k][1]) << other;
    EXPECT_EQ(out[k][0], ballot);
    EXPECT_EQ(out[k][1], ballot == 0);
    EXPECT_EQ(out[k][2], ballot != 0);
    EXPECT_EQ(out[k][3], same);
    EXPECT_EQ(out[k][4], sum);
    EXPECT_EQ(out[k][5], uint32_t(least));
    EXPECT_EQ(out[k][6], exclusive);
    EXPECT_EQ(out[k][7], ~0u);
    EXPECT_EQ(out[k][8], (1u << k) - 1);
  }
}

//===----------------------------------------------------------------------===//
// mma: element by element as in the tables of the PTX manual
//===----------------------------------------------------------------------===//

struct Place {
  uint32_t row, column;
};

/// Where element `i` of A of a lane is, for elements of `e` per register and
/// a shape with 16 rows.
Place placeA(uint32_t lane, uint32_t i, uint32_t e) {
  uint32_t part = i / e;
  return {lane / 4 + (part == 1 || part == 3 ? 8 : 0),
          lane % 4 * e + i % e + (part >= 2 ? 4 * e : 0)};
}

Place placeB(uint32_t lane, uint32_t i, uint32_t e) {
  return {lane % 4 * e + i % e + (i / e ? 4 * e : 0), lane / 4};
}

/// Checks a product of bytes whose A and B may be signed.
TEST_F(WarpTest, MmaOfBytes) {
  for (uint32_t k : {16u, 32u}) {
    for (unsigned signs = 0; signs < 4; ++signs) {
      uint32_t countA = k / 8, countB = k / 16;
      std::string regsA, regsB;
      for (uint32_t r = 0; r < countA; ++r)
        regsA += (r ? ", %a" : "%a") + std::to_string(r);
      for (uint32_t r = 0; r < countB; ++r)
        regsB += (r ? ", %a" : "%a") + std::to_string(4 + r);
      std::string body = "mma.sync.aligned.m16n8k" + std::to_string(k) +
                         ".row.col.s32" + (signs & 1 ? ".s8" : ".u8") +
                         (signs & 2 ? ".s8" : ".u8") +
                         ".s32 {%o0,%o1,%o2,%o3}, {" + regsA + "}, {" + regsB +
                         "}, {%a6,%a7,%a8,%a9};";
      std::vector<Lane> in = someLanes(32, 5), out = run(body, in);
      auto value = [](uint32_t word, uint32_t at, bool isSigned) {
        uint32_t byte = word >> 8 * at & 0xFF;
        return isSigned ? int32_t(int8_t(byte)) : int32_t(byte);
      };
      int32_t a[16][32] = {}, b[32][8] = {};
      for (uint32_t lane = 0; lane < 32; ++lane) {
        for (uint32_t i = 0; i < 4 * countA; ++i) {
          Place at = placeA(lane, i, 4);
          a[at.row][at.column] = value(in[lane][i / 4], i % 4, signs & 1);
        }
        for (uint32_t i = 0; i < 4 * countB; ++i) {
          Place at = placeB(lane, i, 4);
          b[at.row][at.column] = value(in[lane][4 + i / 4], i % 4, signs & 2);
        }
      }
      for (uint32_t lane = 0; lane < 32; ++lane) {
        for (uint32_t i = 0; i < 4; ++i) {
          uint32_t row = lane / 4 + (i >= 2 ? 8 : 0),
                   column = lane % 4 * 2 + i % 2;
          uint32_t sum = in[lane][6 + i];
          for (uint32_t x = 0; x < k; ++x)
            sum += uint32_t(a[row][x] * b[x][column]);
          ASSERT_EQ(out[lane][i], sum) << body << lane << " " << i;
        }
      }
    }
  }
}

TEST_F(WarpTest, MmaSaturates) {
  std::vector<Lane> in(32);
  for (Lane &lane : in)
    lane = {0x7F7F7F7F, 0x7F7F7F7F, 0x7F7F7F7F, 0x7F7F7F7F, 0x7F7F7F7F,
            0x7F7F7F7F, 0x7FFFFFF0, 0,          0,          0};
  std::string rest = ".row.col.satfinite.s32.s8.s8.s32 {%o0,%o1,%o2,%o3},"
                     "{%a0,%a1,%a2,%a3}, {%a4,%a5}, {%a6,%a7,%a8,%a9};";
  auto out = run("mma.sync.aligned.m16n8k32" + rest, in);
  EXPECT_EQ(out[3][0], 0x7FFFFFFFu);
  EXPECT_EQ(out[3][1], 32u * 127 * 127);
}

/// Small integers as floating-point numbers have exact products and sums.
TEST_F(WarpTest, MmaOfHalves) {
  for (bool isBFloat : {false, true}) {
    for (uint32_t k : {8u, 16u}) {
      auto bits = [&](int value) -> uint32_t {
        if (isBFloat)
          return std::bit_cast<uint32_t>(float(value)) >> 16;
        if (!value)
          return 0;
        uint32_t single = std::bit_cast<uint32_t>(float(value));
        return (single >> 16 & 0x8000) |
               (((single & 0x7FFFFFFF) >> 13) - (112 << 10));
      };
      uint32_t countA = k / 4, countB = k / 8;
      int a[16][16] = {}, b[16][8] = {};
      std::vector<Lane> in(32);
      uint32_t seed = 3;
      auto next = [&] {
        seed = seed * 1664525 + 1013904223;
        return int(seed >> 20) % 17 - 8;
      };
      for (uint32_t lane = 0; lane < 32; ++lane) {
        for (uint32_t i = 0; i < 2 * countA; ++i) {
          Place at = placeA(lane, i, 2);
          int value = a[at.row][at.column] = next();
          in[lane][i / 2] |= bits(value) << 16 * (i % 2);
        }
        for (uint32_t i = 0; i < 2 * countB; ++i) {
          Place at = placeB(lane, i, 2);
          int value = b[at.row][at.column] = next();
          in[lane][4 + i / 2] |= bits(value) << 16 * (i % 2);
        }
        for (uint32_t i = 0; i < 4; ++i)
          in[lane][6 + i] = std::bit_cast<uint32_t>(float(next()) / 4);
      }
      std::string type = isBFloat ? ".bf16" : ".f16";
      std::string body =
          "mov.b32 %f0, %a6; mov.b32 %f1, %a7; mov.b32 %f2, %a8;"
          "mov.b32 %f3, %a9; mma.sync.aligned.m16n8k" +
          std::to_string(k) + ".row.col.f32" + type + type +
          ".f32 {%f0,%f1,%f2,%f3}," +
          (k == 16 ? "{%a0,%a1,%a2,%a3}, {%a4,%a5}" : "{%a0,%a1}, {%a4}") +
          ", {%f0,%f1,%f2,%f3}; mov.b32 %o0, %f0; mov.b32 %o1, %f1;"
          "mov.b32 %o2, %f2; mov.b32 %o3, %f3;";
      auto out = run(body, in);
      for (uint32_t lane = 0; lane < 32; ++lane) {
        for (uint32_t i = 0; i < 4; ++i) {
          uint32_t row = lane / 4 + (i >= 2 ? 8 : 0),
                   column = lane % 4 * 2 + i % 2;
          float sum = std::bit_cast<float>(in[lane][6 + i]);
          for (uint32_t x = 0; x < k; ++x)
            sum += float(a[row][x] * b[x][column]);
          ASSERT_EQ(std::bit_cast<float>(out[lane][i]), sum) << body << lane;
        }
      }
    }
  }
}

TEST_F(WarpTest, MmaNeedsAllLanes) {
  std::string mma = "mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 "
                    "{%o0,%o1,%o2,%o3}, {%a0,%a1}, {%a4}, {%a6,%a7,%a8,%a9};";
  run(mma, someLanes(16), "", CUDA_ERROR_ILLEGAL_INSTRUCTION);
  run("setp.lt.u32 %p0, %tid, 16; @%p0 " + mma, someLanes(), "",
      CUDA_ERROR_ILLEGAL_INSTRUCTION);
}

TEST_F(WarpTest, Ldmatrix) {
  std::string shared = ".shared .align 16 .b8 s[512];\n";
  for (bool isTransposed : {false, true}) {
    std::string body =
        // Each lane writes a row of 16 bytes, and gives it to ldmatrix.
        "mov.u32 %r1, s; shl.b32 %r2, %tid, 4; add.s32 %r1, %r1, %r2;"
        "st.shared.v4.b32 [%r1], {%a0, %a1, %a2, %a3}; bar.sync 0;"
        "ldmatrix.sync.aligned.m8n8.x4" +
        std::string(isTransposed ? ".trans" : "") +
        ".shared.b16 {%o0,%o1,%o2,%o3}, [%r1];";
    std::vector<Lane> in = someLanes(), out = run(body, in, shared);
    auto element = [&](uint32_t matrix, uint32_t row, uint32_t column) {
      return in[matrix * 8 + row][column / 2] >> column % 2 * 16 & 0xFFFF;
    };
    for (uint32_t lane = 0; lane < 32; ++lane) {
      for (uint32_t m = 0; m < 4; ++m) {
        uint32_t row = lane / 4, column = lane % 4 * 2;
        uint32_t expected =
            isTransposed
                ? element(m, column, row) | element(m, column + 1, row) << 16
                : element(m, row, column) | element(m, row, column + 1) << 16;
        EXPECT_EQ(out[lane][m], expected) << lane << " " << m;
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------===//

const char *const Shared = ".shared .align 4 .b8 s[4096];\n";

TEST_F(WarpTest, Barriers) {
  std::vector<Lane> in = someLanes(256);
  auto out = run("mov.u32 %r1, s; shl.b32 %r2, %tid, 2; add.s32 %r3, %r1, %r2;"
                 "st.shared.b32 [%r3], %a0; bar.sync 0;"
                 "sub.s32 %r4, 1020, %r2; add.s32 %r4, %r4, %r1;"
                 "ld.shared.b32 %o0, [%r4]; setp.gt.s32 %p0, %a0, 0;"
                 "barrier.red.popc.u32 %o1, 1, %p0;"
                 "bar.red.and.pred %p1, 2, %p0; selp.b32 %o2, 1, 0, %p1;",
                 in, Shared);
  uint32_t positive = 0;
  for (const Lane &lane : in)
    positive += int32_t(lane[0]) > 0;
  for (uint32_t k = 0; k < 256; ++k) {
    EXPECT_EQ(out[k][0], in[255 - k][0]);
    EXPECT_EQ(out[k][1], positive);
    EXPECT_EQ(out[k][2], 0u);
  }
}

TEST_F(WarpTest, BarriersOfPartsOfABlock) {
  // Two warps produce for the other two.
  auto out = run("mov.u32 %r1, s; and.b32 %r2, %tid, 63; shl.b32 %r2, %r2, 2;"
                 "add.s32 %r1, %r1, %r2; setp.lt.u32 %p0, %tid, 64;"
                 "@%p0 bra PRODUCE; bar.sync 3, 128; ld.shared.b32 %o0, [%r1];"
                 "bra DONE; PRODUCE: st.shared.b32 [%r1], %tid;"
                 "bar.arrive 3, 128; DONE:",
                 someLanes(128), Shared);
  for (uint32_t k = 64; k < 128; ++k)
    EXPECT_EQ(out[k][0], k - 64);
}

TEST_F(WarpTest, DivergedBarriers) {
  run("setp.lt.u32 %p0, %tid, 16; @%p0 bar.sync 0;", someLanes(64), "",
      CUDA_ERROR_LAUNCH_FAILED);
  run("setp.lt.u32 %p0, %tid, 16; @%p0 bra A; bar.sync 0; bra B;"
      "A: bar.sync 0; B:",
      someLanes(64), "", CUDA_ERROR_ILLEGAL_INSTRUCTION);
}

TEST_F(WarpTest, Races) {
  setenv("TERNAC_CUDA_EMULATOR_RACES", "1", 1);
  std::string body = "mov.u32 %r1, s; shl.b32 %r2, %tid, 2;"
                     "add.s32 %r3, %r1, %r2; st.shared.b32 [%r3], %a0;";
  std::string read = "xor.b32 %r2, %r2, 128; add.s32 %r3, %r1, %r2;"
                     "ld.shared.b32 %o0, [%r3];";
  run(body + "bar.sync 0;" + read, someLanes(64), Shared);
  run(body + read, someLanes(64), Shared, CUDA_ERROR_LAUNCH_FAILED);
  // Stores of the same value, and of different ones.
  run("st.shared.b32 [s], 7;", someLanes(64), Shared);
  run("st.shared.b32 [s], %tid;", someLanes(64), Shared,
      CUDA_ERROR_LAUNCH_FAILED);
  unsetenv("TERNAC_CUDA_EMULATOR_RACES");
}

} // namespace
