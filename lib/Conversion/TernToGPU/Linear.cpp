//===- Linear.cpp - Kernels of dense linear layers ------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Any weight: a block computes one number of the result, its threads columns of
// the weight in turn. Most are read faster, see LinearRows.cpp.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "ternac/Packing/Int4.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

/// The sum of products of one row of each, over the block.
static Value dotRows(LinearOp op, GpuBuilder &v, Value row, Value output) {
  int64_t cols = cast<MemRefType>(op.getX().getType()).getDimSize(1);
  bool isInteger = op.hasIntegerWeight();
  Type i32 = VectorType::get({1}, v.b.getI32Type());
  Value sum =
      v.forColumns(cols, isInteger ? v.splatI32(0, 1) : v.splat(0.0, 1),
                   [&](Value column, int64_t width, ValueRange carried) {
                     Value x = v.load(op.getX(), {row, column}, width);
                     Value w;
                     if (isInteger) {
                       w = v.load(op.getWeight(), {output, column}, width);
                       w = arith::ExtSIOp::create(v.b, i32, w);
                       x = arith::ExtSIOp::create(v.b, i32, x);
                       Value product = arith::MulIOp::create(v.b, x, w);
                       return SmallVector<Value>{
                           v.add(carried.front(), product)};
                     }
                     w = v.loadF32(op.getWeight(), {output, column}, width);
                     return SmallVector<Value>{v.fma(x, w, carried.front())};
                   })
          .front();
  return v.reduceAdd(sum);
}

/// The same, of 4-bit integers: the groups of a row are the threads' in turn.
static Value dotGroups(LinearOp op, GpuBuilder &v, Value row, Value output) {
  using packing::Int4;
  int64_t cols = cast<MemRefType>(op.getX().getType()).getDimSize(1);
  int64_t spans = Int4::spans(cols);
  Type i32 = v.b.getI32Type(), f32 = v.b.getF32Type();
  auto div = [&](Value a, int64_t c) {
    return v.b.createOrFold<arith::DivUIOp>(a, v.index(c));
  };
  auto rem = [&](Value a, int64_t c) {
    return v.b.createOrFold<arith::RemUIOp>(a, v.index(c));
  };
  auto integer = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(v.b, v.b.getI32IntegerAttr(value));
  };
  auto byteAt = [&](Value place) -> Value {
    Value byte = memref::LoadOp::create(v.b, op.getWeight(), place);
    return arith::ExtUIOp::create(v.b, i32, byte);
  };
  Value tile = div(output, Int4::kRows), inTile = rem(output, Int4::kRows);
  Value first = v.mul(v.mul(tile, v.index(spans)), v.index(Int4::kSpanBytes));
  constexpr int64_t groups = Int4::kSpan / Int4::kGroup;

  auto dotGroup = [&](Value group) -> Value {
    Value span =
        v.add(first, v.mul(div(group, groups), v.index(Int4::kSpanBytes)));
    Value begin = v.mul(group, v.index(Int4::kGroup));
    Value sum =
        v.forRange(
             v.index(0), v.index(Int4::kGroup), 1, integer(0),
             [&](Value offset, ValueRange carried) {
               Value column = v.add(begin, offset);
               Value inSpan = rem(column, Int4::kSpan);
               Value block = div(inSpan, Int4::kBlockColumns);
               Value inBlock = rem(inSpan, Int4::kBlockColumns);
               Value word = v.add(v.mul(inTile, v.index(2)), rem(inBlock, 2));
               Value nibble = div(inBlock, 2);
               Value place = v.add(span, v.index(Int4::kScaleBytes));
               place = v.add(place, v.mul(block, v.index(Int4::kBlockBytes)));
               place =
                   v.add(place, v.add(v.mul(word, v.index(2)), div(nibble, 2)));
               Value shift = arith::IndexCastOp::create(
                   v.b, i32, v.mul(rem(nibble, 2), v.index(4)));
               Value code = arith::ShRUIOp::create(v.b, byteAt(place), shift);
               code = arith::AndIOp::create(v.b, code, integer(15));
               Value w = arith::SubIOp::create(v.b, code, integer(Int4::kZero));
               Value x = memref::LoadOp::create(v.b, op.getX(),
                                                ValueRange{row, column});
               x = arith::ExtSIOp::create(v.b, i32, x);
               Value product = arith::MulIOp::create(v.b, x, w);
               return SmallVector<Value>{v.add(carried.front(), product)};
             })
            .front();
    Value place =
        v.add(span, v.mul(rem(group, groups), v.index(Int4::kRows * 2)));
    place = v.add(place, v.mul(inTile, v.index(2)));
    Value high = arith::ShLIOp::create(v.b, byteAt(v.add(place, v.index(1))),
                                       integer(24));
    Value low = arith::ShLIOp::create(v.b, byteAt(place), integer(16));
    Value scale = arith::BitcastOp::create(
        v.b, f32, arith::OrIOp::create(v.b, high, low).getResult());
    return v.mulF(arith::SIToFPOp::create(v.b, f32, sum), scale);
  };
  Value sum =
      v.forColumns(cols / Int4::kGroup, v.splat(0.0, 1),
                   [&](Value group, int64_t, ValueRange carried) {
                     Value part = v.broadcast(dotGroup(group), 1);
                     return SmallVector<Value>{v.addF(carried.front(), part)};
                   })
          .front();
  return v.reduceAdd(sum);
}

LogicalResult gpulowering::lowerLinear(LinearOp op, GpuBuilder &v) {
  Value out = op.getOuts().front();
  if (op.hasIntegerWeight() && !op.getStep())
    return op.emitOpError("expected rows of i16; run "
                          "tern-quantize-activations first");
  if (writeRows(op, v))
    return success();
  int64_t outputs = cast<MemRefType>(out.getType()).getDimSize(1);
  Value rows = memref::DimOp::create(v.b, out, 0);
  v.forThreadRows(v.mul(rows, v.index(outputs)), [&](Value pair) {
    Value row = arith::DivUIOp::create(v.b, pair, v.index(outputs));
    Value output = arith::RemUIOp::create(v.b, pair, v.index(outputs));
    Value sum = op.hasInt4Weight() ? dotGroups(op, v, row, output)
                                   : dotRows(op, v, row, output);
    v.ifThen(v.isFirstThread(), [&] {
      Value y = sum;
      if (op.getStep()) {
        Value factor = memref::LoadOp::create(v.b, op.getStep(), row);
        if (op.getRowScale())
          factor = v.mulF(
              factor, memref::LoadOp::create(v.b, op.getRowScale(), output));
        if (sum.getType().isInteger())
          y = arith::SIToFPOp::create(v.b, v.b.getF32Type(), sum);
        y = v.mulF(y, factor);
      }
      memref::StoreOp::create(v.b, y, out, ValueRange{row, output});
    });
  });
  return success();
}
