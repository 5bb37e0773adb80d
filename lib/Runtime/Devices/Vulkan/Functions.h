//===- Functions.h - The Vulkan functions in use ----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vulkan without linking to it: the functions are asked for by name, from a
// loader that is opened at run time. They are called without their prefix.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_VULKAN_FUNCTIONS_H
#define TERNAC_LIB_RUNTIME_DEVICES_VULKAN_FUNCTIONS_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <string>

#define TERNAC_VULKAN_INSTANCE_FUNCTIONS(X)                                    \
  X(CreateDevice)                                                              \
  X(DestroyInstance)                                                           \
  X(EnumeratePhysicalDevices)                                                  \
  X(GetDeviceProcAddr)                                                         \
  X(GetPhysicalDeviceFeatures2)                                                \
  X(GetPhysicalDeviceMemoryProperties)                                         \
  X(GetPhysicalDeviceProperties)                                               \
  X(GetPhysicalDeviceQueueFamilyProperties)

#define TERNAC_VULKAN_DEVICE_FUNCTIONS(X)                                      \
  X(AllocateCommandBuffers)                                                    \
  X(AllocateMemory)                                                            \
  X(BeginCommandBuffer)                                                        \
  X(BindBufferMemory)                                                          \
  X(CmdBindPipeline)                                                           \
  X(CmdCopyBuffer)                                                             \
  X(CmdDispatch)                                                               \
  X(CmdPipelineBarrier)                                                        \
  X(CmdPushConstants)                                                          \
  X(CreateBuffer)                                                              \
  X(CreateCommandPool)                                                         \
  X(CreateComputePipelines)                                                    \
  X(CreateFence)                                                               \
  X(CreatePipelineLayout)                                                      \
  X(CreateShaderModule)                                                        \
  X(DestroyBuffer)                                                             \
  X(DestroyCommandPool)                                                        \
  X(DestroyDevice)                                                             \
  X(DestroyFence)                                                              \
  X(DestroyPipeline)                                                           \
  X(DestroyPipelineLayout)                                                     \
  X(DestroyShaderModule)                                                       \
  X(EndCommandBuffer)                                                          \
  X(FreeMemory)                                                                \
  X(GetBufferDeviceAddress)                                                    \
  X(GetBufferMemoryRequirements)                                               \
  X(GetDeviceQueue)                                                            \
  X(MapMemory)                                                                 \
  X(QueueSubmit)                                                               \
  X(ResetFences)                                                               \
  X(WaitForFences)

namespace ternac::runtime::vulkan {

#define TERNAC_VULKAN_MEMBER(NAME) PFN_vk##NAME NAME = nullptr;
struct InstanceFunctions {
  TERNAC_VULKAN_INSTANCE_FUNCTIONS(TERNAC_VULKAN_MEMBER)
};
struct DeviceFunctions {
  TERNAC_VULKAN_DEVICE_FUNCTIONS(TERNAC_VULKAN_MEMBER)
};
#undef TERNAC_VULKAN_MEMBER

/// What a result means, for a sentence.
std::string describe(VkResult result);

/// An empty struct of this type.
template <typename T> T makeStruct(VkStructureType type) {
  T result = {};
  result.sType = type;
  return result;
}

} // namespace ternac::runtime::vulkan

#endif // TERNAC_LIB_RUNTIME_DEVICES_VULKAN_FUNCTIONS_H
