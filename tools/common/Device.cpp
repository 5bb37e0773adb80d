//===- Device.cpp - --device of the tools that run models -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Device.h"

#include "ternac/Runtime/DeviceText.h"
#include "ternac/Support/Arguments.h"

#include <cstddef>

using namespace ternac;
using namespace ternac::tool;

static bool needsDevice(const TernacModel &model) {
  constexpr size_t size =
      offsetof(TernacModel, device) + sizeof(TernacModel::device);
  return model.struct_size >= size && model.device && *model.device;
}

bool Device::open(const std::string &path, const TernacModel &model,
                  const std::string &library) {
  if (path.empty())
    return true;
  if (!needsDevice(model)) {
    Arguments::error("'%s' needs no device; run it without --device",
                     library.c_str());
    return false;
  }
  driver = ternac_driver_open(path.c_str());
  if (!driver)
    Arguments::error("%s", ternac_last_error());
  return driver;
}

const TernacDevice *Device::table() const {
  return driver ? ternac_device_of(driver) : nullptr;
}

std::string Device::report() const {
  const TernacDevice *device = table();
  return device ? runtime::deviceText(device->report, device->context) : "";
}
