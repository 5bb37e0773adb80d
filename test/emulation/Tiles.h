//===- Tiles.h - AMX in software --------------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_EMULATION_TILES_H
#define TERNAC_TEST_EMULATION_TILES_H

#include "Instruction.h"

namespace ternac::emulation {

/// Performs an AMX instruction on the tiles of this thread. `address` is what
/// the memory operand begins at, `stride` the bytes between rows of a tile.
void runTiles(const Instruction &instruction, uint8_t *address, int64_t stride);

} // namespace ternac::emulation

#endif // TERNAC_TEST_EMULATION_TILES_H
