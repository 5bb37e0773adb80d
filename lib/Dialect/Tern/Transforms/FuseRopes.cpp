//===- FuseRopes.cpp - Ropes of neighbouring columns in one ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNFUSEROPESPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

/// Columns [begin, begin + length) of all rows of a matrix.
struct Columns {
  tensor::ExtractSliceOp slice;
  int64_t begin, length;

  static std::optional<Columns> of(Value value) {
    auto slice = value.getDefiningOp<tensor::ExtractSliceOp>();
    if (!slice || slice.getSourceType().getRank() != 2 ||
        slice.getType().getRank() != 2 || !slice.hasUnitStride())
      return std::nullopt;
    ArrayRef<int64_t> offsets = slice.getStaticOffsets();
    int64_t length = slice.getStaticSizes()[1];
    if (offsets[0] != 0 || ShapedType::isDynamic(offsets[1]) ||
        ShapedType::isDynamic(length))
      return std::nullopt;
    return Columns{slice, offsets[1], length};
  }

  /// `count` columns of `source` from `first` on, the same rows.
  Value extract(OpBuilder &builder, Value source, int64_t first,
                int64_t count) {
    OpFoldResult rows = slice.getMixedSizes()[0];
    OpFoldResult zero = builder.getIndexAttr(0), one = builder.getIndexAttr(1);
    return builder.createOrFold<tensor::ExtractSliceOp>(
        slice.getLoc(), source,
        ArrayRef<OpFoldResult>{zero, builder.getIndexAttr(first)},
        ArrayRef<OpFoldResult>{rows, builder.getIndexAttr(count)},
        ArrayRef<OpFoldResult>{one, one});
  }
};

struct FuseRopes : ternac::tern::impl::TernFuseRopesPassBase<FuseRopes> {
  void runOnOperation() override {
    SmallVector<RopeOp> ropes;
    getOperation().walk([&](RopeOp op) { ropes.push_back(op); });
    for (auto it = ropes.begin(); it != ropes.end(); ++it)
      for (RopeOp &second : llvm::make_range(it + 1, ropes.end()))
        if (*it && second && fuse(*it, second)) {
          second = {};
          break;
        }
  }

private:
  static bool fuse(RopeOp first, RopeOp second) {
    if (first.getNumResults() == 0 || second.getNumResults() == 0 ||
        first->getBlock() != second->getBlock() ||
        first.getTable() != second.getTable() ||
        first.getPositions() != second.getPositions())
      return false;
    std::optional<Columns> a = Columns::of(first.getX());
    std::optional<Columns> b = Columns::of(second.getX());
    if (!a || !b || a->slice.getSource() != b->slice.getSource() ||
        a->slice.getMixedSizes()[0] != b->slice.getMixedSizes()[0] ||
        a->begin + a->length != b->begin)
      return false;
    OpBuilder builder(first);
    Value both = a->extract(builder, a->slice.getSource(), a->begin,
                            a->length + b->length);
    auto rope =
        RopeOp::create(builder, first.getLoc(), TypeRange{both.getType()}, both,
                       first.getPositions(), first.getTable(), ValueRange());
    Value result = rope.getResult(0);
    first.replaceAllUsesWith(
        ValueRange{a->extract(builder, result, 0, a->length)});
    second.replaceAllUsesWith(
        ValueRange{a->extract(builder, result, a->length, b->length)});
    first.erase();
    second.erase();
    return true;
  }
};

} // namespace
