//===- RowOps.cpp - Lowering of ops that treat each row alone -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

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

/// rsqrt(mean(x[row]^2) + eps) as a scalar.
static Value inverseRms(VectorBuilder &v, Value x, Value row, double eps) {
  int64_t cols = columns(x), lanes = v.options.lanes;
  Value squares =
      v.forColumns(cols, v.splat(0.0, lanes),
                   [&](Value column, int64_t width, ValueRange carried) {
                     Value part = v.load(x, {row, column}, width);
                     part = v.widen(part, v.splat(0.0, lanes));
                     return SmallVector<Value>{
                         v.fma(part, part, carried.front())};
                   })
          .front();
  Value mean = v.divF(v.reduceAdd(squares), v.f32(double(cols)));
  Value root = math::SqrtOp::create(v.b, v.addF(mean, v.f32(eps)));
  return v.divF(v.f32(1.0), root);
}

/// x[row, column..] of rms_norm(x, weight), given the row's inverse rms.
static Value normalised(VectorBuilder &v, Value x, Value weight, Value row,
                        Value column, int64_t width, Value inverse) {
  Value part = v.load(x, {row, column}, width);
  part = v.mulF(part, v.broadcast(inverse, width));
  return v.mulF(part, v.load(weight, column, width));
}

void ternac::lowerRMSNorm(RMSNormOp op, VectorBuilder &v) {
  Value out = op.getOuts().front();
  v.forThreadRows(rows(v, out), [&](Value row) {
    Value inverse =
        inverseRms(v, op.getX(), row, op.getEps().convertToDouble());
    v.forColumns(columns(out), [&](Value column, int64_t width) {
      v.store(
          normalised(v, op.getX(), op.getWeight(), row, column, width, inverse),
          out, {row, column});
    });
  });
}

void ternac::lowerRope(RopeOp op, VectorBuilder &v) {
  Value out = op.getOuts().front();
  int64_t headDim = columns(op.getTable()), half = headDim / 2;
  v.forThreadRows(rows(v, out), [&](Value row) {
    Value position = v.loadIndex(op.getPositions(), row);
    v.forRange(v.index(0), v.index(columns(out)), headDim, [&](Value head) {
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
  });
}

void ternac::lowerGate(GateOp op, VectorBuilder &v) {
  Value out = op.getOuts().front();
  v.forThreadRows(rows(v, out), [&](Value row) {
    v.forColumns(columns(out), [&](Value column, int64_t width) {
      Value gate = v.load(op.getGate(), {row, column}, width);
      Value up = v.load(op.getUp(), {row, column}, width);
      Value active;
      switch (op.getActivation()) {
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
      v.store(v.mulF(active, up), out, {row, column});
    });
  });
}

void ternac::lowerQuantize(QuantizeOp op, VectorBuilder &v) {
  Value out = op.getOuts()[0], step = op.getOuts()[1], x = op.getX();
  int64_t cols = columns(x), padded = columns(out), lanes = v.options.lanes;
  Type element = cast<MemRefType>(out.getType()).getElementType();
  double range = double(quantizedRange(element, cols));
  // i8 rows may hold -128, as the models' definition has it.
  double least = element.isInteger(8) ? -range - 1 : -range;
  v.forThreadRows(rows(v, out), [&](Value row) {
    Value inverse;
    if (op.getNorm())
      inverse = inverseRms(v, x, row, op.getEps()->convertToDouble());
    auto input = [&](Value column, int64_t width) {
      if (!op.getNorm())
        return v.load(x, {row, column}, width);
      return normalised(v, x, op.getNorm(), row, column, width, inverse);
    };

    Value largest =
        v.forColumns(cols, v.splat(0.0, lanes),
                     [&](Value column, int64_t width, ValueRange carried) {
                       Value part = v.absF(input(column, width));
                       part = v.widen(part, v.splat(0.0, lanes));
                       return SmallVector<Value>{v.maxF(part, carried.front())};
                     })
            .front();
    Value absmax = v.maxF(v.reduceMax(largest), v.f32(1e-5));
    Value scale = v.divF(v.f32(range), absmax);
    memref::StoreOp::create(v.b, v.divF(absmax, v.f32(range)), step, row);

    Value sums =
        v.forColumns(
             cols, v.splatI32(0, lanes),
             [&](Value column, int64_t width, ValueRange carried) {
               Value scaled =
                   v.mulF(input(column, width), v.broadcast(scale, width));
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
      memref::StoreOp::create(v.b, v.reduceAdd(sums), op.getOuts()[2], row);

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
    int64_t begin = 0;
    for (auto [i, length] : llvm::enumerate(op.getSegments())) {
      Value scale = memref::LoadOp::create(v.b, op.getScale(), v.index(i));
      Value factor = v.mulF(step, scale);
      v.forColumns(length, [&, begin = begin](Value column, int64_t width) {
        Value at = v.add(column, v.index(begin));
        Value y = v.mulF(v.loadF32(op.getAcc(), {row, at}, width),
                         v.broadcast(factor, width));
        if (op.getResidual())
          y = v.addF(y, v.load(op.getResidual(), {row, at}, width));
        v.store(y, out, {row, at});
      });
      begin += length;
    }
  });
}
