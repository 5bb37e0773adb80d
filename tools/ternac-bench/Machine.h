//===- Machine.h - What this machine can do ---------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Machines are shared and drift by tens of per cent within the hour, so speeds
// are compared with the machine's own speed in the same run.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_BENCH_MACHINE_H
#define TERNAC_TOOLS_BENCH_MACHINE_H

#include "ternac/Runtime/MappedMemory.h"
#include "ternac/Runtime/ModelABI.h"
#include "ternac/Runtime/ThreadPool.h"

#include <optional>

namespace ternac::bench {

/// Reads memory that no cache holds.
class MemoryReader {
public:
  /// Reads [begin, begin + bytes), which others own.
  void use(const char *begin, uint64_t bytes);
  /// Reads huge pages of its own. False if there is not enough memory.
  bool allocate();

  /// One sample in bytes per second, with all threads of `pool`: half a
  /// gigabyte, or all there is, from where the last sample ended.
  double sample(runtime::ThreadPool &pool);

private:
  runtime::MappedMemory memory;
  const char *start = nullptr;
  uint64_t units = 0; ///< shared out between threads
  uint64_t next = 0;  ///< the unit to begin with
};

/// Copies inside of a device's own memory.
class DeviceCopier {
public:
  DeviceCopier() = default;
  ~DeviceCopier();
  DeviceCopier(const DeviceCopier &) = delete;
  DeviceCopier &operator=(const DeviceCopier &) = delete;

  /// False after an error, which the device says.
  bool allocate(const TernacDevice *device);

  /// One sample of the bytes read and written per second; nothing after an
  /// error.
  std::optional<double> sample();

private:
  std::optional<double> copy(uint32_t count);

  const TernacDevice *device = nullptr;
  uint64_t from = 0, to = 0;
};

/// One sample of int8 x int8 products, summed in int32, per second: the best
/// that the processor does with operands in registers. Nothing on processors
/// whose products nobody has written code for.
std::optional<double> sampleInt8Peak(runtime::ThreadPool &pool);

/// The instruction set that `sampleInt8Peak` uses; null if it uses none.
const char *int8PeakFeature();

} // namespace ternac::bench

#endif // TERNAC_TOOLS_BENCH_MACHINE_H
