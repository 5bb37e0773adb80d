//===- KernelDevice.h - Devices that run kernels ----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the back ends of devices with memory of their own have in common: the
// table of functions, and the checks of what is asked.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_KERNELDEVICE_H
#define TERNAC_LIB_RUNTIME_DEVICES_KERNELDEVICE_H

#include "Devices/BackEnd.h"

#include <array>
#include <iterator>
#include <map>

namespace ternac::runtime {

/// What `launch` is asked, with no empty grid.
struct Launch {
  uint64_t module;
  uint32_t kernel;
  std::array<uint32_t, 3> grid, block;
  const int64_t *arguments;
  uint32_t count;
};

/// Functions return false, with the error set, if they fail. They are those of
/// TernacDevice and never get nothing to do.
class KernelDevice : public BuiltInDevice {
public:
  const TernacDevice *table() const override { return &functions; }

protected:
  /// `format` is that of the code it takes.
  KernelDevice(const char *name, const char *format);

  virtual bool allocate(uint64_t bytes, uint64_t &address) = 0;
  virtual void release(uint64_t address) = 0;
  virtual bool upload(uint64_t address, const void *data, uint64_t bytes) = 0;
  virtual bool download(void *data, uint64_t address, uint64_t bytes) = 0;
  virtual bool copy(uint64_t to, uint64_t from, uint64_t bytes) = 0;
  virtual bool load(const TernacKernels &kernels, uint64_t &module) = 0;
  virtual void unload(uint64_t module) = 0;
  virtual bool launch(const Launch &launch) = 0;

  /// Returns when all is done.
  virtual bool finish() = 0;
  /// Why a function last failed.
  virtual std::string &error() = 0;

  /// Sets the error and returns false.
  bool fail(std::string why);
  /// Fails for a place that `AllocationMap::find` did not find.
  bool failToFind(uint64_t address, uint64_t bytes);

  TernacDevice functions = {};
  std::array<uint32_t, 3> mostBlocks = {}; ///< that a launch may start

private:
  static KernelDevice &of(void *context) {
    return *static_cast<KernelDevice *>(context);
  }
  void fillInMemory();
  bool checkedLoad(const TernacKernels &kernels, uint64_t &module);
  bool checkedLaunch(const Launch &launch);

  const char *const format;
};

/// What there is of each allocation, by the address that was given away.
template <typename T> class AllocationMap {
public:
  void add(uint64_t address, uint64_t bytes, const T &allocation) {
    all[address] = {allocation, bytes};
  }

  /// Forgets an allocation and stores it to `allocation`; false if there is
  /// none.
  bool remove(uint64_t address, T &allocation) {
    auto place = all.find(address);
    if (place == all.end())
      return false;
    allocation = place->second.allocation;
    all.erase(place);
    return true;
  }

  /// Finds the allocation that has these bytes, and their `offset` in it.
  bool find(uint64_t address, uint64_t bytes, const T *&allocation,
            uint64_t &offset) const {
    auto next = all.upper_bound(address);
    if (next == all.begin())
      return false;
    const auto &[begin, entry] = *std::prev(next);
    offset = address - begin;
    if (offset > entry.bytes || bytes > entry.bytes - offset)
      return false;
    allocation = &entry.allocation;
    return true;
  }

  /// Calls `function` with each allocation.
  template <typename F> void forEach(F function) const {
    for (const auto &[address, entry] : all)
      function(entry.allocation);
  }

private:
  struct Entry {
    T allocation;
    uint64_t bytes;
  };
  std::map<uint64_t, Entry> all;
};

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_DEVICES_KERNELDEVICE_H
