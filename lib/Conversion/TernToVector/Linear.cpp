//===- Linear.cpp - Lowering of dense linear layers -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// Fetches weights of the rows that come next: rows are too short for the
/// machine to see them coming. Harmless beyond the end: it does not fault.
void prefetch(LinearOp op, VectorBuilder &v, Value output, Value column) {
  memref::PrefetchOp::create(v.b, op.getWeight(), ValueRange{output, column},
                             /*isWrite=*/false, /*localityHint=*/3,
                             /*isDataCache=*/true);
}

/// Dot products of one row of x with several rows of the weight. Each uses two
/// vectors of partial sums and one tree, so that its bits do not depend on how
/// many rows are computed together.
void dotRows(LinearOp op, VectorBuilder &v, Value row, Value firstOutput,
             int64_t count) {
  int64_t cols = cast<MemRefType>(op.getX().getType()).getDimSize(1);
  int64_t lanes = v.options.lanes, pair = 2 * lanes;
  SmallVector<Value> outputs;
  for (int64_t i = 0; i < count; ++i)
    outputs.push_back(v.add(firstOutput, v.index(i)));

  auto step = [&](Value column, int64_t width, unsigned part,
                  MutableArrayRef<Value> sums) {
    Value zero = v.splat(0.0, lanes);
    Value x = v.widen(v.load(op.getX(), {row, column}, width), zero);
    for (int64_t i = 0; i < count; ++i) {
      Value w = v.loadF32(op.getWeight(), {outputs[i], column}, width);
      Value &sum = sums[2 * i + part];
      sum = v.fma(x, v.widen(w, zero), sum);
    }
  };

  SmallVector<Value> sums(2 * count, v.splat(0.0, lanes));
  int64_t whole = cols / pair * pair;
  if (whole > 0)
    sums =
        v.forRange(v.index(0), v.index(whole), pair, sums,
                   [&](Value column, ValueRange carried) {
                     SmallVector<Value> next(carried);
                     for (Value output : outputs)
                       prefetch(op, v, v.add(output, v.index(count)), column);
                     step(column, lanes, 0, next);
                     step(v.add(column, v.index(lanes)), lanes, 1, next);
                     return next;
                   });
  unsigned part = 0;
  for (int64_t column = whole; column < cols; column += lanes, ++part)
    step(v.index(column), std::min(lanes, cols - column), part, sums);

  for (int64_t i = 0; i < count; ++i) {
    Value y = v.reduceAdd(v.addF(sums[2 * i], sums[2 * i + 1]));
    memref::StoreOp::create(v.b, y, op.getOuts().front(),
                            ValueRange{row, outputs[i]});
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
  // rows of x; four share the loads of x.
  static constexpr int64_t kTogether = 4;
  Value out = op.getOuts().front();
  int64_t outputs = cast<MemRefType>(out.getType()).getDimSize(1);
  Value rows = memref::DimOp::create(v.b, out, 0);
  auto range =
      ThreadRangeOp::create(v.b, v.environment, v.index(outputs), kTogether);
  Value length = arith::SubIOp::create(v.b, range.getEnd(), range.getBegin());
  Value rest = arith::RemUIOp::create(v.b, length, v.index(kTogether));
  Value whole = arith::SubIOp::create(v.b, range.getEnd(), rest);
  auto allRows = [&](Value output, int64_t count) {
    v.forRange(v.index(0), rows, 1,
               [&](Value row) { dotRows(op, v, row, output, count); });
  };
  v.forRange(range.getBegin(), whole, kTogether,
             [&](Value output) { allRows(output, kTogether); });
  v.forRange(whole, range.getEnd(), 1,
             [&](Value output) { allRows(output, 1); });
  return success();
}
