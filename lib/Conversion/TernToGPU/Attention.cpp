//===- Attention.cpp - Kernels of attention -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block has one row and one head. It goes through the blocks of the cache,
// whose 64 positions are its threads': each has the score of one, and all
// together the largest and the sum of the weights; then each thread adds up
// some columns of the values. Sums so far are scaled down whenever a larger
// score comes up (Milakov and Gimelshein, "Online normalizer calculation for
// softmax", 2018). A row's bits depend on nothing but its sequence.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "ternac/Conversion/KVCache.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

class AttentionKernel {
public:
  AttentionKernel(AttentionOp op, GpuBuilder &v, const CacheBuffers &cache)
      : op(op), v(v), type(cast<KVCacheType>(op.getCache().getType())),
        places(v, type, cache), window(windowLength()) {
    static_assert(CachePlaces::kBlock == GpuBuilder::kThreads,
                  "a thread has a position");
  }

  void write() {
    Value heads = v.index(op.getHeads());
    Value rows = memref::DimOp::create(v.b, op.getQ(), 0);
    v.forBlocks(v.mul(rows, heads), GpuBuilder::kThreads, [&](Value pair) {
      row = arith::DivUIOp::create(v.b, pair, heads);
      Value head = arith::RemUIOp::create(v.b, pair, heads);
      column = v.mul(head, v.index(type.getHeadDim()));
      cacheHead = arith::DivUIOp::create(v.b, head, v.index(op.getGroup()));
      writeRow();
    });
  }

private:
  using Values = SmallVector<Value>;

  Value minus(Value a, Value c) { return arith::SubIOp::create(v.b, a, c); }
  Value isBelow(Value a, Value c) {
    return arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, a, c);
  }
  Value scalar(Value vector) {
    return vector::ExtractOp::create(v.b, vector, ArrayRef<int64_t>{0});
  }

  /// The positions that count in this layer, as a value of the host; null if
  /// all do.
  Value windowLength() {
    auto windows = op.getWindows();
    if (!windows || llvm::all_of(*windows, [](int64_t w) { return w == 0; }))
      return {};
    auto length = [&](int64_t w) { return v.index(w ? w : INT64_MAX / 2); };
    Value chosen = length(windows->front());
    for (size_t layer = 1; layer < windows->size(); ++layer) {
      Value isBehind =
          arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, op.getLayer(),
                                v.index(int64_t(layer)));
      chosen = arith::SelectOp::create(v.b, isBehind, length((*windows)[layer]),
                                       chosen);
    }
    return chosen;
  }

  void writeRow() {
    int64_t size = type.getHeadDim(), threads = GpuBuilder::kThreads;
    sequence = v.loadIndex(op.getSequences(), row);
    Value end = v.add(v.loadIndex(op.getPositions(), row), v.index(1));
    Value begin = v.index(0);
    if (window)
      begin = arith::SelectOp::create(v.b, isBelow(window, end),
                                      minus(end, window), begin);
    weights = v.shared(v.b.getF32Type(), threads);
    Value firstBlock = arith::DivUIOp::create(v.b, begin, v.index(threads));
    Value lastBlock = arith::DivUIOp::create(
        v.b, v.add(end, v.index(threads - 1)), v.index(threads));

    // The largest score, the sum of the weights, and this thread's columns.
    int64_t parts = llvm::divideCeil(size, threads);
    Values init(2 + parts, v.f32(0.0));
    init[0] = v.f32(-INFINITY);
    Values sums = v.forRange(firstBlock, lastBlock, 1, init,
                             [&](Value block, ValueRange carried) {
                               return addBlock(block, begin, end, carried);
                             });
    for (int64_t part = 0; part < parts; ++part) {
      Value at = v.add(v.thread(), v.index(part * threads));
      v.ifThen(isBelow(at, v.index(size)), [&] {
        Value y = v.divF(sums[2 + part], sums[1]);
        memref::StoreOp::create(v.b, y, op.getOuts().front(),
                                ValueRange{row, v.add(column, at)});
      });
    }
  }

  /// What is carried, and the positions of `block` in [begin, end).
  Values addBlock(Value block, Value begin, Value end, ValueRange carried) {
    Value threads = v.index(GpuBuilder::kThreads);
    Value start = places.block(sequence, block, op.getLayer());
    Value before = v.mul(block, threads);
    Value position = v.add(before, v.thread());
    Value isSeen = arith::AndIOp::create(
        v.b, isBelow(position, end),
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, position, begin));
    Value score = scoreOf(places.keys(start, cacheHead), isSeen);

    Value largest = v.maxF(v.reduceMax(v.broadcast(score, 1)), carried[0]);
    Value shrink = weightOf(carried[0], largest);
    // e^x is 0 for what is not seen.
    Value weight = weightOf(score, largest);
    Value sum =
        v.addF(v.mulF(carried[1], shrink), v.reduceAdd(v.broadcast(weight, 1)));
    Value values = places.values(start, cacheHead);
    if (places.hasScales())
      weight = scaled(weight, values, isSeen);
    memref::StoreOp::create(v.b, weight, weights, v.thread());
    v.synchronize();

    Values next = {largest, sum};
    Value first = arith::MaxUIOp::create(v.b, begin, before);
    Value last = arith::MinUIOp::create(v.b, end, v.add(before, threads));
    for (auto [part, old] : llvm::enumerate(carried.drop_front(2)))
      next.push_back(addValues(int64_t(part), values, minus(first, before),
                               minus(last, before), v.mulF(old, shrink)));
    // Nobody stores weights before all have read these.
    v.synchronize();
    return next;
  }

  /// e^(score - largest).
  Value weightOf(Value score, Value largest) {
    return v.exp(v.subF(score, largest));
  }

  /// `number` times the scale of this thread's position, or 0.
  Value scaled(Value number, Value place, Value isSeen) {
    Value at = v.add(places.scalesOf(place), v.thread());
    Value scale = memref::LoadOp::create(v.b, places.scales, at);
    scale = arith::SelectOp::create(v.b, isSeen, scale, v.f32(0.0));
    return v.mulF(number, scale);
  }

  /// The score of this thread's position, or -infinity if it is not seen.
  Value scoreOf(Value keys, Value isSeen) {
    Value sum =
        v.forRange(v.index(0), v.index(type.getHeadDim()), 1, v.splat(0.0, 1),
                   [&](Value d, ValueRange carried) {
                     Value q = v.load(op.getQ(), {row, v.add(column, d)}, 1);
                     Value at =
                         v.add(keys, v.mul(d, v.index(CachePlaces::kBlock)));
                     Value k = v.loadF32(places.pool, v.add(at, v.thread()), 1);
                     return Values{v.fma(q, k, carried.front())};
                   })
            .front();
    Value score =
        v.mulF(scalar(sum), v.f32(1.0 / std::sqrt(double(type.getHeadDim()))));
    if (places.hasScales())
      score = scaled(score, keys, isSeen);
    return arith::SelectOp::create(v.b, isSeen, score, v.f32(-INFINITY));
  }

  /// `sum` and the weighted values of positions [first, last) in this thread's
  /// column number `part`; columns beyond the last are as the last.
  Value addValues(int64_t part, Value values, Value first, Value last,
                  Value sum) {
    Value at = v.add(v.thread(), v.index(part * GpuBuilder::kThreads));
    at = arith::MinUIOp::create(v.b, at, v.index(type.getHeadDim() - 1));
    return v
        .forRange(first, last, 1, sum,
                  [&](Value slot, ValueRange carried) {
                    Value place =
                        v.add(values, v.mul(slot, v.index(type.getHeadDim())));
                    Value value =
                        scalar(v.loadF32(places.pool, v.add(place, at), 1));
                    Value weight = memref::LoadOp::create(v.b, weights, slot);
                    return Values{v.fma(weight, value, carried.front())};
                  })
        .front();
  }

  AttentionOp op;
  GpuBuilder &v;
  KVCacheType type;
  CachePlaces places;
  Value window;
  // Of the block's row and head.
  Value row, column, cacheHead, sequence, weights;
};

} // namespace

void gpulowering::lowerAttention(AttentionOp op, GpuBuilder &v,
                                 const CacheBuffers &cache) {
  AttentionKernel(op, v, cache).write();
}
