//===- Attention.cpp - Lowering of the cache and of attention -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block of the pool holds, for each layer, the keys of 64 positions and then
// their values. Keys lie transposed, [head][head_dim][64], so that the scores
// of 16 positions are one vector and need no horizontal sum; values lie as
// [head][64][head_dim].
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

static constexpr int64_t kBlock = 64; // positions of a block

namespace {

/// Where things lie in the pool, in elements.
struct CachePlaces {
  VectorBuilder &v;
  KVCacheType type;
  CacheBuffers cache;

  /// First element of `layer` in block number `column` of `sequence`.
  Value block(Value sequence, Value column, Value layer) {
    Value number = v.loadIndex(cache.table, {sequence, column});
    int64_t layerSize = type.getLayerBlockElements();
    Value start = v.mul(number, v.index(type.getLayers() * layerSize));
    return v.add(start, v.mul(layer, v.index(layerSize)));
  }
  /// First key, and first value, of cache head `head` from the block's start.
  Value keys(Value start, Value head) {
    return v.add(start, v.mul(head, v.index(type.getHeadDim() * kBlock)));
  }
  Value values(Value start, Value head) {
    return v.add(keys(start, head),
                 v.index(type.getHeads() * type.getHeadDim() * kBlock));
  }
};

Value rowCount(VectorBuilder &v, Value memref) {
  return memref::DimOp::create(v.b, memref, 0);
}

} // namespace

void ternac::lowerKVAppend(KVAppendOp op, VectorBuilder &v,
                           const CacheBuffers &cache) {
  auto type = cast<KVCacheType>(op.getCache().getType());
  CachePlaces places{v, type, cache};
  int64_t headDim = type.getHeadDim();
  v.forThreadRows(rowCount(v, op.getK()), [&](Value row) {
    Value position = v.loadIndex(op.getPositions(), row);
    Value sequence = v.loadIndex(op.getSequences(), row);
    Value column = arith::DivUIOp::create(v.b, position, v.index(kBlock));
    Value slot = arith::RemUIOp::create(v.b, position, v.index(kBlock));
    Value start = places.block(sequence, column, op.getLayer());
    v.forRange(v.index(0), v.index(type.getHeads()), 1, [&](Value head) {
      Value from = v.mul(head, v.index(headDim));
      Value keys = v.add(places.keys(start, head), slot);
      Value values =
          v.add(places.values(start, head), v.mul(slot, v.index(headDim)));
      v.forColumns(headDim, [&](Value d, int64_t width) {
        Value at = v.add(from, d);
        Value key =
            v.toElement(v.load(op.getK(), {row, at}, width), type.getElement());
        Value value =
            v.toElement(v.load(op.getV(), {row, at}, width), type.getElement());
        v.store(value, cache.pool, v.add(values, d));
        Value line = v.add(keys, v.mul(d, v.index(kBlock)));
        for (int64_t i = 0; i < width; ++i) {
          Value element =
              vector::ExtractOp::create(v.b, key, ArrayRef<int64_t>{i});
          memref::StoreOp::create(v.b, element, cache.pool,
                                  v.add(line, v.index(i * kBlock)));
        }
      });
    });
  });
}

namespace {

/// Attention of one row and one head.
class HeadAttention {
public:
  HeadAttention(AttentionOp op, VectorBuilder &v, const CacheBuffers &cache)
      : op(op), v(v), type(cast<KVCacheType>(op.getCache().getType())),
        cache(cache), places{v, type, cache}, lanes(v.options.lanes),
        chunks(kBlock / lanes) {}

  void lower(Value row, Value head) {
    int64_t headDim = type.getHeadDim();
    Value out = op.getOuts().front();
    int64_t heads = cast<MemRefType>(out.getType()).getDimSize(1) / headDim;
    Value cacheHead =
        arith::DivUIOp::create(v.b, head, v.index(heads / type.getHeads()));
    Value position = v.loadIndex(op.getPositions(), row);
    Value sequence = v.loadIndex(op.getSequences(), row);
    Value first = v.mul(head, v.index(headDim));
    Value count = v.add(position, v.index(1));
    Value blocks = v.add(arith::DivUIOp::create(v.b, position, v.index(kBlock)),
                         v.index(1));

    v.forColumns(headDim, [&](Value d, int64_t width) {
      v.store(v.splat(0.0, width), out, {row, v.add(first, d)});
    });
    // Running maximum and running sum of exponentials.
    SmallVector<Value> state = v.forRange(
        v.index(0), blocks, 1, {v.f32(-INFINITY), v.f32(0.0)},
        [&](Value block, ValueRange carried) {
          Value start = places.block(sequence, block, op.getLayer());
          Value before = v.mul(block, v.index(kBlock));
          Value live = arith::MinSIOp::create(
              v.b, arith::SubIOp::create(v.b, count, before), v.index(kBlock));
          return reduceBlock(row, head, places.keys(start, cacheHead),
                             places.values(start, cacheHead), live, carried);
        });
    Value inverse = v.divF(v.f32(1.0), state[1]);
    v.forColumns(headDim, [&](Value d, int64_t width) {
      Value at = v.add(first, d);
      Value y = v.load(out, {row, at}, width);
      v.store(v.mulF(y, v.broadcast(inverse, width)), out, {row, at});
    });
  }

private:
  /// Scores of the 64 positions of a block, -inf from `live` on.
  SmallVector<Value> scores(Value row, Value head, Value keys, Value live) {
    int64_t headDim = type.getHeadDim();
    Value first = v.mul(head, v.index(headDim));
    SmallVector<Value> zero(chunks, v.splat(0.0, lanes));
    SmallVector<Value> sums = v.forRange(
        v.index(0), v.index(headDim), 1, zero,
        [&](Value d, ValueRange carried) {
          Value q = memref::LoadOp::create(v.b, op.getQ(),
                                           ValueRange{row, v.add(first, d)});
          Value line = v.add(keys, v.mul(d, v.index(kBlock)));
          SmallVector<Value> next;
          for (int64_t c = 0; c < chunks; ++c) {
            Value key =
                v.loadF32(cache.pool, v.add(line, v.index(c * lanes)), lanes);
            next.push_back(v.fma(v.broadcast(q, lanes), key, carried[c]));
          }
          return next;
        });
    Value scale = v.splat(1.0 / std::sqrt(double(headDim)), lanes);
    Value limit = v.broadcast(
        arith::IndexCastOp::create(v.b, v.b.getI32Type(), live), lanes);
    for (int64_t c = 0; c < chunks; ++c) {
      SmallVector<int32_t> numbers;
      for (int64_t i = 0; i < lanes; ++i)
        numbers.push_back(c * lanes + i);
      Value lane = arith::ConstantOp::create(
          v.b,
          DenseElementsAttr::get(VectorType::get({lanes}, v.b.getI32Type()),
                                 ArrayRef(numbers)));
      Value isLive =
          arith::CmpIOp::create(v.b, arith::CmpIPredicate::slt, lane, limit);
      sums[c] = arith::SelectOp::create(v.b, isLive, v.mulF(sums[c], scale),
                                        v.splat(-INFINITY, lanes));
    }
    return sums;
  }

  /// Reduces one block on its own, then merges it with what came before.
  SmallVector<Value> reduceBlock(Value row, Value head, Value keys,
                                 Value values, Value live, ValueRange before) {
    SmallVector<Value> s = scores(row, head, keys, live);
    Value largest = s[0];
    for (int64_t c = 1; c < chunks; ++c)
      largest = v.maxF(s[c], largest);
    Value blockMax = v.reduceMax(largest);

    Value scratch = op.getOuts()[1];
    Value scratchAt = v.mul(head, v.index(kBlock));
    Value sum = v.splat(0.0, lanes);
    for (int64_t c = 0; c < chunks; ++c) {
      Value p = v.exp(v.subF(s[c], v.broadcast(blockMax, lanes)));
      sum = v.addF(sum, p);
      v.store(p, scratch, {row, v.add(scratchAt, v.index(c * lanes))});
    }
    Value blockSum = v.reduceAdd(sum);

    Value newMax = v.maxF(before[0], blockMax);
    Value scaleOld = scalarExp(v.subF(before[0], newMax));
    Value scaleNew = scalarExp(v.subF(blockMax, newMax));
    weighValues(row, head, values, live, scaleOld, scaleNew);
    Value total =
        v.addF(v.mulF(before[1], scaleOld), v.mulF(blockSum, scaleNew));
    return {newMax, total};
  }

  /// exp of a scalar, by the same vector code.
  Value scalarExp(Value x) {
    Value result = v.exp(v.broadcast(x, v.options.lanes));
    return vector::ExtractOp::create(v.b, result, ArrayRef<int64_t>{0});
  }

  /// out = out * scaleOld + (sum over live positions of p * value) * scaleNew.
  /// Only live positions are read: the rest of the block holds anything.
  void weighValues(Value row, Value head, Value values, Value live,
                   Value scaleOld, Value scaleNew) {
    int64_t headDim = type.getHeadDim();
    Value out = op.getOuts()[0], scratch = op.getOuts()[1];
    Value first = v.mul(head, v.index(headDim));
    Value scratchAt = v.mul(head, v.index(kBlock));

    // Vectors that fit the head; the last may be narrower.
    SmallVector<std::pair<int64_t, int64_t>> parts;
    for (int64_t d = 0; d < headDim; d += lanes)
      parts.emplace_back(d, std::min(lanes, headDim - d));
    // Eight accumulators at a time stay in registers on every target.
    for (size_t begin = 0; begin < parts.size(); begin += 8) {
      auto group = ArrayRef(parts).slice(
          begin, std::min<size_t>(8, parts.size() - begin));
      SmallVector<Value> zero;
      for (auto [d, width] : group)
        zero.push_back(v.splat(0.0, width));
      SmallVector<Value> sums = v.forRange(
          v.index(0), live, 1, zero, [&](Value slot, ValueRange carried) {
            Value p = memref::LoadOp::create(
                v.b, scratch, ValueRange{row, v.add(scratchAt, slot)});
            Value line = v.add(values, v.mul(slot, v.index(headDim)));
            SmallVector<Value> next;
            for (auto [part, sum] : llvm::zip_equal(group, carried)) {
              auto [d, width] = part;
              Value value =
                  v.loadF32(cache.pool, v.add(line, v.index(d)), width);
              next.push_back(v.fma(v.broadcast(p, width), value, sum));
            }
            return next;
          });
      for (auto [part, sum] : llvm::zip_equal(group, sums)) {
        auto [d, width] = part;
        Value at = v.add(first, v.index(d));
        Value old =
            v.mulF(v.load(out, {row, at}, width), v.broadcast(scaleOld, width));
        Value merged = v.addF(old, v.mulF(sum, v.broadcast(scaleNew, width)));
        v.store(merged, out, {row, at});
      }
    }
  }

  AttentionOp op;
  VectorBuilder &v;
  KVCacheType type;
  CacheBuffers cache;
  CachePlaces places;
  int64_t lanes, chunks;
};

} // namespace

void ternac::lowerAttention(AttentionOp op, VectorBuilder &v,
                            const CacheBuffers &cache) {
  auto type = cast<KVCacheType>(op.getCache().getType());
  Value out = op.getOuts().front();
  int64_t heads =
      cast<MemRefType>(out.getType()).getDimSize(1) / type.getHeadDim();
  Value pairs = v.mul(rowCount(v, out), v.index(heads));
  v.forThreadRows(pairs, [&](Value pair) {
    Value row = arith::DivUIOp::create(v.b, pair, v.index(heads));
    Value head = arith::RemUIOp::create(v.b, pair, v.index(heads));
    HeadAttention(op, v, cache).lower(row, head);
  });
}
