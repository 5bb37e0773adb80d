//===- Isa.h - The instructions of the ternary array ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All that the compiler and the simulator share: the sizes of the machine and
// its instructions. It multiplies rows of int8 activations by a ternary matrix
// with additions only:
//
//   memory of the host
//     |  activations, 16 rows         |  weights, blocks of 64 bytes
//     v                               v
//   activation memory, 32 KiB       weight memory, 2 banks of 8 KiB
//     |  16 bytes of a row            |  16 rows x 16 columns of trits
//     +------------> 16 lanes <-------+
//                      |  each adds or subtracts up to 16 bytes in a cycle
//                      v
//   sums, 16 rows x 16 lanes of i32, stored to the memory of the host
//
// A block of weights is a tile of the packing `tile2`: byte 4 * i + j has, in
// bits 2 * d and 2 * d + 1, the trit of lane i and column 4 * d + j, plus one.
//
// A program is a list of words of 64 bits, little endian, all of one form.
//
//===----------------------------------------------------------------------===//

#ifndef TARRAY_ISA_H
#define TARRAY_ISA_H

#include <cstdint>

namespace tarray {

/// What TernacModel.device says, and the driver.
inline constexpr char kDeviceName[] = "ternary-array";

inline constexpr uint32_t kLanes = 16;        ///< rows of the matrix
inline constexpr uint32_t kRows = 16;         ///< rows of activations
inline constexpr uint32_t kBlockColumns = 16; ///< of a block of weights
inline constexpr uint32_t kBlockBytes = 64;
inline constexpr uint32_t kBlocks = 128; ///< that fit a bank of weight memory,
                                         ///< and as many columns of activations
inline constexpr uint32_t kDescriptors = 4;

enum class Opcode : uint8_t {
  /// Descriptor `descriptor` is the buffer `count`, in rows of `place` bytes.
  Descriptor = 1,
  /// Loads `count` blocks of columns of all rows, from block `place` on.
  LoadActivations = 2,
  /// Sets all sums to zero.
  ClearSums = 3,
  /// Loads `count` blocks, from block `place` of the buffer on.
  LoadWeights = 4,
  /// Adds the products of the first `count` blocks of both memories.
  Accumulate = 5,
  /// Stores the sums of `count` lanes to i32 columns `place` and on of all
  /// rows.
  StoreSums = 6,
};

struct Instruction {
  Opcode opcode;
  uint8_t descriptor; ///< of the buffer to load from or store to
  uint16_t count;
  uint32_t place;
};

constexpr uint64_t encode(Instruction instruction) {
  return uint64_t(instruction.opcode) | uint64_t(instruction.descriptor) << 8 |
         uint64_t(instruction.count) << 16 | uint64_t(instruction.place) << 32;
}

constexpr Instruction decode(uint64_t word) {
  return {Opcode(word & 0xff), uint8_t(word >> 8), uint16_t(word >> 16),
          uint32_t(word >> 32)};
}

} // namespace tarray

#endif // TARRAY_ISA_H
