//===- MatmulTile.cpp - Kernels of the matmul by matrix units -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For many rows of q. A block has 64 of them and 128 rows of W, 32 for each
// subgroup. Codes go from memory to registers and are unpacked there: no two
// subgroups want the same ones. Rows of q go through the memory of the block,
// 16 positions of W at a time.
//
// What `tern.dot_tile` adds up may come in any order, so that a word of W is
// used as it lies: thread g * 4 + t of a subgroup loads, at position 4s + t,
// the words of rows 4 * (g % 4) .. + 3 of tile g / 4. Of two digits, words 0
// and 1 are rows g and g + 8 of one product's A, words 2 and 3 of another's;
// its B has the words of row g of q that these digits multiply.
//
//===----------------------------------------------------------------------===//

#include "MatmulKernel.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::gpulowering;
using namespace ternac::tern;

namespace {

class TileMatmul : public WordKernel {
public:
  TileMatmul(MatmulOp op, GpuBuilder &v) : WordKernel(op, v) {
    // Rows of q in the memory of the block begin in different banks.
    if (hasNeighbours()) {
      element = VectorType::get({4}, v.b.getI32Type());
      units = chunkColumns() / 16;
      stride = units + 4;
    } else {
      element = v.b.getI32Type();
      units = chunkColumns() / 4;
      stride = units + 4;
    }
  }

  void write();

private:
  static constexpr int64_t kSubgroups = 4, kThreads = 32 * kSubgroups;
  static constexpr int64_t kOwnTiles = 2;
  static constexpr int64_t kTokens = 64, kGroups = kTokens / 8;
  /// Positions that the memory of the block has at a time, and of one step.
  static constexpr int64_t kChunk = 16, kStep = 4;

  /// Whether the digits of a position multiply neighbouring columns.
  bool hasNeighbours() const {
    return layout.digits() == 4 && layout.digitStride() == 4;
  }
  int64_t chunkColumns() const {
    return kChunk / layout.blocks * layout.span();
  }

  void writeBlock(Value number, Value groups);
  SmallVector<Value> addChunk(Value chunk, ValueRange sums);
  void stage(Value chunk);
  Value loadUnit(Value token, Value column);
  SmallVector<Value> wordsOfRow(Value token, Value position);
  void addStep(ArrayRef<Value> words, int64_t step,
               MutableArrayRef<Value> sums);
  Value dotTile(ArrayRef<Value> codes, ArrayRef<Value> q, Value sum);
  Value vectorOf(ArrayRef<Value> words);
  void storeSums(ValueRange sums);

  Type element;          ///< of the memory of the block
  int64_t units, stride; ///< elements of a row of q there, and to the next
  Value rows, firstRow, staged;
  Value firstTile;  ///< of the subgroup
  Value g, t, base; ///< of the thread, with where its weights begin
};

} // namespace

void TileMatmul::write() {
  rows = memref::DimOp::create(v.b, op.getOuts().front(), 0);
  Value groups = groupsOf(rows, kTokens);
  int64_t blocks = llvm::divideCeil(pieces(), kSubgroups * kOwnTiles);
  v.forBlocks(v.mul(groups, v.index(blocks)), kThreads,
              [&](Value number) { writeBlock(number, groups); });
}

void TileMatmul::writeBlock(Value number, Value groups) {
  // Blocks that have the same rows of W start together.
  firstRow =
      v.mul(arith::RemUIOp::create(v.b, number, groups), v.index(kTokens));
  firstTile = v.mul(arith::DivUIOp::create(v.b, number, groups),
                    v.index(kSubgroups * kOwnTiles));
  firstTile = v.add(firstTile, v.mul(div(v.thread(), 32), v.index(kOwnTiles)));
  g = div(rem(v.thread(), 32), 4);
  t = rem(v.thread(), 4);
  staged = v.shared(element, kTokens * stride);
  // Behind the last tile it is read again, and nothing stored.
  Value tile = smaller(v.add(firstTile, div(g, 4)), v.index(pieces() - 1));
  base = v.add(v.mul(tile, v.index(positions() * layout.tileBytes())),
               v.mul(rem(g, 4), v.index(kLoadBytes)));
  auto type = VectorType::get({4}, v.b.getI32Type());
  Value zero = arith::ConstantOp::create(v.b, v.b.getZeroAttr(type));
  SmallVector<Value> sums(kGroups * kOwnTiles, zero);
  int64_t chunks = llvm::divideCeil(positions(), kChunk);
  sums = v.forRange(v.index(0), v.index(chunks), 1, sums,
                    [&](Value chunk, ValueRange carried) {
                      return addChunk(chunk, carried);
                    });
  storeSums(sums);
}

SmallVector<Value> TileMatmul::addChunk(Value chunk, ValueRange sums) {
  SmallVector<Value> next(sums);
  SmallVector<SmallVector<Value>> weights;
  for (int64_t step = 0; step < kChunk / kStep; ++step) {
    Value position =
        v.add(v.mul(chunk, v.index(kChunk)), v.add(t, v.index(step * kStep)));
    // What is behind the last multiplies zeros.
    position = smaller(position, v.index(positions() - 1));
    Value place = v.mul(position, v.index(layout.tileBytes()));
    weights.push_back(loadWeights(v.add(base, place)));
  }
  v.synchronize();
  stage(chunk);
  v.synchronize();
  for (auto [step, words] : llvm::enumerate(weights))
    addStep(words, step, next);
  return next;
}

/// The element of q at `column` of row `token` of the block, zero behind its
/// columns.
Value TileMatmul::loadUnit(Value token, Value column) {
  int64_t words = hasNeighbours() ? 4 : 1;
  int64_t width = cast<MemRefType>(op.getQ().getType()).getDimSize(1);
  Value row = smaller(v.add(firstRow, token),
                      arith::SubIOp::create(v.b, rows, v.index(1)));
  Value last = v.index(width - 4 * words);
  Value exists =
      arith::CmpIOp::create(v.b, arith::CmpIPredicate::ule, column, last);
  Value loaded = vectorOf(loadQ(row, smaller(column, last), words));
  Value zero = arith::ConstantOp::create(v.b, v.b.getZeroAttr(element));
  return arith::SelectOp::create(v.b, exists, loaded, zero);
}

/// Columns of `chunk` to the memory of the block; several loads are on their
/// way at a time.
void TileMatmul::stage(Value chunk) {
  constexpr int64_t kTogether = 4;
  int64_t columns = chunkColumns();
  Value first = v.mul(chunk, v.index(columns));
  v.forRange(
      v.index(0), v.index(kTokens * units), kThreads * kTogether,
      [&](Value begin) {
        SmallVector<Value> places, loaded;
        for (int64_t i = 0; i < kTogether; ++i) {
          Value unit = v.add(begin, v.add(v.thread(), v.index(i * kThreads)));
          Value token = div(unit, units), inRow = rem(unit, units);
          places.push_back(v.add(v.mul(token, v.index(stride)), inRow));
          loaded.push_back(loadUnit(
              token, v.add(first, v.mul(inRow, v.index(columns / units)))));
        }
        for (auto [place, value] : llvm::zip(places, loaded))
          memref::StoreOp::create(v.b, value, staged, place);
      });
}

/// A vector, or the word itself if there is one.
Value TileMatmul::vectorOf(ArrayRef<Value> words) {
  if (words.size() == 1)
    return words.front();
  auto type = VectorType::get({int64_t(words.size())}, v.b.getI32Type());
  return vector::FromElementsOp::create(v.b, type, words);
}

/// The words of each digit at `position` of the chunk, of a row of the block.
SmallVector<Value> TileMatmul::wordsOfRow(Value token, Value position) {
  Value row = v.mul(token, v.index(stride));
  if (hasNeighbours()) {
    Value loaded = memref::LoadOp::create(v.b, staged, v.add(row, position));
    SmallVector<Value> words;
    for (int64_t digit = 0; digit < layout.digits(); ++digit)
      words.push_back(
          vector::ExtractOp::create(v.b, loaded, ArrayRef<int64_t>{digit}));
    return words;
  }
  Value word = v.add(row, div(columnOf(position), 4));
  SmallVector<Value> words;
  for (int64_t digit = 0; digit < layout.digits(); ++digit)
    words.push_back(memref::LoadOp::create(
        v.b, staged, v.add(word, v.index(digit * layout.digitStride() / 4))));
  return words;
}

Value TileMatmul::dotTile(ArrayRef<Value> codes, ArrayRef<Value> q, Value sum) {
  auto type = VectorType::get({int64_t(q.size())}, v.b.getI32Type());
  Value words = vector::FromElementsOp::create(v.b, type, q);
  return DotTileOp::create(v.b, sum.getType(), vectorOf(codes), words, sum);
}

void TileMatmul::addStep(ArrayRef<Value> words, int64_t step,
                         MutableArrayRef<Value> sums) {
  SmallVector<SmallVector<Value>> codes;
  for (Value word : words)
    codes.push_back(unpack(word));
  Value position = v.add(t, v.index(step * kStep));
  for (int64_t group = 0; group < kGroups; ++group) {
    SmallVector<Value> q = wordsOfRow(v.add(g, v.index(8 * group)), position);
    for (int64_t half = 0; half < kOwnTiles; ++half) {
      ArrayRef<Value> a = codes[2 * half], c = codes[2 * half + 1];
      Value &sum = sums[group * kOwnTiles + half];
      for (size_t d = 0; d < q.size(); d += 2)
        if (d + 1 < q.size())
          sum =
              dotTile({a[d], c[d], a[d + 1], c[d + 1]}, {q[d], q[d + 1]}, sum);
        else
          sum = dotTile({a[d], c[d]}, {q[d]}, sum);
    }
  }
}

void TileMatmul::storeSums(ValueRange sums) {
  // A thread has four neighbouring rows of W.
  Value first = v.add(v.mul(v.add(firstTile, div(g, 4)), v.index(kRows)),
                      v.mul(rem(g, 4), v.index(4)));
  SmallVector<Value> scales;
  for (int64_t i = 0; i < 4; ++i)
    scales.push_back(
        scaleOf(smaller(v.add(first, v.index(i)), v.index(outputs - 1))));
  for (int64_t group = 0; group < kGroups; ++group)
    for (int64_t parity = 0; parity < 2; ++parity) {
      Value row = v.add(v.add(firstRow, v.mul(t, v.index(2))),
                        v.index(8 * group + parity));
      v.ifThen(isBelow(row, rows), [&] {
        Value step = stepOf(row);
        Value ones = memref::LoadOp::create(v.b, op.getSum(), row);
        for (int64_t i = 0; i < 4; ++i) {
          Value output = v.add(first, v.index(i));
          v.ifThen(isBelow(output, v.index(outputs)), [&] {
            Value sum = vector::ExtractOp::create(
                v.b, sums[group * kOwnTiles + i / 2],
                ArrayRef<int64_t>{2 * (i % 2) + parity});
            // Codes are one more than trits.
            sum = arith::SubIOp::create(v.b, sum, ones);
            store(sum, row, output, step, scales[i]);
          });
        }
      });
    }
}

LogicalResult gpulowering::writeTile(MatmulOp op, GpuBuilder &v) {
  TileMatmul kernel(op, v);
  if (failed(kernel.check(/*wantsTiles=*/true)))
    return failure();
  kernel.write();
  return success();
}
