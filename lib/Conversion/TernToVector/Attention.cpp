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
// the threads: each block's result goes to a scratch, and all are merged in
// ascending order. Of many rows, each thread takes whole rows and merges block
// after block. Both are the same sequence of operations for each head.
//
//===----------------------------------------------------------------------===//

#include "KVCache.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

constexpr int64_t kBlock = CachePlaces::kBlock;
constexpr int64_t kSpan = AttentionOp::kSpan;
/// Rows from which on threads take whole rows.
constexpr int64_t kManyRows = 16;
/// How far ahead of its use a line is fetched from the second-level cache.
constexpr int64_t kNearBytes = 1024;

// A slot of the scratch, for each head: the weights of a block's positions,
// the maximum and the sum of the block, those of all blocks before.
constexpr int64_t kSlot = AttentionOp::kSlot;
constexpr int64_t kBlockMax = kBlock, kBlockSum = kBlock + 1;
constexpr int64_t kRunningMax = kBlock + 2, kRunningSum = kBlock + 3;

/// Where the slots of a cache head's query heads lie: in a row of the scratch
/// of rows, or in that of partial results, which has no rows.
struct Slot {
  Value memref, row, column;

  SmallVector<Value> at(VectorBuilder &v, Value i) const {
    Value place = v.add(column, i);
    return row ? SmallVector<Value>{row, place} : SmallVector<Value>{place};
  }
};

/// What one unit reads.
struct Unit {
  Value row, sequence, cacheHead;
  Value keys, values; ///< places in the pool
  Value begin, end;   ///< positions of the block that the row sees
  Value nextKeys;     ///< keys to fetch ahead, if any
};

class AttentionLowering {
public:
  AttentionLowering(AttentionOp op, VectorBuilder &v, const CacheBuffers &cache)
      : op(op), v(v), type(cast<KVCacheType>(op.getCache().getType())),
        places(v, type, cache), out(op.getOuts()[0]),
        rowScratch(op.getOuts()[1]), partials(op.getOuts()[2]),
        lanes(v.options.lanes), chunks(kBlock / lanes),
        headDim(type.getHeadDim()), heads(op.getHeads()),
        cacheHeads(type.getHeads()), group(heads / cacheHeads) {}

  void lower() {
    window = layerWindow();
    Value rows = memref::DimOp::create(v.b, out, 0);
    Value many = arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, rows,
                                       v.index(kManyRows));
    auto choice = scf::IfOp::create(v.b, many, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(choice.thenBlock());
    lowerManyRows(rows);
    v.b.setInsertionPointToStart(choice.elseBlock());
    lowerFewRows(rows);
  }

private:
  //===--------------------------------------------------------------------===//
  // Shapes
  //===--------------------------------------------------------------------===//

  /// Sizes of tiles that keep their sums in half of the registers: heads that
  /// share a loaded vector, and vectors.
  struct Tile {
    int64_t heads, vectors;
  };
  Tile tile(int64_t vectors) const {
    int64_t bits = v.options.vectorBits;
    int64_t perVector = std::max<int64_t>(1, lanes * 32 / bits);
    // Machines with registers of 512 bits have 32 of them, others 16.
    int64_t sums = std::max<int64_t>(1, (bits >= 512 ? 16 : 8) / perVector);
    auto evenly = [](int64_t count, int64_t most) {
      int64_t parts = llvm::divideCeil(count, most);
      return int64_t(llvm::divideCeil(count, parts));
    };
    int64_t tileHeads = evenly(group, sums);
    return {tileHeads, evenly(vectors, std::max<int64_t>(1, sums / tileHeads))};
  }

  int64_t elementBytes() const {
    return type.getElement().getIntOrFloatBitWidth() / 8;
  }
  Value position(Value row) { return v.loadIndex(op.getPositions(), row); }
  Value minus(Value a, Value c) { return arith::SubIOp::create(v.b, a, c); }
  Value smaller(Value a, Value c) { return arith::MinUIOp::create(v.b, a, c); }
  Value loadScalar(Value memref, ValueRange at) {
    return memref::LoadOp::create(v.b, memref, at);
  }
  void storeScalar(Value value, Value memref, ValueRange at) {
    memref::StoreOp::create(v.b, value, memref, at);
  }
  /// The first block that a row at `position` sees nothing of.
  Value blocksOf(Value position) {
    return v.add(arith::DivUIOp::create(v.b, position, v.index(kBlock)),
                 v.index(1));
  }
  /// The first position that a row at `position` sees.
  Value firstPosition(Value position) {
    if (!window)
      return v.index(0);
    Value first = minus(v.add(position, v.index(1)), window);
    return arith::MaxSIOp::create(v.b, first, v.index(0));
  }
  /// The first block that it sees something of.
  Value firstBlock(Value position) {
    if (!window)
      return v.index(0);
    return arith::DivUIOp::create(v.b, firstPosition(position),
                                  v.index(kBlock));
  }
  /// `place` - `before`, from 0 to the size of a block.
  Value inBlock(Value place, Value before) {
    Value distance = minus(place, before);
    distance = arith::MaxSIOp::create(v.b, distance, v.index(0));
    return arith::MinSIOp::create(v.b, distance, v.index(kBlock));
  }
  /// The window of the layer, or null if no layer has one. Without one, it is
  /// longer than any sequence.
  Value layerWindow() {
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
      Value isBehind =
          arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, op.getLayer(),
                                v.index(int64_t(layer)));
      chosen = arith::SelectOp::create(v.b, isBehind, length((*windows)[layer]),
                                       chosen);
    }
    return chosen;
  }
  Unit unitOf(Value row, Value position, Value block, Value cacheHead) {
    Unit unit;
    unit.row = row;
    unit.sequence = v.loadIndex(op.getSequences(), row);
    unit.cacheHead = cacheHead;
    Value start = places.block(unit.sequence, block, op.getLayer());
    unit.keys = places.keys(start, cacheHead);
    unit.values = places.values(start, cacheHead);
    Value before = v.mul(block, v.index(kBlock));
    unit.begin = v.index(0);
    if (window)
      unit.begin = inBlock(firstPosition(position), before);
    unit.end =
        smaller(v.add(minus(position, before), v.index(1)), v.index(kBlock));
    return unit;
  }

  //===--------------------------------------------------------------------===//
  // One block
  //===--------------------------------------------------------------------===//

  /// Where a fetched line shall wait.
  enum Locality : uint32_t { SecondLevel = 2, FirstLevel = 3 };

  /// Fetches the lines of `count` elements. The machine itself does not look
  /// beyond a page. Harmless beyond the end: a prefetch does not fault.
  void prefetch(Value place, int64_t count, Locality locality) {
    int64_t line = 64 / elementBytes();
    for (int64_t i = 0; i < count; i += line)
      memref::PrefetchOp::create(v.b, places.pool, v.add(place, v.index(i)),
                                 /*isWrite=*/false, locality,
                                 /*isDataCache=*/true);
  }

  /// Fetches `count` elements at `far`, which are read a head's keys or values
  /// later, and those which are read soon after `near`.
  void prefetch(Value far, Value near, int64_t count) {
    prefetch(far, count, SecondLevel);
    prefetch(v.add(near, v.index(kNearBytes / elementBytes())), count,
             FirstLevel);
  }

  SmallVector<Value> inSlot(const Slot &slot, int64_t head, int64_t i) {
    return slot.at(v, v.index(head * kSlot + i));
  }

  /// Scores of the block's positions to the slots, not yet scaled.
  void scores(const Unit &unit, const Slot &slot) {
    Tile shape = tile(chunks);
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
                keys.push_back(v.loadF32(places.pool,
                                         v.add(at, v.index(c * lanes)), lanes));
              for (int64_t h = 0; h < count; ++h) {
                Value q = loadScalar(
                    op.getQ(), {unit.row, v.add(queryColumn(unit, g + h), d)});
                Value wide = v.broadcast(q, lanes);
                for (int64_t c = 0; c < width; ++c)
                  next[h * width + c] =
                      v.fma(wide, keys[c], next[h * width + c]);
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
  Value queryColumn(const Unit &unit, int64_t head) {
    Value first = v.mul(unit.cacheHead, v.index(group * headDim));
    return v.add(first, v.index(head * headDim));
  }

  /// Turns the scores in the slots into weights, whose maximum and sum of each
  /// head go to the slot too.
  void weigh(const Unit &unit, const Slot &slot) {
    auto everywhere = [&](Value place) {
      return v.broadcast(
          arith::IndexCastOp::create(v.b, v.b.getI32Type(), place), lanes);
    };
    Value begin = window ? everywhere(unit.begin) : Value();
    Value end = everywhere(unit.end);
    Value scale = v.splat(1.0 / std::sqrt(double(headDim)), lanes);
    Value keyScales, valueScales;
    if (places.hasScales()) {
      keyScales = places.scalesOf(unit.keys);
      valueScales = places.scalesOf(unit.values);
    }
    auto scalesAt = [&](Value scales, int64_t c) {
      return v.load(places.scales, v.add(scales, v.index(c * lanes)), lanes);
    };
    v.forRange(v.index(0), v.index(group), 1, [&](Value head) {
      Value mine = v.mul(head, v.index(kSlot));
      auto place = [&](int64_t i) {
        return slot.at(v, v.add(mine, v.index(i)));
      };
      SmallVector<Value> s;
      Value largest;
      for (int64_t c = 0; c < chunks; ++c) {
        Value x = v.mulF(v.load(slot.memref, place(c * lanes), lanes), scale);
        if (keyScales)
          x = v.mulF(x, scalesAt(keyScales, c));
        SmallVector<int32_t> numbers;
        for (int64_t i = 0; i < lanes; ++i)
          numbers.push_back(c * lanes + i);
        Value lane = arith::ConstantOp::create(
            v.b,
            DenseElementsAttr::get(VectorType::get({lanes}, v.b.getI32Type()),
                                   ArrayRef(numbers)));
        Value isLive =
            arith::CmpIOp::create(v.b, arith::CmpIPredicate::slt, lane, end);
        if (begin)
          isLive = arith::AndIOp::create(
              v.b, isLive,
              arith::CmpIOp::create(v.b, arith::CmpIPredicate::sge, lane,
                                    begin));
        s.push_back(
            arith::SelectOp::create(v.b, isLive, x, v.splat(-INFINITY, lanes)));
        largest = c == 0 ? s[0] : v.maxF(s[c], largest);
      }
      Value blockMax = v.reduceMax(largest);
      Value sum = v.splat(0.0, lanes);
      for (int64_t c = 0; c < chunks; ++c) {
        Value p = v.exp(v.subF(s[c], v.broadcast(blockMax, lanes)));
        sum = v.addF(sum, p);
        if (valueScales)
          p = v.mulF(p, scalesAt(valueScales, c));
        v.store(p, slot.memref, place(c * lanes));
      }
      storeScalar(blockMax, slot.memref, place(kBlockMax));
      storeScalar(v.reduceAdd(sum), slot.memref, place(kBlockSum));
    });
  }

  /// Gives `sink` the sums of weight * value of each head and vector of
  /// columns. Only live positions are read: the rest holds anything.
  void weighValues(
      const Unit &unit, const Slot &slot,
      function_ref<void(int64_t head, int64_t column, Value sum)> sink) {
    // Vectors that fit the head; the last may be narrower.
    SmallVector<std::pair<int64_t, int64_t>> vectors;
    for (int64_t d = 0; d < headDim; d += lanes)
      vectors.emplace_back(d, std::min(lanes, headDim - d));
    Tile shape = tile(vectors.size());
    for (int64_t g = 0; g < group; g += shape.heads) {
      int64_t count = std::min(shape.heads, group - g);
      for (size_t begin = 0; begin < vectors.size(); begin += shape.vectors) {
        auto part = ArrayRef(vectors).slice(
            begin, std::min<size_t>(shape.vectors, vectors.size() - begin));
        SmallVector<Value> zero;
        for (int64_t h = 0; h < count; ++h)
          for (auto [d, width] : part)
            zero.push_back(v.splat(0.0, width));
        SmallVector<Value> sums = v.forRange(
            unit.begin, unit.end, 1, zero,
            [&](Value position, ValueRange carried) {
              Value at = v.add(unit.values, v.mul(position, v.index(headDim)));
              // Meanwhile the next keys come, as many as values, in order.
              if (g == 0 && unit.nextKeys) {
                auto [last, lastWidth] = part.back();
                int64_t from = part.front().first;
                int64_t columns = last + lastWidth - from;
                Value shift = v.mul(position, v.index(columns));
                prefetch(
                    v.add(v.add(unit.nextKeys, v.index(from * kBlock)), shift),
                    v.add(at, v.index(from)), columns);
              }
              SmallVector<Value> values, next(carried);
              for (auto [d, width] : part)
                values.push_back(
                    v.loadF32(places.pool, v.add(at, v.index(d)), width));
              for (int64_t h = 0; h < count; ++h) {
                Value p = loadScalar(
                    slot.memref,
                    slot.at(v, v.add(position, v.index((g + h) * kSlot))));
                for (auto [i, value] : llvm::enumerate(values)) {
                  Value &sum = next[h * part.size() + i];
                  sum = v.fma(v.broadcast(p, part[i].second), value, sum);
                }
              }
              return next;
            });
        for (int64_t h = 0; h < count; ++h)
          for (auto [i, vector] : llvm::enumerate(part))
            sink(g + h, vector.first, sums[h * part.size() + i]);
      }
    }
  }

  //===--------------------------------------------------------------------===//
  // Many rows
  //===--------------------------------------------------------------------===//

  void lowerManyRows(Value rows) {

    auto range = ThreadRangeOp::create(v.b, v.environment,
                                       v.mul(rows, v.index(cacheHeads)), 1);
    // The slots of this thread: those of the first row and head it has.
    Value begin = range.getBegin();
    Slot slot{rowScratch,
              arith::DivUIOp::create(v.b, begin, v.index(cacheHeads)),
              v.mul(arith::RemUIOp::create(v.b, begin, v.index(cacheHeads)),
                    v.index(group * kSlot))};
    v.forRange(begin, range.getEnd(), 1, [&](Value pair) {
      // Late rows see more than early ones: every other comes from the end.
      Value cacheHead = arith::DivUIOp::create(v.b, pair, rows);
      Value number = arith::RemUIOp::create(v.b, pair, rows);
      Value half = arith::DivUIOp::create(v.b, number, v.index(2));
      Value odd = arith::RemUIOp::create(v.b, number, v.index(2));
      Value isOdd =
          arith::CmpIOp::create(v.b, arith::CmpIPredicate::ne, odd, v.index(0));
      Value late = minus(minus(rows, v.index(1)), half);
      Value row = arith::SelectOp::create(v.b, isOdd, late, half);
      wholeRow(row, cacheHead, slot);
    });
  }

  void wholeRow(Value row, Value cacheHead, const Slot &slot) {
    Value at = position(row);
    Value first = v.mul(cacheHead, v.index(group * headDim));

    auto eachColumn = [&](function_ref<void(int64_t, Value, int64_t)> body) {
      for (int64_t h = 0; h < group; ++h)
        v.forColumns(headDim, [&](Value d, int64_t width) {
          body(h, v.add(v.add(first, v.index(h * headDim)), d), width);
        });
    };
    eachColumn([&](int64_t, Value column, int64_t width) {
      v.store(v.splat(0.0, width), out, {row, column});
    });
    for (int64_t h = 0; h < group; ++h) {
      storeScalar(v.f32(-INFINITY), slot.memref, inSlot(slot, h, kRunningMax));
      storeScalar(v.f32(0.0), slot.memref, inSlot(slot, h, kRunningSum));
    }
    v.forRange(firstBlock(at), blocksOf(at), 1, [&](Value block) {
      Unit unit = unitOf(row, at, block, cacheHead);
      scores(unit, slot);
      weigh(unit, slot);
      SmallVector<Value> factors = mergeSums(slot);
      weighValues(unit, slot, [&](int64_t h, int64_t d, Value sum) {
        int64_t width = cast<VectorType>(sum.getType()).getDimSize(0);
        Value column = v.add(first, v.index(h * headDim + d));
        Value y = v.load(out, {row, column}, width);
        v.store(merge(y, factors[h], sum, factors[group + h], width), out,
                {row, column});
      });
    });
    SmallVector<Value> inverse;
    for (int64_t h = 0; h < group; ++h)
      inverse.push_back(v.divF(
          v.f32(1.0), loadScalar(slot.memref, inSlot(slot, h, kRunningSum))));
    eachColumn([&](int64_t h, Value column, int64_t width) {
      Value y = v.load(out, {row, column}, width);
      v.store(v.mulF(y, v.broadcast(inverse[h], width)), out, {row, column});
    });
  }

  /// Merges a block's maxima and sums with what came before. Returns, head by
  /// head, the factors of what came before, then those of the block.
  SmallVector<Value> mergeSums(const Slot &slot) {
    SmallVector<Value> differences(2 * group);
    for (int64_t h = 0; h < group; ++h) {
      Value before = loadScalar(slot.memref, inSlot(slot, h, kRunningMax));
      Value block = loadScalar(slot.memref, inSlot(slot, h, kBlockMax));
      Value after = v.maxF(before, block);
      storeScalar(after, slot.memref, inSlot(slot, h, kRunningMax));
      differences[h] = v.subF(before, after);
      differences[group + h] = v.subF(block, after);
    }
    Value powers = v.exp(vector::FromElementsOp::create(
        v.b, VectorType::get({2 * group}, v.b.getF32Type()), differences));
    SmallVector<Value> factors;
    for (int64_t i = 0; i < 2 * group; ++i)
      factors.push_back(
          vector::ExtractOp::create(v.b, powers, ArrayRef<int64_t>{i}));
    for (int64_t h = 0; h < group; ++h) {
      Value before = loadScalar(slot.memref, inSlot(slot, h, kRunningSum));
      Value block = loadScalar(slot.memref, inSlot(slot, h, kBlockSum));
      storeScalar(merge(before, factors[h], block, factors[group + h], 0),
                  slot.memref, inSlot(slot, h, kRunningSum));
    }
    return factors;
  }

  /// before * old + block * fresh, of vectors of `width`, or of scalars if 0.
  Value merge(Value before, Value old, Value block, Value fresh,
              int64_t width) {
    if (width > 0) {
      old = v.broadcast(old, width);
      fresh = v.broadcast(fresh, width);
    }
    return v.addF(v.mulF(before, old), v.mulF(block, fresh));
  }

  //===--------------------------------------------------------------------===//
  // Few rows
  //===--------------------------------------------------------------------===//

  // The scratch of partial results: by head, then block of the span.
  Value maximumAt(Value head, Value block) {
    return v.add(v.mul(head, v.index(kSpan)), block);
  }
  Value changeAt(Value head, Value block) {
    return v.add(maximumAt(head, block), v.index(heads * kSpan));
  }
  Value sumAt(Value head, Value block) {
    return v.add(maximumAt(head, block), v.index(2 * heads * kSpan));
  }
  Value outputAt(Value head, Value block) {
    return v.add(v.mul(maximumAt(head, block), v.index(headDim)),
                 v.index(3 * heads * kSpan));
  }
  Value slotAt(Value unit) {
    return v.add(v.mul(unit, v.index(group * kSlot)),
                 v.index((3 + headDim) * heads * kSpan));
  }

  void lowerFewRows(Value rows) {
    v.forRange(v.index(0), rows, 1, [&](Value row) {
      Value at = position(row), blocks = blocksOf(at), start = firstBlock(at);
      v.forRange(start, blocks, kSpan, [&](Value first) {
        Value count = smaller(minus(blocks, first), v.index(kSpan));
        // What the last span wrote may still be read.
        Value isFirst = arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq,
                                              v.add(row, first), start);
        auto wait = scf::IfOp::create(v.b, isFirst, /*withElseRegion=*/true);
        {
          OpBuilder::InsertionGuard guard(v.b);
          v.b.setInsertionPointToStart(wait.elseBlock());
          v.barrier();
        }
        reduceSpan(row, at, first, count);
        v.barrier();
        v.forThreadRows(v.index(heads), [&](Value head) {
          mergeSpan(row, head, first, count, start, blocks);
        });
      });
    });
  }

  /// This thread's share of `count` blocks from `first` on.
  void reduceSpan(Value row, Value at, Value first, Value count) {
    auto range = ThreadRangeOp::create(v.b, v.environment,
                                       v.mul(count, v.index(cacheHeads)), 1);
    // No other thread begins at the same unit.
    Slot slot{partials, Value(), slotAt(range.getBegin())};
    Value last = minus(range.getEnd(), v.index(1));
    // Heads of a block lie side by side.
    auto split = [&](Value number) {
      return std::pair<Value, Value>(
          arith::DivUIOp::create(v.b, number, v.index(cacheHeads)),
          arith::RemUIOp::create(v.b, number, v.index(cacheHeads)));
    };
    v.forRange(range.getBegin(), range.getEnd(), 1, [&](Value number) {
      auto [block, cacheHead] = split(number);
      Unit unit = unitOf(row, at, v.add(first, block), cacheHead);
      auto [nextBlock, nextHead] =
          split(smaller(v.add(number, v.index(1)), last));
      unit.nextKeys = places.keys(
          places.block(unit.sequence, v.add(first, nextBlock), op.getLayer()),
          nextHead);
      scores(unit, slot);
      weigh(unit, slot);
      Value head = v.mul(cacheHead, v.index(group));
      for (int64_t h = 0; h < group; ++h) {
        Value mine = v.add(head, v.index(h));
        auto fromSlot = [&](int64_t i) {
          return loadScalar(partials, inSlot(slot, h, i));
        };
        storeScalar(fromSlot(kBlockMax), partials, maximumAt(mine, block));
        storeScalar(fromSlot(kBlockSum), partials, sumAt(mine, block));
      }
      weighValues(unit, slot, [&](int64_t h, int64_t d, Value sum) {
        Value to = outputAt(v.add(head, v.index(h)), block);
        v.store(sum, partials, v.add(to, v.index(d)));
      });
    });
  }

  /// Merges `count` partial results of one head with what came before.
  void mergeSpan(Value row, Value head, Value first, Value count, Value start,
                 Value blocks) {
    Value slot = v.mul(head, v.index(kSlot));
    Value maxAt = v.add(slot, v.index(kRunningMax));
    Value sumPlace = v.add(slot, v.index(kRunningSum));
    Value isFirst =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq, first, start);
    auto atFirst = [&](Value initial, Value value) -> Value {
      return arith::SelectOp::create(v.b, isFirst, initial, value);
    };
    // Maxima one after another, then all exponentials.
    Value most =
        atFirst(v.f32(-INFINITY), loadScalar(rowScratch, {row, maxAt}));
    most = v.forRange(v.index(0), count, 1, most,
                      [&](Value block, ValueRange carried) {
                        Value at = maximumAt(head, block);
                        Value x = loadScalar(partials, at);
                        Value after = v.maxF(carried.front(), x);
                        storeScalar(v.subF(carried.front(), after), partials,
                                    changeAt(head, block));
                        storeScalar(v.subF(x, after), partials, at);
                        return SmallVector<Value>{after};
                      })
               .front();
    storeScalar(most, rowScratch, {row, maxAt});
    v.forRange(v.index(0), count, lanes, [&](Value block) {
      for (Value at : {changeAt(head, block), maximumAt(head, block)})
        v.store(v.exp(v.load(partials, at, lanes)), partials, at);
    });

    auto old = [&](Value block) {
      return loadScalar(partials, changeAt(head, block));
    };
    auto fresh = [&](Value block) {
      return loadScalar(partials, maximumAt(head, block));
    };
    Value sum = atFirst(v.f32(0.0), loadScalar(rowScratch, {row, sumPlace}));
    sum = v.forRange(v.index(0), count, 1, sum,
                     [&](Value block, ValueRange carried) {
                       Value x = loadScalar(partials, sumAt(head, block));
                       return SmallVector<Value>{merge(
                           carried.front(), old(block), x, fresh(block), 0)};
                     })
              .front();
    storeScalar(sum, rowScratch, {row, sumPlace});

    Value isLast = arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq,
                                         v.add(first, count), blocks);
    Value factor = arith::SelectOp::create(v.b, isLast, v.divF(v.f32(1.0), sum),
                                           v.f32(1.0));
    Value column = v.mul(head, v.index(headDim));
    v.forColumns(headDim, [&](Value d, int64_t width) {
      Value at = v.add(column, d);
      Value y = atFirst(v.splat(0.0, width), v.load(out, {row, at}, width));
      y = v.forRange(
               v.index(0), count, 1, y,
               [&](Value block, ValueRange carried) {
                 Value x =
                     v.load(partials, v.add(outputAt(head, block), d), width);
                 return SmallVector<Value>{merge(carried.front(), old(block), x,
                                                 fresh(block), width)};
               })
              .front();
      v.store(v.mulF(y, v.broadcast(factor, width)), out, {row, at});
    });
  }

  AttentionOp op;
  VectorBuilder &v;
  KVCacheType type;
  CachePlaces places;
  Value out, rowScratch, partials;
  Value window; ///< positions that a row sees, or null: all
  int64_t lanes, chunks, headDim, heads, cacheHeads, group;
};

} // namespace

void ternac::lowerAttention(AttentionOp op, VectorBuilder &v,
                            const CacheBuffers &cache) {
  AttentionLowering(op, v, cache).lower();
}
