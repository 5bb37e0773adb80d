//===- Driver.cpp - The CUDA driver and its devices -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

#include <dlfcn.h>

using namespace ternac::runtime::cuda;

/// Of the driver, as it counts: 1000 * major + 10 * minor.
static constexpr int oldestVersion = 12000;
/// Of devices that the kernels are made for.
static constexpr Capability oldestCapability = {7, 5};

static std::string textOfVersion(int version) {
  return std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

std::string Capability::text() const {
  return std::to_string(major) + "." + std::to_string(minor);
}

std::string ternac::runtime::cuda::sizeText(uint64_t bytes) {
  constexpr double step = 1024;
  const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
  double size = double(bytes);
  size_t unit = 0;
  for (; size >= step && unit < 3; ++unit)
    size /= step;
  char text[64];
  snprintf(text, sizeof(text), "%.*f %s", unit ? 1 : 0, size, units[unit]);
  return text;
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

bool Driver::load(std::string &problem) {
  const char *name = getenv("TERNAC_CUDA_DRIVER");
  if (!name || !*name)
    name = "libcuda.so.1";
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    problem = std::string("there is no CUDA driver: ") + dlerror();
    return false;
  }
  const char *missing = nullptr;
#define TERNAC_CUDA_LOAD(NAME, SYMBOL, PARAMETERS)                             \
  cu.NAME = reinterpret_cast<decltype(cu.NAME)>(dlsym(library, SYMBOL));       \
  if (!cu.NAME && !missing)                                                    \
    missing = SYMBOL;
  TERNAC_CUDA_FUNCTIONS(TERNAC_CUDA_LOAD)
#undef TERNAC_CUDA_LOAD
  if (!missing)
    return true;
  problem = std::string("the driver '") + name + "' has no function '" +
            missing + "': expected a driver of CUDA " +
            textOfVersion(oldestVersion) + " or newer";
  dlclose(library);
  return false;
}

bool Driver::start(std::string &problem) {
  Result result = cu.Init(0);
  int version = 0;
  if (result == Result::Success)
    result = cu.DriverGetVersion(&version);
  if (result == Result::Success && version < oldestVersion) {
    problem = "expected a driver of CUDA " + textOfVersion(oldestVersion) +
              " or newer, but got one of " + textOfVersion(version);
    return false;
  }
  if (result == Result::Success)
    result = cu.DeviceGetCount(&count);
  if (result == Result::NoDevice || (result == Result::Success && count <= 0))
    problem = "CUDA has no device on this machine";
  else if (result != Result::Success)
    problem = "the driver does not start: " + textOf(result);
  return problem.empty();
}

const Driver *Driver::get(std::string &problem) {
  static std::mutex guard;
  static const Driver *driver = nullptr;
  std::lock_guard lock(guard);
  if (driver)
    return driver;
  auto opened = std::make_unique<Driver>();
  if (opened->load(problem) && opened->start(problem))
    driver = opened.release();
  return driver;
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

std::string Driver::textOf(Result result) const {
  const char *text = nullptr;
  if (cu.GetErrorString(result, &text) == Result::Success && text)
    return text;
  return "CUDA gave the error " + std::to_string(static_cast<int>(result));
}

int Driver::attribute(Attribute attribute, Ordinal device) const {
  int value = 0;
  cu.DeviceGetAttribute(&value, attribute, device);
  return value;
}

Capability Driver::capabilityOf(Ordinal device) const {
  return {attribute(Attribute::CapabilityMajor, device),
          attribute(Attribute::CapabilityMinor, device)};
}

std::string Driver::describe(Ordinal device) const {
  char name[256] = "";
  size_t bytes = 0;
  if (cu.DeviceGetName(name, sizeof(name), device) != Result::Success ||
      cu.DeviceTotalMem(&bytes, device) != Result::Success)
    return "";
  return std::string(name) + ", compute capability " +
         capabilityOf(device).text() + ", " + sizeText(bytes);
}

std::string Driver::problemOf(Ordinal device) const {
  Capability capability = capabilityOf(device);
  if (capability < oldestCapability)
    return "it has compute capability " + capability.text() +
           ", but kernels need " + oldestCapability.text();
  if (attribute(Attribute::ComputeMode, device) == computeModeProhibited)
    return "its compute mode lets nobody use it";
  return "";
}
