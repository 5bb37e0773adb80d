//===- Instance.h - The Vulkan loader and its devices -----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What there is before a device is chosen.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_VULKAN_INSTANCE_H
#define TERNAC_LIB_RUNTIME_DEVICES_VULKAN_INSTANCE_H

#include "Functions.h"

#include <memory>
#include <optional>
#include <vector>

namespace ternac::runtime::vulkan {

class Instance {
public:
  /// That of the process, with at least one device, or null and why. It stays:
  /// to load all drivers takes long, and not all can be unloaded without loss.
  static const Instance *get(std::string &problem);
  ~Instance();
  Instance(const Instance &) = delete;
  Instance &operator=(const Instance &) = delete;

  /// "name (kind, version)", for people.
  std::string describe(VkPhysicalDevice device) const;
  /// Why the device cannot be used; empty if it can.
  std::string problemOf(VkPhysicalDevice device) const;
  /// The queue family to use; none if the device does not compute.
  std::optional<uint32_t> queueFamilyOf(VkPhysicalDevice device) const;

  InstanceFunctions vk;
  std::vector<VkPhysicalDevice> devices;

private:
  Instance() = default;
  static std::unique_ptr<Instance> create(std::string &problem);

  VkInstance handle = nullptr;
};

} // namespace ternac::runtime::vulkan

#endif // TERNAC_LIB_RUNTIME_DEVICES_VULKAN_INSTANCE_H
