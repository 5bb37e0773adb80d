//===- Device.cpp - A Vulkan device and its memory ------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Device.h"
#include "Features.h"

#include <cstdlib>
#include <utility>

using namespace ternac::runtime::vulkan;

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

std::unique_ptr<Device> Device::create(uint32_t number, std::string &problem) {
  std::unique_ptr<Device> device(new Device());
  device->instance = Instance::get(problem);
  if (!device->instance)
    return nullptr;
  const std::vector<VkPhysicalDevice> &all = device->instance->devices;
  if (number >= all.size()) {
    problem = "expected a number below " + std::to_string(all.size());
    return nullptr;
  }
  problem = device->instance->problemOf(all[number]);
  if (!problem.empty() || !device->open(all[number], problem))
    return nullptr;
  return device;
}

bool Device::open(VkPhysicalDevice device, std::string &problem) {
  const InstanceFunctions &from = instance->vk;
  VkPhysicalDeviceProperties properties;
  from.GetPhysicalDeviceProperties(device, &properties);
  from.GetPhysicalDeviceMemoryProperties(device, &memory);
  limits = properties.limits;
  // The variable lets a device that shares memory stand in for one that does
  // not.
  sharesMemory =
      !getenv("TERNAC_VULKAN_STAGING") &&
      (properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU ||
       properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU);
  queueFamily = *instance->queueFamilyOf(device);

  Features features;
  features.enableFor(from, device);
  const float priority = 1;
  auto queueInfo = makeStruct<VkDeviceQueueCreateInfo>(
      VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
  queueInfo.queueFamilyIndex = queueFamily;
  queueInfo.queueCount = 1;
  queueInfo.pQueuePriorities = &priority;
  auto info =
      makeStruct<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
  info.pNext = &features.core;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queueInfo;
  VkResult result = from.CreateDevice(device, &info, nullptr, &handle);
  if (result != VK_SUCCESS) {
    problem = "it cannot be opened: " + vulkan::describe(result);
    return false;
  }
#define TERNAC_VULKAN_LOAD(NAME)                                               \
  vk.NAME = reinterpret_cast<PFN_vk##NAME>(                                    \
      from.GetDeviceProcAddr(handle, "vk" #NAME));
  TERNAC_VULKAN_DEVICE_FUNCTIONS(TERNAC_VULKAN_LOAD)
#undef TERNAC_VULKAN_LOAD
  vk.GetDeviceQueue(handle, queueFamily, 0, &queue);
  return true;
}

Device::~Device() {
  if (handle)
    vk.DestroyDevice(handle, nullptr);
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

bool Device::fail(std::string why) {
  error = std::move(why);
  return false;
}

bool Device::check(VkResult result, const char *what) {
  return result == VK_SUCCESS ||
         fail(std::string(what) + ": " + vulkan::describe(result));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static constexpr VkMemoryPropertyFlags hostMemory =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
static constexpr VkMemoryPropertyFlags cachedMemory =
    hostMemory | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
static constexpr VkMemoryPropertyFlags deviceMemory =
    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;

bool Device::createBuffer(uint64_t bytes, Buffer &buffer) {
  constexpr VkMemoryPropertyFlags shared[] = {
      deviceMemory | cachedMemory, deviceMemory | hostMemory, deviceMemory, 0};
  constexpr VkMemoryPropertyFlags apart[] = {deviceMemory, 0};
  return sharesMemory ? createBuffer(bytes, shared, true, buffer)
                      : createBuffer(bytes, apart, false, buffer);
}

bool Device::createHostBuffer(uint64_t bytes, Buffer &buffer) {
  constexpr VkMemoryPropertyFlags wanted[] = {cachedMemory, hostMemory};
  return createBuffer(bytes, wanted, true, buffer);
}

/// In memory that has the first of the `wanted` properties that any has, and
/// that the host is to see if it can.
bool Device::createBuffer(uint64_t bytes,
                          std::span<const VkMemoryPropertyFlags> wanted,
                          bool mapped, Buffer &buffer) {
  buffer = {};
  auto info =
      makeStruct<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT |
               VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  if (!check(vk.CreateBuffer(handle, &info, nullptr, &buffer.handle),
             "cannot create a buffer"))
    return false;
  buffer.bytes = bytes;
  if (bindMemory(wanted, mapped, buffer))
    return true;
  destroyBuffer(buffer);
  buffer = {};
  return false;
}

bool Device::bindMemory(std::span<const VkMemoryPropertyFlags> wanted,
                        bool mapped, Buffer &buffer) {
  VkMemoryRequirements needs;
  vk.GetBufferMemoryRequirements(handle, buffer.handle, &needs);
  auto find = [&](VkMemoryPropertyFlags flags) {
    uint32_t type = 0;
    while (type < memory.memoryTypeCount &&
           !(needs.memoryTypeBits >> type & 1 &&
             (memory.memoryTypes[type].propertyFlags & flags) == flags))
      ++type;
    return type;
  };
  uint32_t type = memory.memoryTypeCount;
  for (VkMemoryPropertyFlags flags : wanted)
    if (type == memory.memoryTypeCount)
      type = find(flags);
  if (type == memory.memoryTypeCount)
    return fail("the device has no memory that fits a buffer");

  auto flags = makeStruct<VkMemoryAllocateFlagsInfo>(
      VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  auto info =
      makeStruct<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
  info.pNext = &flags;
  info.allocationSize = needs.size;
  info.memoryTypeIndex = type;
  if (!check(vk.AllocateMemory(handle, &info, nullptr, &buffer.memory),
             "cannot allocate memory") ||
      !check(vk.BindBufferMemory(handle, buffer.handle, buffer.memory, 0),
             "cannot use memory"))
    return false;
  bool isSeen = mapped && (memory.memoryTypes[type].propertyFlags &
                           hostMemory) == hostMemory;
  void *host = nullptr;
  if (isSeen &&
      !check(vk.MapMemory(handle, buffer.memory, 0, VK_WHOLE_SIZE, 0, &host),
             "cannot map memory"))
    return false;
  buffer.host = static_cast<char *>(host);
  auto place = makeStruct<VkBufferDeviceAddressInfo>(
      VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO);
  place.buffer = buffer.handle;
  buffer.address = vk.GetBufferDeviceAddress(handle, &place);
  return buffer.address || fail("the device gave a buffer no address");
}

void Device::destroyBuffer(const Buffer &buffer) {
  vk.DestroyBuffer(handle, buffer.handle, nullptr);
  vk.FreeMemory(handle, buffer.memory, nullptr);
}
