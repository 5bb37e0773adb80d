//===- Result.cpp - What results mean -------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Functions.h"

std::string ternac::runtime::vulkan::describe(VkResult result) {
  switch (result) {
  case VK_ERROR_OUT_OF_HOST_MEMORY:
    return "the host is out of memory";
  case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    return "the device is out of memory";
  case VK_ERROR_INITIALIZATION_FAILED:
    return "it could not be initialized";
  case VK_ERROR_DEVICE_LOST:
    return "the device was lost";
  case VK_ERROR_INCOMPATIBLE_DRIVER:
    return "there is no driver";
  case VK_ERROR_TOO_MANY_OBJECTS:
    return "there are too many objects";
  case VK_ERROR_INVALID_SHADER_NV:
    return "the code is not valid";
  default:
    return "Vulkan gave the result " + std::to_string(result);
  }
}
