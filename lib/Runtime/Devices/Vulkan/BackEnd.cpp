//===- BackEnd.cpp - Vulkan behind TernacDevice ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Devices/KernelDevice.h"
#include "Modules.h"
#include "Stream.h"

#include <algorithm>

using namespace ternac::runtime;
using namespace ternac::runtime::vulkan;

/// What `allocate` promises; buffers themselves may be aligned to less.
static constexpr uint64_t alignment = 256;

namespace {
class VulkanDevice : public KernelDevice {
public:
  static std::unique_ptr<BuiltInDevice> open(uint32_t number,
                                             std::string &problem);
  ~VulkanDevice() override;

private:
  explicit VulkanDevice(std::unique_ptr<Device> opened);

  bool allocate(uint64_t bytes, uint64_t &address) override;
  void release(uint64_t address) override;
  bool upload(uint64_t address, const void *data, uint64_t bytes) override;
  bool download(void *data, uint64_t address, uint64_t bytes) override;
  bool copy(uint64_t to, uint64_t from, uint64_t bytes) override;
  bool load(const TernacKernels &kernels, uint64_t &module) override;
  void unload(uint64_t module) override;
  bool launch(const Launch &launch) override;
  bool finish() override { return stream.finish(); }
  std::string &error() override { return device->error; }

  bool find(uint64_t address, uint64_t bytes, Place &place);

  std::unique_ptr<Device> device;
  Stream stream;
  Modules modules;
  struct Allocation {
    Buffer buffer;
    uint64_t offset; ///< in the buffer, of the address given away
  };
  AllocationMap<Allocation> memory;
};
} // namespace

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

VulkanDevice::VulkanDevice(std::unique_ptr<Device> opened)
    : KernelDevice("vulkan", "spirv"), device(std::move(opened)),
      stream(*device), modules(*device) {
  std::copy_n(device->limits.maxComputeWorkGroupCount, 3, mostBlocks.begin());
}

std::unique_ptr<BuiltInDevice> VulkanDevice::open(uint32_t number,
                                                  std::string &problem) {
  std::unique_ptr<Device> opened = Device::create(number, problem);
  if (!opened)
    return nullptr;
  std::unique_ptr<VulkanDevice> device(new VulkanDevice(std::move(opened)));
  if (device->stream.create())
    return device;
  problem = device->error();
  return nullptr;
}

VulkanDevice::~VulkanDevice() {
  stream.finish();
  memory.forEach([&](const Allocation &allocation) {
    device->destroyBuffer(allocation.buffer);
  });
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

bool VulkanDevice::allocate(uint64_t bytes, uint64_t &address) {
  uint64_t size = bytes + alignment - 1;
  if (size < bytes)
    return fail("cannot allocate memory: the device is out of memory");
  Buffer buffer;
  if (!device->createBuffer(size, buffer))
    return false;
  address = (buffer.address + alignment - 1) / alignment * alignment;
  memory.add(address, bytes, {buffer, address - buffer.address});
  return true;
}

void VulkanDevice::release(uint64_t address) {
  Allocation allocation;
  if (!memory.remove(address, allocation))
    return;
  stream.finish();
  device->destroyBuffer(allocation.buffer);
}

bool VulkanDevice::find(uint64_t address, uint64_t bytes, Place &place) {
  const Allocation *allocation = nullptr;
  uint64_t offset = 0;
  if (!memory.find(address, bytes, allocation, offset))
    return failToFind(address, bytes);
  place = {&allocation->buffer, allocation->offset + offset};
  return true;
}

bool VulkanDevice::upload(uint64_t address, const void *data, uint64_t bytes) {
  Place to;
  return find(address, bytes, to) &&
         stream.upload(to, static_cast<const char *>(data), bytes);
}

bool VulkanDevice::download(void *data, uint64_t address, uint64_t bytes) {
  Place from;
  return find(address, bytes, from) &&
         stream.download(static_cast<char *>(data), from, bytes);
}

bool VulkanDevice::copy(uint64_t to, uint64_t from, uint64_t bytes) {
  Place target, source;
  return find(to, bytes, target) && find(from, bytes, source) &&
         stream.copy(target, source, bytes);
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

bool VulkanDevice::load(const TernacKernels &kernels, uint64_t &module) {
  return modules.load(kernels, module);
}

void VulkanDevice::unload(uint64_t module) {
  stream.finish();
  modules.unload(module);
}

/// A kernel's code says how many threads a block has.
bool VulkanDevice::launch(const Launch &launch) {
  VkPipeline pipeline =
      modules.find(launch.module, launch.kernel, stream.layout);
  return pipeline && stream.launch(pipeline, launch.grid.data(),
                                   launch.arguments, launch.count);
}

//===----------------------------------------------------------------------===//
// The back end
//===----------------------------------------------------------------------===//

static std::vector<DeviceDescription> list(std::string &problem) {
  std::vector<DeviceDescription> all;
  if (const Instance *instance = Instance::get(problem))
    for (VkPhysicalDevice device : instance->devices)
      all.push_back({instance->describe(device), instance->problemOf(device)});
  return all;
}

namespace ternac::runtime {
BackEnd createVulkanBackEnd() { return {"vulkan", list, VulkanDevice::open}; }
} // namespace ternac::runtime
