//===- RaceChecker.cpp - Finds accesses that nothing orders -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RaceChecker.h"
#include "CudaTypes.h"
#include "Machine.h"

#include <cstdlib>

using namespace ternac::cuda_emulator;

RaceChecker *RaceChecker::createIfWanted() {
  const char *text = getenv("TERNAC_CUDA_EMULATOR_RACES");
  return text && *text && *text != '0' ? new RaceChecker : nullptr;
}

void RaceChecker::note(Thread &thread, const Instruction &instruction,
                       bool isShared, uint64_t address, uint64_t size,
                       Access access) {
  Block &block = *thread.block;
  uint32_t warpEpoch = block.warpEpochs[thread.warp];
  bool isAtomic = access == Access::Atomic;
  auto conflicts = [&](const Past &past) {
    if (past.epoch != block.epoch || past.thread == thread.index ||
        (past.isAtomic && isAtomic))
      return false;
    // What lanes of a warp do together orders them.
    return past.thread / 32 != thread.warp || past.warpEpoch == warpEpoch;
  };
  auto report = [&](const Past &past, const char *what) {
    block.fault(thread, instruction, CUDA_ERROR_LAUNCH_FAILED,
                std::string("race on ") + (isShared ? "shared" : "global") +
                    " memory: no barrier since thread " +
                    std::to_string(past.thread) + " " + what +
                    " the same byte in line " + std::to_string(past.line));
  };
  // Threads may write the same value.
  auto isUnchanged = [&](uint64_t at) {
    if (!thread.storing)
      return false;
    const uint8_t *memory = nullptr;
    if (isShared) {
      memory = at < block.sharedSize ? block.shared + at : nullptr;
    } else {
      DeviceMemory::Allocation found = DeviceMemory::get().find(at, 1);
      if (found.size)
        memory = reinterpret_cast<const uint8_t *>(at + found.toHost);
    }
    return memory && *memory == thread.storing[at - address];
  };
  auto &bytes = isShared ? shared : global;
  for (uint64_t k = address; k < address + size; ++k) {
    Byte &byte = bytes[k];
    if (conflicts(byte.store) && !isUnchanged(k))
      report(byte.store, "wrote");
    Past now{block.epoch, warpEpoch, thread.index, instruction.line, isAtomic};
    if (access == Access::Load) {
      // A reader of another warp stays, as it is harder to order.
      if (byte.load.epoch == block.epoch &&
          byte.load.thread / 32 != thread.warp)
        continue;
      byte.load = now;
      continue;
    }
    if (conflicts(byte.load))
      report(byte.load, "read");
    byte.store = now;
  }
}

void ternac::cuda_emulator::noteAccess(Thread &thread,
                                       const Instruction &instruction,
                                       bool isShared, uint64_t address,
                                       uint64_t size, Access access) {
  thread.block->races->note(thread, instruction, isShared, address, size,
                            access);
}
