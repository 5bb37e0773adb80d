//===- CloneVersions.cpp - A function for each version of the code --------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What comes after may be other for every machine; what came before is the same
// for all. So the split is here, before strategies are chosen.
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNCLONEVERSIONSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

struct CloneVersions
    : ternac::tern::impl::TernCloneVersionsPassBase<CloneVersions> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    TargetAttr target = getTarget(module);
    if (!target || !target.getVersions())
      return;
    SmallVector<func::FuncOp> functions;
    for (func::FuncOp func : module.getOps<func::FuncOp>()) {
      if (func->hasAttr(TernDialect::kTargetAttr))
        return; // is done
      if (!func.isExternal())
        functions.push_back(func);
    }
    // Version after version, each in the order of the baseline.
    for (auto [version, machine] : llvm::enumerate(target.getMachines()))
      for (func::FuncOp func : functions)
        if (version > 0 && failed(clone(func, version, machine)))
          return signalPassFailure();
  }

private:
  LogicalResult clone(func::FuncOp func, unsigned version, TargetAttr machine) {
    ModuleOp module = getOperation();
    std::string name = nameOfVersion(func.getName(), version);
    if (Operation *other = module.lookupSymbol(name))
      return other->emitError("expected no symbol '")
             << name << "', which is the name of '" << func.getName()
             << "' for " << machine.getMachineName();
    func::FuncOp copy = func.clone();
    copy.setName(name);
    copy->setAttr(TernDialect::kTargetAttr, machine);
    module.push_back(copy);
    return success();
  }
};

} // namespace
