//===- RowOps.cpp - Lowering of ops that treat each row alone -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/RowLowerings.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

static int64_t columns(Value memref) {
  return cast<MemRefType>(memref.getType()).getDimSize(1);
}
static Value rows(VectorBuilder &v, Value memref) {
  return memref::DimOp::create(v.b, memref, 0);
}

/// Copies row `from` of `source` to row `to` of `target` as f32.
static void copyRow(VectorBuilder &v, Value source, Value from, Value target,
                    Value to) {
  v.forColumns(columns(target), [&](Value column, int64_t width) {
    Value x = v.loadF32(source, {from, column}, width);
    v.store(x, target, {to, column});
  });
}

void ternac::lowerEmbedding(EmbeddingOp op, VectorBuilder &v) {
  Value out = op.getOuts().front();
  v.forThreadRows(rows(v, out), [&](Value row) {
    Value token = v.loadIndex(op.getTokens(), row);
    copyRow(v, op.getTable(), token, out, row);
  });
}

void ternac::lowerGatherRows(GatherRowsOp op, VectorBuilder &v) {
  Value out = op.getOuts().front();
  v.forThreadRows(rows(v, out), [&](Value row) {
    Value from = v.loadIndex(op.getRows(), row);
    copyRow(v, op.getX(), from, out, row);
  });
}

LogicalResult ternac::lowerCopy(memref::CopyOp op, VectorBuilder &v) {
  auto type = dyn_cast<MemRefType>(op.getTarget().getType());
  if (!type || type.getRank() < 1 || type.getRank() > 2 ||
      (type.getRank() == 2 && type.isDynamicDim(1)))
    return op.emitOpError("expected rows with a static number of columns, but "
                          "got ")
           << op.getTarget().getType();
  v.forThreadRows(rows(v, op.getTarget()), [&](Value row) {
    if (type.getRank() == 1) {
      v.store(v.load(op.getSource(), row, 1), op.getTarget(), row);
      return;
    }
    v.forColumns(type.getDimSize(1), [&](Value column, int64_t width) {
      v.store(v.load(op.getSource(), {row, column}, width), op.getTarget(),
              {row, column});
    });
  });
  return success();
}

void ternac::lowerAdd(AddOp op, VectorBuilder &v) {
  Value out = op.getOuts().front();
  v.forThreadRows(rows(v, out), [&](Value row) {
    v.forColumns(columns(out), [&](Value column, int64_t width) {
      Value sum = v.addF(v.load(op.getA(), {row, column}, width),
                         v.load(op.getB(), {row, column}, width));
      v.store(sum, out, {row, column});
    });
  });
}

/// 1 / sqrt(mean + eps), where `squares` are the lanes of the sum of `cols`
/// squares.
static Value inverseRms(VectorBuilder &v, Value squares, int64_t cols,
                        double eps) {
  Value mean = v.divF(v.reduceAdd(squares), v.f32(double(cols)));
  Value root = math::SqrtOp::create(v.b, v.addF(mean, v.f32(eps)));
  return v.divF(v.f32(1.0), root);
}

/// `sum` + part^2, lane by lane.
static Value addSquares(VectorBuilder &v, Value part, Value sum) {
  part = v.widen(part, v.splat(0.0, v.options.lanes));
  return v.fma(part, part, sum);
}

void ternac::lowerRMSNorm(RMSNormOp op, VectorBuilder &v) {
  Value x = op.getX(), out = op.getOuts().front();
  int64_t cols = columns(out);
  v.forThreadRows(rows(v, out), [&](Value row) {
    Value squares =
        v.forColumns(cols, v.splat(0.0, v.options.lanes),
                     [&](Value column, int64_t width, ValueRange carried) {
                       Value part = v.load(x, {row, column}, width);
                       return SmallVector<Value>{
                           addSquares(v, part, carried.front())};
                     })
            .front();
    Value inverse = inverseRms(v, squares, cols, op.getEps().convertToDouble());
    v.forColumns(cols, [&](Value column, int64_t width) {
      Value part = v.load(x, {row, column}, width);
      part = v.mulF(part, v.broadcast(inverse, width));
      v.store(v.mulF(part, v.load(op.getWeight(), column, width)), out,
              {row, column});
    });
  });
}

void ternac::lowerRope(RopeOp op, VectorBuilder &v) {
  Value out = op.getOuts().front();
  int64_t headDim = columns(op.getTable()), half = headDim / 2;
  // Heads are independent: one row is work for several threads, too.
  int64_t heads = columns(out) / headDim;
  v.forRowParts(rows(v, out), heads, [&](Value row, Value part) {
    Value head = v.mul(part, v.index(headDim));
    Value position = v.loadIndex(op.getPositions(), row);
    v.forColumns(half, [&](Value column, int64_t width) {
      Value low = v.add(head, column);
      Value high = v.add(low, v.index(half));
      Value sinAt = v.add(column, v.index(half));
      Value a = v.load(op.getX(), {row, low}, width);
      Value b = v.load(op.getX(), {row, high}, width);
      Value cos = v.load(op.getTable(), {position, column}, width);
      Value sin = v.load(op.getTable(), {position, sinAt}, width);
      v.store(v.subF(v.mulF(a, cos), v.mulF(b, sin)), out, {row, low});
      v.store(v.addF(v.mulF(b, cos), v.mulF(a, sin)), out, {row, high});
    });
  });
}

/// activation(gate) * up, lane by lane.
static Value gated(VectorBuilder &v, Activation activation, Value gate,
                   Value up) {
  int64_t width = cast<VectorType>(gate.getType()).getDimSize(0);
  Value active;
  switch (activation) {
  case Activation::Relu2:
    active = v.maxF(gate, v.splat(0.0, width));
    active = v.mulF(active, active);
    break;
  case Activation::Silu: {
    Value power = v.exp(v.subF(v.splat(0.0, width), gate));
    // The exponential stops growing at e^88, and so must the numerator.
    active = v.maxF(v.splat(-88.0, width), gate);
    active = v.divF(active, v.addF(v.splat(1.0, width), power));
    break;
  }
  }
  return v.mulF(active, up);
}

void ternac::lowerGate(GateOp op, VectorBuilder &v) {
  Value out = op.getOuts().front();
  v.forThreadRows(rows(v, out), [&](Value row) {
    v.forColumns(columns(out), [&](Value column, int64_t width) {
      Value gate = v.load(op.getGate(), {row, column}, width);
      Value up = v.load(op.getUp(), {row, column}, width);
      v.store(gated(v, op.getActivation(), gate, up), out, {row, column});
    });
  });
}

void ternac::lowerQuantize(QuantizeOp op, VectorBuilder &v) {
  Value out = op.getOuts()[0], step = op.getOuts()[1];
  int64_t cols = columns(op.getX()), padded = columns(out);
  int64_t lanes = v.options.lanes;
  Type element = cast<MemRefType>(out.getType()).getElementType();
  double range = double(quantizedRange(element, cols));
  // i8 rows may hold -128, as the models' definition has it.
  double least = element.isInteger(8) ? -range - 1 : -range;
  v.forThreadRows(rows(v, out), [&](Value row) {
    // What is quantised but for 1/rms: x, or gate(x, up), times the norm's
    // weight.
    auto input = [&](Value column, int64_t width) {
      Value x = v.load(op.getX(), {row, column}, width);
      if (op.getUp())
        x = gated(v, *op.getActivation(), x,
                  v.load(op.getUp(), {row, column}, width));
      return x;
    };
    auto weighed = [&](Value x, Value column, int64_t width) {
      return op.getNorm() ? v.mulF(x, v.load(op.getNorm(), column, width)) : x;
    };

    // One pass for the sum of squares and the largest value: the norm's factor
    // 1/rms is one number and can be multiplied in afterwards.
    SmallVector<Value> both = v.forColumns(
        cols, {v.splat(0.0, lanes), v.splat(0.0, lanes)},
        [&](Value column, int64_t width, ValueRange carried) {
          Value x = input(column, width);
          Value squares =
              op.getNorm() ? addSquares(v, x, carried[0]) : carried[0];
          Value part = v.absF(weighed(x, column, width));
          part = v.widen(part, v.splat(0.0, lanes));
          return SmallVector<Value>{squares, v.maxF(part, carried[1])};
        });
    Value absmax = v.reduceMax(both[1]), inverse;
    if (op.getNorm()) {
      inverse = inverseRms(v, both[0], cols, op.getEps()->convertToDouble());
      absmax = v.mulF(absmax, inverse);
    }
    absmax = v.maxF(absmax, v.f32(1e-5));
    Value scale = v.divF(v.f32(range), absmax);
    v.storeOnce(v.divF(absmax, v.f32(range)), step, row);

    Value sums =
        v.forColumns(
             cols, v.splatI32(0, lanes),
             [&](Value column, int64_t width, ValueRange carried) {
               Value x = input(column, width);
               if (op.getNorm())
                 x = v.mulF(x, v.broadcast(inverse, width));
               Value scaled =
                   v.mulF(weighed(x, column, width), v.broadcast(scale, width));
               Value rounded = v.roundEven(scaled);
               rounded = v.minF(v.maxF(rounded, v.splat(least, width)),
                                v.splat(range, width));
               Value wide = arith::FPToSIOp::create(
                   v.b, VectorType::get({width}, v.b.getI32Type()), rounded);
               Value narrow = arith::TruncIOp::create(
                   v.b, VectorType::get({width}, element), wide);
               v.store(narrow, out, {row, column});
               Value widened = v.widen(wide, v.splatI32(0, lanes));
               return SmallVector<Value>{v.add(carried.front(), widened)};
             })
            .front();
    if (op.getOuts().size() > 2)
      v.storeOnce(v.reduceAdd(sums), op.getOuts()[2], row);

    if (padded > cols) {
      auto zeros = [&](int64_t width) -> Value {
        return arith::ConstantOp::create(
            v.b, v.b.getZeroAttr(VectorType::get({width}, element)));
      };
      v.forColumns(padded - cols, [&](Value column, int64_t width) {
        v.store(zeros(width), out, {row, v.add(column, v.index(cols))});
      });
    }
  });
}

void ternac::lowerRescale(RescaleOp op, VectorBuilder &v) {
  Value out = op.getOuts().front();
  v.forThreadRows(rows(v, out), [&](Value row) {
    Value step = memref::LoadOp::create(v.b, op.getStep(), row);
    auto rescale = [&](Value at, int64_t width, Value factor) {
      Value y = v.mulF(v.loadF32(op.getAcc(), {row, at}, width), factor);
      if (op.getResidual())
        y = v.addF(y, v.load(op.getResidual(), {row, at}, width));
      v.store(y, out, {row, at});
    };
    if (!op.getSegments())
      return v.forColumns(columns(out), [&](Value column, int64_t width) {
        Value scale = v.load(op.getScale(), {v.index(0), column}, width);
        rescale(column, width, v.mulF(v.broadcast(step, width), scale));
      });
    int64_t begin = 0;
    for (auto [i, length] : llvm::enumerate(*op.getSegments())) {
      Value scale = memref::LoadOp::create(v.b, op.getScale(), v.index(i));
      Value factor = v.mulF(step, scale);
      v.forColumns(length, [&, begin = begin](Value column, int64_t width) {
        rescale(v.add(column, v.index(begin)), width,
                v.broadcast(factor, width));
      });
      begin += length;
    }
  });
}
