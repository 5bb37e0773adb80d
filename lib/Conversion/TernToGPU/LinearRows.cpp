//===- LinearRows.cpp - Kernels of dense layers by 16 bytes ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows of W are read once for up to four rows of x. A block has 16 of them: of
// each four, 32 threads share the columns, neighbours having neighbouring 16
// bytes, and load several before they use the first. A number is the same sum
// however many rows there are.
//
// Rows of i16 times rows of i8 are two products of bytes, of the low and of the
// high bytes of x.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "WordLoads.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::gpulowering;
using namespace ternac::tern;

namespace {

class RowsKernel {
public:
  RowsKernel(LinearOp op, GpuBuilder &v, int64_t tokens, bool hasAll)
      : op(op), v(v), tokens(tokens), hasAll(hasAll),
        weights(cast<MemRefType>(op.getWeight().getType())),
        outputs(weights.getDimSize(0)), cols(weights.getDimSize(1)) {}

  void write();

private:
  static constexpr int64_t kThreads = 128, kLanes = 32, kOwnRows = 4;
  static constexpr int64_t kRows = kThreads / kLanes * kOwnRows;
  static constexpr int64_t kTogether = 2; ///< rounds of loads

  bool isInteger() const { return weights.getElementType().isInteger(); }
  /// Columns of 16 bytes of W, and how many of these a row has.
  int64_t width() const {
    return 8 * kLoadBytes / weights.getElementTypeBitWidth();
  }
  int64_t positions() const { return cols / width(); }
  /// Sums of a number: of low and high bytes.
  int64_t sumsOfNumber() const { return isInteger() ? 2 : 1; }

  Value word(int64_t value) {
    return arith::ConstantOp::create(v.b, v.b.getI32IntegerAttr(value));
  }
  Value both(Value a, int64_t mask, int64_t left = 0);
  Value smaller(Value a, Value c);
  SmallVector<Value> sumPositions(Value firstRow, Value firstOutput,
                                  Value lane);
  SmallVector<Value> addRounds(Value round, int64_t count, bool isLast,
                               ValueRange sums);
  void addPosition(ArrayRef<SmallVector<Value>> words,
                   ArrayRef<SmallVector<Value>> x, MutableArrayRef<Value> sums);
  SmallVector<Value> loadX(Value row, Value position);
  SmallVector<Value> numbersOf(ArrayRef<Value> words);
  SmallVector<Value> floatsOf(Value pair);
  void addProducts(ArrayRef<Value> w, ArrayRef<Value> x,
                   MutableArrayRef<Value> sums);
  void store(Value sum, Value row, Value output);

  LinearOp op;
  GpuBuilder &v;
  int64_t tokens;
  bool hasAll; ///< rows of x
  MemRefType weights;
  int64_t outputs, cols;
  Value rows, lane;
  SmallVector<Value> ownOutputs, ownRows; ///< that exist
};

} // namespace

Value RowsKernel::smaller(Value a, Value c) {
  Value isBelow = arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, a, c);
  return arith::SelectOp::create(v.b, isBelow, a, c);
}

/// The masked bits of `a`, moved up, or down if `left` is negative.
Value RowsKernel::both(Value a, int64_t mask, int64_t left) {
  a = arith::AndIOp::create(v.b, a, word(int32_t(mask)));
  if (left > 0)
    a = arith::ShLIOp::create(v.b, a, word(left));
  if (left < 0)
    a = arith::ShRUIOp::create(v.b, a, word(-left));
  return a;
}

void RowsKernel::write() {
  rows = memref::DimOp::create(v.b, op.getOuts().front(), 0);
  Value groups = arith::DivUIOp::create(v.b, v.add(rows, v.index(tokens - 1)),
                                        v.index(tokens));
  int64_t pieces = llvm::divideCeil(outputs, kRows);
  v.forBlocks(v.mul(groups, v.index(pieces)), kThreads, [&](Value number) {
    Value piece = hasAll ? number : arith::DivUIOp::create(v.b, number, groups);
    Value firstRow = hasAll ? v.index(0)
                            : v.mul(arith::RemUIOp::create(v.b, number, groups),
                                    v.index(tokens));
    Value first = v.mul(piece, v.index(kRows));
    lane = arith::RemUIOp::create(v.b, v.thread(), v.index(kLanes));
    Value own = v.mul(arith::DivUIOp::create(v.b, v.thread(), v.index(kLanes)),
                      v.index(kOwnRows));
    Type element = isInteger() ? v.b.getI32Type() : Type(v.b.getF32Type());
    BlockSums block(v, element, kLanes, kRows * tokens);
    SmallVector<Value> sums = sumPositions(firstRow, v.add(first, own), lane);
    for (auto [i, sum] : llvm::enumerate(sums)) {
      int64_t token = i / kOwnRows, row = i % kOwnRows;
      block.put(sum, lane, v.add(own, v.index(token * kRows + row)));
    }
    v.synchronize();
    Value row = v.add(firstRow,
                      arith::DivUIOp::create(v.b, v.thread(), v.index(kRows)));
    Value output =
        v.add(first, arith::RemUIOp::create(v.b, v.thread(), v.index(kRows)));
    auto isBelow = [&](Value a, Value c) -> Value {
      return arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, a, c);
    };
    Value exists = arith::AndIOp::create(
        v.b, isBelow(v.thread(), v.index(kRows * tokens)),
        arith::AndIOp::create(v.b, isBelow(row, rows),
                              isBelow(output, v.index(outputs))));
    v.ifThen(exists, [&] { store(block.total(v.thread()), row, output); });
    v.synchronize();
  });
}

/// The thread's part of each token and own row.
SmallVector<Value> RowsKernel::sumPositions(Value firstRow, Value firstOutput,
                                            Value lane) {
  ownRows.clear();
  ownOutputs.clear();
  Value lastRow = arith::SubIOp::create(v.b, rows, v.index(1));
  for (int64_t token = 0; token < tokens; ++token)
    ownRows.push_back(smaller(v.add(firstRow, v.index(token)), lastRow));
  for (int64_t row = 0; row < kOwnRows; ++row)
    ownOutputs.push_back(
        smaller(v.add(firstOutput, v.index(row)), v.index(outputs - 1)));
  int64_t rounds = llvm::divideCeil(positions(), kLanes);
  int64_t batches = (rounds - 1) / kTogether;
  Value zero = isInteger() ? word(0) : v.f32(0.0);
  SmallVector<Value> sums(tokens * kOwnRows * sumsOfNumber(), zero);
  sums = v.forRange(v.index(0), v.index(batches * kTogether), kTogether, sums,
                    [&](Value round, ValueRange carried) {
                      return addRounds(round, kTogether, false, carried);
                    });
  sums = addRounds(v.index(batches * kTogether), rounds - batches * kTogether,
                   true, sums);
  if (!isInteger())
    return sums;
  SmallVector<Value> wide;
  for (size_t i = 0; i < sums.size(); i += 2)
    wide.push_back(
        v.add(sums[i], arith::ShLIOp::create(v.b, sums[i + 1], word(8))));
  return wide;
}

/// Adds rounds `round` .. `round` + `count` - 1 of all threads; of the very
/// last, some threads have nothing.
SmallVector<Value> RowsKernel::addRounds(Value round, int64_t count,
                                         bool isLast, ValueRange sums) {
  SmallVector<Value> next(sums), places;
  SmallVector<SmallVector<SmallVector<Value>>> loaded(count);
  Value exists;
  for (int64_t i = 0; i < count; ++i) {
    Value position =
        v.add(v.mul(v.add(round, v.index(i)), v.index(kLanes)), lane);
    if (isLast && i == count - 1 && positions() % kLanes != 0) {
      exists = arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, position,
                                     v.index(positions()));
      position = smaller(position, v.index(positions() - 1));
    }
    places.push_back(position);
    Value column = v.mul(position, v.index(width()));
    for (Value output : ownOutputs)
      loaded[i].push_back(
          loadWords(v, op.getWeight(), {output, column}, 4, kLoadBytes));
  }
  SmallVector<SmallVector<SmallVector<Value>>> x(count);
  for (auto [i, position] : llvm::enumerate(places))
    for (Value row : ownRows)
      x[i].push_back(loadX(row, position));
  for (int64_t i = 0; i < count; ++i) {
    if (exists && i == count - 1)
      for (SmallVector<Value> &words : loaded[i])
        for (Value &value : words)
          value = arith::SelectOp::create(v.b, exists, value, word(0));
    addPosition(loaded[i], x[i], next);
  }
  return next;
}

void RowsKernel::addPosition(ArrayRef<SmallVector<Value>> words,
                             ArrayRef<SmallVector<Value>> x,
                             MutableArrayRef<Value> sums) {
  for (int64_t token = 0; token < tokens; ++token) {
    SmallVector<Value> numbers = numbersOf(x[token]);
    for (int64_t row = 0; row < kOwnRows; ++row)
      addProducts(words[row], numbers,
                  sums.slice((token * kOwnRows + row) * sumsOfNumber(),
                             sumsOfNumber()));
  }
}

/// What 16 bytes of W multiply.
SmallVector<Value> RowsKernel::loadX(Value row, Value position) {
  Value column = v.mul(position, v.index(width()));
  SmallVector<Value> words;
  for (int64_t half = 0; half < 2; ++half)
    llvm::append_range(
        words, loadWords(v, op.getX(),
                         {row, v.add(column, v.index(half * width() / 2))}, 4,
                         kLoadBytes));
  return words;
}

/// Words of x as f32, or of each word of W the low bytes and the high bytes.
SmallVector<Value> RowsKernel::numbersOf(ArrayRef<Value> words) {
  if (!isInteger())
    return SmallVector<Value>(words);
  SmallVector<Value> bytes;
  for (size_t i = 0; i < words.size(); i += 2) {
    Value a = words[i], c = words[i + 1];
    auto join = [&](Value b0, Value b1, Value b2, Value b3) -> Value {
      return arith::OrIOp::create(v.b, arith::OrIOp::create(v.b, b0, b1),
                                  arith::OrIOp::create(v.b, b2, b3));
    };
    bytes.push_back(join(both(a, 0xFF), both(a, 0xFF0000, -8),
                         both(c, 0xFF, 16), both(c, 0xFF0000, 8)));
    bytes.push_back(join(both(a, 0xFF00, -8), both(a, 0xFF000000, -16),
                         both(c, 0xFF00, 8), both(c, 0xFF000000)));
  }
  return bytes;
}

/// The two floats of a word of W.
SmallVector<Value> RowsKernel::floatsOf(Value pair) {
  Type f32 = v.b.getF32Type();
  Value high = arith::ShRUIOp::create(v.b, pair, word(16));
  if (weights.getElementType().isBF16())
    return {
        arith::BitcastOp::create(
            v.b, f32, arith::ShLIOp::create(v.b, pair, word(16)).getResult()),
        arith::BitcastOp::create(v.b, f32, both(pair, 0xFFFF0000))};
  auto widen = [&](Value bits) -> Value {
    bits = arith::TruncIOp::create(v.b, v.b.getI16Type(), bits);
    Value number = arith::BitcastOp::create(v.b, v.b.getF16Type(), bits);
    return arith::ExtFOp::create(v.b, f32, number);
  };
  return {widen(pair), widen(high)};
}

void RowsKernel::addProducts(ArrayRef<Value> w, ArrayRef<Value> x,
                             MutableArrayRef<Value> sums) {
  for (auto [i, pair] : llvm::enumerate(w)) {
    if (isInteger()) {
      sums[0] = dot4(v, x[2 * i], pair, sums[0]);
      sums[1] = dot4(v, x[2 * i + 1], pair, sums[1], /*isSigned=*/true);
      continue;
    }
    for (auto [j, number] : llvm::enumerate(floatsOf(pair)))
      sums[0] = v.fma(x[2 * i + j], number, sums[0]);
  }
}

void RowsKernel::store(Value sum, Value row, Value output) {
  Value y = sum;
  if (op.getStep()) {
    Value factor = memref::LoadOp::create(v.b, op.getStep(), row);
    factor =
        v.mulF(factor, memref::LoadOp::create(v.b, op.getRowScale(), output));
    y = arith::SIToFPOp::create(v.b, v.b.getF32Type(), sum);
    y = v.mulF(y, factor);
  }
  memref::StoreOp::create(v.b, y, op.getOuts().front(),
                          ValueRange{row, output});
}

bool gpulowering::writeRows(LinearOp op, GpuBuilder &v) {
  auto weights = cast<MemRefType>(op.getWeight().getType());
  Type element = weights.getElementType();
  if (op.hasInt4Weight() || element.isF32() ||
      weights.getDimSize(1) * element.getIntOrFloatBitWidth() %
              (8 * kLoadBytes) !=
          0 ||
      rowAlignment(op.getWeight()) < kLoadBytes ||
      rowAlignment(op.getX()) < kLoadBytes)
    return false;
  Value rows = memref::DimOp::create(v.b, op.getOuts().front(), 0);
  forRowsTogether(v, rows, /*most=*/4, [&](int64_t tokens, bool hasAll) {
    RowsKernel(op, v, tokens, hasAll).write();
  });
  return true;
}
