//===- Features.h - What kernels need of a Vulkan device --------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiled kernels use these features without asking.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_VULKAN_FEATURES_H
#define TERNAC_LIB_RUNTIME_DEVICES_VULKAN_FEATURES_H

#include "Functions.h"

namespace ternac::runtime::vulkan {

/// Features as Vulkan 1.2 has them: a chain that begins with `core`.
struct Features {
  Features();
  Features(const Features &) = delete;
  Features &operator=(const Features &) = delete;

  /// Names, separated by commas, of what kernels need and the device lacks.
  static std::string missingFrom(const InstanceFunctions &vk,
                                 VkPhysicalDevice device);

  /// Asks for what kernels need, and for what they may use where it is there.
  void enableFor(const InstanceFunctions &vk, VkPhysicalDevice device);

  VkPhysicalDeviceFeatures2 core;
  VkPhysicalDeviceVulkan11Features version11;
  VkPhysicalDeviceVulkan12Features version12;
};

} // namespace ternac::runtime::vulkan

#endif // TERNAC_LIB_RUNTIME_DEVICES_VULKAN_FEATURES_H
