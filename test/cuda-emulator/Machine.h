//===- Machine.h - The state of running kernels -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_CUDAEMULATOR_MACHINE_H
#define TERNAC_TEST_CUDAEMULATOR_MACHINE_H

#include "DeviceMemory.h"
#include "Program.h"

#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <string>
#include <type_traits>

namespace ternac::cuda_emulator {

class RaceChecker;

/// Windows of the generic address space; no host has memory there.
constexpr uint64_t SharedWindow = uint64_t(1) << 56;
constexpr uint64_t LocalWindow = uint64_t(2) << 56;
constexpr uint64_t ParamWindow = uint64_t(3) << 56;

/// Why a kernel was ended.
struct Fault : std::runtime_error {
  Fault(int code, const std::string &message)
      : std::runtime_error(message), code(code) {}
  int code;
};

struct Dim {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct Launch {
  const Function *kernel = nullptr;
  Dim grid, block;
  uint64_t dynamicShared = 0;
  std::vector<uint8_t> parameters;
};

struct Block;

/// An asynchronous copy to shared memory that has not been waited for.
struct PendingCopy {
  uint64_t to, from;
  uint32_t size, sourceSize, line;
};

struct Frame {
  const Function *function;
  const Instruction *returnTo;
  uint64_t registers, params, locals;
};

enum class State : uint8_t { Runnable, InCollective, AtBarrier, Exited };

struct Thread {
  /// The slots of the innermost frame.
  uint64_t *r = nullptr;
  Block *block = nullptr;
  const Instruction *next = nullptr;
  /// Taken branches until another thread gets its turn.
  uint32_t fuel = 0;
  State state = State::Runnable;
  uint32_t index = 0, lane = 0, warp = 0;
  uint8_t *params = nullptr;
  uint64_t paramsSize = 0;
  uint64_t turns = 0;
  /// What the store that is checked for races writes, or null.
  const uint8_t *storing = nullptr;
  uint32_t barrier = 0, barrierCount = 0;
  std::vector<uint64_t> registers;
  std::vector<uint8_t> paramStack, localStack;
  std::vector<Frame> frames;
  std::vector<PendingCopy> openCopies;
  std::deque<std::vector<PendingCopy>> copyGroups;

  void push(const Function &function, const Instruction *returnTo);
  /// Leaves the frame; false if it was the kernel's.
  bool pop();
  /// Does copies until only `groups` groups are left.
  void finishCopies(size_t groups);
};

struct Warp {
  Block &block;
  Thread *lanes;
  uint32_t count;
};

struct Block {
  explicit Block(const Launch &launch);
  ~Block();
  Block(const Block &) = delete;
  /// Runs the block with the number `number` of the grid.
  void run(uint64_t number);
  [[noreturn]] void fault(const Thread &thread, const Instruction &instruction,
                          int code, const std::string &message);

  const Launch &launch;
  Dim id;
  uint8_t *shared = nullptr;
  uint64_t sharedSize = 0;
  std::vector<uint8_t> sharedStorage;
  std::vector<Thread> threads;
  struct Range {
    uint64_t begin = 0, size = 0;
    int64_t toHost = 0;
  };
  std::array<Range, 4> recent;
  uint32_t nextRecent = 0;
  struct Barrier {
    uint32_t arrived = 0;
    uint32_t expected = 0;
  };
  std::array<Barrier, 16> barriers;
  RaceChecker *races = nullptr;
  /// How often a barrier of the block, and of each warp, was passed.
  uint32_t epoch = 1;
  std::vector<uint32_t> warpEpochs;

  uint8_t *globalMiss(Thread &thread, const Instruction &instruction,
                      uint64_t address, uint64_t size);

private:
  void start(uint64_t number);
  bool runWarp(uint32_t warp);
  bool runCollective(Warp &warp);
  bool releaseBarriers();
  [[noreturn]] void reportDeadlock();
};

/// Runs a kernel; throws a Fault.
void runLaunch(const Launch &launch);

//===----------------------------------------------------------------------===//
// What handlers of instructions use
//===----------------------------------------------------------------------===//

template <class T> inline T get(const Thread &t, uint32_t slot) {
  T value;
  std::memcpy(static_cast<void *>(&value), &t.r[slot], sizeof(T));
  return value;
}

template <class T> inline void put(Thread &t, uint32_t slot, T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  t.r[slot] = bits;
}

enum class Access : uint8_t { Load, Store, Atomic };

void noteAccess(Thread &thread, const Instruction &instruction, bool isShared,
                uint64_t address, uint64_t size, Access access);

[[noreturn]] void misaligned(Thread &t, const Instruction &i, uint64_t address,
                             uint64_t size);
[[noreturn]] void outOfBounds(Thread &t, const Instruction &i,
                              const char *space, uint64_t address,
                              uint64_t size, uint64_t limit);

inline uint8_t *resolveShared(Thread &t, const Instruction &i, uint64_t address,
                              uint64_t size, Access access) {
  if (address & (size - 1))
    misaligned(t, i, address, size);
  Block &block = *t.block;
  if (address > block.sharedSize || size > block.sharedSize - address)
    outOfBounds(t, i, "shared", address, size, block.sharedSize);
  if (block.races)
    noteAccess(t, i, true, address, size, access);
  return block.shared + address;
}

inline uint8_t *resolveGlobal(Thread &t, const Instruction &i, uint64_t address,
                              uint64_t size, Access access) {
  if (address & (size - 1))
    misaligned(t, i, address, size);
  Block &block = *t.block;
  if (block.races)
    noteAccess(t, i, false, address, size, access);
  for (const Block::Range &range : block.recent)
    if (address - range.begin < range.size &&
        size <= range.size - (address - range.begin))
      return reinterpret_cast<uint8_t *>(address + range.toHost);
  return block.globalMiss(t, i, address, size);
}

/// The host's address of `size` bytes.
template <Space S>
inline uint8_t *resolve(Thread &t, const Instruction &i, uint64_t address,
                        uint64_t size, Access access) {
  if constexpr (S == Space::Shared) {
    return resolveShared(t, i, address, size, access);
  } else if constexpr (S == Space::Global) {
    return resolveGlobal(t, i, address, size, access);
  } else if constexpr (S == Space::Local) {
    if (address & (size - 1))
      misaligned(t, i, address, size);
    if (address > t.localStack.size() || size > t.localStack.size() - address)
      outOfBounds(t, i, "local", address, size, t.localStack.size());
    return t.localStack.data() + address;
  } else if constexpr (S == Space::Param) {
    address &= SharedWindow - 1;
    if (address & (size - 1))
      misaligned(t, i, address, size);
    if (address > t.paramsSize || size > t.paramsSize - address)
      outOfBounds(t, i, "param", address, size, t.paramsSize);
    return t.params + address;
  } else {
    switch (address >> 56) {
    case 0:
      return resolveGlobal(t, i, address, size, access);
    case SharedWindow >> 56:
      return resolveShared(t, i, address - SharedWindow, size, access);
    case LocalWindow >> 56:
      return resolve<Space::Local>(t, i, address - LocalWindow, size, access);
    case ParamWindow >> 56:
      return resolve<Space::Param>(t, i, address - ParamWindow, size, access);
    default:
      outOfBounds(t, i, "generic", address, size, 0);
    }
  }
}

/// Stops the thread until the other lanes are there.
const Instruction *joinCollective(Thread &t, const Instruction &i);

} // namespace ternac::cuda_emulator

#endif // TERNAC_TEST_CUDAEMULATOR_MACHINE_H
