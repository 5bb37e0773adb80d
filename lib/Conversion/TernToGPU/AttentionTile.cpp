//===- AttentionTile.cpp - Attention of a tile of rows --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Scores: a thread has successive positions of a chunk and some queries, in
// registers; a few columns of the keys and of the queries are in the memory of
// the block at a time.
//
//===----------------------------------------------------------------------===//

#include "AttentionTile.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

static constexpr int64_t kPositions = ChunkShape::kPositions;
static constexpr int64_t kQuad = TileShape::kQuad;

/// The largest number up to `most` that divides `size`.
static int64_t divisor(int64_t size, int64_t most) {
  while (size % most != 0)
    --most;
  return most;
}

TileShape::TileShape(const ChunkShape &chunk, bool subgroups) {
  if (chunk.headDim > kMostColumns)
    return;
  int64_t most = subgroups ? kMostNumbers
                           : ChunkShape::kMostBytes / int64_t(sizeof(float)) -
                                 chunk.columns();
  int64_t least = subgroups ? kMostWithSubgroups : kQuad;
  for (queries = subgroups ? kMostWithSubgroups : kMost; queries >= least;
       queries /= 2) {
    choose(chunk, subgroups, most);
    if (piece > 0 && memory <= most) {
      rows = queries / chunk.heads > 1 ? queries / chunk.heads : 0;
      return;
    }
  }
}

void TileShape::choose(const ChunkShape &chunk, bool subgroups, int64_t most) {
  groups = subgroups ? queries / kQuad : 1;
  threads = groups * chunk.weigh;
  width = widest(chunk.headDim, kQuad);
  columns = chunk.headDim / width;
  sumGroups = std::min(queries / kQuad,
                       int64_t(llvm::bit_floor(uint64_t(threads / columns))));
  int64_t keys = groups > 1 ? kPositions : 0;
  step = divisor(chunk.headDim / chunk.slices,
                 std::min(kMostStep, chunk.headDim / chunk.slices));
  // What changes a query's sums, at the end.
  int64_t factors = 2 * queries, position = chunk.headDim + stride();
  int64_t fit = std::max<int64_t>(0, (most - factors) / position);
  fit = std::min({fit, kMostPiece, kPositions / chunk.valueSlices});
  piece = int64_t(llvm::bit_floor(uint64_t(fit)));
  int64_t reduced = groups > 1 ? 0 : queries * threads;
  memory =
      std::max({step * (keys + stride()), piece * position, reduced}) + factors;
}

TileAttention::TileAttention(AttentionOp op, GpuBuilder &v,
                             const CachePlaces &places, const ChunkShape &chunk,
                             const TileShape &shape, Value window, Value rows)
    : op(op), v(v), places(places), chunk(chunk), shape(shape), window(window),
      rows(rows) {}

//===----------------------------------------------------------------------===//
// Vectors and memory
//===----------------------------------------------------------------------===//

Value TileAttention::vectorOf(ArrayRef<Value> numbers) {
  auto type =
      VectorType::get({int64_t(numbers.size())}, numbers.front().getType());
  return vector::FromElementsOp::create(v.b, type, numbers);
}
Value TileAttention::lane(Value vector, int64_t i) {
  return vector::ExtractOp::create(v.b, vector, ArrayRef<int64_t>{i});
}
Value TileAttention::load(Value at, int64_t width) {
  return v.load(memory, at, width);
}

/// Stores at most 16 bytes at a time.
void TileAttention::store(Value vector, Value at) {
  int64_t width = cast<VectorType>(vector.getType()).getDimSize(0);
  if (width <= kQuad)
    return v.store(vector, memory, at);
  for (int64_t first = 0; first < width; first += kQuad) {
    Values numbers;
    for (int64_t i = 0; i < kQuad; ++i)
      numbers.push_back(lane(vector, first + i));
    v.store(vectorOf(numbers), memory, v.add(at, v.index(first)));
  }
}

Value TileAttention::atLeast(Value a, Value c) {
  return arith::MaxUIOp::create(v.b, a, c);
}
Value TileAttention::atMost(Value a, Value c) {
  return arith::MinUIOp::create(v.b, a, c);
}
Value TileAttention::toI32(Value index) {
  return arith::IndexCastOp::create(v.b, v.b.getI32Type(), index);
}

/// Each of the values over the threads that weigh the same queries, in the
/// order in which a block of one row does it.
SmallVector<Value> TileAttention::reduceEach(Values values, Combine combine) {
  if (shape.groups > 1) {
    for (Value &value : values)
      for (int64_t mask = chunk.weigh / 2; mask > 0; mask /= 2)
        value = combine(value, v.exchange(value, mask));
    return values;
  }
  // At [thread][value]: of what is left, half the threads' are added to the
  // others' at a time.
  auto count = int64_t(values.size());
  Value own = v.mul(v.thread(), v.index(count));
  v.synchronize();
  for (auto [i, value] : llvm::enumerate(values))
    memref::StoreOp::create(v.b, value, memory,
                            v.add(own, v.index(int64_t(i))));
  v.synchronize();
  v.forRange(
      v.index(0), v.index(llvm::Log2_64(shape.threads)), 1, [&](Value turn) {
        Value half = arith::ShRUIOp::create(
            v.b, v.index(shape.threads * count / 2), turn);
        v.forRange(v.thread(), half, shape.threads, [&](Value low) {
          Value high = v.add(low, half);
          Value both = combine(memref::LoadOp::create(v.b, memory, low),
                               memref::LoadOp::create(v.b, memory, high));
          memref::StoreOp::create(v.b, both, memory, low);
        });
        v.synchronize();
      });
  for (auto [i, value] : llvm::enumerate(values))
    value = memref::LoadOp::create(v.b, memory, v.index(int64_t(i)));
  return values;
}

//===----------------------------------------------------------------------===//
// A tile
//===----------------------------------------------------------------------===//

void TileAttention::compute(Value first, Value part) {
  memory = v.shared(v.b.getF32Type(), shape.memory);
  firstRow = first;
  firstColumn = v.mul(part, v.index(chunk.columns()));
  cacheHead = v.div(part, op.getGroup() / chunk.heads);
  sequence = v.loadIndex(op.getSequences(), firstRow);
  locate();
  // The largest scores and the sums of the weights of the queries that the
  // thread weighs, then the sums that it has.
  int64_t quads = shape.weighed() / kQuad;
  Values init(quads, v.splat(-INFINITY, kQuad));
  init.append(quads, v.splat(0.0, kQuad));
  init.append(shape.summed(), v.splat(0.0, shape.width));
  Value begin = v.div(some.first, kPositions);
  Value end = v.div(v.add(some.end, v.index(kPositions - 1)), kPositions);
  Values sums =
      v.forRange(begin, end, 1, init, [&](Value number, ValueRange carried) {
        return addChunk(number, carried);
      });
  v.synchronize();
  storeOfGroup(ArrayRef(sums).slice(quads, quads), v.index(0));
  v.synchronize();
  storeRows(ArrayRef(sums).drop_front(2 * quads));
}

/// The row of a query; the last one's also of what is behind it.
Value TileAttention::rowOf(Value query) {
  Value inTile = atMost(v.div(query, chunk.heads), v.index(shape.rows - 1));
  return atMost(v.add(firstRow, inTile), v.minus(rows, v.index(1)));
}

/// Where the thread is, and which positions rows see.
void TileAttention::locate() {
  place = v.rem(v.thread(), chunk.weigh);
  group = v.div(v.thread(), chunk.weigh);
  column = v.mul(v.rem(v.thread(), shape.columns), v.index(shape.width));
  sumGroup = v.div(v.thread(), shape.columns);
  hasSums = v.isBelow(sumGroup, v.index(shape.sumGroups));
  Value most = v.index(INT64_MAX / 2), none = v.index(0);
  Values found = v.forRange(
      v.index(0), v.index(shape.rows), 1, {most, none, none, most},
      [&](Value row, ValueRange old) -> Values {
        Value query = v.mul(row, v.index(chunk.heads));
        Seen seen = seenBy(v, op, rowOf(query), window);
        return {atMost(old[0], seen.first), atLeast(old[1], seen.end),
                atLeast(old[2], seen.first), atMost(old[3], seen.end)};
      });
  some = {found[0], found[1]};
  all = {found[2], found[3]};
  limits = {};
  for (int64_t first = 0; first < shape.weighed(); first += kQuad) {
    Values firsts, ends;
    for (int64_t i = first; i < first + kQuad; ++i) {
      Value query = v.add(v.mul(group, v.index(shape.weighed())), v.index(i));
      Seen seen = seenBy(v, op, rowOf(query), window);
      firsts.push_back(toI32(seen.first));
      ends.push_back(toI32(seen.end));
    }
    limits.first.push_back(vectorOf(firsts));
    limits.end.push_back(vectorOf(ends));
  }
}

SmallVector<Value> TileAttention::addChunk(Value number, ValueRange carried) {
  start = v.mul(number, v.index(kPositions));
  locateKeys();
  Values scores = computeScores(), seen = seenOf();
  scaleScores(scores, seen);
  size_t statistics = 2 * size_t(shape.weighed() / kQuad);
  Values next = weigh(scores, seen, carried.take_front(statistics));
  Values added = addValues(scores);
  llvm::append_range(next, mixSums(carried.drop_front(statistics), added));
  return next;
}

/// Stores vectors of the queries that a group weighs: their first number's
/// place is `at` from the place of the factors.
void TileAttention::storeOfGroup(ArrayRef<Value> quads, Value at) {
  Value first = v.add(v.index(shape.memory - 2 * shape.queries),
                      v.mul(group, v.index(shape.weighed())));
  auto isFirst =
      arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq, place, v.index(0));
  v.ifThen(isFirst, [&] {
    for (auto [i, quad] : llvm::enumerate(quads))
      store(quad, v.add(v.add(first, at), v.index(int64_t(i) * kQuad)));
  });
}

/// The thread's sums, by those of the weights.
void TileAttention::storeRows(ArrayRef<Value> sums) {
  Value firstQuery = v.mul(sumGroup, v.index(shape.summed()));
  for (auto [i, value] : llvm::enumerate(sums)) {
    Value query = v.add(firstQuery, v.index(int64_t(i)));
    Value inTile = v.div(query, chunk.heads);
    Value row = v.add(firstRow, inTile);
    Value exists = arith::AndIOp::create(
        v.b, v.isBelow(inTile, v.index(shape.rows)), v.isBelow(row, rows));
    exists = arith::AndIOp::create(v.b, exists, hasSums);
    v.ifThen(exists, [&] {
      Value at = v.add(v.index(shape.memory - 2 * shape.queries), query);
      Value sum = memref::LoadOp::create(v.b, memory, at);
      Value y = v.divF(value, v.broadcast(sum, shape.width));
      Value head = v.mul(v.rem(query, chunk.heads), v.index(chunk.headDim));
      v.store(y, op.getOuts().front(),
              {row, v.add(v.add(firstColumn, head), column)});
    });
  }
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Of the thread's positions. A position's block is one that some row sees.
void TileAttention::locateKeys() {
  Value inChunk = v.mul(place, v.index(chunk.weighed()));
  Value first = v.add(start, inChunk);
  Value last = v.minus(some.end, v.index(1));
  isSeen = arith::AndIOp::create(
      v.b, v.isBelow(first, some.end),
      v.isBelow(some.first, v.add(first, v.index(chunk.weighed()))));
  Value number = v.div(first, CachePlaces::kBlock);
  number = atLeast(number, v.div(some.first, CachePlaces::kBlock));
  number = atMost(number, v.div(last, CachePlaces::kBlock));
  Value block = places.block(sequence, number, op.getLayer());
  int64_t perBlock = CachePlaces::kBlock / chunk.weighed();
  Value slot = v.mul(v.rem(place, perBlock), v.index(chunk.weighed()));
  keys = v.add(places.keys(block, cacheHead), slot);
}

/// The products of the thread's queries and the keys of its positions.
SmallVector<Value> TileAttention::computeScores() {
  int64_t ofSlice = chunk.headDim / chunk.slices;
  Values none(shape.weighed() * parts(), v.splat(0.0, lanes()));
  return v.forRange(v.index(0), v.index(chunk.headDim), ofSlice, none,
                    [&](Value first, ValueRange totals) {
                      Values sums = v.forRange(
                          first, v.add(first, v.index(ofSlice)), shape.step,
                          none, [&](Value begin, ValueRange carried) {
                            return addStep(begin, carried);
                          });
                      for (auto [sum, total] : llvm::zip(sums, totals))
                        sum = v.addF(total, sum);
                      return sums;
                    });
}

SmallVector<Value> TileAttention::addStep(Value first, ValueRange sums) {
  v.synchronize();
  loadStep(first);
  v.synchronize();
  Value end =
      arith::SelectOp::create(v.b, isSeen, v.index(shape.step), v.index(0));
  int64_t together = widest(shape.step, 4);
  return v.forRange(
      v.index(0), end, together, sums, [&](Value inStep, ValueRange carried) {
        Values next(carried);
        for (int64_t i = 0; i < together; ++i)
          next = productsOf(first, v.add(inStep, v.index(i)), next);
        return next;
      });
}

/// Brings the columns from `first` on of keys and queries to the memory: keys
/// of what some row sees at [column][part][thread][lane], unless a thread has
/// its keys for itself; queries behind them.
void TileAttention::loadStep(Value first) {
  if (shape.groups > 1) {
    Value end =
        arith::SelectOp::create(v.b, isSeen, v.index(shape.step), v.index(0));
    v.forRange(group, end, shape.groups, [&](Value inStep) {
      Value at = v.mul(v.add(first, inStep), v.index(CachePlaces::kBlock));
      Value all =
          v.toF32(v.load(places.pool, v.add(keys, at), chunk.weighed()));
      for (int64_t part = 0; part < parts(); ++part) {
        Values numbers;
        for (int64_t i = 0; i < lanes(); ++i)
          numbers.push_back(lane(all, part * lanes() + i));
        Value to = v.add(v.mul(inStep, v.index(kPositions)),
                         v.mul(place, v.index(lanes())));
        store(vectorOf(numbers),
              v.add(to, v.index(part * lanes() * chunk.weigh)));
      }
    });
  }
  int64_t keysEnd = shape.groups > 1 ? shape.step * kPositions : 0;
  v.forRange(v.thread(), v.index(shape.step * shape.queries), shape.threads,
             [&](Value number) {
               Value inStep = v.rem(number, shape.step);
               Value query = v.div(number, shape.step);
               Value head =
                   v.mul(v.rem(query, chunk.heads), v.index(chunk.headDim));
               Value from =
                   v.add(v.add(firstColumn, head), v.add(first, inStep));
               Value to = v.add(v.mul(inStep, v.index(shape.stride())), query);
               memref::StoreOp::create(
                   v.b,
                   memref::LoadOp::create(v.b, op.getQ(),
                                          ValueRange{rowOf(query), from}),
                   memory, v.add(to, v.index(keysEnd)));
             });
}

/// Of the thread's positions, at column `first` + `inStep`.
SmallVector<Value> TileAttention::keysOf(Value first, Value inStep) {
  if (shape.groups == 1) {
    Value at = v.mul(v.add(first, inStep), v.index(CachePlaces::kBlock));
    return {v.toF32(v.load(places.pool, v.add(keys, at), chunk.weighed()))};
  }
  Values read;
  for (int64_t part = 0; part < parts(); ++part) {
    Value at = v.add(v.mul(inStep, v.index(kPositions)),
                     v.mul(place, v.index(lanes())));
    read.push_back(
        load(v.add(at, v.index(part * lanes() * chunk.weigh)), lanes()));
  }
  return read;
}

SmallVector<Value> TileAttention::productsOf(Value first, Value inStep,
                                             ValueRange carried) {
  Values sums(carried), k = keysOf(first, inStep);
  int64_t keysEnd = shape.groups > 1 ? shape.step * kPositions : 0;
  Value at = v.add(v.mul(inStep, v.index(shape.stride())),
                   v.mul(group, v.index(shape.weighed())));
  for (int64_t query = 0; query < shape.weighed(); query += kQuad) {
    Value q = load(v.add(at, v.index(keysEnd + query)), kQuad);
    for (int64_t i = 0; i < kQuad; ++i)
      for (auto [part, key] : llvm::enumerate(k)) {
        Value &sum = sums[(query + i) * parts() + int64_t(part)];
        sum = v.fma(v.broadcast(lane(q, i), lanes()), key, sum);
      }
  }
  return sums;
}

/// Which of the thread's positions each of its queries sees.
SmallVector<Value> TileAttention::seenOf() {
  Value inChunk = v.mul(place, v.index(chunk.weighed()));
  Value first = toI32(v.add(start, inChunk));
  Values seen;
  for (int64_t query = 0; query < shape.weighed(); ++query)
    for (int64_t part = 0; part < parts(); ++part) {
      SmallVector<int32_t> numbers;
      for (int64_t i = 0; i < lanes(); ++i)
        numbers.push_back(int32_t(part * lanes() + i));
      Value offsets =
          arith::ConstantOp::create(v.b, v.b.getI32VectorAttr(numbers));
      Value position = v.add(v.broadcast(first, lanes()), offsets);
      auto limit = [&](const Values &quads) {
        return v.broadcast(lane(quads[query / kQuad], query % kQuad), lanes());
      };
      Value isSeen = arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult,
                                           position, limit(limits.end));
      if (window)
        isSeen = arith::AndIOp::create(
            v.b, isSeen,
            arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, position,
                                  limit(limits.first)));
      seen.push_back(isSeen);
    }
  return seen;
}
