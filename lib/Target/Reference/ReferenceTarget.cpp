//===- ReferenceTarget.cpp - Scalar code, the definition of every result --===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The slow target that every other is compared with: trits one per byte,
// scalar loops, one lane. It also keeps the interface honest: what a target
// must implement is what is here.
//
//===----------------------------------------------------------------------===//

#include "ternac/Codegen/LLVMEmitter.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Dialect/Tern/Transforms/Passes.h"
#include "ternac/Target/Target.h"

#include "mlir/Transforms/Passes.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace ternac;

namespace {

class ReferenceTarget final : public Target {
public:
  llvm::StringRef name() const override { return "reference"; }
  llvm::StringRef description() const override {
    return "scalar code for this host; the definition of every result";
  }
  void registerDialects(DialectRegistry &) const override {}

  llvm::Expected<tern::TargetAttr>
  resolve(MLIRContext *context, const TargetSpec &spec) const override {
    if (!spec.values.empty())
      return llvm::createStringError(
          llvm::inconvertibleErrorCode(),
          "target 'reference' has no keys, but got '%s'",
          spec.values.begin()->first.c_str());
    auto triple =
        StringAttr::get(context, llvm::sys::getDefaultTargetTriple());
    return tern::TargetAttr::get(context, name(), triple, StringAttr(),
                                 StringAttr(), StringAttr(), ArrayAttr(),
                                 /*vector_bits=*/32, /*l1d=*/0, /*l2=*/0, /*bandwidth=*/0,
                                 /*peak=*/0);
  }

  void buildConfigurePipeline(OpPassManager &pm,
                              const LoweringChoice &choice) const override {
    tern::TernSelectLoweringPassOptions options;
    options.strategy = choice.strategy;
    options.packing = choice.packing;
    options.strategies = {"reference"};
    pm.addPass(tern::createTernSelectLoweringPass(options));
  }

  void buildCodegenPipeline(OpPassManager &pm, Phase phase) const override {
    switch (phase) {
    case Phase::Bufferized:
      return buildBufferizePipeline(pm);
    case Phase::Vectorized:
      pm.addPass(createConvertTernToVectorPass({/*lanes=*/1}));
      pm.addPass(createCanonicalizerPass());
      pm.addPass(createCSEPass());
      return;
    case Phase::LLVM:
      return buildLLVMPipeline(pm);
    default:
      llvm_unreachable("generic phases have no codegen");
    }
  }

  llvm::Error emit(ModuleOp module, EmitKind kind,
                   llvm::raw_pwrite_stream &out) const override {
    return emitLLVM(module, kind, out);
  }
};

} // namespace

namespace ternac {
std::unique_ptr<Target> createReferenceTarget() {
  return std::make_unique<ReferenceTarget>();
}
} // namespace ternac
