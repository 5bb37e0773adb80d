//===- SpecializeRows.cpp - A matmul for each number of rows --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNSPECIALIZEROWSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

struct SpecializeRows
    : ternac::tern::impl::TernSpecializeRowsPassBase<SpecializeRows> {
  void runOnOperation() override {
    SmallVector<MatmulOp> matmuls;
    getOperation().walk([&](MatmulOp op) {
      if (op.getNumResults() == 0 && op.getConfig() &&
          !op.getConfig()->isUniform())
        matmuls.push_back(op);
    });
    for (MatmulOp op : matmuls)
      specialize(op);
  }

private:
  static void specialize(MatmulOp op) {
    ImplicitLocOpBuilder b(op.getLoc(), op);
    LoweringConfigAttr config = *op.getConfig();
    Value rows = memref::DimOp::create(b, op.getQ(), 0);
    auto create = [&](Strategy strategy) {
      auto copy = cast<MatmulOp>(b.clone(*op));
      copy.setConfigAttr(LoweringConfigAttr::get(op.getContext(), strategy));
    };
    auto branch = [&](int64_t limit, function_ref<void()> more,
                      function_ref<void()> less) {
      Value bound = arith::ConstantIndexOp::create(b, limit);
      Value exceeds =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, rows, bound);
      auto choice = scf::IfOp::create(b, exceeds, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(choice.thenBlock());
      more();
      b.setInsertionPointToStart(choice.elseBlock());
      less();
    };
    auto one = [&] { create(config.getStrategy()); };
    auto few = [&] { create(config.getFew()); };
    auto many = [&] { create(config.getMany()); };
    auto oneOrFew = [&] {
      if (config.getFew() == config.getStrategy())
        return one();
      branch(1, few, one);
    };
    if (config.getMany() == config.getFew())
      oneOrFew();
    else
      branch(MatmulOp::kFewRows, many, oneOrFew);
    op.erase();
  }
};

} // namespace
