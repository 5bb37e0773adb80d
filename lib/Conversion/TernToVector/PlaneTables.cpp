//===- PlaneTables.cpp - Look-up tables of bytes in registers -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/PlaneTables.h"

#include "ternac/Conversion/MatmulKernel.h"

using namespace mlir;
using namespace ternac;

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

static int64_t lanesOf(Value vector) {
  return cast<VectorType>(vector.getType()).getDimSize(0);
}

Value PlaneTables::splat(VectorBuilder &v, int64_t lanes, unsigned bits,
                         int64_t value) {
  auto type = VectorType::get({lanes}, v.b.getIntegerType(bits));
  return arith::ConstantOp::create(
      v.b, DenseElementsAttr::get(type, APInt(bits, value, /*isSigned=*/true,
                                              /*implicitTrunc=*/true)));
}

Value PlaneTables::cast(VectorBuilder &v, Value vector, unsigned bits) {
  auto type = mlir::cast<VectorType>(vector.getType());
  int64_t lanes = type.getDimSize(0) * type.getElementTypeBitWidth() / bits;
  return vector::BitCastOp::create(
      v.b, VectorType::get({lanes}, v.b.getIntegerType(bits)), vector);
}

Value PlaneTables::shiftLeft(VectorBuilder &v, Value words, int64_t by) {
  return arith::ShLIOp::create(v.b, words, splat(v, lanesOf(words), 16, by));
}
Value PlaneTables::shiftRight(VectorBuilder &v, Value words, int64_t by) {
  return arith::ShRUIOp::create(v.b, words, splat(v, lanesOf(words), 16, by));
}
Value PlaneTables::lowByte(VectorBuilder &v, Value words) {
  return arith::AndIOp::create(v.b, words, splat(v, lanesOf(words), 16, 255));
}

Value PlaneTables::permute(VectorBuilder &v, Value vector, int64_t lanes,
                           function_ref<int64_t(int64_t)> from) {
  SmallVector<int64_t> mask;
  for (int64_t i = 0; i < lanes; ++i)
    mask.push_back(from(i));
  return vector::ShuffleOp::create(v.b, vector, vector, mask);
}

Value PlaneTables::timesRadix(VectorBuilder &v, Value words) const {
  if (radix == 128)
    return shiftLeft(v, words, 7);
  assert(radix == 255 && "the radixes in use");
  return arith::SubIOp::create(v.b, shiftLeft(v, words, 8), words);
}

//===----------------------------------------------------------------------===//
// Sums of bytes
//===----------------------------------------------------------------------===//

SmallVector<Value> PlaneTables::zero(VectorBuilder &v, int64_t rows,
                                     int64_t groups) const {
  int64_t start = -bias * groups;
  SmallVector<Value> sums;
  for (int64_t first = 0; first < rows; first += width)
    sums.append({splat(v, width / 2, 16, start + start * 256),
                 splat(v, width / 2, 16, start), splat(v, width, 8, 0)});
  return sums;
}

SmallVector<Value> PlaneTables::zeroTotals(VectorBuilder &v,
                                           int64_t rows) const {
  return SmallVector<Value>(2 * (rows / width), v.splatI32(0, width / 2));
}

void PlaneTables::accumulate(VectorBuilder &v, const Table &table,
                             Value weights, Value byte, int64_t rows,
                             MutableArrayRef<Value> sums) const {
  for (int64_t first = 0; first < rows; first += width) {
    Value bytes = v.load(weights, v.add(byte, v.index(first)), width);
    auto [low, high] = select(v, table, bytes);
    Value words = cast(v, low, 16);
    sums[0] = v.add(sums[0], words);
    sums[1] = v.add(sums[1], shiftRight(v, words, 8));
    sums[2] = v.add(sums[2], high);
    sums = sums.drop_front(3);
  }
}

void PlaneTables::flush(VectorBuilder &v, ArrayRef<Value> sums,
                        MutableArrayRef<Value> totals) const {
  for (; !sums.empty(); sums = sums.drop_front(3)) {
    Value all = sums[0], odd = sums[1], high = cast(v, sums[2], 16);
    Value even = arith::SubIOp::create(v.b, all, shiftLeft(v, odd, 8));
    even = v.add(even, timesRadix(v, lowByte(v, high)));
    odd = v.add(odd, timesRadix(v, shiftRight(v, high, 8)));
    for (Value sum : {even, odd}) {
      Value &total = totals.front();
      total = v.add(total, arith::ExtSIOp::create(v.b, total.getType(), sum));
      totals = totals.drop_front();
    }
  }
}

SmallVector<Value> PlaneTables::finish(VectorBuilder &v,
                                       ArrayRef<Value> totals) const {
  SmallVector<Value> sixteens;
  int64_t half = width / 2;
  for (; !totals.empty(); totals = totals.drop_front(2))
    for (int64_t first = 0; first < half; first += kBlockLanes / 2) {
      // Even and odd ones in turn, without a shuffle: that may be a product.
      constexpr int64_t eight = kBlockLanes / 2;
      auto wide = [&](Value total) -> Value {
        Value part = vector::ExtractStridedSliceOp::create(
            v.b, total, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{eight},
            ArrayRef<int64_t>{1});
        return arith::ExtUIOp::create(
            v.b, VectorType::get({eight}, v.b.getI64Type()), part);
      };
      Value odd =
          arith::ShLIOp::create(v.b, wide(totals[1]), splat(v, eight, 64, 32));
      Value pairs = arith::OrIOp::create(v.b, wide(totals[0]), odd);
      sixteens.push_back(cast(v, pairs, 32));
    }
  return sixteens;
}

//===----------------------------------------------------------------------===//
// Two-bit bytes
//===----------------------------------------------------------------------===//

namespace {

/// A sum of two activations plus 256 is at most 4 * 128, so that the low bytes
/// of both halves, below 128, and the high bytes, at most 4, are added before
/// they are summed.
class ShuffledTables final : public PlaneTables {
public:
  ShuffledTables(const packing::Layout &layout, int64_t width,
                 int64_t rowsTogether, int64_t tokensOfBlock, LookUp lookUp)
      : PlaneTables(layout, width, /*radix=*/128, /*bias=*/512, /*highMost=*/8),
        rows(rowsTogether), tokens(tokensOfBlock), lookUp(std::move(lookUp)) {}

  int64_t rowsTogether() const override { return rows; }
  int64_t tokensOfBlock() const override { return tokens; }
  int64_t elements() const override { return 32; }

  /// Low and high bytes of the first half, then of the second.
  SmallVector<Value> load(VectorBuilder &v, Value tables,
                          Value place) const override {
    SmallVector<Value> parts;
    for (int64_t i = 0; i < 4; ++i) {
      Value part = cast(v, v.load(tables, v.add(place, v.index(8 * i)), 8), 8);
      if (width > 16)
        part = permute(v, part, width, [](int64_t lane) { return lane % 16; });
      parts.push_back(part);
    }
    return parts;
  }

  void build(VectorBuilder &v, ArrayRef<Value> x, Value tables,
             Value place) const override {
    for (int64_t half = 0; half < 2; ++half) {
      Value sum =
          tritSums(v, x.slice(2 * half, 2), 16, 256, [](int64_t i, int64_t d) {
            return int(d ? i / 4 : i % 4) - 1;
          });
      Value low = arith::AndIOp::create(v.b, sum, splat(v, 16, 16, 127));
      Value high = shiftRight(v, sum, 7);
      const Value planes[] = {low, high};
      for (auto [i, plane] : llvm::enumerate(planes)) {
        Value bytes = arith::TruncIOp::create(
            v.b, VectorType::get({16}, v.b.getI8Type()), plane);
        v.store(cast(v, bytes, 16), tables,
                v.add(place, v.index(16 * half + 8 * i)));
      }
    }
  }

protected:
  std::pair<Value, Value> select(VectorBuilder &v, const Table &table,
                                 Value weights) const override {
    Value first = arith::AndIOp::create(v.b, weights, splat(v, width, 8, 15));
    Value second = arith::ShRUIOp::create(v.b, weights, splat(v, width, 8, 4));
    auto find = [&](int64_t part) -> Value {
      return v.add(lookUp(v, table.values[part], first),
                   lookUp(v, table.values[part + 2], second));
    };
    Value low = find(0);
    return {low, find(1)};
  }

private:
  const int64_t rows, tokens;
  const LookUp lookUp;
};

} // namespace

std::unique_ptr<TableForm> ternac::shuffledTables(const packing::Layout &layout,
                                                  int64_t width,
                                                  int64_t rowsTogether,
                                                  int64_t tokensOfBlock,
                                                  LookUp lookUp) {
  return std::make_unique<ShuffledTables>(layout, width, rowsTogether,
                                          tokensOfBlock, std::move(lookUp));
}
