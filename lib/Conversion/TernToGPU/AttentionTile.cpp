//===- AttentionTile.cpp - Attention of a tile of rows --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Scores: a thread has successive positions of a chunk and some queries, in
// registers; a few columns of the keys and of the queries are in the memory of
// the block at a time. Weights: where those threads are a subgroup, they go
// through registers only. Values: a thread has some columns of some queries; a
// few positions of a slice, and their weights, are in memory at a time.
//
// Which numbers a vector has, of `Values` of a thread's queries: those of
// query i begin at i * parts(), or four queries are one.
//
//===----------------------------------------------------------------------===//

#include "AttentionTile.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

static constexpr int64_t kPositions = ChunkShape::kPositions;
/// Queries of a vector.
static constexpr int64_t kQuad = 4;
/// In the place of the weight of a position that a query does not see, or of a
/// chunk: what it would multiply must not be added, were it infinite.
static constexpr double kUnseen = -1.0;

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

Value TileAttention::quadOf(ArrayRef<Value> numbers) {
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
    v.store(quadOf(numbers), memory, v.add(at, v.index(first)));
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
    limits.first.push_back(quadOf(firsts));
    limits.end.push_back(quadOf(ends));
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
/// at [column][part][thread][lane], unless a thread has its keys for itself;
/// queries behind them.
void TileAttention::loadStep(Value first) {
  if (shape.groups > 1)
    v.forRange(group, v.index(shape.step), shape.groups, [&](Value inStep) {
      Value at = v.mul(v.add(first, inStep), v.index(CachePlaces::kBlock));
      Value all =
          v.toF32(v.load(places.pool, v.add(keys, at), chunk.weighed()));
      for (int64_t part = 0; part < parts(); ++part) {
        Values numbers;
        for (int64_t i = 0; i < lanes(); ++i)
          numbers.push_back(lane(all, part * lanes() + i));
        Value to = v.add(v.mul(inStep, v.index(kPositions)),
                         v.mul(place, v.index(lanes())));
        store(quadOf(numbers),
              v.add(to, v.index(part * lanes() * chunk.weigh)));
      }
    });
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

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// The scales of the keys, or values, of the thread's positions. A position
/// that no row sees has that of one that is seen.
SmallVector<Value> TileAttention::scalesOfThread(bool ofKeys) {
  Values scales;
  for (int64_t part = 0; part < parts(); ++part) {
    Values numbers;
    for (int64_t i = 0; i < lanes(); ++i) {
      Value inChunk = v.add(v.mul(place, v.index(chunk.weighed())),
                            v.index(part * lanes() + i));
      Value position = atLeast(v.add(start, inChunk), some.first);
      position = atMost(position, v.minus(some.end, v.index(1)));
      Value block = places.block(sequence, v.div(position, CachePlaces::kBlock),
                                 op.getLayer());
      Value of = ofKeys ? places.keys(block, cacheHead)
                        : places.values(block, cacheHead);
      Value at =
          v.add(places.scalesOf(of), v.rem(position, CachePlaces::kBlock));
      numbers.push_back(memref::LoadOp::create(v.b, places.scales, at));
    }
    scales.push_back(quadOf(numbers));
  }
  return scales;
}

void TileAttention::scaleScores(Values &scores, const Values &seen) {
  Values scales;
  if (places.hasScales())
    scales = scalesOfThread(/*ofKeys=*/true);
  double factor = 1.0 / std::sqrt(double(chunk.headDim));
  for (auto [i, score] : llvm::enumerate(scores)) {
    score = v.mulF(score, v.splat(factor, lanes()));
    if (places.hasScales())
      score = v.mulF(score, scales[i % size_t(parts())]);
    score = arith::SelectOp::create(v.b, seen[i], score,
                                    v.splat(-INFINITY, lanes()));
  }
}

/// Makes the scores weights. Returns the statistics that `state` are with those
/// of the chunk, and leaves in memory what they make of the sums.
SmallVector<Value> TileAttention::weigh(Values &scores, const Values &seen,
                                        ValueRange state) {
  int64_t own = shape.weighed(), quads = own / kQuad;
  auto forLanes = [&](int64_t query, function_ref<void(Value)> body) {
    for (int64_t part = 0; part < parts(); ++part)
      for (int64_t i = 0; i < lanes(); ++i)
        body(lane(scores[query * parts() + part], i));
  };
  Values most(own, v.f32(-INFINITY)), sums(own, v.f32(0.0)), scales;
  for (int64_t query = 0; query < own; ++query)
    forLanes(query, [&](Value x) { most[query] = v.maxF(x, most[query]); });
  most = reduceEach(most, [&](Value a, Value c) { return v.maxF(a, c); });
  for (auto [i, score] : llvm::enumerate(scores))
    score =
        v.exp(v.subF(score, v.broadcast(most[i / size_t(parts())], lanes())));
  for (int64_t query = 0; query < own; ++query)
    forLanes(query, [&](Value x) { sums[query] = v.addF(sums[query], x); });
  sums = reduceEach(sums, [&](Value a, Value c) { return v.addF(a, c); });

  if (places.hasScales())
    scales = scalesOfThread(/*ofKeys=*/false);
  for (auto [i, weight] : llvm::enumerate(scores)) {
    if (places.hasScales())
      weight = v.mulF(weight, scales[i % size_t(parts())]);
    weight = arith::SelectOp::create(v.b, seen[i], weight,
                                     v.splat(kUnseen, lanes()));
  }

  Values newMost, newSums, ofOld, ofChunk;
  Value first = v.broadcast(toI32(start), kQuad);
  Value end = v.add(first, v.splatI32(int32_t(kPositions), kQuad));
  for (int64_t quad = 0; quad < quads; ++quad) {
    Factors factors = factorsOf(
        v, state[quad], quadOf(ArrayRef(most).slice(quad * kQuad, kQuad)));
    Value sum = mix(v, factors, state[quads + quad],
                    quadOf(ArrayRef(sums).slice(quad * kQuad, kQuad)));
    auto below = [&](Value a, Value c) {
      return arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, a, c);
    };
    // Whether a query sees anything of the chunk.
    Value isSeen = arith::AndIOp::create(v.b, below(first, limits.end[quad]),
                                         below(limits.first[quad], end));
    auto ifSeen = [&](Value a, Value c) {
      return arith::SelectOp::create(v.b, isSeen, a, c);
    };
    newMost.push_back(ifSeen(factors.most, state[quad]));
    newSums.push_back(ifSeen(sum, state[quads + quad]));
    ofOld.push_back(factors.ofOld);
    ofChunk.push_back(ifSeen(factors.ofChunk, v.splat(kUnseen, kQuad)));
  }
  storeOfGroup(ofOld, v.index(0));
  storeOfGroup(ofChunk, v.index(shape.queries));
  v.synchronize();
  newMost.append(newSums);
  return newMost;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Of the chunk, from its first position on.
TileAttention::Range TileAttention::rangeOfChunk() {
  Value end = v.add(start, v.index(kPositions));
  auto inChunk = [&](Value position) {
    return v.minus(atMost(atLeast(position, start), end), start);
  };
  int64_t slices = chunk.valueSlices;
  auto up = [&](Value position) {
    return v.div(v.add(inChunk(position), v.index(slices - 1)), slices);
  };
  Range range;
  range.begin = v.div(inChunk(some.first), slices);
  range.end = up(some.end);
  range.allBegin = atMost(up(all.first), range.end);
  range.allEnd = atLeast(v.div(inChunk(all.end), slices), range.allBegin);
  return range;
}

/// The weighted sums of the chunk's values.
SmallVector<Value> TileAttention::addValues(ArrayRef<Value> weights) {
  Range range = rangeOfChunk();
  Value begin = v.div(range.begin, shape.piece);
  Value end = v.div(v.add(range.end, v.index(shape.piece - 1)), shape.piece);
  Values none(shape.summed(), v.splat(0.0, shape.width));
  return v.forRange(
      v.index(0), v.index(chunk.valueSlices), 1, none,
      [&](Value slice, ValueRange totals) {
        Values sums = v.forRange(
            begin, end, 1, none, [&](Value piece, ValueRange carried) {
              return addPiece(slice, piece, range, weights, carried);
            });
        for (auto [sum, total] : llvm::zip(sums, totals))
          sum = v.addF(total, sum);
        return sums;
      });
}

SmallVector<Value> TileAttention::addPiece(Value slice, Value piece,
                                           const Range &range,
                                           ArrayRef<Value> weights,
                                           ValueRange carried) {
  Value first = v.mul(piece, v.index(shape.piece));
  Value end = v.add(first, v.index(shape.piece));
  auto inPiece = [&](Value number) {
    return v.minus(atMost(atLeast(number, first), end), first);
  };
  Values bounds = {inPiece(range.begin), inPiece(range.allBegin),
                   inPiece(range.allEnd), inPiece(range.end)};
  v.synchronize();
  loadPiece(slice, first, bounds.front(), bounds.back());
  storeWeights(weights, slice, first);
  v.synchronize();
  for (Value &bound : bounds)
    bound = arith::SelectOp::create(v.b, hasSums, bound, v.index(0));
  Values sums(carried);
  for (size_t i = 0; i < 3; ++i)
    sums = v.forRange(bounds[i], bounds[i + 1], 1, sums,
                      [&](Value inPiece, ValueRange inner) {
                        return addPosition(inPiece, /*all=*/i == 1, inner);
                      });
  return sums;
}

/// Brings the values of positions [begin, end) of a piece of a slice to the
/// memory, that is of those that some row sees.
void TileAttention::loadPiece(Value slice, Value first, Value begin,
                              Value end) {
  int64_t units = chunk.valueThreads;
  v.forRange(
      v.add(v.mul(begin, v.index(units)), v.thread()),
      v.mul(end, v.index(units)), shape.threads, [&](Value number) {
        Value inPiece = v.div(number, units);
        Value column = v.mul(v.rem(number, units), v.index(chunk.valueWidth));
        Value inSlice =
            v.mul(v.add(first, inPiece), v.index(chunk.valueSlices));
        Value position = v.add(v.add(start, inSlice), slice);
        position = atLeast(position, some.first);
        position = atMost(position, v.minus(some.end, v.index(1)));
        Value block = places.block(
            sequence, v.div(position, CachePlaces::kBlock), op.getLayer());
        Value at =
            v.mul(v.rem(position, CachePlaces::kBlock), v.index(chunk.headDim));
        at = v.add(v.add(places.values(block, cacheHead), at), column);
        Value x = v.toF32(v.load(places.pool, at, chunk.valueWidth));
        store(x, v.add(v.mul(inPiece, v.index(chunk.headDim)), column));
      });
}

/// Stores the thread's weights of the positions of a piece, at
/// [position][query] behind the values.
void TileAttention::storeWeights(ArrayRef<Value> weights, Value slice,
                                 Value first) {
  Value behind = v.index(shape.piece * chunk.headDim);
  Value end = v.add(first, v.index(shape.piece));
  for (int64_t i = 0; i < chunk.weighed(); ++i) {
    Value inChunk = v.add(v.mul(place, v.index(chunk.weighed())), v.index(i));
    Value number = v.div(inChunk, chunk.valueSlices);
    Value isOfSlice =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq,
                              v.rem(inChunk, chunk.valueSlices), slice);
    Value isBehind =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, number, first);
    Value isIn = arith::AndIOp::create(v.b, isBehind, v.isBelow(number, end));
    isIn = arith::AndIOp::create(v.b, isIn, isOfSlice);
    v.ifThen(isIn, [&] {
      Value at = v.mul(v.minus(number, first), v.index(shape.stride()));
      at = v.add(v.add(behind, at), v.mul(group, v.index(shape.weighed())));
      for (int64_t query = 0; query < shape.weighed(); query += kQuad) {
        Values numbers;
        for (int64_t j = query; j < query + kQuad; ++j)
          numbers.push_back(
              lane(weights[j * parts() + i / lanes()], i % lanes()));
        store(quadOf(numbers), v.add(at, v.index(query)));
      }
    });
  }
}

/// Adds the values of a position in memory; if not all rows see it, only to the
/// sums of those that do.
SmallVector<Value> TileAttention::addPosition(Value inPiece, bool all,
                                              ValueRange carried) {
  Values sums(carried);
  Value x =
      load(v.add(v.mul(inPiece, v.index(chunk.headDim)), column), shape.width);
  Value at = v.add(v.index(shape.piece * chunk.headDim),
                   v.mul(inPiece, v.index(shape.stride())));
  at = v.add(at, v.mul(sumGroup, v.index(shape.summed())));
  Value none = v.splat(0.0, shape.width);
  for (int64_t query = 0; query < shape.summed(); query += kQuad) {
    Value quad = load(v.add(at, v.index(query)), kQuad);
    for (int64_t i = 0; i < kQuad; ++i) {
      Value weight = v.broadcast(lane(quad, i), shape.width);
      Value &sum = sums[query + i], next = v.fma(weight, x, sum);
      if (!all) {
        Value isUnseen =
            arith::CmpFOp::create(v.b, arith::CmpFPredicate::OLT, weight, none);
        next = arith::SelectOp::create(v.b, isUnseen, sum, next);
      }
      sum = next;
    }
  }
  return sums;
}

/// Merges the thread's sums with those of a chunk, by the factors in memory.
SmallVector<Value> TileAttention::mixSums(ValueRange old,
                                          ArrayRef<Value> added) {
  Value at = v.add(v.index(shape.memory - 2 * shape.queries),
                   v.mul(atMost(sumGroup, v.index(shape.sumGroups - 1)),
                         v.index(shape.summed())));
  Value none = v.splat(0.0, shape.width);
  Values next;
  for (int64_t query = 0; query < shape.summed(); query += kQuad) {
    Value ofOld = load(v.add(at, v.index(query)), kQuad);
    Value ofChunk = load(v.add(at, v.index(shape.queries + query)), kQuad);
    for (int64_t i = 0; i < kQuad; ++i) {
      Value factor = v.broadcast(lane(ofChunk, i), shape.width);
      Factors factors = {Value(), lane(ofOld, i), factor};
      Value sum = mix(v, factors, old[query + i], added[query + i]);
      Value isUnseen =
          arith::CmpFOp::create(v.b, arith::CmpFPredicate::OLT, factor, none);
      next.push_back(
          arith::SelectOp::create(v.b, isUnseen, old[query + i], sum));
    }
  }
  return next;
}
