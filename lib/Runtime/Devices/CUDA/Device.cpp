//===- Device.cpp - A CUDA device and its memory --------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Device.h"

#include <utility>

using namespace ternac::runtime::cuda;

Device::Device(const Driver &driver, Ordinal ordinal)
    : driver(driver), cu(driver.cu), ordinal(ordinal),
      capability(driver.capabilityOf(ordinal)),
      description(driver.describe(ordinal)) {}

std::unique_ptr<Device> Device::create(uint32_t number, std::string &problem) {
  const Driver *driver = Driver::get(problem);
  if (!driver)
    return nullptr;
  if (number >= static_cast<uint32_t>(driver->count)) {
    problem = "expected a number below " + std::to_string(driver->count);
    return nullptr;
  }
  Ordinal ordinal = 0;
  Result result = driver->cu.DeviceGet(&ordinal, static_cast<int>(number));
  if (result == Result::Success) {
    problem = driver->problemOf(ordinal);
    if (!problem.empty())
      return nullptr;
    std::unique_ptr<Device> device(new Device(*driver, ordinal));
    result = driver->cu.DevicePrimaryCtxRetain(&device->context, ordinal);
    if (result == Result::Success)
      return device;
  }
  problem = "it cannot be opened: " + driver->textOf(result);
  return nullptr;
}

Device::~Device() {
  if (context)
    cu.DevicePrimaryCtxRelease(ordinal);
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

bool Device::fail(std::string why) {
  error = std::move(why);
  return false;
}

bool Device::check(Result result, const char *what) {
  return result == Result::Success ||
         fail(std::string(what) + ": " + driver.textOf(result));
}

bool Device::checkWork(Result result, const char *what) {
  if (check(result, what))
    return true;
  failure = error;
  return false;
}

bool Device::isWorking() { return failure.empty() || fail(failure); }

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

bool Device::allocate(uint64_t bytes, Address &address) {
  Result result = cu.MemAlloc(&address, bytes);
  size_t free = 0, total = 0;
  if (result == Result::OutOfMemory &&
      cu.MemGetInfo(&free, &total) == Result::Success)
    return fail("cannot allocate " + sizeText(bytes) + ": the device has " +
                sizeText(free) + " free of " + sizeText(total));
  return check(result, "cannot allocate memory");
}
