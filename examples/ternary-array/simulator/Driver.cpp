//===- Driver.cpp - The simulator as a device of Ternac -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What `ternac-run --device=` opens. A driver of a real machine would copy the
// commands to its queue and wait; this one runs them.
//
//===----------------------------------------------------------------------===//

#include "Simulator.h"

#include <memory>
#include <mutex>

using namespace tarray;

namespace {

struct Driver {
  std::mutex mutex; ///< guards what follows: threads submit as they like
  Counts counts;
  std::string error;
};

int32_t submit(void *context, const void *commands, uint64_t bytes,
               const TernacBuffer *buffers, uint32_t bufferCount) {
  auto &driver = *static_cast<Driver *>(context);
  // Its memories are too large for the stack of a thread.
  auto simulator = std::make_unique<Simulator>(buffers, bufferCount);
  std::string error = simulator->run(commands, bytes);
  std::lock_guard lock(driver.mutex);
  driver.counts.add(simulator->counts());
  if (error.empty())
    return 0;
  driver.error = error;
  return 1;
}

/// Copies `whole` out, as TernacDevice says.
uint64_t copyText(const std::string &whole, char *text, uint64_t bytes) {
  if (bytes > 0)
    text[whole.copy(text, bytes - 1)] = '\0';
  return whole.size();
}

uint64_t lastError(void *context, char *text, uint64_t bytes) {
  auto &driver = *static_cast<Driver *>(context);
  std::lock_guard lock(driver.mutex);
  return copyText(driver.error, text, bytes);
}

uint64_t report(void *context, char *text, uint64_t bytes) {
  auto &driver = *static_cast<Driver *>(context);
  std::lock_guard lock(driver.mutex);
  return copyText(describe(driver.counts), text, bytes);
}

} // namespace

extern "C" const TernacDevice *ternac_device() {
  static Driver driver;
  static const TernacDevice device = [] {
    TernacDevice table = {}; // it has no memory and no kernels
    table.struct_size = sizeof(table);
    table.abi_version = TERNAC_ABI_VERSION;
    table.name = kDeviceName;
    table.context = &driver;
    table.submit = submit;
    table.last_error = lastError;
    table.report = report;
    return table;
  }();
  return &device;
}
