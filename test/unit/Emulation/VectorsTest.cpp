//===- VectorsTest.cpp - AVX-VNNI, emulated -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emulator.h"

#include <algorithm>
#include <cstring>
#include <random>

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace {

struct Registers {
  uint8_t ymm[16][32];
  uint64_t rax, rbx, rcx, rdx, rsi, r8, r9, r12, r13, r15;
};

/// What memory operands that are relative to rip name.
extern "C" __attribute__((visibility("hidden"))) uint8_t ternacTestBytes[32];
uint8_t ternacTestBytes[32];

#define EACH_YMM(TEXT)                                                         \
  ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n" TEXT "\n.endr\n"
#define EACH_GENERAL(OPERANDS)                                                 \
  OPERANDS(512, rax)                                                           \
  OPERANDS(520, rbx)                                                           \
  OPERANDS(528, rcx)                                                           \
  OPERANDS(536, rdx)                                                           \
  OPERANDS(544, rsi)                                                           \
  OPERANDS(552, r8)                                                            \
  OPERANDS(560, r9) OPERANDS(568, r12) OPERANDS(576, r13) OPERANDS(584, r15)
#define LOAD(OFFSET, NAME) "movq " #OFFSET "(%%rdi), %%" #NAME "\n"
#define STORE(OFFSET, NAME) "movq %%" #NAME ", " #OFFSET "(%%rdi)\n"

/// A function that loads all registers, runs TEXT, and stores all registers.
#define CODE(TEXT)                                                             \
  [](Registers &registers) {                                                   \
    asm volatile(                                                              \
        EACH_YMM("vmovdqu 32*\\n(%%rdi), %%ymm\\n") EACH_GENERAL(LOAD) TEXT    \
        "\n" EACH_GENERAL(STORE) EACH_YMM(                                     \
            "vmovdqu %%ymm\\n, 32*\\n(%%rdi)") "vzeroupper" ::"D"(&registers)  \
        : "memory", "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r12",      \
          "r13", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",        \
          "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",  \
          "xmm14", "xmm15");                                                   \
  }

enum Operation { Bytes, BytesSaturate, Words, WordsSaturate };

/// What the manual says, for one lane.
int32_t dot(Operation operation, int32_t sum, const uint8_t *a,
            const uint8_t *b) {
  __int128 total = sum;
  if (operation == Bytes || operation == BytesSaturate) {
    for (int i = 0; i < 4; ++i)
      total += int(a[i]) * int(static_cast<int8_t>(b[i]));
  } else {
    for (int i = 0; i < 2; ++i) {
      auto word = [&](const uint8_t *bytes) {
        return __int128(
            static_cast<int16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8));
      };
      total += word(a) * word(b);
    }
  }
  if (operation == BytesSaturate || operation == WordsSaturate)
    total = std::clamp<__int128>(total, INT32_MIN, INT32_MAX);
  return static_cast<int32_t>(static_cast<uint32_t>(total));
}

class VectorsTest : public testing::Test {
protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("avx2"))
      GTEST_SKIP() << "needs a processor with AVX2";
    ASSERT_EQ(ternac_emulator_install(), 0);
    auto *pages =
        static_cast<uint8_t *>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(pages, MAP_FAILED);
    ASSERT_EQ(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    end = pages + 4096;
  }
  void TearDown() override {
    if (end)
      munmap(end - 4096, 8192);
  }

  /// Bytes of all kinds; lanes of extremes among them.
  void fill(uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i += 4) {
      static constexpr uint32_t extremes[] = {
          0, 0x7fffffff, 0x80000000, 0xffffffff, 0x80808080, 0x7f7f7f7f};
      uint32_t value = random();
      if (value % 3 == 0)
        value = extremes[random() % std::size(extremes)];
      memcpy(bytes + i, &value, 4);
    }
  }
  void fill(Registers &registers) {
    memset(&registers, 0, sizeof(registers));
    fill(&registers.ymm[0][0], sizeof(registers.ymm));
  }

  /// reg = reg + vvvv * b in `before` must give what `run` does; `prepare` sets
  /// general registers to the address of the operand.
  template <typename Run, typename Prepare>
  void check(Operation operation, int bytes, int reg, int vvvv, int rm, Run run,
             Prepare prepare) {
    for (int round = 0; round < 20; ++round) {
      Registers before;
      fill(before);
      uint8_t *memory = end - bytes; // reading more than that is a crash
      fill(memory, bytes);
      memcpy(ternacTestBytes, memory, bytes);
      prepare(before, reinterpret_cast<uint64_t>(memory));
      Registers expected = before;
      const uint8_t *b = rm < 0 ? memory : before.ymm[rm];
      memset(expected.ymm[reg], 0, 32);
      for (int i = 0; i < bytes; i += 4) {
        int32_t sum;
        memcpy(&sum, before.ymm[reg] + i, 4);
        sum = dot(operation, sum, before.ymm[vvvv] + i, b + i);
        memcpy(expected.ymm[reg] + i, &sum, 4);
      }
      Registers actual = before;
      run(actual);
      ASSERT_EQ(memcmp(&actual, &expected, sizeof(actual)), 0);
    }
  }
  template <typename Run>
  void checkRegisters(Operation operation, int bytes, int reg, int vvvv, int rm,
                      Run run) {
    check(operation, bytes, reg, vvvv, rm, run, [](Registers &, uint64_t) {});
  }
  template <typename Run, typename Prepare>
  void checkMemory(Run run, Prepare prepare) {
    check(Bytes, 32, 3, 12, -1, run, prepare);
  }

  std::mt19937 random;
  uint8_t *end = nullptr;
};

TEST_F(VectorsTest, Operations) {
  checkRegisters(Bytes, 32, 0, 1, 2,
                 CODE("%{vex%} vpdpbusd %%ymm2, %%ymm1, %%ymm0"));
  checkRegisters(BytesSaturate, 32, 0, 1, 2,
                 CODE("%{vex%} vpdpbusds %%ymm2, %%ymm1, %%ymm0"));
  checkRegisters(Words, 32, 0, 1, 2,
                 CODE("%{vex%} vpdpwssd %%ymm2, %%ymm1, %%ymm0"));
  checkRegisters(WordsSaturate, 32, 0, 1, 2,
                 CODE("%{vex%} vpdpwssds %%ymm2, %%ymm1, %%ymm0"));
}

TEST_F(VectorsTest, Registers) {
  checkRegisters(Bytes, 32, 15, 8, 9,
                 CODE("%{vex%} vpdpbusd %%ymm9, %%ymm8, %%ymm15"));
  checkRegisters(Bytes, 32, 8, 7, 15,
                 CODE("%{vex%} vpdpbusd %%ymm15, %%ymm7, %%ymm8"));
  checkRegisters(Bytes, 32, 7, 15, 0,
                 CODE("%{vex%} vpdpbusd %%ymm0, %%ymm15, %%ymm7"));
  checkRegisters(Bytes, 32, 5, 5, 5,
                 CODE("%{vex%} vpdpbusd %%ymm5, %%ymm5, %%ymm5"));
}

TEST_F(VectorsTest, LowerHalves) {
  checkRegisters(Bytes, 16, 3, 12, 7,
                 CODE("%{vex%} vpdpbusd %%xmm7, %%xmm12, %%xmm3"));
  checkRegisters(WordsSaturate, 16, 13, 13, 1,
                 CODE("%{vex%} vpdpwssds %%xmm1, %%xmm13, %%xmm13"));
  check(Bytes, 16, 2, 1, -1, CODE("%{vex%} vpdpbusd (%%rax), %%xmm1, %%xmm2"),
        [](Registers &r, uint64_t address) { r.rax = address; });
}

TEST_F(VectorsTest, Addresses) {
  checkMemory(CODE("%{vex%} vpdpbusd (%%rax), %%ymm12, %%ymm3"),
              [](Registers &r, uint64_t address) { r.rax = address; });
  checkMemory(CODE("%{vex%} vpdpbusd -8(%%r13), %%ymm12, %%ymm3"),
              [](Registers &r, uint64_t address) { r.r13 = address + 8; });
  checkMemory(CODE("%{vex%} vpdpbusd (%%r13), %%ymm12, %%ymm3"),
              [](Registers &r, uint64_t address) { r.r13 = address; });
  checkMemory(
      CODE("%{vex%} vpdpbusd 0x12345(%%r12), %%ymm12, %%ymm3"),
      [](Registers &r, uint64_t address) { r.r12 = address - 0x12345; });
  checkMemory(
      CODE("%{vex%} vpdpbusd -0x12345(%%rsi), %%ymm12, %%ymm3"),
      [](Registers &r, uint64_t address) { r.rsi = address + 0x12345; });
  checkMemory(CODE("%{vex%} vpdpbusd (%%rbx,%%rcx,4), %%ymm12, %%ymm3"),
              [](Registers &r, uint64_t address) {
                r.rbx = address - 400;
                r.rcx = 100;
              });
  checkMemory(CODE("%{vex%} vpdpbusd -32(%%r8,%%r15,8), %%ymm12, %%ymm3"),
              [](Registers &r, uint64_t address) {
                r.r8 = address + 32 + 80;
                r.r15 = -10;
              });
  // r12 is an index, unlike rsp, whose lower bits it has.
  checkMemory(CODE("%{vex%} vpdpbusd 5(%%rdx,%%r12), %%ymm12, %%ymm3"),
              [](Registers &r, uint64_t address) {
                r.rdx = address - 5 - 7;
                r.r12 = 7;
              });
  checkMemory(
      CODE("%{vex%} vpdpbusd 64(,%%r9,2), %%ymm12, %%ymm3"),
      [](Registers &r, uint64_t address) { r.r9 = (address - 64) / 2; });
  checkMemory(CODE("%{vex%} vpdpbusd ternacTestBytes(%%rip), %%ymm12, %%ymm3"),
              [](Registers &, uint64_t) {});
}

TEST_F(VectorsTest, Stack) {
  checkRegisters(Bytes, 32, 0, 1, 14,
                 CODE("subq $512, %%rsp\n"
                      "vmovdqu %%ymm14, 32(%%rsp)\n"
                      "%{vex%} vpdpbusd 32(%%rsp), %%ymm1, %%ymm0\n"
                      "addq $512, %%rsp"));
}

TEST_F(VectorsTest, OneAfterTheOther) {
  Registers registers, expected;
  fill(registers);
  expected = registers;
  for (int reg : {0, 1, 2, 0})
    for (int i = 0; i < 32; i += 4) {
      int32_t sum;
      memcpy(&sum, expected.ymm[reg] + i, 4);
      sum = dot(Bytes, sum, expected.ymm[3] + i, expected.ymm[2] + i);
      memcpy(expected.ymm[reg] + i, &sum, 4);
    }
  CODE("%{vex%} vpdpbusd %%ymm2, %%ymm3, %%ymm0\n"
       "%{vex%} vpdpbusd %%ymm2, %%ymm3, %%ymm1\n"
       "%{vex%} vpdpbusd %%ymm2, %%ymm3, %%ymm2\n"
       "%{vex%} vpdpbusd %%ymm2, %%ymm3, %%ymm0")(registers);
  EXPECT_EQ(memcmp(&registers, &expected, sizeof(expected)), 0);
}

// The system may leave registers out of the frame that are all zero.
TEST_F(VectorsTest, RegistersInInitialState) {
  uint8_t *memory = end - 32;
  fill(memory, 32);
  Registers registers, expected = {};
  fill(registers);
  expected.rax = registers.rax = reinterpret_cast<uint64_t>(memory);
  memcpy(expected.ymm[1], registers.ymm[0], 16);
  for (int i = 0; i < 16; i += 4) {
    int32_t sum = dot(Bytes, 0, expected.ymm[1] + i, memory + i);
    memcpy(expected.ymm[0] + i, &sum, 4);
  }
  CODE("vzeroall\n"
       "vmovdqu (%%rdi), %%xmm1\n"
       "%{vex%} vpdpbusd (%%rax), %%ymm1, %%ymm0")(registers);
  EXPECT_EQ(memcmp(&registers, &expected, sizeof(expected)), 0);

  memset(&expected.ymm, 0, sizeof(expected.ymm));
  CODE("vzeroall\n%{vex%} vpdpbusd (%%rax), %%ymm1, %%ymm0")(registers);
  EXPECT_EQ(memcmp(&registers, &expected, sizeof(expected)), 0);
}

TEST_F(VectorsTest, UpperHalvesOfZmm) {
  if (!__builtin_cpu_supports("avx512f"))
    GTEST_SKIP() << "needs a processor with AVX-512";
  uint8_t values[4][64];
  fill(&values[0][0], sizeof(values));
  uint8_t expected[4][64];
  memcpy(expected, values, sizeof(values));
  memset(expected[0], 0, 64);
  for (int i = 0; i < 32; i += 4) {
    int32_t sum;
    memcpy(&sum, values[0] + i, 4);
    sum = dot(Bytes, sum, values[1] + i, values[2] + i);
    memcpy(expected[0] + i, &sum, 4);
  }
  asm volatile("vmovdqu64 (%0), %%zmm0\n"
               "vmovdqu64 64(%0), %%zmm1\n"
               "vmovdqu64 128(%0), %%zmm2\n"
               "vmovdqu64 192(%0), %%zmm20\n"
               "%{vex%} vpdpbusd %%ymm2, %%ymm1, %%ymm0\n"
               "vmovdqu64 %%zmm0, (%0)\n"
               "vmovdqu64 %%zmm1, 64(%0)\n"
               "vmovdqu64 %%zmm2, 128(%0)\n"
               "vmovdqu64 %%zmm20, 192(%0)\n"
               "vpxord %%zmm20, %%zmm20, %%zmm20\n"
               "vzeroupper" ::"r"(values)
               : "memory", "xmm0", "xmm1", "xmm2");
  EXPECT_EQ(memcmp(values, expected, sizeof(values)), 0);
}

TEST_F(VectorsTest, OtherInstructions) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(asm volatile("ud2"), "");
}

} // namespace
