//===- FuseRescales.cpp - Rescales inside the matmuls before them ---------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNFUSERESCALESPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

/// Whether the kernels of `config` can rescale the sums that they store: those
/// that are defined by having no multiplication cannot.
bool canRescale(LoweringConfigAttr config) {
  return !config.uses(Strategy::Reference) && !config.uses(Strategy::AddSub) &&
         !config.uses(Strategy::Lut);
}

struct FuseRescales
    : ternac::tern::impl::TernFuseRescalesPassBase<FuseRescales> {
  void runOnOperation() override {
    SmallVector<RescaleOp> rescales;
    getOperation().walk([&](RescaleOp op) { rescales.push_back(op); });
    for (RescaleOp op : rescales)
      fuse(op);
  }

private:
  static void fuse(RescaleOp op) {
    auto matmul = op.getAcc().getDefiningOp<MatmulOp>();
    if (!matmul || op.getNumResults() == 0 || !matmul->hasOneUse() ||
        !matmul.getConfig() || !canRescale(*matmul.getConfig()))
      return;
    // Where the rescale is: its other operands may come after the matmul.
    OpBuilder builder(op);
    auto fused = MatmulOp::create(
        builder, matmul.getLoc(), op.getResultTypes(), matmul.getQ(),
        matmul.getSum(), matmul.getWeight(), op.getStep(), op.getScale(),
        op.getResidual(), /*outs=*/ValueRange(), matmul.getPackingAttr(),
        matmul.getColsAttr(), matmul.getConfigAttr(), op.getSegmentsAttr());
    fused->setDiscardableAttrs(matmul->getDiscardableAttrDictionary());
    op.replaceAllUsesWith(fused);
    op.erase();
    matmul.erase();
  }
};

} // namespace
