//===- Emulator.h - Instructions that this processor lacks ------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For tests only: performs AMX (tile, int8, bf16) and AVX-VNNI instructions in
// software where the processor raises SIGILL for them. Every instruction costs
// a signal, which is about a thousand times what it costs in hardware.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_EMULATION_EMULATOR_H
#define TERNAC_TEST_EMULATION_EMULATOR_H

#include <cstdint>

extern "C" {

/// Handles SIGILL of the whole process from now on. Instructions that the
/// emulator does not know go to whoever handled the signal before.
/// Returns 0, or -1 if the system refuses.
int ternac_emulator_install();

/// The number of instructions performed, by all threads.
uint64_t ternac_emulator_count();
}

#endif // TERNAC_TEST_EMULATION_EMULATOR_H
