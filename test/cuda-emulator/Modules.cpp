//===- Modules.cpp - Modules, functions and launches --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

#include <algorithm>

using namespace ternac::cuda_emulator;

#define TERNAC_CHECK(UNSAFE)                                                   \
  Driver &driver = Driver::get();                                              \
  std::lock_guard lock(driver.mutex);                                          \
  if (CUresult error = driver.check(__func__, UNSAFE))                         \
  return error

/// The newest version of PTX that is accepted, times 10.
constexpr uint32_t NewestPtx = 90;

/// The buffers for messages that a caller gave.
struct Log {
  char *buffer = nullptr;
  size_t size = 0;
  void **written = nullptr;

  void write(const std::string &text) {
    size_t count = size ? std::min(text.size(), size - 1) : 0;
    if (buffer && size) {
      memcpy(buffer, text.data(), count);
      buffer[count] = '\0';
    }
    if (written)
      *written = reinterpret_cast<void *>(count);
  }
};

/// Gives variables memory and fills it.
static bool placeVariables(Module &module) {
  DeviceMemory &memory = DeviceMemory::get();
  for (auto &[name, variable] : module.variables) {
    if (variable->space != Space::Global || !variable->size)
      continue;
    variable->address = memory.allocate(variable->size);
    if (!variable->address)
      return false;
  }
  for (auto &[name, variable] : module.variables) {
    if (variable->space != Space::Global || !variable->size)
      continue;
    for (const Variable::Reference &reference : variable->references) {
      auto found = module.variables.find(reference.symbol);
      if (found == module.variables.end())
        return false;
      uint64_t value = found->second->address + reference.addend;
      memcpy(&variable->contents[reference.offset], &value, 8);
    }
    DeviceMemory::Allocation place =
        memory.find(variable->address, variable->size);
    memcpy(reinterpret_cast<void *>(variable->address + place.toHost),
           variable->contents.data(), variable->size);
  }
  return true;
}

TERNAC_CUDA_API CUresult cuModuleLoadDataEx(CUmodule *result, const void *image,
                                            unsigned optionCount,
                                            CUjit_option *options,
                                            void **values) {
  TERNAC_CHECK(true);
  Log info, errors;
  for (unsigned k = 0; k < optionCount; ++k) {
    switch (options[k]) {
    case CU_JIT_INFO_LOG_BUFFER:
      info.buffer = static_cast<char *>(values[k]);
      break;
    case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
      info.size = reinterpret_cast<size_t>(values[k]) & 0xFFFFFFFF;
      info.written = &values[k];
      break;
    case CU_JIT_ERROR_LOG_BUFFER:
      errors.buffer = static_cast<char *>(values[k]);
      break;
    case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
      errors.size = reinterpret_cast<size_t>(values[k]) & 0xFFFFFFFF;
      errors.written = &values[k];
      break;
    default:
      break;
    }
  }
  info.write("");
  errors.write("");
  if (!image || !result)
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE, "no image");
  const char *text = static_cast<const char *>(image);
  auto refuse = [&](CUresult error, const std::string &message) {
    errors.write(message);
    return driver.fail("cuModuleLoadDataEx", error, message);
  };
  // A program falls back from machine code to PTX, so this is no misuse.
  if (!memcmp(text,
              "\x7F"
              "ELF",
              4) ||
      !memcmp(text, "\x50\xED\x55\xBA", 4)) {
    errors.write("the image is machine code, and this device has only PTX");
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  auto handle = std::make_unique<ModuleHandle>();
  try {
    handle->module = parsePtx(text);
  } catch (const PtxError &error) {
    return refuse(CUDA_ERROR_INVALID_PTX, "ptx line " +
                                              std::to_string(error.line) +
                                              ": " + error.what());
  }
  Module &module = *handle->module;
  if (module.target > static_cast<uint32_t>(driver.capability()))
    return refuse(CUDA_ERROR_INVALID_PTX,
                  "the PTX is for sm_" + std::to_string(module.target) +
                      ", but the device is sm_" +
                      std::to_string(driver.capability()));
  if (module.ptxVersion > NewestPtx)
    return refuse(CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
                  "the version of PTX is too new");
  if (!placeVariables(module))
    return CUDA_ERROR_OUT_OF_MEMORY;
  *result = handle.get();
  driver.modules.insert(handle.release());
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuModuleLoadData(CUmodule *result, const void *image) {
  return cuModuleLoadDataEx(result, image, 0, nullptr, nullptr);
}

static CUresult checkModule(Driver &driver, const char *call, CUmodule module) {
  if (!driver.modules.count(module))
    return driver.fail(call, CUDA_ERROR_INVALID_HANDLE, "no such module");
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuModuleUnload(CUmodule module) {
  TERNAC_CHECK(true);
  if (CUresult error = checkModule(driver, __func__, module))
    return error;
  CUresult error = driver.drain();
  for (auto &[name, variable] : module->module->variables)
    if (variable->space == Space::Global && variable->address)
      DeviceMemory::get().free(variable->address);
  for (auto &function : module->functions)
    driver.functions.erase(function.get());
  driver.modules.erase(module);
  delete module;
  return error;
}

TERNAC_CUDA_API CUresult cuModuleGetFunction(CUfunction *result,
                                             CUmodule module,
                                             const char *name) {
  TERNAC_CHECK(false);
  if (CUresult error = checkModule(driver, __func__, module))
    return error;
  auto found = module->module->functions.find(name);
  if (found == module->module->functions.end() || !found->second->isKernel)
    return driver.fail(__func__, CUDA_ERROR_NOT_FOUND,
                       std::string("no kernel named ") + name);
  for (auto &function : module->functions) {
    if (function->function == found->second.get()) {
      *result = function.get();
      return CUDA_SUCCESS;
    }
  }
  module->functions.push_back(std::make_unique<FunctionHandle>());
  FunctionHandle *handle = module->functions.back().get();
  handle->function = found->second.get();
  handle->module = module;
  driver.functions.insert(handle);
  *result = handle;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuModuleGetGlobal_v2(CUdeviceptr *pointer,
                                              size_t *size, CUmodule module,
                                              const char *name) {
  TERNAC_CHECK(false);
  if (CUresult error = checkModule(driver, __func__, module))
    return error;
  auto found = module->module->variables.find(name);
  if (found == module->module->variables.end() ||
      found->second->space != Space::Global)
    return driver.fail(__func__, CUDA_ERROR_NOT_FOUND,
                       std::string("no variable named ") + name);
  if (pointer)
    *pointer = found->second->address;
  if (size)
    *size = found->second->size;
  return CUDA_SUCCESS;
}

static CUresult checkFunction(Driver &driver, const char *call,
                              CUfunction function) {
  if (!driver.functions.count(function))
    return driver.fail(call, CUDA_ERROR_INVALID_HANDLE, "no such function");
  return CUDA_SUCCESS;
}

static uint64_t maxThreads(const Function &function) {
  const auto &limits = function.maxThreads.empty() ? function.requiredThreads
                                                   : function.maxThreads;
  uint64_t count = limits.empty() ? 1024 : 1;
  for (uint32_t limit : limits)
    count *= limit;
  return count;
}

TERNAC_CUDA_API CUresult cuFuncGetAttribute(int *value, int attribute,
                                            CUfunction handle) {
  TERNAC_CHECK(false);
  if (CUresult error = checkFunction(driver, __func__, handle))
    return error;
  const Function &function = *handle->function;
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    *value = static_cast<int>(maxThreads(function));
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
    *value = static_cast<int>(function.staticShared);
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
  case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
    *value = 0;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
    *value = static_cast<int>(function.localSize);
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_NUM_REGS:
    *value = 32;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    *value = static_cast<int>(handle->module->module->ptxVersion);
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
    *value = driver.capability();
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
    *value = static_cast<int>(handle->maxDynamicShared);
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    *value = -1;
    return CUDA_SUCCESS;
  default:
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE,
                       "attribute " + std::to_string(attribute));
  }
}

constexpr uint64_t MaxShared = 232448;

TERNAC_CUDA_API CUresult cuFuncSetAttribute(CUfunction handle, int attribute,
                                            int value) {
  TERNAC_CHECK(false);
  if (CUresult error = checkFunction(driver, __func__, handle))
    return error;
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
    return CUDA_SUCCESS;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE,
                       "attribute " + std::to_string(attribute));
  if (value < 0 || value + handle->function->staticShared > MaxShared)
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE,
                       std::to_string(value) + " bytes of shared memory");
  handle->maxDynamicShared = static_cast<uint64_t>(value);
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuFuncGetParamInfo(CUfunction handle, size_t index,
                                            size_t *offset, size_t *size) {
  TERNAC_CHECK(false);
  if (CUresult error = checkFunction(driver, __func__, handle))
    return error;
  const auto &parameters = handle->function->parameters;
  if (index >= parameters.size())
    return CUDA_ERROR_INVALID_VALUE;
  *offset = parameters[index].offset;
  if (size)
    *size = parameters[index].size;
  return CUDA_SUCCESS;
}

TERNAC_CUDA_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(
    int *count, CUfunction handle, int blockSize, size_t dynamicShared) {
  TERNAC_CHECK(false);
  if (CUresult error = checkFunction(driver, __func__, handle))
    return error;
  if (blockSize <= 0 || blockSize > 1024)
    return driver.fail(__func__, CUDA_ERROR_INVALID_VALUE, "the block's size");
  uint64_t shared = handle->function->staticShared + dynamicShared + 1024;
  *count = static_cast<int>(
      std::min<uint64_t>(2048 / ((blockSize + 31) / 32 * 32),
                         std::min<uint64_t>(32, (MaxShared + 1024) / shared)));
  return CUDA_SUCCESS;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

namespace ternac::cuda_emulator {

/// Checks a launch and makes a node of it.
CUresult makeKernelNode(Driver &driver, const char *call,
                        const CUDA_KERNEL_NODE_PARAMS &params,
                        GraphNodeHandle &node) {
  if (CUresult error = checkFunction(driver, call, params.func))
    return error;
  const Function &kernel = *params.func->function;
  auto fail = [&](CUresult error, const std::string &message) {
    return driver.fail(call, error, "kernel " + kernel.name + ": " + message);
  };
  Dim grid{params.gridDimX, params.gridDimY, params.gridDimZ};
  Dim block{params.blockDimX, params.blockDimY, params.blockDimZ};
  if (!grid.count() || grid.x > 0x7FFFFFFF || grid.y > 65535 || grid.z > 65535)
    return fail(CUDA_ERROR_INVALID_VALUE,
                "a grid of " + std::to_string(grid.x) + " x " +
                    std::to_string(grid.y) + " x " + std::to_string(grid.z));
  if (!block.count() || block.x > 1024 || block.y > 1024 || block.z > 64 ||
      block.count() > 1024)
    return fail(CUDA_ERROR_INVALID_VALUE,
                "a block of " + std::to_string(block.x) + " x " +
                    std::to_string(block.y) + " x " + std::to_string(block.z));
  if (block.count() > maxThreads(kernel))
    return fail(CUDA_ERROR_INVALID_VALUE, "more threads than its .maxntid");
  if (!kernel.requiredThreads.empty()) {
    std::vector<uint32_t> sizes = kernel.requiredThreads;
    sizes.resize(3, 1);
    if (sizes != std::vector<uint32_t>{block.x, block.y, block.z})
      return fail(CUDA_ERROR_INVALID_VALUE, "other threads than its .reqntid");
  }
  if (params.sharedMemBytes > params.func->maxDynamicShared)
    return fail(CUDA_ERROR_INVALID_VALUE,
                std::to_string(params.sharedMemBytes) +
                    " bytes of dynamic shared memory, but at most " +
                    std::to_string(params.func->maxDynamicShared) +
                    " are allowed");
  if (params.sharedMemBytes + kernel.staticShared >
      std::max<uint64_t>(49152,
                         params.func->maxDynamicShared + kernel.staticShared))
    return fail(CUDA_ERROR_INVALID_VALUE, "too much shared memory");
  node.type = CU_GRAPH_NODE_TYPE_KERNEL;
  node.function = params.func;
  Launch &launch = node.launch;
  launch.kernel = &kernel;
  launch.grid = grid;
  launch.block = block;
  launch.dynamicShared = params.sharedMemBytes;
  launch.parameters.assign(kernel.parameterSize, 0xCB);
  if (params.kernelParams && params.extra)
    return fail(CUDA_ERROR_INVALID_VALUE, "both kernelParams and extra");
  if (params.extra) {
    const void *buffer = nullptr;
    size_t size = 0;
    for (void **entry = params.extra; *entry; entry += 2) {
      if (*entry == reinterpret_cast<void *>(1))
        buffer = entry[1];
      else if (*entry == reinterpret_cast<void *>(2))
        size = *static_cast<size_t *>(entry[1]);
      else
        return fail(CUDA_ERROR_INVALID_VALUE, "unknown entry of extra");
    }
    // A buffer may have padding at its end.
    uint64_t padded = (kernel.parameterSize + 15) / 16 * 16;
    if (size < kernel.parameterSize || size > padded ||
        (!buffer && kernel.parameterSize))
      return fail(CUDA_ERROR_INVALID_VALUE,
                  "a buffer of " + std::to_string(size) +
                      " bytes for parameters of " +
                      std::to_string(kernel.parameterSize));
    if (buffer)
      memcpy(launch.parameters.data(), buffer, kernel.parameterSize);
  } else {
    if (!params.kernelParams && !kernel.parameters.empty())
      return fail(CUDA_ERROR_INVALID_VALUE, "no parameters");
    for (size_t k = 0; k < kernel.parameters.size(); ++k) {
      if (!params.kernelParams[k])
        return fail(CUDA_ERROR_INVALID_VALUE,
                    "parameter " + std::to_string(k) + " is null");
      memcpy(&launch.parameters[kernel.parameters[k].offset],
             params.kernelParams[k], kernel.parameters[k].size);
    }
  }
  node.parameterPointers.clear();
  for (const Parameter &parameter : kernel.parameters)
    node.parameterPointers.push_back(&launch.parameters[parameter.offset]);
  return CUDA_SUCCESS;
}

} // namespace ternac::cuda_emulator

TERNAC_CUDA_API CUresult cuLaunchKernel(CUfunction function, unsigned gridX,
                                        unsigned gridY, unsigned gridZ,
                                        unsigned blockX, unsigned blockY,
                                        unsigned blockZ, unsigned shared,
                                        CUstream handle, void **kernelParams,
                                        void **extra) {
  TERNAC_CHECK(false);
  StreamHandle *stream = driver.stream(handle);
  if (!stream)
    return driver.fail(__func__, CUDA_ERROR_INVALID_HANDLE, "no such stream");
  CUDA_KERNEL_NODE_PARAMS params{function,     gridX,  gridY,   gridZ,
                                 blockX,       blockY, blockZ,  shared,
                                 kernelParams, extra,  nullptr, nullptr};
  auto node = std::make_shared<GraphNodeHandle>();
  if (CUresult error = makeKernelNode(driver, __func__, params, *node))
    return error;
  return driver.submit(__func__, *stream, std::move(node));
}
