//===- FuseResiduals.cpp - Residual sums inside rescales ------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNFUSERESIDUALSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

struct FuseResiduals
    : ternac::tern::impl::TernFuseResidualsPassBase<FuseResiduals> {
  void runOnOperation() override {
    SmallVector<AddOp> adds;
    getOperation().walk([&](AddOp add) { adds.push_back(add); });
    for (AddOp add : adds)
      fuse(add);
  }

private:
  static void fuse(AddOp add) {
    if (add.getNumResults() == 0)
      return;
    for (auto [term, other] : {std::pair(add.getB(), add.getA()),
                               std::pair(add.getA(), add.getB())}) {
      auto rescale = term.getDefiningOp<RescaleOp>();
      if (!rescale || rescale.getResidual() || !rescale->hasOneUse())
        continue;
      OpBuilder builder(add);
      auto fused = RescaleOp::create(
          builder, add.getLoc(), add.getResultTypes(), rescale.getAcc(),
          rescale.getStep(), rescale.getScale(), other, /*outs=*/ValueRange(),
          rescale.getSegmentsAttr());
      add.replaceAllUsesWith(fused);
      add.erase();
      rescale.erase();
      return;
    }
  }
};

} // namespace
