//===- BackEnd.cpp - Vulkan behind TernacDevice ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Devices/BackEnd.h"
#include "Modules.h"
#include "Stream.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <map>

using namespace ternac::runtime;
using namespace ternac::runtime::vulkan;

/// What `allocate` promises; buffers themselves may be aligned to less.
static constexpr uint64_t alignment = 256;

namespace {
struct Allocation {
  Buffer buffer;
  uint64_t offset; ///< in the buffer, of the address given away
  uint64_t bytes;
};

/// Functions return false, with the device's error set, if they fail.
class KernelDevice : public BuiltInDevice {
public:
  static std::unique_ptr<KernelDevice> open(uint32_t number,
                                            std::string &problem);
  ~KernelDevice() override;

  const TernacDevice *table() const override { return &functions; }

private:
  explicit KernelDevice(std::unique_ptr<Device> opened);

  bool allocate(uint64_t bytes, uint64_t &address);
  void release(uint64_t address);
  bool upload(uint64_t address, const void *data, uint64_t bytes);
  bool download(void *data, uint64_t address, uint64_t bytes);
  bool copy(uint64_t to, uint64_t from, uint64_t bytes);
  bool load(const TernacKernels *kernels, uint64_t &number);
  void unload(uint64_t number);
  bool launch(uint64_t module, uint32_t kernel, const uint32_t grid[3],
              const int64_t *arguments, uint32_t count);

  bool find(uint64_t address, uint64_t bytes, Place &place);

  TernacDevice functions = {};
  std::unique_ptr<Device> device;
  Stream stream;
  Modules modules;
  std::map<uint64_t, Allocation> memory; ///< by the address given away
};
} // namespace

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

KernelDevice::KernelDevice(std::unique_ptr<Device> opened)
    : device(std::move(opened)), stream(*device), modules(*device) {
  functions.struct_size = sizeof(functions);
  functions.abi_version = TERNAC_ABI_VERSION;
  functions.name = "vulkan";
  functions.context = this;
  functions.last_error = [](void *context, char *text, uint64_t bytes) {
    const Device &device = *static_cast<KernelDevice *>(context)->device;
    return uint64_t(snprintf(text, bytes, "%s", device.error.c_str()));
  };
  functions.allocate = [](void *context, uint64_t bytes, uint64_t *address) {
    return int32_t(
        !static_cast<KernelDevice *>(context)->allocate(bytes, *address));
  };
  functions.release = [](void *context, uint64_t address) {
    static_cast<KernelDevice *>(context)->release(address);
  };
  functions.upload = [](void *context, uint64_t address, const void *data,
                        uint64_t bytes) {
    return int32_t(
        !static_cast<KernelDevice *>(context)->upload(address, data, bytes));
  };
  functions.download = [](void *context, void *data, uint64_t address,
                          uint64_t bytes) {
    return int32_t(
        !static_cast<KernelDevice *>(context)->download(data, address, bytes));
  };
  functions.copy = [](void *context, uint64_t to, uint64_t from,
                      uint64_t bytes) {
    return int32_t(
        !static_cast<KernelDevice *>(context)->copy(to, from, bytes));
  };
  functions.load = [](void *context, const TernacKernels *kernels,
                      uint64_t *module) {
    return int32_t(
        !static_cast<KernelDevice *>(context)->load(kernels, *module));
  };
  functions.unload = [](void *context, uint64_t module) {
    static_cast<KernelDevice *>(context)->unload(module);
  };
  // A kernel's code says how many threads a block has.
  functions.launch = [](void *context, uint64_t module, uint32_t kernel,
                        const uint32_t grid[3], const uint32_t[3],
                        const int64_t *arguments, uint32_t count) {
    return int32_t(!static_cast<KernelDevice *>(context)->launch(
        module, kernel, grid, arguments, count));
  };
}

std::unique_ptr<KernelDevice> KernelDevice::open(uint32_t number,
                                                 std::string &problem) {
  std::unique_ptr<Device> opened = Device::create(number, problem);
  if (!opened)
    return nullptr;
  std::unique_ptr<KernelDevice> device(new KernelDevice(std::move(opened)));
  if (device->stream.create())
    return device;
  problem = device->device->error;
  return nullptr;
}

KernelDevice::~KernelDevice() {
  stream.finish();
  for (const auto &[address, allocation] : memory)
    device->destroyBuffer(allocation.buffer);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

bool KernelDevice::allocate(uint64_t bytes, uint64_t &address) {
  // Nothing has an address too; and the sum must be one.
  uint64_t size = std::max(bytes, uint64_t(1)) + alignment - 1;
  if (size < bytes)
    return device->fail("cannot allocate memory: the device is out of memory");
  Buffer buffer;
  if (!device->createBuffer(size, buffer))
    return false;
  address = (buffer.address + alignment - 1) / alignment * alignment;
  memory[address] = {buffer, address - buffer.address, bytes};
  return true;
}

void KernelDevice::release(uint64_t address) {
  auto place = memory.find(address);
  if (place == memory.end())
    return;
  stream.finish();
  device->destroyBuffer(place->second.buffer);
  memory.erase(place);
}

/// Finds the allocation that has these bytes.
bool KernelDevice::find(uint64_t address, uint64_t bytes, Place &place) {
  auto next = memory.upper_bound(address);
  if (next != memory.begin()) {
    const auto &[begin, allocation] = *std::prev(next);
    uint64_t offset = address - begin;
    if (offset <= allocation.bytes && bytes <= allocation.bytes - offset) {
      place = {&allocation.buffer, allocation.offset + offset};
      return true;
    }
  }
  return device->fail("there are no " + std::to_string(bytes) +
                      " bytes of allocated memory at the address " +
                      std::to_string(address));
}

bool KernelDevice::upload(uint64_t address, const void *data, uint64_t bytes) {
  Place to;
  return bytes == 0 ||
         (find(address, bytes, to) &&
          stream.upload(to, static_cast<const char *>(data), bytes));
}

bool KernelDevice::download(void *data, uint64_t address, uint64_t bytes) {
  Place from;
  return bytes == 0
             ? stream.finish()
             : find(address, bytes, from) &&
                   stream.download(static_cast<char *>(data), from, bytes);
}

bool KernelDevice::copy(uint64_t to, uint64_t from, uint64_t bytes) {
  Place target, source;
  return bytes == 0 || (find(to, bytes, target) && find(from, bytes, source) &&
                        stream.copy(target, source, bytes));
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

bool KernelDevice::load(const TernacKernels *kernels, uint64_t &number) {
  return modules.load(*kernels, number);
}

void KernelDevice::unload(uint64_t number) {
  stream.finish();
  modules.unload(number);
}

bool KernelDevice::launch(uint64_t module, uint32_t kernel,
                          const uint32_t grid[3], const int64_t *arguments,
                          uint32_t count) {
  const uint32_t *most = device->limits.maxComputeWorkGroupCount;
  for (int i = 0; i < 3; ++i) {
    if (grid[i] == 0)
      return true;
    if (grid[i] > most[i])
      return device->fail("a kernel cannot start " + std::to_string(grid[i]) +
                          " blocks in one direction: the device takes " +
                          std::to_string(most[i]));
  }
  VkPipeline pipeline = modules.find(module, kernel, stream.layout);
  return pipeline && stream.launch(pipeline, grid, arguments, count);
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
BackEnd createVulkanBackEnd() {
  return {"vulkan", list,
          [](uint32_t number,
             std::string &problem) -> std::unique_ptr<BuiltInDevice> {
            return KernelDevice::open(number, problem);
          }};
}
} // namespace ternac::runtime
