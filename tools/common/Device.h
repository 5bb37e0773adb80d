//===- Device.h - --device of the tools that run models ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_COMMON_DEVICE_H
#define TERNAC_TOOLS_COMMON_DEVICE_H

#include "ternac/Runtime/Session.h"

#include <string>

namespace ternac::tool {

/// The device of a command line: a driver, or none.
class Device {
public:
  Device() = default;
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  ~Device() { ternac_driver_close(driver); }

  /// Opens the driver `path`, unless that is empty, for a model of the file
  /// `library`. False after an error, which has been printed.
  bool open(const std::string &path, const TernacModel &model,
            const std::string &library);

  /// Null if there is none.
  const TernacDevice *table() const;

  /// What it did so far, as lines to read; "" if it says nothing.
  std::string report() const;

private:
  TernacDriver *driver = nullptr;
};

} // namespace ternac::tool

#endif // TERNAC_TOOLS_COMMON_DEVICE_H
