//===- MatmulKernel.cpp - What kernels of the matmul share ----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MatmulKernel.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::gpulowering;
using packing::Layout;

//===----------------------------------------------------------------------===//
// Any kernel
//===----------------------------------------------------------------------===//

Value MatmulKernel::i32(int64_t value) {
  return arith::ConstantOp::create(v.b, v.b.getI32IntegerAttr(int32_t(value)));
}
Value MatmulKernel::div(Value a, int64_t c) {
  return v.b.createOrFold<arith::DivUIOp>(a, v.index(c));
}
Value MatmulKernel::rem(Value a, int64_t c) {
  return v.b.createOrFold<arith::RemUIOp>(a, v.index(c));
}
Value MatmulKernel::isBelow(Value a, Value c) {
  return arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, a, c);
}
Value MatmulKernel::smaller(Value a, Value c) {
  return arith::SelectOp::create(v.b, isBelow(a, c), a, c);
}

Value MatmulKernel::groupsOf(Value rows, int64_t size) {
  return div(v.add(rows, v.index(size - 1)), size);
}

Value MatmulKernel::scaleOf(Value output) {
  if (!op.getStep())
    return {};
  if (!op.getSegments())
    return memref::LoadOp::create(v.b, op.getScale(),
                                  ValueRange{v.index(0), output});
  // The segment that the output is in, by counting those that end before.
  Value segment = v.index(0);
  int64_t end = 0;
  for (int64_t length : ArrayRef(*op.getSegments()).drop_back()) {
    end += length;
    Value isBehind = arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge,
                                           output, v.index(end));
    segment = v.add(segment, arith::SelectOp::create(v.b, isBehind, v.index(1),
                                                     v.index(0)));
  }
  return memref::LoadOp::create(v.b, op.getScale(), segment);
}

Value MatmulKernel::stepOf(Value row) {
  if (!op.getStep())
    return {};
  return memref::LoadOp::create(v.b, op.getStep(), row);
}

void MatmulKernel::store(Value sum, Value row, Value output, Value step,
                         Value scale) {
  Value y = sum;
  if (step) {
    y = arith::SIToFPOp::create(v.b, v.b.getF32Type(), sum);
    y = v.mulF(y, v.mulF(step, scale));
  }
  if (op.getResidual())
    y = v.addF(y, memref::LoadOp::create(v.b, op.getResidual(),
                                         ValueRange{row, output}));
  memref::StoreOp::create(v.b, y, op.getOuts().front(),
                          ValueRange{row, output});
}

//===----------------------------------------------------------------------===//
// Kernels that read words
//===----------------------------------------------------------------------===//

LogicalResult WordKernel::check(bool wantsTiles) {
  // What tiles stage of the activations has whole superblocks.
  bool isTile = layout.rows == kRows && layout.group == 4 &&
                (!wantsTiles || 16 % layout.blocks == 0) &&
                (layout.code == packing::Code::TwoBit ||
                 layout.code == packing::Code::Base3);
  bool isRow = layout == packing::rowTwoBit();
  if (!isTile && (wantsTiles || !isRow))
    return op.emitOpError("expected a packing that kernels of strategy '")
           << stringifyStrategy(op.getConfig()->getStrategy())
           << "' read, but got '" << layout.name() << "'";
  if (rowAlignment(op.getQ()) < 4)
    return op.emitOpError("expected rows of q of whole words, but got ")
           << op.getQ().getType();
  return success();
}

Value WordKernel::columnOf(Value position) {
  if (!hasTiles()) {
    int64_t parts = layout.group / kLoadBytes;
    return v.add(v.mul(div(position, parts), v.index(layout.span())),
                 v.mul(rem(position, parts), v.index(kLoadBytes)));
  }
  return v.add(v.mul(div(position, layout.blocks), v.index(layout.span())),
               v.mul(rem(position, layout.blocks), v.index(layout.group)));
}

SmallVector<Value> WordKernel::loadWeights(Value place) {
  return loadWords(v, op.getWeight(), place, kLoadBytes / 4, kLoadBytes);
}

SmallVector<Value> WordKernel::loadQ(Value row, Value column, int64_t count) {
  int64_t alignment = std::min(rowAlignment(op.getQ()), 4 * count);
  return loadWords(v, op.getQ(), {row, column}, count, alignment);
}

SmallVector<SmallVector<Value>> WordKernel::loadActivations(Value row,
                                                            Value position) {
  Value column = columnOf(position);
  SmallVector<SmallVector<Value>> words;
  if (hasTiles() && layout.digitStride() == layout.group &&
      layout.digits() == 4) {
    // The digits are neighbours.
    for (Value word : loadQ(row, column, 4))
      words.push_back({word});
    return words;
  }
  for (int64_t digit = 0; digit < layout.digits(); ++digit)
    words.push_back(loadQ(row,
                          v.add(column, v.index(digit * layout.digitStride())),
                          hasTiles() ? 1 : kLoadBytes / 4));
  return words;
}

Value WordKernel::bits(Value word, int64_t shift, uint32_t mask) {
  if (shift)
    word = arith::ShRUIOp::create(v.b, word, i32(shift));
  return arith::AndIOp::create(v.b, word, i32(mask));
}
Value WordKernel::times(Value word, uint32_t factor) {
  return arith::MulIOp::create(v.b, word, i32(factor));
}

SmallVector<Value> WordKernel::unpack(Value word) {
  if (layout.code == packing::Code::Base3)
    return unpackBase3(word);
  SmallVector<Value> codes;
  for (int64_t digit = 0; digit < layout.digits(); ++digit)
    codes.push_back(bits(word, 2 * digit, 0x03030303));
  return codes;
}

/// All four bytes at once: a product of a byte and a small number stays within
/// the byte or, of every other byte, within two.
SmallVector<Value> WordKernel::unpackBase3(Value word) {
  auto minus = [&](Value a, Value c) -> Value {
    return arith::SubIOp::create(v.b, a, c);
  };
  // floor(b / 9) = b * 228 >> 11 for b < 243.
  Value even = times(bits(word, 0, 0x00FF00FF), 228);
  Value odd = times(bits(word, 8, 0x00FF00FF), 228);
  Value ninths = arith::OrIOp::create(v.b, bits(even, 11, 0x001F001F),
                                      bits(odd, 3, 0x1F001F00));
  Value low = minus(word, times(ninths, 9));
  // floor(b / 9) = (7 * b + 2) >> 6 for b < 27.
  Value top = bits(v.add(times(ninths, 7), i32(0x02020202)), 6, 0x03030303);
  Value middle = minus(ninths, times(top, 9));
  // floor(b / 3) = 11 * b >> 5 for b < 9.
  auto split = [&](Value pair) -> std::pair<Value, Value> {
    Value high = bits(times(pair, 11), 5, 0x03030303);
    return {minus(pair, times(high, 3)), high};
  };
  auto [d0, d1] = split(low);
  auto [d2, d3] = split(middle);
  return {d0, d1, d2, d3, top};
}
