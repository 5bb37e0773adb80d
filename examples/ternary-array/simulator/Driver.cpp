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
  std::string error, report;
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

const char *lastError(void *context) {
  auto &driver = *static_cast<Driver *>(context);
  std::lock_guard lock(driver.mutex);
  return driver.error.c_str();
}

const char *report(void *context) {
  auto &driver = *static_cast<Driver *>(context);
  std::lock_guard lock(driver.mutex);
  driver.report = describe(driver.counts);
  return driver.report.c_str();
}

} // namespace

extern "C" const TernacDevice *ternac_device() {
  static Driver driver;
  static const TernacDevice device = {sizeof(TernacDevice),
                                      TERNAC_ABI_VERSION,
                                      kDeviceName,
                                      &driver,
                                      submit,
                                      lastError,
                                      report};
  return &device;
}
