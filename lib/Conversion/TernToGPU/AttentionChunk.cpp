//===- AttentionChunk.cpp - Attention to one chunk of positions -----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Scores: neighbouring threads have neighbouring positions, some each, and
// slices of the threads slices of the columns of the keys. Weights: a subgroup
// has a head, or the block one after the other. Values: neighbouring threads
// have neighbouring columns, slices of the threads positions in turn.
//
//===----------------------------------------------------------------------===//

#include "AttentionChunk.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

int64_t ternac::widest(int64_t size, int64_t most) {
  while (size % most != 0)
    most /= 2;
  return most;
}

ChunkShape::ChunkShape(AttentionOp op, bool subgroups) {
  auto type = cast<KVCacheType>(op.getCache().getType());
  headDim = type.getHeadDim();
  int64_t bytes = type.getElement().getIntOrFloatBitWidth() / 8;
  int64_t most = subgroups ? std::min<int64_t>(8, 16 / bytes) : 4;
  // Without subgroups all threads share the columns of a key: less memory.
  int64_t least = kPositions / kThreads;
  weigh = subgroups ? GpuBuilder::kSubgroup : kThreads;
  slices = subgroups ? widest(headDim, most / least) : 1;
  width = slices * least;
  places = kPositions / width;
  valueWidth = widest(headDim, most);
  valueThreads = headDim / valueWidth;
  valueSlices = int64_t(llvm::bit_floor(
      uint64_t(std::clamp<int64_t>(kThreads / valueThreads, 1, 8))));
  // All heads that share a head of the cache, if they fit.
  for (heads = std::min(op.getGroup(), kMostHeads); heads > 1; --heads)
    if (op.getGroup() % heads == 0 &&
        (numbers() + columns()) * int64_t(sizeof(float)) <=
            (subgroups ? kMostWithSubgroups : kMostBytes))
      break;
  memory = numbers();
}

Factors ternac::factorsOf(VectorBuilder &v, Value oldMost, Value chunkMost) {
  Value most = v.maxF(chunkMost, oldMost);
  return {most, v.exp(v.subF(oldMost, most)), v.exp(v.subF(chunkMost, most))};
}

Value ternac::mix(VectorBuilder &v, const Factors &factors, Value old,
                  Value chunk) {
  auto like = [&](Value factor) {
    auto type = dyn_cast<VectorType>(old.getType());
    return type && !isa<VectorType>(factor.getType())
               ? v.broadcast(factor, type.getDimSize(0))
               : factor;
  };
  return v.addF(v.mulF(old, like(factors.ofOld)),
                v.mulF(chunk, like(factors.ofChunk)));
}

Partial ternac::merge(VectorBuilder &v, const Partial &old,
                      const Partial &chunk) {
  Factors factors = factorsOf(v, old.most, chunk.most);
  return {factors.most, mix(v, factors, old.sum, chunk.sum),
          mix(v, factors, old.value, chunk.value)};
}

Seen ternac::seenBy(GpuBuilder &v, AttentionOp op, Value row, Value window) {
  Value end = v.add(v.loadIndex(op.getPositions(), row), v.index(1));
  if (!window)
    return {v.index(0), end};
  Value first = arith::SelectOp::create(v.b, v.isBelow(window, end),
                                        v.minus(end, window), v.index(0));
  return {first, end};
}

/// The place of `minor` in row `major` of rows of `size` numbers.
Value ChunkAttention::cell(Value major, int64_t size, Value minor) {
  return v.add(v.mul(major, v.index(size)), minor);
}
/// The number that the score of a position has in the memory, the `i`-th of the
/// chunk from `first` on: those that a thread weighs are equally far apart.
Value ChunkAttention::numberOf(Value first, int64_t i) {
  Value turn = v.add(v.rem(first, shape.weighed()), v.index(i));
  return cell(turn, shape.weigh, v.div(first, shape.weighed()));
}
Value ChunkAttention::loadScalar(Value from, Value place) {
  return memref::LoadOp::create(v.b, from, place);
}

void ChunkAttention::begin(Value ofRow, Value part) {
  locate(ofRow);
  Type f32 = v.b.getF32Type();
  queries = v.shared(f32, shape.columns());
  memory = v.shared(f32, shape.memory);
  statistics = v.shared(f32, 2 * shape.heads);
  firstColumn = v.mul(part, v.index(shape.columns()));
  cacheHead = v.div(part, op.getGroup() / shape.heads);
}

void ChunkAttention::locate(Value ofRow) {
  row = ofRow;
  sequence = v.loadIndex(op.getSequences(), row);
  Seen seen = seenBy(v, op, row, window);
  firstPosition = seen.first, endPosition = seen.end;
  firstChunk = v.div(firstPosition, ChunkShape::kPositions);
  endChunk =
      v.add(v.div(v.minus(endPosition, v.index(1)), ChunkShape::kPositions),
            v.index(1));
}

void ChunkAttention::compute(Value number) {
  chunk = number;
  loadQueries();
  v.synchronize();
  computeScores();
  v.synchronize();
  v.forParts(shape.heads, [&](Value head) { computeWeights(head); });
  v.synchronize();
  addValues();
  v.synchronize();
}

void ChunkAttention::loadQueries() {
  v.forColumns(shape.columns(), [&](Value column, int64_t width) {
    Value q = v.load(op.getQ(), {row, v.add(firstColumn, column)}, width);
    v.store(q, queries, column);
  });
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Stores what this thread's slice adds to the scores of its positions, at
/// [slice][head][number] of the memory.
void ChunkAttention::computeScores() {
  Value place = v.rem(v.thread(), shape.places);
  Value slice = v.div(v.thread(), shape.places);
  Value inChunk = v.mul(place, v.index(shape.width));
  Value first = cell(chunk, ChunkShape::kPositions, inChunk);
  Value end = v.add(first, v.index(shape.width));
  Value isSeen = arith::AndIOp::create(v.b, v.isBelow(first, endPosition),
                                       v.isBelow(firstPosition, end));
  v.ifThen(isSeen, [&] {
    int64_t perBlock = CachePlaces::kBlock / shape.width;
    Value block = cell(chunk, ChunkShape::kBlocks, v.div(place, perBlock));
    Value start = places.block(sequence, block, op.getLayer());
    Value slot = v.mul(v.rem(place, perBlock), v.index(shape.width));
    Value keys = v.add(places.keys(start, cacheHead), slot);
    Values sums = productsOf(keys, slice);
    for (int64_t head = 0; head < shape.heads; ++head)
      for (int64_t i = 0; i < shape.width; ++i) {
        Value sum =
            vector::ExtractOp::create(v.b, sums[head], ArrayRef<int64_t>{i});
        Value at = cell(slice, shape.heads * ChunkShape::kPositions,
                        v.index(head * ChunkShape::kPositions));
        memref::StoreOp::create(v.b, sum, memory,
                                v.add(at, numberOf(inChunk, i)));
      }
  });
}

/// For each head, the products of its columns in `slice` and of the keys of
/// some positions, of which the first starts at `keys`.
SmallVector<Value> ChunkAttention::productsOf(Value keys, Value slice) {
  int64_t columns = shape.headDim / shape.slices, together = widest(columns, 8);
  Value begin = v.mul(slice, v.index(columns));
  Values init(shape.heads, v.splat(0.0, shape.width));
  return v.forRange(
      begin, v.add(begin, v.index(columns)), together, init,
      [&](Value first, ValueRange carried) {
        Values sums(carried), read;
        for (int64_t i = 0; i < together; ++i) {
          Value at =
              v.mul(v.add(first, v.index(i)), v.index(CachePlaces::kBlock));
          read.push_back(v.load(places.pool, v.add(keys, at), shape.width));
        }
        for (int64_t i = 0; i < together; ++i) {
          Value k = v.toF32(read[i]);
          for (int64_t head = 0; head < shape.heads; ++head) {
            Value at = v.add(first, v.index(head * shape.headDim + i));
            Value q = v.broadcast(loadScalar(queries, at), shape.width);
            sums[head] = v.fma(q, k, sums[head]);
          }
        }
        return sums;
      });
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// Makes the scores of a head weights, where those of the first slice were.
void ChunkAttention::computeWeights(Value head) {
  struct Place {
    Value at, position, isSeen, score;
  };
  SmallVector<Place> mine;
  Value most = v.f32(-INFINITY), sum = v.f32(0.0);
  for (int64_t i = 0; i < ChunkShape::kPositions; i += v.threads()) {
    Value number = v.add(v.thread(), v.index(i));
    Value inChunk =
        v.add(v.mul(v.rem(number, shape.weigh), v.index(shape.weighed())),
              v.div(number, shape.weigh));
    Value position = cell(chunk, ChunkShape::kPositions, inChunk);
    Value isSeen = arith::AndIOp::create(
        v.b, v.isBelow(position, endPosition),
        v.isBelow(firstPosition, v.add(position, v.index(1))));
    // One whose scales may be read.
    position =
        arith::MinUIOp::create(v.b, position, v.minus(endPosition, v.index(1)));
    position = arith::MaxUIOp::create(v.b, position, firstPosition);
    Value at = cell(head, ChunkShape::kPositions, number);
    mine.push_back(
        {at, position, isSeen, scoreOf(head, number, isSeen, position)});
    most = v.maxF(mine.back().score, most);
  }
  most = v.reduceMax(v.broadcast(most, 1));
  for (const Place &place : mine) {
    // e^x is 0 for what is not seen.
    Value weight = v.exp(v.subF(place.score, most));
    sum = v.addF(sum, weight);
    if (places.hasScales())
      weight = v.mulF(weight, scaleOf(place.position, /*ofKey=*/false));
    memref::StoreOp::create(v.b, weight, memory, place.at);
  }
  sum = v.reduceAdd(v.broadcast(sum, 1));
  v.storeOnce(most, statistics, head);
  v.storeOnce(sum, statistics, v.add(head, v.index(shape.heads)));
}

/// The score at `place` of the chunk, or -infinity if it is not seen.
Value ChunkAttention::scoreOf(Value head, Value place, Value isSeen,
                              Value position) {
  Value at = cell(head, ChunkShape::kPositions, place), sum;
  for (int64_t slice = 0; slice < shape.slices; ++slice) {
    int64_t first = slice * shape.heads * ChunkShape::kPositions;
    Value part = loadScalar(memory, v.add(at, v.index(first)));
    sum = sum ? v.addF(sum, part) : part;
  }
  Value score = v.mulF(sum, v.f32(1.0 / std::sqrt(double(shape.headDim))));
  if (places.hasScales())
    score = v.mulF(score, scaleOf(position, /*ofKey=*/true));
  return arith::SelectOp::create(v.b, isSeen, score, v.f32(-INFINITY));
}

Value ChunkAttention::scaleOf(Value position, bool ofKey) {
  Value start = places.block(sequence, v.div(position, CachePlaces::kBlock),
                             op.getLayer());
  Value place =
      ofKey ? places.keys(start, cacheHead) : places.values(start, cacheHead);
  return loadScalar(places.scales, v.add(places.scalesOf(place),
                                         v.rem(position, CachePlaces::kBlock)));
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Stores the weighted sums of each slice at [slice][head][column] of the
/// memory.
void ChunkAttention::addValues() {
  Value column =
      v.mul(v.rem(v.thread(), shape.valueThreads), v.index(shape.valueWidth));
  Value slice = v.div(v.thread(), shape.valueThreads);
  Value size = v.index(CachePlaces::kBlock);
  Value begin = v.mul(chunk, v.index(ChunkShape::kBlocks));
  Value end = v.add(begin, v.index(ChunkShape::kBlocks));
  begin = arith::MaxUIOp::create(v.b, begin,
                                 v.div(firstPosition, CachePlaces::kBlock));
  Value behind = v.add(endPosition, v.minus(size, v.index(1)));
  end = arith::MinUIOp::create(v.b, end, v.div(behind, CachePlaces::kBlock));
  Values init(shape.heads, v.splat(0.0, shape.valueWidth));
  Values sums =
      v.forRange(begin, end, 1, init, [&](Value block, ValueRange carried) {
        return addBlock(block, column, slice, carried);
      });
  // The sums take the place of the weights.
  v.synchronize();
  v.ifThen(v.isBelow(slice, v.index(shape.valueSlices)), [&] {
    for (int64_t head = 0; head < shape.heads; ++head) {
      Value at = v.add(cell(slice, shape.columns(), column),
                       v.index(head * shape.headDim));
      v.store(sums[head], memory, at);
    }
  });
}

/// Adds the values of the block's positions that are seen and are `slice`'s.
SmallVector<Value> ChunkAttention::addBlock(Value block, Value column,
                                            Value slice, ValueRange carried) {
  int64_t size = CachePlaces::kBlock, slices = shape.valueSlices;
  Value before = v.mul(block, v.index(size));
  Value begin =
      v.minus(arith::MaxUIOp::create(v.b, firstPosition, before), before);
  Value behind = v.add(before, v.index(size));
  Value end = v.minus(arith::MinUIOp::create(v.b, endPosition, behind), before);
  Value start = places.block(sequence, block, op.getLayer());
  Value values = v.add(places.values(start, cacheHead), column);
  // The first position from `begin` on that is the slice's.
  Value distance = v.minus(v.add(slice, v.index(size * slices)), begin);
  Value first = v.add(begin, v.rem(distance, slices));
  Value inChunk = v.mul(v.rem(block, ChunkShape::kBlocks), v.index(size));
  int64_t together = std::min<int64_t>(8, size / slices);
  return v.forRange(first, end, slices * together, carried,
                    [&](Value slot, ValueRange sums) {
                      Values slots;
                      for (int64_t i = 0; i < together; ++i)
                        slots.push_back(v.add(slot, v.index(i * slices)));
                      return addPositions(values, inChunk, slots, end, sums);
                    });
}

/// Adds the values of the positions `slots` of a block that are before `end`.
SmallVector<Value> ChunkAttention::addPositions(Value values, Value inChunk,
                                                ArrayRef<Value> slots,
                                                Value end, ValueRange carried) {
  Values sums(carried), seen, read;
  for (Value slot : slots) {
    seen.push_back(arith::MinUIOp::create(v.b, slot, v.minus(end, v.index(1))));
    Value at = v.mul(seen.back(), v.index(shape.headDim));
    read.push_back(v.load(places.pool, v.add(values, at), shape.valueWidth));
  }
  for (auto [slot, position, bits] : llvm::zip(slots, seen, read)) {
    // Beyond the end is the last position again, which must not count twice,
    // were it infinite.
    Value isSeen = v.broadcast(v.isBelow(slot, end), shape.valueWidth);
    Value x = arith::SelectOp::create(v.b, isSeen, v.toF32(bits),
                                      v.splat(0.0, shape.valueWidth));
    Value at = numberOf(v.add(inChunk, position), 0);
    for (int64_t head = 0; head < shape.heads; ++head) {
      Value weight =
          loadScalar(memory, v.add(at, v.index(head * ChunkShape::kPositions)));
      sums[head] = v.fma(v.broadcast(weight, shape.valueWidth), x, sums[head]);
    }
  }
  return sums;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

Value ChunkAttention::most(Value head) { return loadScalar(statistics, head); }
Value ChunkAttention::sum(Value head) {
  return loadScalar(statistics, v.add(head, v.index(shape.heads)));
}

Partial ChunkAttention::result(Value column) {
  // Not the first slice's sum, which may be -0: no zero that was or was not
  // added to it shows.
  Value value = v.f32(0.0);
  for (int64_t slice = 0; slice < shape.valueSlices; ++slice) {
    Value part =
        loadScalar(memory, v.add(column, v.index(slice * shape.columns())));
    value = v.addF(value, part);
  }
  Value head = v.div(column, shape.headDim);
  return {most(head), sum(head), value};
}
