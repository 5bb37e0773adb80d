//===- Copycat.cpp - The smallest target plug-in --------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles as `reference` does. Its pass asks the IR what only code can ask
// that shares the identities of types with the tools.
//
//===----------------------------------------------------------------------===//

#include "ternac/Codegen/HostTarget.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Target/Plugin.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace ternac;

namespace {

/// Says at each tern.matmul that it has seen it.
struct SeeMatmuls : PassWrapper<SeeMatmuls, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SeeMatmuls)
  StringRef getArgument() const override { return "copycat-see-matmuls"; }
  StringRef getDescription() const override { return "remark on matmuls"; }
  void runOnOperation() override {
    getOperation().walk(
        [](tern::MatmulOp op) { op.emitRemark("seen by a plug-in"); });
  }
};

class CopycatTarget final : public HostTarget {
public:
  CopycatTarget() { PassRegistration<SeeMatmuls>(); }
  llvm::StringRef name() const override { return "copycat"; }
  llvm::StringRef description() const override {
    return "what reference does, from a plug-in";
  }
  void registerDialects(DialectRegistry &) const override {}
  llvm::Expected<tern::TargetAttr> resolve(MLIRContext *context,
                                           const TargetSpec &) const override {
    auto triple = StringAttr::get(context, llvm::sys::getDefaultTargetTriple());
    return tern::TargetAttr::get(context, name(), triple, {}, {}, {}, {},
                                 /*vector_bits=*/32, 0, 0, 0);
  }

protected:
  std::vector<std::string> strategies() const override { return {"reference"}; }
  void buildVectorizePipeline(OpPassManager &pm) const override {
    pm.addPass(std::make_unique<SeeMatmuls>());
    pm.addPass(createConvertTernToVectorPass({/*lanes=*/1}));
  }
};

} // namespace

TERNAC_TARGET_PLUGIN("copycat", CopycatTarget)
