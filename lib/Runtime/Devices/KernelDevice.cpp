//===- KernelDevice.cpp - Devices that run kernels ------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelDevice.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace ternac::runtime;

KernelDevice::KernelDevice(const char *name, const char *format)
    : format(format) {
  functions.struct_size = sizeof(functions);
  functions.abi_version = TERNAC_ABI_VERSION;
  functions.name = name;
  functions.context = this;
  functions.last_error = [](void *context, char *text, uint64_t bytes) {
    return uint64_t(snprintf(text, bytes, "%s", of(context).error().c_str()));
  };
  fillInMemory();
  functions.load = [](void *context, const TernacKernels *kernels,
                      uint64_t *module) {
    return int32_t(!of(context).checkedLoad(*kernels, *module));
  };
  functions.unload = [](void *context, uint64_t module) {
    of(context).unload(module);
  };
  functions.launch = [](void *context, uint64_t module, uint32_t kernel,
                        const uint32_t grid[3], const uint32_t block[3],
                        const int64_t *arguments, uint32_t count) {
    Launch launch = {module, kernel, {}, {}, arguments, count};
    std::copy_n(grid, 3, launch.grid.begin());
    std::copy_n(block, 3, launch.block.begin());
    return int32_t(!of(context).checkedLaunch(launch));
  };
}

void KernelDevice::fillInMemory() {
  functions.allocate = [](void *context, uint64_t bytes, uint64_t *address) {
    // Nothing has an address too.
    return int32_t(
        !of(context).allocate(std::max(bytes, uint64_t(1)), *address));
  };
  functions.release = [](void *context, uint64_t address) {
    of(context).release(address);
  };
  functions.upload = [](void *context, uint64_t address, const void *data,
                        uint64_t bytes) {
    return int32_t(bytes && !of(context).upload(address, data, bytes));
  };
  functions.download = [](void *context, void *data, uint64_t address,
                          uint64_t bytes) {
    KernelDevice &device = of(context);
    return int32_t(
        !(bytes ? device.download(data, address, bytes) : device.finish()));
  };
  functions.copy = [](void *context, uint64_t to, uint64_t from,
                      uint64_t bytes) {
    return int32_t(bytes && !of(context).copy(to, from, bytes));
  };
}

bool KernelDevice::fail(std::string why) {
  error() = std::move(why);
  return false;
}

bool KernelDevice::failToFind(uint64_t address, uint64_t bytes) {
  return fail("there are no " + std::to_string(bytes) +
              " bytes of allocated memory at the address " +
              std::to_string(address));
}

bool KernelDevice::checkedLoad(const TernacKernels &kernels, uint64_t &module) {
  if (strcmp(kernels.format, format) != 0)
    return fail("the code of the kernels cannot be used: expected the format "
                "'" +
                std::string(format) + "', but got '" + kernels.format + "'");
  return load(kernels, module);
}

bool KernelDevice::checkedLaunch(const Launch &wanted) {
  if (std::count(wanted.grid.begin(), wanted.grid.end(), 0))
    return true;
  for (size_t i = 0; i < wanted.grid.size(); ++i)
    if (wanted.grid[i] > mostBlocks[i])
      return fail("a kernel cannot start " + std::to_string(wanted.grid[i]) +
                  " blocks in one direction: the device takes " +
                  std::to_string(mostBlocks[i]));
  return launch(wanted);
}
