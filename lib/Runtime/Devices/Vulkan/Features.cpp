//===- Features.cpp - What kernels need of a Vulkan device ----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Features.h"

using namespace ternac::runtime::vulkan;

namespace {
struct Feature {
  const char *name;
  bool isRequired;
  VkBool32 &(*in)(Features &features);
};
} // namespace

#define FEATURE(NAME, REQUIRED, STRUCT)                                        \
  {#NAME, REQUIRED,                                                            \
   [](Features &features) -> VkBool32 & { return features.STRUCT.NAME; }}
static const Feature allFeatures[] = {
    FEATURE(shaderInt16, true, core.features),
    FEATURE(shaderInt64, true, core.features),
    FEATURE(storageBuffer16BitAccess, true, version11),
    FEATURE(uniformAndStorageBuffer16BitAccess, false, version11),
    FEATURE(storageBuffer8BitAccess, true, version12),
    FEATURE(uniformAndStorageBuffer8BitAccess, false, version12),
    FEATURE(shaderFloat16, true, version12),
    FEATURE(shaderInt8, true, version12),
    FEATURE(scalarBlockLayout, true, version12),
    FEATURE(bufferDeviceAddress, true, version12),
};
#undef FEATURE

Features::Features()
    : core(makeStruct<VkPhysicalDeviceFeatures2>(
          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2)),
      version11(makeStruct<VkPhysicalDeviceVulkan11Features>(
          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES)),
      version12(makeStruct<VkPhysicalDeviceVulkan12Features>(
          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES)) {
  core.pNext = &version11;
  version11.pNext = &version12;
}

std::string Features::missingFrom(const InstanceFunctions &vk,
                                  VkPhysicalDevice device) {
  Features there;
  vk.GetPhysicalDeviceFeatures2(device, &there.core);
  std::string missing;
  for (const Feature &feature : allFeatures)
    if (feature.isRequired && !feature.in(there))
      missing += (missing.empty() ? "" : ", ") + std::string(feature.name);
  return missing;
}

void Features::enableFor(const InstanceFunctions &vk, VkPhysicalDevice device) {
  Features there;
  vk.GetPhysicalDeviceFeatures2(device, &there.core);
  for (const Feature &feature : allFeatures)
    feature.in(*this) = feature.in(there);
}
