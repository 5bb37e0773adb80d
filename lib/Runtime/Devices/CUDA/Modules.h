//===- Modules.h - Kernels of a CUDA device ---------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_CUDA_MODULES_H
#define TERNAC_LIB_RUNTIME_DEVICES_CUDA_MODULES_H

#include "Device.h"
#include "ternac/Runtime/ModelABI.h"

#include <map>
#include <vector>

namespace ternac::runtime::cuda {

/// Modules by number. Functions fail as those of Device do.
class Modules {
public:
  explicit Modules(Device &device) : device(device) {}
  ~Modules();
  Modules(const Modules &) = delete;
  Modules &operator=(const Modules &) = delete;

  bool load(const TernacKernels &kernels, uint64_t &number);
  /// None of its kernels may run.
  void unload(uint64_t number);
  /// Null after an error. Needs no context.
  Function find(uint64_t number, uint32_t kernel);

private:
  struct Entry {
    Module module = nullptr;
    std::vector<Function> functions;
  };

  bool loadCode(const TernacKernels &kernels, Module &module);
  bool loadPTX(const TernacKernels &kernels, Module &module);
  Result loadImage(const void *image, Module &module, std::string &log);
  bool failToLoad(Result result, const std::string &log);
  bool findFunctions(const TernacKernels &kernels, Entry &entry);

  Device &device;
  std::map<uint64_t, Entry> modules;
  uint64_t last = 0; ///< number given away
};

} // namespace ternac::runtime::cuda

#endif // TERNAC_LIB_RUNTIME_DEVICES_CUDA_MODULES_H
