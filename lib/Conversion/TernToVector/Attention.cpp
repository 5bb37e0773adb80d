//===- Attention.cpp - Lowering of attention ------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The unit of work is a row, a head of the cache and a block of 64 positions:
// the query heads that share the cache head read its keys and values together.
// Few rows are computed one after another, the blocks of each split between
// the threads (AttentionFewRows.cpp). Of many rows, those of successive
// positions of a sequence visit the blocks together, as a tile
// (AttentionManyRows.cpp). Both are the same sequence of operations for each
// row and head. This is what they share.
//
//===----------------------------------------------------------------------===//

#include "Attention.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cmath>
#include <limits>
#include <numeric>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

/// How far ahead of its use a line is fetched from the second-level cache.
static constexpr int64_t kNearLineBytes = 1024;

/// Vectors of a block up to which loops over them are written out.
static constexpr int64_t kUnrolled = 8;

AttentionBuilder::AttentionBuilder(AttentionOp op, VectorBuilder &v,
                                   const CacheBuffers &cache)
    : op(op), v(v), type(cast<KVCacheType>(op.getCache().getType())),
      places(v, type, cache), out(op.getOuts()[0]), rowScratch(op.getOuts()[1]),
      shared(op.getOuts()[2]), lanes(v.options.lanes), chunks(kBlock / lanes),
      headDim(type.getHeadDim()), heads(op.getHeads()),
      cacheHeads(type.getHeads()), group(op.getGroup()), window(layerWindow()) {
}

//===----------------------------------------------------------------------===//
// What a row sees
//===----------------------------------------------------------------------===//

/// The window of the layer, or null if no layer has one. Where a layer has
/// none, it is longer than any sequence.
Value AttentionBuilder::layerWindow() {
  auto windows = op.getWindows();
  if (!windows || llvm::all_of(*windows, [](int64_t w) { return w == 0; }))
    return Value();
  constexpr int64_t longest = std::numeric_limits<int32_t>::max();
  auto length = [&](int64_t w) {
    return v.index(w == 0 ? longest : std::min(w, longest));
  };
  Value chosen = length(windows->front());
  for (size_t layer = 1; layer < windows->size(); ++layer) {
    if ((*windows)[layer] == (*windows)[layer - 1])
      continue;
    Value isBehind = compare(arith::CmpIPredicate::uge, op.getLayer(),
                             v.index(int64_t(layer)));
    chosen = arith::SelectOp::create(v.b, isBehind, length((*windows)[layer]),
                                     chosen);
  }
  return chosen;
}

Value AttentionBuilder::firstPosition(Value position) {
  if (!window)
    return v.index(0);
  Value first = minus(v.add(position, v.index(1)), window);
  return arith::MaxSIOp::create(v.b, first, v.index(0));
}

Value AttentionBuilder::firstBlock(Value position) {
  return window ? quotient(firstPosition(position), kBlock) : v.index(0);
}

Value AttentionBuilder::endOfBlocks(Value position) {
  return v.add(quotient(position, kBlock), v.index(1));
}

Value AttentionBuilder::beginInBlock(Value position, Value before) {
  if (!window)
    return v.index(0);
  Value begin = minus(firstPosition(position), before);
  begin = arith::MaxSIOp::create(v.b, begin, v.index(0));
  return arith::MinSIOp::create(v.b, begin, v.index(kBlock));
}

Value AttentionBuilder::endInBlock(Value position, Value before) {
  return smaller(v.add(minus(position, before), v.index(1)), v.index(kBlock));
}

AttentionBuilder::Unit AttentionBuilder::unitOf(Value row, Value position,
                                                Value block, Value cacheHead) {
  Unit unit;
  unit.row = row;
  unit.sequence = v.loadIndex(op.getSequences(), row);
  unit.cacheHead = cacheHead;
  Value start = places.block(unit.sequence, block, op.getLayer());
  unit.keys = places.keys(start, cacheHead);
  unit.values = places.values(start, cacheHead);
  Value before = v.mul(block, v.index(kBlock));
  unit.begin = beginInBlock(position, before);
  unit.end = endInBlock(position, before);
  return unit;
}

//===----------------------------------------------------------------------===//
// One block
//===----------------------------------------------------------------------===//

AttentionBuilder::Part AttentionBuilder::part(int64_t vectors) const {
  int64_t bits = v.options.vectorBits;
  int64_t perVector = std::max<int64_t>(1, lanes * 32 / bits);
  // Machines with registers of 512 bits have 32 of them, others 16.
  int64_t sums = std::max<int64_t>(1, (bits >= 512 ? 16 : 8) / perVector);
  auto evenly = [](int64_t count, int64_t most) {
    int64_t parts = llvm::divideCeil(count, most);
    return int64_t(llvm::divideCeil(count, parts));
  };
  int64_t partHeads = evenly(group, sums);
  return {partHeads, evenly(vectors, std::max<int64_t>(1, sums / partHeads))};
}

void AttentionBuilder::prefetch(Value place, int64_t count, Locality locality) {
  int64_t line = 64 / elementBytes();
  for (int64_t i = 0; i < count; i += line)
    memref::PrefetchOp::create(v.b, places.pool, v.add(place, v.index(i)),
                               /*isWrite=*/false, locality,
                               /*isDataCache=*/true);
}

void AttentionBuilder::prefetch(Value far, Value near, int64_t count) {
  prefetch(far, count, SecondLevel);
  prefetch(v.add(near, v.index(kNearLineBytes / elementBytes())), count,
           FirstLevel);
}

void AttentionBuilder::scores(const Unit &unit, const Slot &slot) {
  Part shape = part(chunks);
  for (int64_t g = 0; g < group; g += shape.heads) {
    int64_t count = std::min(shape.heads, group - g);
    auto someChunks = [&](Value chunk, int64_t width, bool first) {
      SmallVector<Value> zero(count * width, v.splat(0.0, lanes));
      Value column = v.mul(chunk, v.index(lanes));
      SmallVector<Value> sums = v.forRange(
          v.index(0), v.index(headDim), 1, zero,
          [&](Value d, ValueRange carried) {
            Value line = v.mul(d, v.index(kBlock));
            Value key = v.add(unit.keys, line);
            // Meanwhile the values come, as many as keys.
            if (first && unit.nextKeys)
              prefetch(v.add(unit.values, line), key, kBlock);
            Value at = v.add(key, column);
            SmallVector<Value> keys, next(carried);
            for (int64_t c = 0; c < width; ++c)
              keys.push_back(
                  v.loadF32(places.pool, v.add(at, v.index(c * lanes)), lanes));
            for (int64_t h = 0; h < count; ++h) {
              Value q = loadScalar(
                  op.getQ(), {unit.row, v.add(queryColumn(unit, g + h), d)});
              Value wide = v.broadcast(q, lanes);
              for (int64_t c = 0; c < width; ++c)
                next[h * width + c] = v.fma(wide, keys[c], next[h * width + c]);
            }
            return next;
          });
      for (int64_t h = 0; h < count; ++h)
        for (int64_t c = 0; c < width; ++c) {
          Value at = v.add(column, v.index((g + h) * kSlot + c * lanes));
          v.store(sums[h * width + c], slot.memref, slot.at(v, at));
        }
    };
    int64_t first = std::min(shape.vectors, chunks);
    someChunks(v.index(0), first, g == 0);
    int64_t whole = chunks / shape.vectors * shape.vectors;
    if (whole > first)
      v.forRange(v.index(first), v.index(whole), shape.vectors,
                 [&](Value chunk) { someChunks(chunk, first, false); });
    if (chunks > whole && whole > 0)
      someChunks(v.index(whole), chunks - whole, false);
  }
}

Value AttentionBuilder::queryColumn(const Unit &unit, int64_t head) {
  Value first = v.mul(unit.cacheHead, v.index(group * headDim));
  return v.add(first, v.index(head * headDim));
}

void AttentionBuilder::weigh(const Unit &unit, const Slot &slot) {
  v.forRange(v.index(0), v.index(group), 1, [&](Value head) {
    Value mine = v.mul(head, v.index(kSlot));
    auto at = [&](Value i) { return slot.at(v, v.add(mine, i)); };
    auto [most, sum] = weigh(unit, slot.memref, at);
    storeScalar(most, slot.memref, at(v.index(kBlockMax)));
    storeScalar(sum, slot.memref, at(v.index(kBlockSum)));
  });
}

Value AttentionBuilder::everywhere(Value number) {
  return v.broadcast(arith::IndexCastOp::create(v.b, v.b.getI32Type(), number),
                     lanes);
}

Value AttentionBuilder::laneNumbers() {
  SmallVector<int32_t> numbers(lanes);
  std::iota(numbers.begin(), numbers.end(), 0);
  return arith::ConstantOp::create(
      v.b, DenseElementsAttr::get(VectorType::get({lanes}, v.b.getI32Type()),
                                  ArrayRef(numbers)));
}

std::pair<Value, Value>
AttentionBuilder::weigh(const Unit &unit, Value memref,
                        function_ref<SmallVector<Value>(Value)> at) {
  Value lane = laneNumbers();
  Value begin = window ? everywhere(unit.begin) : Value();
  Value end = everywhere(unit.end);
  Value scale = v.splat(1.0 / std::sqrt(double(headDim)), lanes);
  auto scaled = [&](Value x, Value numbers, Value column) {
    if (!places.hasScales())
      return x;
    Value place = v.add(places.scalesOf(numbers), column);
    return v.mulF(x, v.load(places.scales, place, lanes));
  };
  auto forChunks = [&](Value init,
                       function_ref<Value(Value column, Value carried)> body) {
    if (chunks > kUnrolled)
      return v
          .forRange(v.index(0), v.index(kBlock), lanes, init,
                    [&](Value column, ValueRange carried) {
                      return SmallVector<Value>{body(column, carried.front())};
                    })
          .front();
    for (int64_t c = 0; c < chunks; ++c)
      init = body(v.index(c * lanes), init);
    return init;
  };
  Value unseen = v.splat(-INFINITY, lanes);
  Value largest = forChunks(unseen, [&](Value column, Value most) {
    Value x = v.mulF(v.load(memref, at(column), lanes), scale);
    x = scaled(x, unit.keys, column);
    Value number = v.add(lane, everywhere(column));
    Value isSeen = compare(arith::CmpIPredicate::slt, number, end);
    if (begin)
      isSeen = arith::AndIOp::create(
          v.b, isSeen, compare(arith::CmpIPredicate::sge, number, begin));
    x = arith::SelectOp::create(v.b, isSeen, x, unseen);
    v.store(x, memref, at(column));
    return v.maxF(x, most);
  });
  Value most = v.reduceMax(largest);
  Value sum = forChunks(v.splat(0.0, lanes), [&](Value column, Value sum) {
    Value x = v.load(memref, at(column), lanes);
    Value p = v.exp(v.subF(x, v.broadcast(most, lanes)));
    v.store(scaled(p, unit.values, column), memref, at(column));
    return v.addF(sum, p);
  });
  return {most, v.reduceAdd(sum)};
}

void AttentionBuilder::weighValues(
    const Unit &unit, const Slot &slot,
    function_ref<void(int64_t head, int64_t column, Value sum)> sink) {
  // Vectors that fit the head; the last may be narrower.
  SmallVector<std::pair<int64_t, int64_t>> vectors;
  for (int64_t d = 0; d < headDim; d += lanes)
    vectors.emplace_back(d, std::min(lanes, headDim - d));
  Part shape = part(vectors.size());
  for (int64_t g = 0; g < group; g += shape.heads) {
    int64_t count = std::min(shape.heads, group - g);
    for (size_t begin = 0; begin < vectors.size(); begin += shape.vectors) {
      auto some = ArrayRef(vectors).slice(
          begin, std::min<size_t>(shape.vectors, vectors.size() - begin));
      SmallVector<Value> zero;
      for (int64_t h = 0; h < count; ++h)
        for (auto [d, width] : some)
          zero.push_back(v.splat(0.0, width));
      SmallVector<Value> sums = v.forRange(
          unit.begin, unit.end, 1, zero,
          [&](Value position, ValueRange carried) {
            Value at = v.add(unit.values, v.mul(position, v.index(headDim)));
            // Meanwhile the next keys come, as many as values, in order.
            if (g == 0 && unit.nextKeys) {
              auto [last, lastWidth] = some.back();
              int64_t from = some.front().first;
              int64_t columns = last + lastWidth - from;
              Value shift = v.mul(position, v.index(columns));
              prefetch(
                  v.add(v.add(unit.nextKeys, v.index(from * kBlock)), shift),
                  v.add(at, v.index(from)), columns);
            }
            SmallVector<Value> values, next(carried);
            for (auto [d, width] : some)
              values.push_back(
                  v.loadF32(places.pool, v.add(at, v.index(d)), width));
            for (int64_t h = 0; h < count; ++h) {
              Value p = loadScalar(
                  slot.memref,
                  slot.at(v, v.add(position, v.index((g + h) * kSlot))));
              for (auto [i, value] : llvm::enumerate(values)) {
                Value &sum = next[h * some.size() + i];
                sum = v.fma(v.broadcast(p, some[i].second), value, sum);
              }
            }
            return next;
          });
      for (int64_t h = 0; h < count; ++h)
        for (auto [i, vector] : llvm::enumerate(some))
          sink(g + h, vector.first, sums[h * some.size() + i]);
    }
  }
}

Value AttentionBuilder::merge(Value before, Value old, Value block, Value fresh,
                              int64_t width) {
  if (width > 0) {
    old = v.broadcast(old, width);
    fresh = v.broadcast(fresh, width);
  }
  return v.addF(v.mulF(before, old), v.mulF(block, fresh));
}

void ternac::lowerAttention(AttentionOp op, VectorBuilder &v,
                            const CacheBuffers &cache,
                            ArrayRef<const NarrowProducts *> products) {
  AttentionBuilder builder(op, v, cache);
  Value rows = memref::DimOp::create(v.b, op.getOuts()[0], 0);
  Value many = arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, rows,
                                     v.index(AttentionOp::kManyRows));
  auto choice = scf::IfOp::create(v.b, many, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(v.b);
  v.b.setInsertionPointToStart(choice.thenBlock());
  lowerManyRows(builder, rows, products);
  v.b.setInsertionPointToStart(choice.elseBlock());
  lowerFewRows(builder, rows);
}
