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

#include "ternac/Codegen/HostTarget.h"
#include "ternac/Conversion/Passes.h"

#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace ternac;

namespace {

class ReferenceTarget final : public HostTarget {
public:
  llvm::StringRef name() const override { return "reference"; }
  llvm::StringRef description() const override {
    return "scalar code for this host; the definition of every result";
  }
  void registerDialects(DialectRegistry &) const override {}

  llvm::Expected<tern::TargetAttr>
  resolve(MLIRContext *context, const TargetSpec &spec) const override {
    auto triple = StringAttr::get(context, llvm::sys::getDefaultTargetTriple());
    return tern::TargetAttr::get(context, name(), triple, StringAttr(),
                                 StringAttr(), StringAttr(), ArrayAttr(),
                                 /*vector_bits=*/32, /*l2=*/0,
                                 /*bandwidth=*/0, /*peak=*/0);
  }

protected:
  std::vector<std::string> strategies() const override { return {"reference"}; }
  std::vector<std::string> linearStrategies() const override {
    return strategies();
  }
  void buildVectorizePipeline(OpPassManager &pm) const override {
    pm.addPass(createConvertTernToVectorPass({/*lanes=*/1}));
  }
};

} // namespace

namespace ternac {
std::unique_ptr<Target> createReferenceTarget() {
  return std::make_unique<ReferenceTarget>();
}
} // namespace ternac
