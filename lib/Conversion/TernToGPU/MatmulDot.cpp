//===- MatmulDot.cpp - Kernels of the matmul by dot products --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// For few rows of q: what counts is that many bytes of W are on their way. A
// block has 16 rows of W and up to eight of q; its threads share the columns,
// neighbours having neighbouring 16 bytes, and each loads several before it
// uses the first. What threads have of a row is summed through the memory of
// the block.
//
//===----------------------------------------------------------------------===//

#include "MatmulKernel.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::gpulowering;
using namespace ternac::tern;

namespace {

class DotMatmul : public WordKernel {
public:
  /// For `tokens` rows of q together, which are all of them if `hasAll`.
  DotMatmul(MatmulOp op, GpuBuilder &v, int64_t tokens, bool hasAll)
      : WordKernel(op, v), tokens(tokens), hasAll(hasAll) {
    TargetAttr target = getTarget(op);
    hasSubgroups = target && target.hasCapability("subgroup_32");
    threads = hasSubgroups && positions() >= kManyPositions ? 256 : 128;
    // Codes stay at their place in a byte; sums are 4^digit times too large.
    isInPlace = tokens == 1 && layout.code == packing::Code::TwoBit &&
                cols <= kMostColumnsInPlace;
  }

  void write();

private:
  using Words = SmallVector<Value>;
  /// Of each digit a word, or four.
  using Activations = SmallVector<Words>;

  /// Positions from which on a block of twice the threads has enough to do.
  static constexpr int64_t kManyPositions = 256;
  static constexpr int64_t kMostColumnsInPlace = 1 << 18;

  /// Threads that share a row, and rows that a thread has.
  int64_t lanes() const { return hasTiles() ? threads / 4 : threads / kRows; }
  int64_t ownRows() const { return hasTiles() ? 4 : 1; }
  /// Sums of one number that a thread has.
  int64_t sumsOfRow() const { return isInPlace ? layout.digits() : 1; }
  /// Loads of a thread that are on their way together.
  int64_t loads() const {
    if (tokens == 1)
      return rounds() <= 8 && layout.digits() == 4 ? rounds() : 4;
    return tokens <= 4 && hasTiles() ? 2 : 1;
  }
  int64_t rounds() const { return llvm::divideCeil(positions(), lanes()); }

  SmallVector<Value> sumPositions();
  SmallVector<Value> addRounds(Value round, int64_t count, bool isLast,
                               ValueRange sums);
  void addPosition(ArrayRef<Value> words, ArrayRef<Activations> activations,
                   MutableArrayRef<Value> sums);
  SmallVector<Value> codesOf(Value word);
  SmallVector<Value> finish(ArrayRef<Value> sums);
  void shareSums(ArrayRef<Value> sums, BlockSums &block);
  void storeRows(BlockSums &block);

  int64_t tokens, threads;
  bool hasAll, hasSubgroups, isInPlace;
  Value rows, firstRow, piece;  ///< of the block
  SmallVector<Value> ownTokens; ///< its rows of q that exist
  Value ownRow, lane;           ///< of the thread
  Value base;                   ///< where the thread's rows of W begin
};

} // namespace

void DotMatmul::write() {
  rows = memref::DimOp::create(v.b, op.getOuts().front(), 0);
  Value groups = groupsOf(rows, tokens);
  Value count = v.mul(groups, v.index(pieces()));
  v.forBlocks(count, threads, [&](Value number) {
    // Blocks that have the same rows of W start together.
    piece = hasAll ? number : arith::DivUIOp::create(v.b, number, groups);
    firstRow = hasAll ? v.index(0)
                      : v.mul(arith::RemUIOp::create(v.b, number, groups),
                              v.index(tokens));
    int64_t parts = hasTiles() && hasSubgroups ? threads / 32 : lanes();
    BlockSums block(v, v.b.getI32Type(), parts, kRows * tokens);
    ownTokens.clear();
    Value last = arith::SubIOp::create(v.b, rows, v.index(1));
    for (int64_t token = 0; token < tokens; ++token)
      ownTokens.push_back(tokens == 1
                              ? firstRow
                              : smaller(v.add(firstRow, v.index(token)), last));
    Value first = v.mul(piece, v.index(kRows));
    if (hasTiles()) {
      ownRow = v.mul(rem(v.thread(), 4), v.index(4));
      lane = div(v.thread(), 4);
      base = v.add(v.mul(piece, v.index(positions() * layout.tileBytes())),
                   v.mul(ownRow, v.index(layout.group)));
    } else {
      ownRow = div(v.thread(), lanes());
      lane = rem(v.thread(), lanes());
      Value row = smaller(v.add(first, ownRow), v.index(outputs - 1));
      base = v.mul(row, v.index(positions() * kLoadBytes));
    }
    shareSums(finish(sumPositions()), block);
    v.synchronize();
    storeRows(block);
    v.synchronize();
  });
}

/// The thread's sums: of each token, row and sum of a row.
SmallVector<Value> DotMatmul::sumPositions() {
  int64_t batches = (rounds() - 1) / loads();
  SmallVector<Value> sums(tokens * ownRows() * sumsOfRow(), i32(0));
  sums = v.forRange(v.index(0), v.index(batches * loads()), loads(), sums,
                    [&](Value round, ValueRange carried) {
                      return addRounds(round, loads(), false, carried);
                    });
  return addRounds(v.index(batches * loads()), rounds() - batches * loads(),
                   true, sums);
}

/// Adds rounds `round` .. `round` + `count` - 1 of all threads; of the very
/// last, some threads have nothing. Everything is loaded before the first is
/// used, or else assemblers put loads where they have to wait.
SmallVector<Value> DotMatmul::addRounds(Value round, int64_t count, bool isLast,
                                        ValueRange sums) {
  int64_t stride = hasTiles() ? layout.tileBytes() : kLoadBytes;
  SmallVector<Value> next(sums), places;
  SmallVector<Words> weights;
  SmallVector<SmallVector<Activations>> activations;
  Value exists;
  for (int64_t i = 0; i < count; ++i) {
    Value position =
        v.add(v.mul(v.add(round, v.index(i)), v.index(lanes())), lane);
    if (isLast && i == count - 1 && positions() % lanes() != 0) {
      exists = isBelow(position, v.index(positions()));
      position = smaller(position, v.index(positions() - 1));
    }
    places.push_back(position);
    weights.push_back(
        loadWeights(v.add(base, v.mul(position, v.index(stride)))));
  }
  for (Value position : places) {
    activations.emplace_back();
    for (Value row : ownTokens)
      activations.back().push_back(loadActivations(row, position));
  }
  for (int64_t i = 0; i < count; ++i) {
    if (exists && i == count - 1) // codes of 0 add nothing
      for (Value &word : weights[i])
        word = arith::SelectOp::create(v.b, exists, word, i32(0));
    addPosition(weights[i], activations[i], next);
  }
  return next;
}

SmallVector<Value> DotMatmul::codesOf(Value word) {
  if (!isInPlace)
    return unpack(word);
  SmallVector<Value> codes;
  for (int64_t digit = 0; digit < layout.digits(); ++digit)
    codes.push_back(bits(word, 0, 0x03030303u << (2 * digit)));
  return codes;
}

void DotMatmul::addPosition(ArrayRef<Value> words,
                            ArrayRef<Activations> activations,
                            MutableArrayRef<Value> sums) {
  SmallVector<Words> codes;
  for (Value word : words)
    codes.push_back(codesOf(word));
  for (auto [token, digits] : llvm::enumerate(activations))
    for (auto [w, ofWord] : llvm::enumerate(codes))
      for (auto [digit, code] : llvm::enumerate(ofWord)) {
        int64_t own = hasTiles() ? w : 0;
        Value q = digits[digit][hasTiles() ? 0 : w];
        Value &sum = sums[(token * ownRows() + own) * sumsOfRow() +
                          (isInPlace ? digit : 0)];
        sum = dot(code, q, sum);
      }
}

/// One sum of each token and row of the thread.
SmallVector<Value> DotMatmul::finish(ArrayRef<Value> sums) {
  SmallVector<Value> result;
  for (size_t i = 0; i < sums.size(); i += sumsOfRow()) {
    Value total = sums[i];
    for (int64_t digit = 1; digit < sumsOfRow(); ++digit)
      total = v.add(
          total, arith::ShRSIOp::create(v.b, sums[i + digit], i32(2 * digit)));
    result.push_back(total);
  }
  return result;
}

void DotMatmul::shareSums(ArrayRef<Value> sums, BlockSums &block) {
  SmallVector<Value> own(sums);
  bool exchanges = hasTiles() && hasSubgroups;
  if (exchanges)
    for (int64_t mask : {4, 8, 16})
      for (Value &sum : own)
        sum = v.add(sum, v.exchange(sum, mask));
  auto put = [&](Value part) {
    for (auto [i, sum] : llvm::enumerate(own)) {
      int64_t token = i / ownRows(), row = i % ownRows();
      block.put(sum, part, v.add(ownRow, v.index(token * kRows + row)));
    }
  };
  if (!exchanges)
    return put(lane);
  v.ifThen(isBelow(rem(v.thread(), 32), v.index(4)),
           [&] { put(div(v.thread(), 32)); });
}

void DotMatmul::storeRows(BlockSums &block) {
  Value row = v.add(firstRow, div(v.thread(), kRows));
  Value output = v.add(v.mul(piece, v.index(kRows)), rem(v.thread(), kRows));
  Value exists = arith::AndIOp::create(
      v.b, isBelow(v.thread(), v.index(kRows * tokens)),
      arith::AndIOp::create(v.b, isBelow(row, rows),
                            isBelow(output, v.index(outputs))));
  v.ifThen(exists, [&] {
    // Codes are one more than trits.
    Value sum =
        arith::SubIOp::create(v.b, block.total(v.thread()),
                              memref::LoadOp::create(v.b, op.getSum(), row));
    store(sum, row, output, stepOf(row), scaleOf(output));
  });
}

LogicalResult gpulowering::writeDot(MatmulOp op, GpuBuilder &v) {
  if (failed(DotMatmul(op, v, 1, /*hasAll=*/true).check(/*wantsTiles=*/false)))
    return failure();
  // Where threads exchange nothing, sums take more memory of the block.
  TargetAttr target = getTarget(op);
  int64_t most = target && target.hasCapability("subgroup_32") ? 8 : 4;
  Value rows = memref::DimOp::create(v.b, op.getOuts().front(), 0);
  forRowsTogether(v, rows, most, [&](int64_t tokens, bool hasAll) {
    DotMatmul(op, v, tokens, hasAll).write();
  });
  return success();
}
