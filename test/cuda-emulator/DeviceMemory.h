//===- DeviceMemory.h - Allocations of the device -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_CUDAEMULATOR_DEVICEMEMORY_H
#define TERNAC_TEST_CUDAEMULATOR_DEVICEMEMORY_H

#include <cstdint>
#include <map>
#include <shared_mutex>
#include <string>

namespace ternac::cuda_emulator {

/// The allocations. Addresses of the device differ from those of the host, so
/// that a host that follows one crashes, and none is given out twice, so that
/// uses of freed memory are found.
class DeviceMemory {
public:
  struct Allocation {
    uint64_t begin = 0, size = 0;
    /// What to add to get the host's address.
    int64_t toHost = 0;
    bool isHost = false;
  };

  static DeviceMemory &get();

  /// New memory filled with a pattern; 0 if there is not enough.
  uint64_t allocate(uint64_t size);
  bool free(uint64_t address);
  /// Memory of the host that the device may use.
  void *allocateHost(uint64_t size);
  bool freeHost(void *pointer);

  /// The allocation that has all of the bytes, or one of size 0.
  Allocation find(uint64_t address, uint64_t size) const;
  bool isHostMemory(const void *pointer, uint64_t size) const {
    Allocation found = find(reinterpret_cast<uint64_t>(pointer), size);
    return found.size != 0 && found.isHost;
  }
  /// A sentence on why `find` found nothing.
  std::string explain(uint64_t address, uint64_t size) const;

  uint64_t total() const { return capacity; }
  uint64_t available() const;

private:
  DeviceMemory();
  mutable std::shared_mutex mutex;
  std::map<uint64_t, Allocation> live, freed;
  uint64_t capacity = 0, used = 0;
  uint64_t arena = 0, arenaSize = 0, next = 0;
};

} // namespace ternac::cuda_emulator

#endif // TERNAC_TEST_CUDAEMULATOR_DEVICEMEMORY_H
