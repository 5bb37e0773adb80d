//===- NVPTXTarget.cpp - Kernels in PTX for NVIDIA's GPUs -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GPUs with compute capability 8.0 and newer. Code is made by LLVM; the host
// part of a model runs on this kind of host and only launches kernels.
//
//===----------------------------------------------------------------------===//

#include "Passes.h"

#include "ternac/Codegen/KernelTarget.h"
#include "ternac/Codegen/LLVMEmitter.h"
#include "ternac/Support/MakeError.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace ternac;

/// The oldest processor that has all instructions that kernels use.
static constexpr unsigned kOldest = 80;

namespace {

class NVPTXTarget final : public KernelTarget {
public:
  NVPTXTarget() { nvptx::registerTernacNVPTXPasses(); }

  llvm::StringRef name() const override { return "nvptx"; }
  llvm::StringRef description() const override {
    return "kernels for NVIDIA's GPUs, by CUDA; scheduled by this host";
  }
  std::vector<TargetKey> keys() const override {
    using Kind = TargetKey::Kind;
    return {{"arch", "sm_80 or newer, like sm_90 or sm_90a", "sm_80",
             Kind::Text, /*namesMachine=*/true}};
  }
  void registerDialects(DialectRegistry &registry) const override {
    KernelTarget::registerDialects(registry);
    registry.insert<NVVM::NVVMDialect>();
    registerGPUDialectTranslation(registry);
    registerNVVMDialectTranslation(registry);
  }

  llvm::Expected<tern::TargetAttr>
  resolve(MLIRContext *context, const TargetSpec &spec) const override;
  llvm::Error check(MLIRContext *context,
                    tern::TargetAttr attr) const override {
    TargetSpec spec;
    spec.name = name();
    spec.values["arch"] = attr.getCpuOrEmpty().str();
    return expectDescription(attr, resolve(context, spec));
  }

protected:
  std::vector<std::string> strategies() const override {
    return {"add_sub", "dot", "tile"};
  }
  void buildKernelPipeline(OpPassManager &pm) const override;
};

} // namespace

llvm::Expected<tern::TargetAttr>
NVPTXTarget::resolve(MLIRContext *context, const TargetSpec &spec) const {
  llvm::StringRef arch = spec.get("arch", "sm_80");
  llvm::StringRef digits = arch;
  unsigned number = 0;
  bool isNumber = digits.consume_front("sm_") &&
                  !digits.consumeInteger(10, number) && number >= kOldest;
  if (!isNumber || !isProcessor(nvptx::kTriple, arch))
    return makeError("expected arch=sm_" + llvm::Twine(kOldest) +
                     " of target 'nvptx', or a newer one that LLVM knows, but "
                     "got '" +
                     arch + "'");
  auto capabilities = Builder(context).getStrArrayAttr(
      {"f16_convert", "fma", "int8_dot", "subgroup_32", "tile_matmul"});
  return tern::TargetAttr::get(
      context, name(), StringAttr::get(context, nvptx::kTriple),
      StringAttr::get(context, arch), StringAttr(), StringAttr(), capabilities,
      /*vector_bits=*/32, /*l2=*/0, /*bandwidth=*/0, /*peak=*/0);
}

void NVPTXTarget::buildKernelPipeline(OpPassManager &pm) const {
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
  kernels.addPass(nvptx::createPassKernelWordsPass());
  kernels.addPass(createSCFToControlFlowPass());
  kernels.addPass(memref::createExpandStridedMetadataPass());
  kernels.addPass(createLowerAffinePass());
  // Knows the memory of a block, which upstream's pass for vectors does not.
  kernels.addPass(nvptx::createConvertKernelsToNVVMPass());
  kernels.addPass(createConvertVectorToLLVMPass());
  kernels.addPass(createReconcileUnrealizedCastsPass());
  kernels.addPass(createCanonicalizerPass());
  pm.addPass(nvptx::createSerializeKernelsPass());
}

namespace ternac {
std::unique_ptr<Target> createNVPTXTarget() {
  return std::make_unique<NVPTXTarget>();
}
} // namespace ternac
