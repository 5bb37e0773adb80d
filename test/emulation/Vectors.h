//===- Vectors.h - AVX-VNNI in software -------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_EMULATION_VECTORS_H
#define TERNAC_TEST_EMULATION_VECTORS_H

#include "Instruction.h"

namespace ternac::emulation {

/// The vector registers of an interrupted thread, in the frame of the signal.
class VectorRegisters {
public:
  /// `frame` is where the kernel saved the registers, or null.
  explicit VectorRegisters(uint8_t *frame);

  /// Whether the frame holds ymm registers.
  bool hasYmm() const { return frame != nullptr; }

  /// Reads the 32 bytes of ymm `number`.
  void read(int number, uint8_t *bytes) const;

  /// Writes the lower 32 or 16 bytes; as VEX says, what is above becomes zero.
  void write(int number, const uint8_t *bytes, bool is256);

private:
  uint64_t &components() const;
  /// Where the kernel saved a component; null if all of it is zero.
  uint8_t *find(int component) const;
  /// The same, after it was made to be there.
  uint8_t *create(int component);

  uint8_t *frame;
};

/// reg += vvvv * rm, where `address` stands for rm if that is memory.
void runVectors(const Instruction &instruction, const uint8_t *address,
                VectorRegisters &registers);

} // namespace ternac::emulation

#endif // TERNAC_TEST_EMULATION_VECTORS_H
