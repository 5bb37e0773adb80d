//===- X86.cpp - Features of x86-64 processors ----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Processor.h"
#include "ternac/Runtime/ModelABI.h"

#include <algorithm>
#include <array>

#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

/// The registers of cpuid that hold feature bits.
enum Register {
  Leaf1C,
  Leaf1D,
  Leaf7B,
  Leaf7C,
  Leaf7D,
  Leaf7Sub1A,
  Leaf7Sub1D,
  Leaf13Sub1A,
  Leaf14B,
  Leaf19B,
  Leaf1ESub1A,
  LeafExt1C,
  LeafExt1D,
  LeafExt8B,
  AVX10, ///< not of cpuid: bit v is set if AVX10 has version v
  RegisterCount
};

/// Registers that the operating system must save for a feature to be usable.
enum class State { None, AVX, AVX512, APX, AMX };

struct Feature {
  std::string_view name;
  Register source;
  int bit;
  State state = State::None;
};

/// LLVM's names, in the order of the bits.
constexpr Feature knownFeatures[] = {
    {"sse3", Leaf1C, 0},
    {"pclmul", Leaf1C, 1},
    {"ssse3", Leaf1C, 9},
    {"fma", Leaf1C, 12, State::AVX},
    {"cx16", Leaf1C, 13},
    {"sse4.1", Leaf1C, 19},
    {"sse4.2", Leaf1C, 20},
    {"crc32", Leaf1C, 20},
    {"movbe", Leaf1C, 22},
    {"popcnt", Leaf1C, 23},
    {"aes", Leaf1C, 25},
    {"xsave", Leaf1C, 27},
    {"avx", Leaf1C, 28, State::AVX},
    {"f16c", Leaf1C, 29, State::AVX},
    {"rdrnd", Leaf1C, 30},
    {"x87", Leaf1D, 0},
    {"cx8", Leaf1D, 8},
    {"cmov", Leaf1D, 15},
    {"mmx", Leaf1D, 23},
    {"fxsr", Leaf1D, 24},
    {"sse", Leaf1D, 25},
    {"sse2", Leaf1D, 26},
    {"fsgsbase", Leaf7B, 0},
    {"sgx", Leaf7B, 2},
    {"bmi", Leaf7B, 3},
    {"avx2", Leaf7B, 5, State::AVX},
    {"bmi2", Leaf7B, 8},
    {"invpcid", Leaf7B, 10},
    {"rtm", Leaf7B, 11},
    {"avx512f", Leaf7B, 16, State::AVX512},
    {"evex512", Leaf7B, 16, State::AVX512},
    {"avx512dq", Leaf7B, 17, State::AVX512},
    {"rdseed", Leaf7B, 18},
    {"adx", Leaf7B, 19},
    {"avx512ifma", Leaf7B, 21, State::AVX512},
    {"clflushopt", Leaf7B, 23},
    {"clwb", Leaf7B, 24},
    {"avx512cd", Leaf7B, 28, State::AVX512},
    {"sha", Leaf7B, 29},
    {"avx512bw", Leaf7B, 30, State::AVX512},
    {"avx512vl", Leaf7B, 31, State::AVX512},
    {"avx512vbmi", Leaf7C, 1, State::AVX512},
    {"pku", Leaf7C, 4},
    {"waitpkg", Leaf7C, 5},
    {"avx512vbmi2", Leaf7C, 6, State::AVX512},
    {"shstk", Leaf7C, 7},
    {"gfni", Leaf7C, 8},
    {"vaes", Leaf7C, 9, State::AVX},
    {"vpclmulqdq", Leaf7C, 10, State::AVX},
    {"avx512vnni", Leaf7C, 11, State::AVX512},
    {"avx512bitalg", Leaf7C, 12, State::AVX512},
    {"avx512vpopcntdq", Leaf7C, 14, State::AVX512},
    {"rdpid", Leaf7C, 22},
    {"kl", Leaf7C, 23},
    {"cldemote", Leaf7C, 25},
    {"movdiri", Leaf7C, 27},
    {"movdir64b", Leaf7C, 28},
    {"enqcmd", Leaf7C, 29},
    {"uintr", Leaf7D, 5},
    {"avx512vp2intersect", Leaf7D, 8, State::AVX512},
    {"serialize", Leaf7D, 14},
    {"tsxldtrk", Leaf7D, 16},
    {"pconfig", Leaf7D, 18},
    {"amx-bf16", Leaf7D, 22, State::AMX},
    {"avx512fp16", Leaf7D, 23, State::AVX512},
    {"amx-tile", Leaf7D, 24, State::AMX},
    {"amx-int8", Leaf7D, 25, State::AMX},
    {"sha512", Leaf7Sub1A, 0, State::AVX},
    {"sm3", Leaf7Sub1A, 1, State::AVX},
    {"sm4", Leaf7Sub1A, 2, State::AVX},
    {"raoint", Leaf7Sub1A, 3},
    {"avxvnni", Leaf7Sub1A, 4, State::AVX},
    {"avx512bf16", Leaf7Sub1A, 5, State::AVX512},
    {"cmpccxadd", Leaf7Sub1A, 7},
    {"amx-fp16", Leaf7Sub1A, 21, State::AMX},
    {"hreset", Leaf7Sub1A, 22},
    {"avxifma", Leaf7Sub1A, 23, State::AVX},
    {"movrs", Leaf7Sub1A, 31},
    {"avxvnniint8", Leaf7Sub1D, 4, State::AVX},
    {"avxneconvert", Leaf7Sub1D, 5, State::AVX},
    {"amx-complex", Leaf7Sub1D, 8, State::AMX},
    {"avxvnniint16", Leaf7Sub1D, 10, State::AVX},
    {"prefetchi", Leaf7Sub1D, 14},
    {"usermsr", Leaf7Sub1D, 15},
    {"egpr", Leaf7Sub1D, 21, State::APX},
    {"push2pop2", Leaf7Sub1D, 21, State::APX},
    {"ppx", Leaf7Sub1D, 21, State::APX},
    {"ndd", Leaf7Sub1D, 21, State::APX},
    {"ccmp", Leaf7Sub1D, 21, State::APX},
    {"nf", Leaf7Sub1D, 21, State::APX},
    {"cf", Leaf7Sub1D, 21, State::APX},
    {"zu", Leaf7Sub1D, 21, State::APX},
    {"xsaveopt", Leaf13Sub1A, 0},
    {"xsavec", Leaf13Sub1A, 1},
    {"xsaves", Leaf13Sub1A, 3},
    {"ptwrite", Leaf14B, 4},
    {"widekl", Leaf19B, 2},
    {"amx-fp8", Leaf1ESub1A, 4, State::AMX},
    {"amx-tf32", Leaf1ESub1A, 6, State::AMX},
    {"amx-avx512", Leaf1ESub1A, 7, State::AMX},
    {"amx-movrs", Leaf1ESub1A, 8, State::AMX},
    {"sahf", LeafExt1C, 0},
    {"lzcnt", LeafExt1C, 5},
    {"sse4a", LeafExt1C, 6},
    {"prfchw", LeafExt1C, 8},
    {"xop", LeafExt1C, 11, State::AVX},
    {"lwp", LeafExt1C, 15},
    {"fma4", LeafExt1C, 16, State::AVX},
    {"tbm", LeafExt1C, 21},
    {"mwaitx", LeafExt1C, 29},
    {"64bit", LeafExt1D, 29},
    {"clzero", LeafExt8B, 0},
    {"rdpru", LeafExt8B, 4},
    {"wbnoinvd", LeafExt8B, 9},
    {"avx10.1", AVX10, 1, State::AVX512},
    {"avx10.2", AVX10, 2, State::AVX512},
};

using Registers = std::array<uint32_t, RegisterCount>;

Registers readRegisters() {
  struct Source {
    uint32_t leaf, subleaf;
    Register a, b, c, d;
  };
  constexpr Register skip = RegisterCount;
  constexpr Source sources[] = {
      {0x1, 0, skip, skip, Leaf1C, Leaf1D},
      {0x7, 0, skip, Leaf7B, Leaf7C, Leaf7D},
      {0x7, 1, Leaf7Sub1A, skip, skip, Leaf7Sub1D},
      {0xd, 1, Leaf13Sub1A, skip, skip, skip},
      {0x14, 0, skip, Leaf14B, skip, skip},
      {0x19, 0, skip, Leaf19B, skip, skip},
      {0x1e, 1, Leaf1ESub1A, skip, skip, skip},
      {0x80000001, 0, skip, skip, LeafExt1C, LeafExt1D},
      {0x80000008, 0, skip, LeafExt8B, skip, skip},
  };
  // One more than the registers: what nobody asks for is written there.
  std::array<uint32_t, RegisterCount + 1> values{};
  for (const Source &source : sources) {
    uint32_t a, b, c, d;
    if (!__get_cpuid_count(source.leaf, source.subleaf, &a, &b, &c, &d))
      continue;
    values[source.a] = a;
    values[source.b] = b;
    values[source.c] = c;
    values[source.d] = d;
  }
  Registers registers;
  for (int i = 0; i < RegisterCount; ++i)
    registers[i] = values[i];
  uint32_t a, b, c, d;
  constexpr uint32_t hasAVX10 = 1u << 19;
  if ((registers[Leaf7Sub1D] & hasAVX10) &&
      __get_cpuid_count(0x24, 0, &a, &b, &c, &d))
    registers[AVX10] = (2u << std::min(b & 0xff, 30u)) - 1;
  return registers;
}

/// The register states that the operating system saves (XCR0).
uint64_t savedStates(const Registers &registers) {
  constexpr uint32_t osxsave = 1u << 27;
  if (!(registers[Leaf1C] & osxsave))
    return 0;
  uint32_t low, high;
  // The intrinsic would need this code compiled for a processor that has it.
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

/// Linux saves the tile registers only for processes that asked. The answer
/// holds for every thread of the process.
bool requestTileState() {
#ifdef __linux__
  constexpr int requestPermission = 0x1023; // ARCH_REQ_XCOMP_PERM
  constexpr int tileData = 18;              // XFEATURE_XTILEDATA
  static const bool granted =
      syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  return granted;
#else
  return false;
#endif
}

bool systemSaves(State state, uint64_t saved) {
  auto saves = [&](uint64_t bits) { return (saved & bits) == bits; };
  switch (state) {
  case State::None:
    return true;
  case State::AVX:
    return saves(0x6); // xmm, ymm
  case State::AVX512:
    return saves(0xe6); // and mask registers, upper halves, zmm16 to zmm31
  case State::APX:
    return saves(0x80000); // r16 to r31
  case State::AMX:
    return saves(0x60000) && requestTileState(); // tile configuration and data
  }
  return false;
}

} // namespace

using namespace ternac::runtime;

std::optional<bool> processor::hasFeature(std::string_view name) {
  static const Registers registers = readRegisters();
  static const uint64_t saved = savedStates(registers);
  for (const Feature &feature : knownFeatures)
    if (feature.name == name)
      return (registers[feature.source] >> feature.bit & 1) &&
             systemSaves(feature.state, saved);
  return std::nullopt;
}

uint64_t processor::grants() {
  return hasFeature("amx-tile").value_or(false) ? TERNAC_FEATURE_TILES : 0;
}

void processor::relax() { __builtin_ia32_pause(); }
