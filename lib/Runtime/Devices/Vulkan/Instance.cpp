//===- Instance.cpp - The Vulkan loader and its devices -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Instance.h"
#include "Features.h"

#include <mutex>

#include <dlfcn.h>

using namespace ternac::runtime::vulkan;

/// The loader's one entry. It stays open, as the instance does.
static PFN_vkGetInstanceProcAddr openLoader(std::string &problem) {
  void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    problem = std::string("there is no Vulkan loader: ") + dlerror();
    return nullptr;
  }
  auto entry = reinterpret_cast<PFN_vkGetInstanceProcAddr>(
      dlsym(library, "vkGetInstanceProcAddr"));
  if (!entry)
    problem = "libvulkan.so.1 is no Vulkan loader: it has no symbol "
              "'vkGetInstanceProcAddr'";
  return entry;
}

static VkResult createInstance(PFN_vkGetInstanceProcAddr entry,
                               VkInstance &instance) {
  auto application =
      makeStruct<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
  application.pApplicationName = "ternac";
  application.apiVersion = VK_API_VERSION_1_2;
  auto info =
      makeStruct<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  info.pApplicationInfo = &application;
  auto create = reinterpret_cast<PFN_vkCreateInstance>(
      entry(nullptr, "vkCreateInstance"));
  return create ? create(&info, nullptr, &instance)
                : VK_ERROR_INITIALIZATION_FAILED;
}

std::unique_ptr<Instance> Instance::create(std::string &problem) {
  PFN_vkGetInstanceProcAddr entry = openLoader(problem);
  if (!entry)
    return nullptr;
  std::unique_ptr<Instance> instance(new Instance());
  VkResult result = createInstance(entry, instance->handle);
  if (result != VK_SUCCESS) {
    problem = "Vulkan cannot be used: " + vulkan::describe(result);
    return nullptr;
  }
  InstanceFunctions &vk = instance->vk;
#define TERNAC_VULKAN_LOAD(NAME)                                               \
  vk.NAME =                                                                    \
      reinterpret_cast<PFN_vk##NAME>(entry(instance->handle, "v"               \
                                                             "k" #NAME));
  TERNAC_VULKAN_INSTANCE_FUNCTIONS(TERNAC_VULKAN_LOAD)
#undef TERNAC_VULKAN_LOAD
  uint32_t count = 0;
  result = vk.EnumeratePhysicalDevices(instance->handle, &count, nullptr);
  if (result == VK_SUCCESS) {
    instance->devices.resize(count);
    result = vk.EnumeratePhysicalDevices(instance->handle, &count,
                                         instance->devices.data());
    instance->devices.resize(count);
  }
  if (result < 0)
    problem = "Vulkan cannot list devices: " + vulkan::describe(result);
  else if (instance->devices.empty())
    problem = "Vulkan has no device on this machine";
  return problem.empty() ? std::move(instance) : nullptr;
}

const Instance *Instance::get(std::string &problem) {
  static std::mutex guard;
  static const Instance *instance = nullptr;
  std::lock_guard lock(guard);
  if (!instance)
    instance = create(problem).release();
  return instance;
}

Instance::~Instance() {
  if (handle)
    vk.DestroyInstance(handle, nullptr);
}

static const char *nameOf(VkPhysicalDeviceType type) {
  switch (type) {
  case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
    return "integrated GPU";
  case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    return "GPU";
  case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
    return "virtual GPU";
  case VK_PHYSICAL_DEVICE_TYPE_CPU:
    return "CPU";
  default:
    return "other";
  }
}

static std::string textOf(uint32_t version) {
  return std::to_string(VK_API_VERSION_MAJOR(version)) + "." +
         std::to_string(VK_API_VERSION_MINOR(version));
}

std::string Instance::describe(VkPhysicalDevice device) const {
  VkPhysicalDeviceProperties properties;
  vk.GetPhysicalDeviceProperties(device, &properties);
  return std::string(properties.deviceName) + ", " +
         nameOf(properties.deviceType) + ", Vulkan " +
         textOf(properties.apiVersion);
}

std::string Instance::problemOf(VkPhysicalDevice device) const {
  VkPhysicalDeviceProperties properties;
  vk.GetPhysicalDeviceProperties(device, &properties);
  if (properties.apiVersion < VK_API_VERSION_1_2)
    return "it has Vulkan " + textOf(properties.apiVersion) +
           ", but kernels need 1.2";
  if (!queueFamilyOf(device))
    return "it does not compute";
  std::string missing = Features::missingFrom(vk, device);
  return missing.empty() ? "" : "it lacks the features " + missing;
}

std::optional<uint32_t> Instance::queueFamilyOf(VkPhysicalDevice device) const {
  uint32_t count = 0;
  vk.GetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vk.GetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  // The first that computes is the one that all devices do best.
  for (uint32_t i = 0; i < count; ++i)
    if (families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)
      return i;
  return std::nullopt;
}
