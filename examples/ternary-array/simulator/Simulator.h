//===- Simulator.h - The ternary array in software --------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs programs as the machine would, and counts what it would take: cycles,
// additions, bytes of each memory, energy. It trusts nothing: a program that is
// malformed, or reaches outside its buffers, is refused.
//
// Time. Two engines run side by side, each one instruction at a time, in order:
//   memory  loads and stores: kLatency cycles, then kBytesPerCycle in a cycle
//   array   `accumulate`: a cycle for each block and row of activations
// An instruction waits for what it reads and until nobody needs what it
// overwrites. Weight memory has two banks, filled in turn, so that the next
// weights come while the array works on these; all else has one place.
//
// Energy. M. Horowitz, "Computing's energy problem (and what we can do about
// it)", ISSCC 2014, pp. 10-14, for 45 nm at 0.9 V: integer additions 0.03 pJ
// (8 bits) and 0.1 pJ (32 bits); 64 bits of a cache of 8 KB 10 pJ, of 32 KB
// 20 pJ; 64 bits of DRAM 1.3 to 2.6 nJ, of which we take the least. Writing is
// taken to cost what reading does. Not counted are control, and the sums, of
// which a step reads and writes 64 bytes each: 1 KiB of registers, for which
// there is no figure. The additions that make 16 activations one partial sum,
// of up to 12 bits, are all taken to be of 8. So the truth is more.
//
//===----------------------------------------------------------------------===//

#ifndef TARRAY_SIMULATOR_H
#define TARRAY_SIMULATOR_H

#include "Isa.h"

#include "ternac/Runtime/ModelABI.h"

#include <string>
#include <vector>

namespace tarray {

/// Cycles of a load or store before its first bytes, and bytes in each after.
inline constexpr uint64_t kLatency = 64, kBytesPerCycle = 16;

struct Counts {
  uint64_t programs = 0, cycles = 0;
  uint64_t memoryCycles = 0, arrayCycles = 0; ///< that each engine is busy
  uint64_t byteAdditions = 0; ///< of an activation, for each trit but 0
  uint64_t sumAdditions = 0;  ///< of a lane's sum, for each block and row
  uint64_t memoryBytes = 0;   ///< of the host, read and written
  uint64_t activationBytes = 0, weightBytes = 0; ///< of the two memories

  void add(const Counts &other);
  // In picojoules.
  double additionEnergy() const;
  double onChipEnergy() const;
  double memoryEnergy() const;
};

/// What a user may want to know of them, in lines.
std::string describe(const Counts &counts);

/// One run of one program.
class Simulator {
public:
  Simulator(const TernacBuffer *buffers, uint32_t bufferCount)
      : buffers(buffers), bufferCount(bufferCount) {}

  /// Runs `bytes` bytes of commands; "" or why they were refused. What they
  /// stored before that stays.
  std::string run(const void *commands, uint64_t bytes);
  const Counts &counts() const { return total; }

private:
  /// A buffer as rows of bytes.
  struct Descriptor {
    uint8_t *data = nullptr; ///< null: not set
    uint64_t rowBytes = 0, rows = 0;
  };
  /// Trits of a block as bytes, by lane.
  struct Block {
    int8_t trits[kLanes][kBlockColumns];
    uint32_t nonzero;
  };
  struct Bank {
    std::vector<Block> blocks;
    uint64_t loaded = 0; ///< the cycle from which on its weights are there
    uint64_t free = 0;   ///< the cycle from which on nobody reads them
  };

  // Each carries out one instruction; "" or why not.
  std::string execute(Instruction instruction);
  std::string describeBuffer(Instruction instruction);
  std::string loadActivations(Instruction instruction);
  std::string loadWeights(Instruction instruction);
  std::string accumulate(Instruction instruction);
  std::string storeSums(Instruction instruction);

  const Descriptor *find(uint8_t number, std::string &error) const;
  /// Lets the memory engine move bytes from cycle `start` on, or later.
  void move(uint64_t start, uint64_t bytes);

  const TernacBuffer *buffers;
  uint32_t bufferCount;
  Descriptor descriptors[kDescriptors];

  int8_t activations[kRows][kBlocks * kBlockColumns];
  uint32_t rows = 0, activationBlocks = 0; ///< what is loaded
  Bank banks[2];
  unsigned current = 0; ///< the bank that was filled last
  uint32_t sums[kRows][kLanes] = {};

  // The cycles at which each engine is done with what it has begun.
  uint64_t memoryDone = 0, arrayDone = 0, activationsLoaded = 0;
  Counts total;
};

} // namespace tarray

#endif // TARRAY_SIMULATOR_H
