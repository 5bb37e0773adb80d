//===- VulkanTarget.cpp - Kernels in SPIR-V for GPUs ----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Any GPU with Vulkan 1.2 and the features that the runtime asks for. The host
// part of a model runs on this kind of host and only launches kernels.
//
//===----------------------------------------------------------------------===//

#include "Passes.h"

#include "ternac/Codegen/KernelTarget.h"

#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace ternac;

namespace {

class VulkanTarget final : public KernelTarget {
public:
  VulkanTarget() { vulkan::registerTernacVulkanPasses(); }

  llvm::StringRef name() const override { return "vulkan"; }
  llvm::StringRef description() const override {
    return "kernels for any GPU, by Vulkan 1.2; scheduled by this host";
  }
  void registerDialects(DialectRegistry &registry) const override {
    KernelTarget::registerDialects(registry);
    registry.insert<spirv::SPIRVDialect>();
  }

  llvm::Expected<tern::TargetAttr>
  resolve(MLIRContext *context, const TargetSpec &spec) const override {
    auto triple = StringAttr::get(context, llvm::sys::getDefaultTargetTriple());
    return tern::TargetAttr::get(
        context, name(), triple, StringAttr(), StringAttr(), StringAttr(),
        Builder(context).getStrArrayAttr({"int8_products"}),
        /*vector_bits=*/32, /*l2=*/0,
        /*bandwidth=*/0, /*peak=*/0);
  }

protected:
  std::vector<std::string> strategies() const override {
    return {"add_sub", "dot"};
  }
  /// Ops are kernels of their own: threads see what others stored to the memory
  /// of the device only in the next launch, as accesses are not coherent.
  void buildBufferPipeline(OpPassManager &) const override {}
  void buildKernelPipeline(OpPassManager &pm) const override {
    pm.addPass(vulkan::createConvertKernelsToSPIRVPass());
  }
};

} // namespace

namespace ternac {
std::unique_ptr<Target> createVulkanTarget() {
  return std::make_unique<VulkanTarget>();
}
} // namespace ternac
