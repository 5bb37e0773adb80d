//===- Pipeline.cpp - Pipelines between phases ----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Pipeline/Pipeline.h"

#include "ternac/Codegen/LLVMEmitter.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace ternac;

static void addCleanUp(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void ternac::buildPhasePipeline(OpPassManager &pm, Phase phase,
                                const Target &target,
                                const LoweringChoice &choice) {
  switch (phase) {
  case Phase::Imported:
    break;
  case Phase::Normalized:
    pm.addPass(createInlinerPass());
    pm.addPass(createSymbolDCEPass());
    pm.addPass(tern::createTernExportFunctionsPass());
    pm.addPass(tern::createTernDecomposeAggregatesPass());
    pm.addPass(createConvertElementwiseToLinalgPass());
    pm.addPass(createLinalgElementwiseOpFusionPass());
    pm.addPass(tern::createTernExpandDecoderLayersPass());
    addCleanUp(pm);
    pm.addPass(tern::createTernFuseProjectionsPass());
    pm.addPass(tern::createTernFuseRopesPass());
    pm.addPass(tern::createTernFuseNormsPass());
    addCleanUp(pm);
    break;
  case Phase::Quantized:
    pm.addPass(tern::createTernQuantizeActivationsPass());
    pm.addPass(tern::createTernFuseResidualsPass());
    pm.addPass(tern::createTernFuseGatesPass());
    addCleanUp(pm);
    break;
  case Phase::Packed:
    pm.addPass(tern::createTernCloneVersionsPass());
    target.buildConfigurePipeline(pm, choice);
    pm.addPass(tern::createTernPackWeightsPass());
    pm.addPass(tern::createTernFuseRescalesPass());
    addCleanUp(pm);
    break;
  case Phase::Bufferized:
  case Phase::Vectorized:
  case Phase::LLVM:
    target.buildCodegenPipeline(pm, phase);
    break;
  }
  pm.addPass(createTernVerifyPhasePass({phaseName(phase).str()}));
}

namespace {
/// Options of a registered pipeline.
struct PipelineOptions : PassPipelineOptions<PipelineOptions> {
  Option<std::string> target{
      *this, "target", llvm::cl::desc("name of the target"),
      llvm::cl::init(allTargets().front()->name().str())};
  Option<std::string> strategy{*this, "strategy",
                               llvm::cl::desc("strategy of ternary matmuls"),
                               llvm::cl::init("auto")};
  Option<std::string> packing{*this, "packing",
                              llvm::cl::desc("packing of ternary weights"),
                              llvm::cl::init("auto")};
};
} // namespace

void ternac::registerPhasePipelines() {
  for (const PhaseInfo &info : phases()) {
    Phase phase = info.phase;
    static std::vector<
        std::unique_ptr<PassPipelineRegistration<PipelineOptions>>>
        registrations;
    // The registry keeps references to name and description.
    static std::vector<std::unique_ptr<std::string>> texts;
    texts.push_back(
        std::make_unique<std::string>(("tern-to-" + info.name).str()));
    registrations.push_back(
        std::make_unique<PassPipelineRegistration<PipelineOptions>>(
            *texts.back(), info.summary,
            [phase](OpPassManager &pm, const PipelineOptions &options) {
              // A pipeline has no other way to fail while it is built.
              const Target *target =
                  llvm::ExitOnError("error: ")(requireTarget(options.target));
              buildPhasePipeline(pm, phase, *target,
                                 {options.strategy, options.packing});
            }));
  }
}

void ternac::registerAllDialects(DialectRegistry &registry) {
  registry.insert<tern::TernDialect, affine::AffineDialect, arith::ArithDialect,
                  bufferization::BufferizationDialect, cf::ControlFlowDialect,
                  func::FuncDialect, linalg::LinalgDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  tensor::TensorDialect, vector::VectorDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(
      registry);
  func::registerInlinerExtension(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tern::registerBufferizableOpInterfaceExternalModels(registry);
  registerLLVMTranslations(registry);
  for (const std::unique_ptr<Target> &target : allTargets())
    target->registerDialects(registry);
}

void ternac::registerAllPasses() {
  tern::registerTernTransformsPasses();
  registerTernacConversionPasses();
  registerTernacPipelinePasses();
  registerTransformsPasses();
  registerSCFToControlFlowPass();
  registerConvertVectorToLLVMPass();
  registerConvertMathToLLVMPass();
  registerFinalizeMemRefToLLVMConversionPass();
  registerArithToLLVMConversionPass();
  registerConvertFuncToLLVMPass();
  registerConvertControlFlowToLLVMPass();
  registerReconcileUnrealizedCastsPass();
  memref::registerExpandStridedMetadataPass();
  registerLowerAffinePass();
  registerPhasePipelines();
}
