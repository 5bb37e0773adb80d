//===- Modules.h - Kernels of a Vulkan device -------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_VULKAN_MODULES_H
#define TERNAC_LIB_RUNTIME_DEVICES_VULKAN_MODULES_H

#include "Device.h"
#include "ternac/Runtime/ModelABI.h"

#include <map>

namespace ternac::runtime::vulkan {

/// Modules by number. A kernel becomes a pipeline, which is to compile it, when
/// it is wanted first. Functions fail as those of Device do.
class Modules {
public:
  explicit Modules(Device &device) : device(device) {}
  ~Modules();
  Modules(const Modules &) = delete;
  Modules &operator=(const Modules &) = delete;

  bool load(const TernacKernels &kernels, uint64_t &number);
  /// None of its kernels may run.
  void unload(uint64_t number);
  /// The pipeline of a kernel; null after an error.
  VkPipeline find(uint64_t number, uint32_t kernel, VkPipelineLayout layout);

private:
  struct Module {
    const TernacKernels *kernels;
    VkShaderModule code;
    std::vector<VkPipeline> pipelines; ///< null: not wanted yet
  };

  void destroy(const Module &module);

  Device &device;
  std::map<uint64_t, Module> modules;
  uint64_t last = 0; ///< number given away
};

} // namespace ternac::runtime::vulkan

#endif // TERNAC_LIB_RUNTIME_DEVICES_VULKAN_MODULES_H
