//===- FuseGates.cpp - Gates inside the quantisations that read them ------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNFUSEGATESPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

struct FuseGates : ternac::tern::impl::TernFuseGatesPassBase<FuseGates> {
  void runOnOperation() override {
    getOperation().walk([](QuantizeOp op) {
      auto gate = op.getX().getDefiningOp<GateOp>();
      if (!gate || op.getUp() || !gate->hasOneUse())
        return;
      op.getXMutable().assign(gate.getGate());
      op.getUpMutable().assign(gate.getUp());
      op.setActivationAttr(gate.getActivationAttr());
      gate.erase();
    });
  }
};

} // namespace
