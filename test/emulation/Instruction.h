//===- Instruction.h - Decoded instructions ---------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_EMULATION_INSTRUCTION_H
#define TERNAC_TEST_EMULATION_INSTRUCTION_H

#include <cstdint>

namespace ternac::emulation {

enum class Operation : uint8_t {
  LoadConfig,
  StoreConfig,
  Release,
  Zero,
  Load,
  Store,
  DotSS, ///< bytes: signed of the first factor, signed of the second
  DotSU,
  DotUS,
  DotUU,
  DotBF16,
  Bytes, ///< vpdpbusd
  BytesSaturate,
  Words, ///< vpdpwssd
  WordsSaturate,
};

/// [base + index * scale + displacement]
struct Memory {
  static constexpr uint8_t none = 0xff;
  static constexpr uint8_t nextInstruction = 0xfe; ///< as base: rip
  uint8_t base = none;
  uint8_t index = none;
  uint8_t scaleLog2 = 0;
  int32_t displacement = 0;
};

/// An instruction with up to three registers, of which the last may be memory.
/// Tiles: reg += rm * vvvv. Vectors: reg += vvvv * rm.
struct Instruction {
  Operation operation;
  const char *name;
  uint8_t length;
  uint8_t reg, vvvv, rm;
  bool hasMemory; ///< instead of rm
  bool is256;     ///< ymm registers, otherwise xmm
  Memory memory;
};

/// Decodes what is at `code` if the emulator knows it. Reads no byte behind the
/// end of the instruction.
bool decode(const uint8_t *code, Instruction &instruction);

} // namespace ternac::emulation

#endif // TERNAC_TEST_EMULATION_INSTRUCTION_H
