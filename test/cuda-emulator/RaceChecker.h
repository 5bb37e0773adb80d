//===- RaceChecker.h - Finds accesses that nothing orders ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_CUDAEMULATOR_RACECHECKER_H
#define TERNAC_TEST_CUDAEMULATOR_RACECHECKER_H

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace ternac::cuda_emulator {

struct Thread;
struct Instruction;
enum class Access : uint8_t;

/// Remembers, for each byte that a block accesses, the last accesses since the
/// last barrier.
class RaceChecker {
public:
  /// Null unless the environment asks for it.
  static RaceChecker *createIfWanted();
  void startBlock() {
    shared.clear();
    global.clear();
  }
  void note(Thread &thread, const Instruction &instruction, bool isShared,
            uint64_t address, uint64_t size, Access access);

private:
  struct Past {
    uint32_t epoch = 0, warpEpoch = 0, thread = 0, line = 0;
    bool isAtomic = false;
  };
  struct Byte {
    Past store, load;
  };
  std::unordered_map<uint64_t, Byte> shared, global;
};

} // namespace ternac::cuda_emulator

#endif // TERNAC_TEST_CUDAEMULATOR_RACECHECKER_H
