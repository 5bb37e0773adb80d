//===- KernelTarget.cpp - What targets with kernels share -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Codegen/KernelTarget.h"

#include "ternac/Conversion/Kernels.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Dialect/Tern/Transforms/Passes.h"
#include "ternac/Support/MakeError.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace ternac;

void KernelTarget::registerDialects(DialectRegistry &registry) const {
  registry.insert<gpu::GPUDialect>();
}

void KernelTarget::buildBufferPipeline(OpPassManager &pm) const {
  pm.addPass(tern::createTernGroupRowsPass());
}

void KernelTarget::buildVectorizePipeline(OpPassManager &pm) const {
  pm.addPass(tern::createTernSpecializeRowsPass());
  pm.addPass(createConvertTernToGPUPass());
  pm.addPass(createTernOutlineKernelsPass());
}

void KernelTarget::buildCodegenPipeline(OpPassManager &pm, Phase phase) const {
  if (phase == Phase::LLVM)
    buildKernelPipeline(pm);
  HostTarget::buildCodegenPipeline(pm, phase);
}

bool KernelTarget::mayHold(Phase phase, Operation *op) const {
  return phase == Phase::Vectorized &&
         isa_and_present<gpu::GPUDialect>(op->getDialect());
}

std::string KernelTarget::hostTriple(tern::TargetAttr) const {
  return llvm::sys::getDefaultTargetTriple();
}

llvm::Error KernelTarget::emit(ModuleOp module, EmitKind kind,
                               llvm::raw_pwrite_stream &out) const {
  if (kind != EmitKind::Kernels)
    return HostTarget::emit(module, kind, out);
  auto code = module.lookupSymbol<LLVM::GlobalOp>(kKernelCode);
  auto bytes =
      code ? dyn_cast_or_null<StringAttr>(code.getValueAttr()) : StringAttr();
  if (!bytes)
    return makeError("the module has no kernels");
  out << bytes.getValue();
  return llvm::Error::success();
}
