//===- DeviceMemory.cpp - Allocations of the device ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceMemory.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sys/mman.h>

using namespace ternac::cuda_emulator;

constexpr uint64_t Page = 65536;

static std::string hex(uint64_t value) {
  char text[24];
  snprintf(text, sizeof(text), "0x%llx",
           static_cast<unsigned long long>(value));
  return text;
}

DeviceMemory &DeviceMemory::get() {
  // Never destroyed: threads of the host may outlive static objects.
  static DeviceMemory *memory = new DeviceMemory;
  return *memory;
}

DeviceMemory::DeviceMemory() {
  capacity = uint64_t(2) << 30;
  if (const char *text = getenv("TERNAC_CUDA_EMULATOR_MEMORY"))
    capacity = strtoull(text, nullptr, 0);
  // The upper half is the device's view of the lower half.
  for (arenaSize = uint64_t(1) << 42; arenaSize >= capacity; arenaSize /= 2) {
    void *start = mmap(nullptr, 2 * arenaSize, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start != MAP_FAILED) {
      arena = (reinterpret_cast<uint64_t>(start) + Page - 1) / Page * Page;
      next = arena + Page;
      return;
    }
  }
  arenaSize = 0;
}

uint64_t DeviceMemory::available() const {
  std::shared_lock lock(mutex);
  return capacity - used;
}

uint64_t DeviceMemory::allocate(uint64_t size) {
  std::unique_lock lock(mutex);
  // Later bytes of the last page are not part of the allocation.
  uint64_t room = (size + 4095) / 4096 * 4096;
  if (size > capacity - used || room + Page > arena + arenaSize - next - Page)
    return 0;
  if (mprotect(reinterpret_cast<void *>(next), room, PROT_READ | PROT_WRITE))
    return 0;
  memset(reinterpret_cast<void *>(next), 0xCB, size);
  Allocation allocation{next + arenaSize, size, -int64_t(arenaSize), false};
  live[allocation.begin] = allocation;
  used += size;
  next = (next + room + 4096 + 4095) / 4096 * 4096;
  return allocation.begin;
}

bool DeviceMemory::free(uint64_t address) {
  std::unique_lock lock(mutex);
  auto found = live.find(address);
  if (found == live.end() || found->second.isHost)
    return false;
  const Allocation &allocation = found->second;
  uint64_t room = (allocation.size + 4095) / 4096 * 4096;
  void *host = reinterpret_cast<void *>(address + allocation.toHost);
  madvise(host, room, MADV_DONTNEED);
  mprotect(host, room, PROT_NONE);
  used -= allocation.size;
  freed.insert(*found);
  live.erase(found);
  return true;
}

void *DeviceMemory::allocateHost(uint64_t size) {
  void *pointer = nullptr;
  if (posix_memalign(&pointer, 4096, size))
    return nullptr;
  memset(pointer, 0xCB, size);
  std::unique_lock lock(mutex);
  uint64_t address = reinterpret_cast<uint64_t>(pointer);
  live[address] = {address, size, 0, true};
  return pointer;
}

bool DeviceMemory::freeHost(void *pointer) {
  std::unique_lock lock(mutex);
  auto found = live.find(reinterpret_cast<uint64_t>(pointer));
  if (found == live.end() || !found->second.isHost)
    return false;
  live.erase(found);
  ::free(pointer);
  return true;
}

DeviceMemory::Allocation DeviceMemory::find(uint64_t address,
                                            uint64_t size) const {
  std::shared_lock lock(mutex);
  auto after = live.upper_bound(address);
  if (after == live.begin())
    return {};
  const Allocation &allocation = std::prev(after)->second;
  uint64_t offset = address - allocation.begin;
  if (offset >= allocation.size || size > allocation.size - offset)
    return {};
  return allocation;
}

std::string DeviceMemory::explain(uint64_t address, uint64_t size) const {
  std::shared_lock lock(mutex);
  std::string what = std::to_string(size) + " bytes at " + hex(address);
  auto near = [&](const std::map<uint64_t, Allocation> &map) -> std::string {
    auto after = map.upper_bound(address);
    if (after == map.begin())
      return "";
    const Allocation &allocation = std::prev(after)->second;
    uint64_t offset = address - allocation.begin;
    if (offset > allocation.size + 4096)
      return "";
    return "at offset " + std::to_string(offset) + " of the allocation of " +
           std::to_string(allocation.size) + " bytes at " +
           hex(allocation.begin);
  };
  std::string place = near(live);
  if (!place.empty())
    return what + " are " + place;
  place = near(freed);
  if (!place.empty())
    return what + " are " + place + ", which has been freed";
  return what + " are not memory of the device";
}
