//===- HostTarget.cpp - What CPU targets share ----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Codegen/HostTarget.h"

#include "ternac/Codegen/LLVMEmitter.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace ternac;

static void addCleanUp(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

static void buildLLVMPipeline(OpPassManager &pm,
                              const ConvertVectorToLLVMPassOptions &options) {
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createConvertTernToLLVMPass());
  pm.addPass(createConvertVectorToLLVMPass(options));
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createTernAnnotateLoopsPass());
  pm.addPass(createTernEmitModelTablePass());
  addCleanUp(pm);
}

void HostTarget::buildConfigurePipeline(OpPassManager &pm,
                                        const LoweringChoice &choice) const {
  tern::TernSelectLoweringPassOptions options;
  options.strategy = choice.strategy;
  options.packing = choice.packing;
  llvm::append_range(options.strategies, strategies());
  llvm::append_range(options.linearStrategies, linearStrategies());
  pm.addPass(tern::createTernSelectLoweringPass(options));
}

void HostTarget::buildCodegenPipeline(OpPassManager &pm, Phase phase) const {
  switch (phase) {
  case Phase::Bufferized:
    pm.addPass(tern::createTernAddSizesPass());
    pm.addPass(tern::createTernBufferizePass());
    addCleanUp(pm);
    buildBufferPipeline(pm);
    pm.addPass(tern::createTernPlanWorkspacePass());
    return addCleanUp(pm);
  case Phase::Vectorized:
    pm.addPass(createConvertLinalgToThreadLoopsPass());
    pm.addPass(createConvertMathToArithPass());
    buildVectorizePipeline(pm);
    return addCleanUp(pm);
  case Phase::LLVM:
    return buildLLVMPipeline(pm, vectorToLLVM());
  case Phase::Imported:
  case Phase::Normalized:
  case Phase::Quantized:
  case Phase::Packed:
    llvm_unreachable("generic phases have no codegen");
  }
}

llvm::Error HostTarget::emit(ModuleOp module, EmitKind kind,
                             llvm::raw_pwrite_stream &out) const {
  auto target =
      module->getAttrOfType<tern::TargetAttr>(tern::TernDialect::kTargetAttr);
  return emitLLVM(module, target ? hostTriple(target) : "", kind, out);
}
