//===- FakeCUDADriver.cpp - A CUDA driver with a description --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What drivers and devices may say of themselves; none of them does anything.
//
//===----------------------------------------------------------------------===//

#include "Devices/CUDA/Functions.h"

#include <cstdio>

#ifndef FAKE_INIT
#define FAKE_INIT 0
#endif
#ifndef FAKE_VERSION
#define FAKE_VERSION 12000
#endif
#ifndef FAKE_CAPABILITY
#define FAKE_CAPABILITY 90
#endif
#ifndef FAKE_COMPUTE_MODE
#define FAKE_COMPUTE_MODE 0
#endif

using namespace ternac::runtime::cuda;

extern "C" {
Result cuInit(unsigned) { return static_cast<Result>(FAKE_INIT); }

Result cuGetErrorString(Result result, const char **text) {
  *text = result == static_cast<Result>(999) ? "unknown error" : nullptr;
  return *text ? Result::Success : Result::NotFound;
}

Result cuDriverGetVersion(int *version) {
  *version = FAKE_VERSION;
  return Result::Success;
}

Result cuDeviceGetCount(int *count) {
  *count = 2;
  return Result::Success;
}

Result cuDeviceGet(Ordinal *device, int number) {
  *device = number;
  return Result::Success;
}

Result cuDeviceGetName(char *name, int bytes, Ordinal device) {
  snprintf(name, static_cast<size_t>(bytes), "Fake %d", device);
  return Result::Success;
}

Result cuDeviceTotalMem_v2(size_t *bytes, Ordinal) {
  *bytes = size_t(3) << 29;
  return Result::Success;
}

Result cuDeviceGetAttribute(int *value, Attribute attribute, Ordinal device) {
  // The second device is as good as any.
  *value = attribute == Attribute::CapabilityMajor
               ? (device ? 9 : FAKE_CAPABILITY / 10)
           : attribute == Attribute::CapabilityMinor
               ? (device ? 0 : FAKE_CAPABILITY % 10)
           : attribute == Attribute::ComputeMode && !device ? FAKE_COMPUTE_MODE
                                                            : 0;
  return Result::Success;
}
}
