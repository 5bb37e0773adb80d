//===- Linear.cpp - Lowering of dense linear layers -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/RowLowerings.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// Rows of the weight that share the loads of one row of x.
constexpr int64_t kTogether = 4;

/// Dot products of several rows of x with several rows of the weight. Each uses
/// two vectors of partial sums and one tree, so that its bits do not depend on
/// how many are computed together.
void dotRows(LinearOp op, VectorBuilder &v, ArrayRef<Value> rows,
             ArrayRef<Value> outputs) {
  int64_t cols = cast<MemRefType>(op.getX().getType()).getDimSize(1);
  int64_t lanes = v.options.lanes, pair = 2 * lanes, count = rows.size();
  // [output][row][part]
  SmallVector<Value> sums(2 * outputs.size() * count, v.splat(0.0, lanes));

  auto step = [&](Value column, int64_t width, unsigned part,
                  MutableArrayRef<Value> sums) {
    Value zero = v.splat(0.0, lanes);
    SmallVector<Value> xs;
    for (Value row : rows)
      xs.push_back(v.widen(v.load(op.getX(), {row, column}, width), zero));
    for (auto [o, output] : llvm::enumerate(outputs)) {
      Value w = v.loadF32(op.getWeight(), {output, column}, width);
      w = v.widen(w, zero);
      for (int64_t r = 0; r < count; ++r) {
        Value &sum = sums[2 * (o * count + r) + part];
        sum = v.fma(xs[r], w, sum);
      }
    }
  };
  // Fetches the rows that come next, for the first row of x: rows are too short
  // for the machine to see them coming. Harmless beyond the end: it does not
  // fault.
  auto prefetch = [&](Value column) {
    Value isFirst = arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq,
                                          rows.front(), v.index(0));
    v.ifThen(isFirst, [&] {
      for (Value output : outputs) {
        Value next = v.add(output, v.index(outputs.size()));
        memref::PrefetchOp::create(v.b, op.getWeight(),
                                   ValueRange{next, column}, /*isWrite=*/false,
                                   /*localityHint=*/3, /*isDataCache=*/true);
      }
    });
  };

  int64_t whole = cols / pair * pair;
  if (whole > 0)
    sums = v.forRange(v.index(0), v.index(whole), pair, sums,
                      [&](Value column, ValueRange carried) {
                        SmallVector<Value> next(carried);
                        prefetch(column);
                        step(column, lanes, 0, next);
                        step(v.add(column, v.index(lanes)), lanes, 1, next);
                        return next;
                      });
  unsigned part = 0;
  for (int64_t column = whole; column < cols; column += lanes, ++part)
    step(v.index(column), std::min(lanes, cols - column), part, sums);

  for (auto [o, output] : llvm::enumerate(outputs))
    for (auto [r, row] : llvm::enumerate(rows)) {
      size_t at = 2 * (o * count + r);
      Value y = v.reduceAdd(v.addF(sums[at], sums[at + 1]));
      memref::StoreOp::create(v.b, y, op.getOuts().front(),
                              ValueRange{row, output});
    }
}

} // namespace

LogicalResult ternac::lowerLinear(LinearOp op, VectorBuilder &v) {
  if (op.hasIntegerWeight()) {
    if (!op.getStep())
      return op.emitOpError("expected rows of i16; run "
                            "tern-quantize-activations first");
    lowerIntegerLinear(op, v);
    return success();
  }
  // Rows of the weight are split between the threads and read once for all
  // rows of x. Blocks of several rows of both keep their sums in three quarters
  // of the registers.
  int64_t perVector =
      std::max<int64_t>(1, 32 * v.options.lanes / v.options.vectorBits);
  int64_t vectors = v.options.registers / perVector;
  SmallVector<int64_t> rowsTogether = {1};
  if (vectors >= 32)
    rowsTogether = {4, 3, 2, 1};
  else if (vectors >= 8)
    rowsTogether = {2, 1};
  int64_t outputsTogether =
      std::max<int64_t>(1, vectors * 3 / 4 / (2 * rowsTogether.front()));
  Value out = op.getOuts().front();
  int64_t outputs = cast<MemRefType>(out.getType()).getDimSize(1);
  Value rows = memref::DimOp::create(v.b, out, 0);
  Value isOne =
      arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq, rows, v.index(1));
  auto range =
      ThreadRangeOp::create(v.b, v.environment, v.index(outputs), kTogether);
  auto successive = [&](Value first, int64_t count) {
    SmallVector<Value> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(v.add(first, v.index(i)));
    return values;
  };
  auto oneRow = [&] {
    v.forBlocks(range.getBegin(), range.getEnd(), {kTogether, 1},
                [&](Value output, int64_t m) {
                  dotRows(op, v, {v.index(0)}, successive(output, m));
                });
  };
  auto manyRows = [&] {
    v.forBlocks(range.getBegin(), range.getEnd(), {outputsTogether, 1},
                [&](Value output, int64_t m) {
                  v.forBlocks(v.index(0), rows, rowsTogether,
                              [&](Value row, int64_t n) {
                                dotRows(op, v, successive(row, n),
                                        successive(output, m));
                              });
                });
  };
  v.ifThenElse(isOne, oneRow, manyRows);
  return success();
}
