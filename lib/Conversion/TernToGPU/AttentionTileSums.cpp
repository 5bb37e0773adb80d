//===- AttentionTileSums.cpp - Weights and sums of a tile of rows ---------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Weights: where the threads that have a chunk's positions are a subgroup, they
// go through registers only. Values: a thread has some columns of some queries;
// a few positions of a slice, and their weights, are in the memory of the block
// at a time.
//
//===----------------------------------------------------------------------===//

#include "AttentionTile.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

static constexpr int64_t kPositions = ChunkShape::kPositions;
static constexpr int64_t kQuad = TileShape::kQuad;

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
    scales.push_back(vectorOf(numbers));
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
  auto forLanes = [&](int64_t query, function_ref<void(Value)> body) {
    for (int64_t part = 0; part < parts(); ++part)
      for (int64_t i = 0; i < lanes(); ++i)
        body(lane(scores[query * parts() + part], i));
  };
  int64_t own = shape.weighed();
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
                                     v.splat(TileShape::kUnseen, lanes()));
  }
  return mergeStatistics(state, most, sums);
}

/// Merges the largest scores and the sums of a chunk with what they were, and
/// stores the factors of the sums of values.
SmallVector<Value> TileAttention::mergeStatistics(ValueRange state,
                                                  ArrayRef<Value> most,
                                                  ArrayRef<Value> sums) {
  int64_t quads = shape.weighed() / kQuad;
  auto below = [&](Value a, Value c) {
    return arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, a, c);
  };
  Values newMost, newSums, ofOld, ofChunk;
  Value first = v.broadcast(toI32(start), kQuad);
  Value end = v.add(first, v.splatI32(int32_t(kPositions), kQuad));
  for (int64_t i = 0; i < quads; ++i) {
    Value oldMost = state[i], oldSum = state[quads + i];
    Factors factors =
        factorsOf(v, oldMost, vectorOf(most.slice(i * kQuad, kQuad)));
    Value sum = mix(v, factors, oldSum, vectorOf(sums.slice(i * kQuad, kQuad)));
    // Whether a query sees anything of the chunk.
    Value isSeen = arith::AndIOp::create(v.b, below(first, limits.end[i]),
                                         below(limits.first[i], end));
    auto ifSeen = [&](Value a, Value c) {
      return arith::SelectOp::create(v.b, isSeen, a, c);
    };
    newMost.push_back(ifSeen(factors.most, oldMost));
    newSums.push_back(ifSeen(sum, oldSum));
    ofOld.push_back(factors.ofOld);
    ofChunk.push_back(
        ifSeen(factors.ofChunk, v.splat(TileShape::kUnseen, kQuad)));
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
        store(vectorOf(numbers), v.add(at, v.index(query)));
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
