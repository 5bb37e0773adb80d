//===- MemoryTest.cpp - Loads, stores, copies and atomics ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestDriver.h"

using namespace ternac::cuda_emulator;

namespace {

class MemoryTest : public DriverTest {
protected:
  static constexpr const char *Shared = ".shared .align 16 .b8 s[256];\n";
};

TEST_F(MemoryTest, WidthsAndSigns) {
  std::vector<Lane> in = someLanes();
  auto out = run("ld.global.s8 %o0, [%in+1]; ld.global.nc.u8 %o1, [%in+1];"
                 "ld.global.L1::no_allocate.s16 %o2, [%in+2];"
                 "ld.volatile.global.u16 %h0, [%in+2]; cvt.u32.u16 %o3, %h0;"
                 "ld.global.v2.b32 {%o4, %o5}, [%in+8];"
                 "ld.global.v4.b32 {%o6, _, _, %o7}, [%in];"
                 "ld.relaxed.gpu.global.b64 %d0, [%in+8];"
                 "mov.b64 {%o8, %o9}, %d0; ld.b32 %o10, [%in+4];",
                 in);
  for (size_t k = 0; k < in.size(); ++k) {
    EXPECT_EQ(out[k][0], uint32_t(int8_t(in[k][0] >> 8)));
    EXPECT_EQ(out[k][1], in[k][0] >> 8 & 0xFF);
    EXPECT_EQ(out[k][2], uint32_t(int16_t(in[k][0] >> 16)));
    EXPECT_EQ(out[k][3], in[k][0] >> 16);
    for (size_t word : {2u, 3u}) {
      EXPECT_EQ(out[k][word + 2], in[k][word]);
      EXPECT_EQ(out[k][word + 6], in[k][word]);
    }
    EXPECT_EQ(out[k][6], in[k][0]);
    EXPECT_EQ(out[k][7], in[k][3]);
    EXPECT_EQ(out[k][10], in[k][1]);
  }
}

TEST_F(MemoryTest, SpacesAndGenericAddresses) {
  auto out = run(".local .align 8 .b8 depot[16]; mov.u64 %d0, depot;"
                 "cvta.local.u64 %d1, %d0; st.u32 [%d1+4], %a0;"
                 "ld.local.u32 %o0, [%d0+4]; mov.u64 %d2, s;"
                 "cvta.shared.u64 %d3, %d2; st.u32 [%d3], 5;"
                 "bar.sync 0; ld.shared.u32 %o1, [s]; mov.u64 %d6, table+12;"
                 "ld.const.u32 %o2, [table+8]; mov.u64 %d4, value;"
                 "ld.global.u32 %o3, [%d4]; ld.global.u64 %d5, [pointer];"
                 "ld.u32 %o4, [%d5]; ld.global.u32 %o5, [%d6];",
                 someLanes(),
                 std::string(Shared) +
                     ".const .align 4 .b32 table[4] = {1, 2, 3, 4};\n"
                     ".visible .global .align 4 .f32 value = 0f3F800000;\n"
                     ".global .align 8 .u64 pointer = generic(table)+4;\n");
  std::vector<Lane> in = someLanes();
  EXPECT_EQ(out[9][0], in[9][0]);
  EXPECT_EQ(out[9][1], 5u);
  EXPECT_EQ(out[9][2], 3u);
  EXPECT_EQ(out[9][3], 0x3F800000u);
  EXPECT_EQ(out[9][4], 2u);
  EXPECT_EQ(out[9][5], 4u);
}

TEST_F(MemoryTest, SharedMemoryIsPoisoned) {
  EXPECT_EQ(run("ld.shared.u32 %o0, [s+4];", someLanes(), Shared)[0][0],
            0xCBCBCBCBu);
}

/// The copy is late, so that a missing wait shows.
TEST_F(MemoryTest, AsynchronousCopies) {
  std::string copy = "mov.u32 %r1, s;"
                     "cp.async.ca.shared.global [%r1], [%in], 8;"
                     "cp.async.commit_group;"
                     "cp.async.cg.shared.global [%r1+16], [%in+16], 16, 4;"
                     "cp.async.commit_group;";
  std::string read = "ld.shared.u32 %o0, [s]; ld.shared.u32 %o1, [s+4];"
                     "ld.shared.u32 %o2, [s+16]; ld.shared.u32 %o3, [s+20];";
  std::vector<Lane> in = someLanes(1);
  const uint32_t poison = 0xCBCBCBCB;
  auto none = run(copy + "cp.async.wait_group 2;" + read, in, Shared)[0];
  EXPECT_EQ(none[0], poison);
  auto first = run(copy + "cp.async.wait_group 1;" + read, in, Shared)[0];
  EXPECT_EQ(first[0], in[0][0]);
  EXPECT_EQ(first[1], in[0][1]);
  EXPECT_EQ(first[2], poison);
  auto both = run(copy + "cp.async.wait_all;" + read, in, Shared)[0];
  EXPECT_EQ(both[2], in[0][4]);
  EXPECT_EQ(both[3], 0u);
}

TEST_F(MemoryTest, Atomics) {
  CUfunction function =
      load(header() +
           ".visible .entry k(.param .u64 p) { .reg .b64 %d; .reg .b32 %r<4>;\n"
           ".reg .f32 %f; .reg .pred %q; ld.param.u64 %d, [p];\n"
           "mov.u32 %r0, %tid.x; atom.global.add.u32 %r1, [%d], 1;\n"
           "red.global.max.s32 [%d+4], %r0; mov.f32 %f, 0f3F000000;\n"
           "red.relaxed.gpu.global.add.f32 [%d+8], %f;\n"
           "AGAIN: ld.volatile.global.u32 %r2, [%d+12]; add.s32 %r3, %r2, 3;\n"
           "atom.global.cas.b32 %r3, [%d+12], %r2, %r3;\n"
           "setp.ne.s32 %q, %r3, %r2; @%q bra AGAIN; ret; }\n");
  CUdeviceptr data = upload(std::vector<int32_t>{0, -5, 0, 0});
  EXPECT_EQ(launch(function, {data}, 128, 20), CUDA_SUCCESS);
  auto words = download<int32_t>(data, 4);
  EXPECT_EQ(words[0], 2560);
  EXPECT_EQ(words[1], 127);
  EXPECT_EQ(download<float>(data, 4)[2], 1280.0f);
  EXPECT_EQ(words[3], 7680);
}

TEST_F(MemoryTest, Bounds) {
  const std::pair<const char *, CUresult> cases[] = {
      {"ld.global.u32 %o0, [%in+48];", CUDA_ERROR_ILLEGAL_ADDRESS},
      {"ld.global.u32 %o0, [%in+-4];", CUDA_ERROR_ILLEGAL_ADDRESS},
      {"st.global.u32 [%in+46], %a0;", CUDA_ERROR_MISALIGNED_ADDRESS},
      {"ld.global.v4.u32 {%o0,%o1,%o2,%o3}, [%in+8];",
       CUDA_ERROR_MISALIGNED_ADDRESS},
      {"ld.shared.u32 %o0, [s+256];", CUDA_ERROR_ILLEGAL_ADDRESS},
      {"mov.u64 %d0, 0; st.u32 [%d0], 1;", CUDA_ERROR_ILLEGAL_ADDRESS},
      {"trap;", CUDA_ERROR_LAUNCH_FAILED},
  };
  for (auto [body, error] : cases)
    run(body, someLanes(1), Shared, error);
}

TEST_F(MemoryTest, FreedMemory) {
  CUfunction function =
      load(header() +
           ".visible .entry k(.param .u64 p) { .reg .b64 %d; .reg .b32 %r;\n"
           "ld.param.u64 %d, [p]; ld.global.u32 %r, [%d]; ret; }");
  CUdeviceptr data = upload(std::vector<uint32_t>{1});
  EXPECT_EQ(launch(function, {data}), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree_v2(data), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree_v2(data), CUDA_ERROR_INVALID_VALUE);
  uint32_t word;
  EXPECT_EQ(cuMemcpyDtoH_v2(&word, data, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(function, {data}), CUDA_ERROR_ILLEGAL_ADDRESS);
}

} // namespace
