//===- GroupRows.cpp - Ops on rows that can be one kernel -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/TypeSwitch.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNGROUPROWSPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

/// A value that stands for the number of rows of `memref`; null if it is not
/// known.
static Value rowsOf(Value memref) {
  while (auto slice = memref.getDefiningOp<OffsetSizeAndStrideOpInterface>()) {
    if (slice.getMixedSizes().empty())
      return {};
    auto size = dyn_cast<Value>(slice.getMixedSizes().front());
    auto dim = size ? size.getDefiningOp<memref::DimOp>() : memref::DimOp();
    if (!dim)
      return size;
    memref = dim.getSource();
  }
  if (auto alloc = memref.getDefiningOp<memref::AllocOp>()) {
    if (alloc.getDynamicSizes().empty())
      return {};
    Value size = alloc.getDynamicSizes().front();
    auto dim = size.getDefiningOp<memref::DimOp>();
    return dim ? rowsOf(dim.getSource()) : size;
  }
  return isa<BlockArgument>(memref) ? memref : Value();
}

/// Whether row r of the view `memref` is row r of what it is a view of.
static bool keepsRows(Value memref) {
  while (auto slice = memref.getDefiningOp<OffsetSizeAndStrideOpInterface>()) {
    if (!slice.getMixedOffsets().empty() &&
        (!isConstantIntValue(slice.getMixedOffsets().front(), 0) ||
         !isConstantIntValue(slice.getMixedStrides().front(), 1)))
      return false;
    memref = slice->getOperand(0);
  }
  return true;
}

/// The rows of an op that treats each alone; null for any other.
static Value rowsOf(Operation *op) {
  if (op->getNumResults() != 0 || !llvm::all_of(op->getOperands(), keepsRows))
    return {};
  if (auto append = dyn_cast<KVAppendOp>(op))
    return rowsOf(append.getK());
  if (auto copy = dyn_cast<memref::CopyOp>(op))
    return rowsOf(copy.getTarget());
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<EmbeddingOp, AddOp, RMSNormOp, RopeOp, GateOp, QuantizeOp,
            RescaleOp, AttentionOp>(
          [](auto o) { return rowsOf(o.getOuts().front()); })
      .Default([](Operation *) { return Value(); });
}

namespace {

struct GroupRows : ternac::tern::impl::TernGroupRowsPassBase<GroupRows> {
  void runOnOperation() override {
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>()) {
      int64_t count = 0;
      func.walk([&](Block *block) { group(*block, count); });
    }
  }

private:
  static void group(Block &block, int64_t &count) {
    SmallVector<Operation *> members;
    Value common;
    auto finish = [&] {
      if (members.size() > 1) {
        for (Operation *op : members)
          op->setAttr(kRowGroupAttr, Builder(op).getI64IntegerAttr(count));
        ++count;
      }
      members.clear();
    };
    for (Operation &op : block) {
      Value rows = rowsOf(&op);
      if (!rows && (isMemoryEffectFree(&op) || isa<memref::AllocOp>(op)))
        continue;
      if (rows != common || isa<AttentionOp>(op))
        finish();
      common = rows;
      if (rows)
        members.push_back(&op);
    }
    finish();
  }
};

} // namespace
