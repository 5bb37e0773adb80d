//===- FuseNorms.cpp - Norms inside the bitlinears that read them ---------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNFUSENORMSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

struct FuseNorms : ternac::tern::impl::TernFuseNormsPassBase<FuseNorms> {
  void runOnOperation() override {
    getOperation().walk([](BitLinearOp op) {
      auto norm = op.getX().getDefiningOp<RMSNormOp>();
      if (!norm || op.getNorm() || op.getWeightOnly() || !norm->hasOneUse())
        return;
      op.getXMutable().assign(norm.getX());
      op.getNormMutable().assign(norm.getWeight());
      op.setEpsAttr(norm.getEpsAttr());
      norm.erase();
    });
  }
};

} // namespace
