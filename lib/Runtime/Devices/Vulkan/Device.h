//===- Device.h - A Vulkan device and its memory ----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_VULKAN_DEVICE_H
#define TERNAC_LIB_RUNTIME_DEVICES_VULKAN_DEVICE_H

#include "Instance.h"

#include <span>

namespace ternac::runtime::vulkan {

/// Memory that kernels and copies can reach.
struct Buffer {
  VkBuffer handle = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  uint64_t bytes = 0;
  uint64_t address = 0; ///< for kernels
  char *host = nullptr; ///< where the host sees it; null if it does not
};

/// Calls that fail say why in `error`.
class Device {
public:
  /// Null, and why, if the device cannot be used.
  static std::unique_ptr<Device> create(uint32_t number, std::string &problem);
  ~Device();
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  /// Near the device; the host sees it only if both share one memory.
  bool createBuffer(uint64_t bytes, Buffer &buffer);
  /// Where the host sees it.
  bool createHostBuffer(uint64_t bytes, Buffer &buffer);
  void destroyBuffer(const Buffer &buffer);

  /// Sets `error` and returns false.
  bool fail(std::string why);
  /// Whether `result` is success; if not, `what` ("cannot ...") failed.
  bool check(VkResult result, const char *what);

  DeviceFunctions vk;
  VkDevice handle = nullptr;
  VkQueue queue = nullptr;
  uint32_t queueFamily = 0;
  VkPhysicalDeviceLimits limits = {};
  std::string error;

private:
  Device() = default;
  bool open(VkPhysicalDevice device, std::string &problem);
  bool createBuffer(uint64_t bytes,
                    std::span<const VkMemoryPropertyFlags> wanted, bool mapped,
                    Buffer &buffer);
  bool bindMemory(std::span<const VkMemoryPropertyFlags> wanted, bool mapped,
                  Buffer &buffer);

  const Instance *instance = nullptr;
  VkPhysicalDeviceMemoryProperties memory = {};
  bool sharesMemory = false; ///< with the host
};

} // namespace ternac::runtime::vulkan

#endif // TERNAC_LIB_RUNTIME_DEVICES_VULKAN_DEVICE_H
