//===- Driver.cpp - Opening drivers of devices ----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include "Devices/BackEnd.h"
#include "Error.h"
#include "SharedLibrary.h"
#include "ternac/Runtime/Session.h"

#include <cstddef>
#include <memory>
#include <string>

using namespace ternac::runtime;

struct TernacDriver {
  SharedLibrary shared;
  std::unique_ptr<BuiltInDevice> builtIn;
  const TernacDevice *device = nullptr;
};

bool ternac::runtime::hasKernelFields(const TernacDevice &device) {
  return device.struct_size >=
         offsetof(TernacDevice, launch) + sizeof(TernacDevice::launch);
}

bool ternac::runtime::checkDevice(const char *what,
                                  const TernacDevice *device) {
  // Fields are read only after the check that they are there.
  constexpr size_t headerSize =
      offsetof(TernacDevice, abi_version) + sizeof(TernacDevice::abi_version);
  if (!device || device->struct_size < headerSize || device->abi_version == 0) {
    setError("%s is damaged: its device table has no size or no version", what);
    return false;
  }
  if (device->abi_version > TERNAC_ABI_VERSION) {
    setError("%s was built for version %u of the model ABI, but this runtime "
             "knows versions up to %u; use a newer runtime",
             what, device->abi_version, TERNAC_ABI_VERSION);
    return false;
  }
  // Fields behind this one came later.
  constexpr size_t leastSize =
      offsetof(TernacDevice, report) + sizeof(TernacDevice::report);
  if (device->struct_size < leastSize) {
    setError("%s is damaged: expected a device table of %zu bytes, but got %u",
             what, leastSize, device->struct_size);
    return false;
  }
  if (!device->name || !*device->name ||
      (!device->submit && !(hasKernelFields(*device) && device->launch))) {
    setError("%s is damaged: its device table has empty fields", what);
    return false;
  }
  return true;
}

TernacDriver *ternac_driver_open(const char *path) {
  auto driver = std::make_unique<TernacDriver>();
  if (path && isBuiltInName(path)) {
    driver->builtIn = openBuiltIn(path);
    if (!driver->builtIn)
      return nullptr;
    driver->device = driver->builtIn->table();
    return driver.release();
  }
  driver->shared = SharedLibrary::open(path, "driver of a Ternac device",
                                       TERNAC_DEVICE_SYMBOL);
  if (!driver->shared.symbol())
    return nullptr;
  driver->device = reinterpret_cast<TernacDeviceFn>(driver->shared.symbol())();
  std::string quoted = "'" + std::string(path) + "'";
  return checkDevice(quoted.c_str(), driver->device) ? driver.release()
                                                     : nullptr;
}

void ternac_driver_close(TernacDriver *driver) { delete driver; }

const TernacDevice *ternac_device_of(const TernacDriver *driver) {
  return driver->device;
}
