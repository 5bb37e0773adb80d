//===- NotBuilt.cpp - In place of a back end ------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A back end without devices, where there were no headers to build it with.
//
//===----------------------------------------------------------------------===//

#include "Devices/BackEnd.h"

using namespace ternac::runtime;

static const char problem[] =
    "the runtime was built without the Vulkan headers";

namespace ternac::runtime {
BackEnd createVulkanBackEnd() {
  return {"vulkan",
          [](std::string &why) {
            why = problem;
            return std::vector<DeviceDescription>();
          },
          [](uint32_t, std::string &why) {
            why = problem;
            return std::unique_ptr<BuiltInDevice>();
          }};
}
} // namespace ternac::runtime
