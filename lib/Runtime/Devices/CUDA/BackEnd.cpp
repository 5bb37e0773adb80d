//===- BackEnd.cpp - CUDA behind TernacDevice -----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Modules.h"
#include "Stream.h"

#include <cstdio>

using namespace ternac::runtime;
using namespace ternac::runtime::cuda;

namespace {
class CUDADevice : public KernelDevice {
public:
  static std::unique_ptr<BuiltInDevice> open(uint32_t number,
                                             std::string &problem);
  ~CUDADevice() override;

private:
  CUDADevice(std::unique_ptr<Device> opened, uint32_t number);

  bool allocate(uint64_t bytes, uint64_t &address) override;
  void release(uint64_t address) override;
  bool upload(uint64_t address, const void *data, uint64_t bytes) override;
  bool download(void *data, uint64_t address, uint64_t bytes) override;
  bool copy(uint64_t to, uint64_t from, uint64_t bytes) override;
  bool load(const TernacKernels &kernels, uint64_t &module) override;
  void unload(uint64_t module) override;
  bool launch(const Launch &launch) override;
  bool finish() override;
  std::string &error() override { return device->error; }
  bool busy(double &seconds);

  bool find(uint64_t address, uint64_t bytes);

  std::unique_ptr<Device> device;
  // Null only while the context is there and this object is not.
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Modules> modules;
  AllocationMap<Address> memory;
  uint32_t mostThreads; ///< of a block
  std::string title;    ///< of the report
};
} // namespace

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

CUDADevice::CUDADevice(std::unique_ptr<Device> opened, uint32_t number)
    : KernelDevice("cuda", "ptx"), device(std::move(opened)),
      stream(std::make_unique<Stream>(*device)),
      modules(std::make_unique<Modules>(*device)),
      title("cuda:" + std::to_string(number) + ": ") {
  auto attribute = [&](int which) {
    return static_cast<uint32_t>(device->driver.attribute(
        static_cast<Attribute>(which), device->ordinal));
  };
  for (int i = 0; i < 3; ++i)
    mostBlocks[i] = attribute(static_cast<int>(Attribute::MaxGridX) + i);
  mostThreads = attribute(static_cast<int>(Attribute::MaxThreadsPerBlock));
  functions.report = [](void *context, char *text, uint64_t bytes) {
    const CUDADevice &self = *static_cast<CUDADevice *>(context);
    return uint64_t(snprintf(text, bytes, "%s%s", self.title.c_str(),
                             self.stream->report().c_str()));
  };
  functions.busy = [](void *context, double *seconds) {
    return int32_t(!static_cast<CUDADevice *>(context)->busy(*seconds));
  };
}

std::unique_ptr<BuiltInDevice> CUDADevice::open(uint32_t number,
                                                std::string &problem) {
  std::unique_ptr<Device> opened = Device::create(number, problem);
  if (!opened)
    return nullptr;
  std::unique_ptr<CUDADevice> device(new CUDADevice(std::move(opened), number));
  Current current(*device->device);
  if (device->stream->create())
    return device;
  problem = device->error();
  return nullptr;
}

CUDADevice::~CUDADevice() {
  Current current(*device);
  stream->finish();
  memory.forEach([&](Address address) { device->cu.MemFree(address); });
  stream.reset();
  modules.reset();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

bool CUDADevice::allocate(uint64_t bytes, uint64_t &address) {
  Current current(*device);
  if (!device->isWorking() || !device->allocate(bytes, address))
    return false;
  memory.add(address, bytes, address);
  return true;
}

void CUDADevice::release(uint64_t address) {
  Current current(*device);
  if (!memory.remove(address, address))
    return;
  stream->finish();
  device->cu.MemFree(address);
}

bool CUDADevice::find(uint64_t address, uint64_t bytes) {
  const Address *allocation = nullptr;
  uint64_t offset = 0;
  return memory.find(address, bytes, allocation, offset) ||
         failToFind(address, bytes);
}

bool CUDADevice::upload(uint64_t address, const void *data, uint64_t bytes) {
  Current current(*device);
  return find(address, bytes) &&
         stream->upload(address, static_cast<const char *>(data), bytes);
}

bool CUDADevice::download(void *data, uint64_t address, uint64_t bytes) {
  Current current(*device);
  return find(address, bytes) &&
         stream->download(static_cast<char *>(data), address, bytes);
}

bool CUDADevice::copy(uint64_t to, uint64_t from, uint64_t bytes) {
  Current current(*device);
  return find(to, bytes) && find(from, bytes) && stream->copy(to, from, bytes);
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

bool CUDADevice::load(const TernacKernels &kernels, uint64_t &module) {
  Current current(*device);
  return device->isWorking() && modules->load(kernels, module);
}

void CUDADevice::unload(uint64_t module) {
  Current current(*device);
  stream->finish();
  stream->forgetLaunches();
  modules->unload(module);
}

bool CUDADevice::launch(const Launch &launch) {
  uint64_t threads = 1;
  for (uint32_t size : launch.block)
    threads = size > mostThreads ? UINT32_MAX : threads * size;
  if (threads == 0 || threads > mostThreads)
    return fail("a kernel cannot have blocks of " + std::to_string(threads) +
                " threads: the device takes " + std::to_string(mostThreads));
  Function function = modules->find(launch.module, launch.kernel);
  if (!function)
    return false;
  return stream->launch(function, launch);
}

bool CUDADevice::finish() {
  Current current(*device);
  return stream->finish();
}

bool CUDADevice::busy(double &seconds) {
  Current current(*device);
  return stream->busy(seconds);
}

//===----------------------------------------------------------------------===//
// The back end
//===----------------------------------------------------------------------===//

static std::vector<DeviceDescription> list(std::string &problem) {
  std::vector<DeviceDescription> all;
  if (const Driver *driver = Driver::get(problem))
    for (int i = 0; i < driver->count; ++i) {
      Ordinal device = 0;
      driver->cu.DeviceGet(&device, i);
      all.push_back({driver->describe(device), driver->problemOf(device)});
    }
  return all;
}

namespace ternac::runtime {
BackEnd createCUDABackEnd() { return {"cuda", list, CUDADevice::open}; }
} // namespace ternac::runtime
