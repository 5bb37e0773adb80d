//===- TernaryArrayTarget.cpp - The ternary array as a target -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What --load-target finds. The array is a device beside a processor that does
// all but the ternary matmuls, so the target is a HostTarget with two passes of
// its own: one before the generic lowering to vectors, one before that to LLVM.
//
//===----------------------------------------------------------------------===//

#include "TArray.h"

#include "ternac/Codegen/HostTarget.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Target/Plugin.h"

#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace ternac;

namespace {

class TernaryArrayTarget final : public HostTarget {
public:
  TernaryArrayTarget() { tarray::registerTArrayPasses(); }

  llvm::StringRef name() const override { return tarray::kDeviceName; }
  llvm::StringRef description() const override {
    return "ternary matmuls on the ternary array, all else on this host";
  }
  void registerDialects(DialectRegistry &registry) const override {
    registry.insert<tarray::TArrayDialect>();
  }

  llvm::Expected<tern::TargetAttr> resolve(MLIRContext *context,
                                           const TargetSpec &) const override {
    Builder b(context);
    return tern::TargetAttr::get(
        context, name(), b.getStringAttr(llvm::sys::getDefaultTargetTriple()),
        /*cpu=*/{}, /*features=*/{}, /*required_features=*/{},
        b.getStrArrayAttr({"ternary_array"}), /*vector_bits=*/128, /*l2=*/0,
        /*bandwidth=*/0, /*peak=*/0);
  }

  void buildConfigurePipeline(OpPassManager &pm,
                              const LoweringChoice &choice) const override {
    LoweringChoice mine = choice;
    if (mine.packing == "auto")
      mine.packing = "tile2"; // the one that the array reads
    HostTarget::buildConfigurePipeline(pm, mine);
  }

  void buildCodegenPipeline(OpPassManager &pm, Phase phase) const override {
    if (phase == Phase::LLVM)
      pm.addPass(tarray::createTArrayEncodePass());
    HostTarget::buildCodegenPipeline(pm, phase);
  }

protected:
  std::vector<std::string> strategies() const override { return {"add_sub"}; }
  // The array adds integers.
  std::vector<std::string> linearStrategies() const override { return {}; }
  void buildVectorizePipeline(OpPassManager &pm) const override {
    pm.addPass(tarray::createConvertTernToTArrayPass());
    pm.addPass(createConvertTernToVectorPass());
  }
};

} // namespace

TERNAC_TARGET_PLUGIN(tarray::kDeviceName, TernaryArrayTarget)
