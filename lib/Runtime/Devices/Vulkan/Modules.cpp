//===- Modules.cpp - Kernels of a Vulkan device ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Modules.h"
#include "Code.h"

using namespace ternac::runtime::vulkan;

bool Modules::load(const TernacKernels &kernels, uint64_t &number) {
  std::string problem = problemOfCode(kernels);
  if (!problem.empty())
    return device.fail("the code of the kernels cannot be used: " + problem);
  auto info = makeStruct<VkShaderModuleCreateInfo>(
      VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
  info.codeSize = static_cast<size_t>(kernels.bytes);
  info.pCode = static_cast<const uint32_t *>(kernels.code);
  Module module = {&kernels, VK_NULL_HANDLE, {}};
  if (!device.check(device.vk.CreateShaderModule(device.handle, &info, nullptr,
                                                 &module.code),
                    "cannot load kernels"))
    return false;
  module.pipelines.resize(kernels.count);
  number = ++last;
  modules.emplace(number, std::move(module));
  return true;
}

void Modules::destroy(const Module &module) {
  for (VkPipeline pipeline : module.pipelines)
    device.vk.DestroyPipeline(device.handle, pipeline, nullptr);
  device.vk.DestroyShaderModule(device.handle, module.code, nullptr);
}

void Modules::unload(uint64_t number) {
  auto place = modules.find(number);
  if (place == modules.end())
    return;
  destroy(place->second);
  modules.erase(place);
}

Modules::~Modules() {
  for (const auto &[number, module] : modules)
    destroy(module);
}

VkPipeline Modules::find(uint64_t number, uint32_t kernel,
                         VkPipelineLayout layout) {
  auto place = modules.find(number);
  if (place == modules.end() || kernel >= place->second.pipelines.size()) {
    device.fail("there is no kernel " + std::to_string(kernel) +
                " in a module " + std::to_string(number));
    return VK_NULL_HANDLE;
  }
  const Module &module = place->second;
  VkPipeline &pipeline = place->second.pipelines[kernel];
  if (pipeline)
    return pipeline;
  const char *name = module.kernels->names[kernel];
  auto info = makeStruct<VkComputePipelineCreateInfo>(
      VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
  info.layout = layout;
  info.stage = makeStruct<VkPipelineShaderStageCreateInfo>(
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module.code;
  info.stage.pName = name;
  std::string what = std::string("cannot compile the kernel '") + name + "'";
  VkPipeline compiled = VK_NULL_HANDLE;
  if (!device.check(device.vk.CreateComputePipelines(device.handle,
                                                     VK_NULL_HANDLE, 1, &info,
                                                     nullptr, &compiled),
                    what.c_str()))
    return VK_NULL_HANDLE;
  return pipeline = compiled;
}
