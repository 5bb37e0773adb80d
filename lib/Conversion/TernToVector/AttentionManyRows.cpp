//===- AttentionManyRows.cpp - Attention of many rows ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows of successive positions of one sequence make a tile: they visit the
// blocks of the cache together, so that keys and values are loaded and widened
// once for all of them and for the query heads that share a head of the cache.
// Only the last block has positions that some rows of a tile see and others do
// not, because tiles end where blocks do; with a window, the first ones too.
//
// A tile and a head of the cache are a unit of work, which goes to the thread
// that asks first, later rows before earlier ones. Each thread has a scratch:
//
//     queries [pair][head_dim]   a pair is a row of the tile and a query head
//     weights [pair][64]         scores, then weights, of a block's positions
//     sums    [pair][head_dim]   of weight * value, of all blocks so far
//     block   [part][k][part]    keys or values as f32, in parts of columns
//     numbers [6][pair]          maxima and sums of weights, factors of sums
//
// Both products are computed for a few pairs and a part of the columns at a
// time, whose sums stay in registers.
//
//===----------------------------------------------------------------------===//

#include "Attention.h"

#include "ternac/Conversion/NarrowProducts.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

using arith::CmpIPredicate;

class ManyRows : AttentionBuilder {
public:
  ManyRows(const AttentionBuilder &builder,
           ArrayRef<const NarrowProducts *> products)
      : AttentionBuilder(builder), tileRows(op.getTileRows()) {
    // Sums over head_dim and over a block, of products of 32 numbers each.
    if (op.getNarrow() && headDim % 32 == 0 &&
        tileRows >= AttentionOp::kManyRows)
      for (const NarrowProducts *kind : products)
        narrow.push_back({kind, kind->usable(v)});
    int64_t bits = v.options.vectorBits;
    int64_t perVector = std::max<int64_t>(1, lanes * 32 / bits);
    // Registers hold the sums, a part of a line of the block, and one number of
    // each pair.
    int64_t registers = v.options.registers;
    vectors = std::max<int64_t>(1, registers / 8 / perVector);
    int64_t line = vectors * perVector;
    together = std::clamp<int64_t>((registers - 1 - line) / line, 1, 6);
  }

  void lower(Value rows) {
    Value units = v.mul(countTiles(rows), v.index(cacheHeads));
    // Threads beyond the room of the scratch have no tile, and nothing to do.
    auto mine = ThreadRangeOp::create(v.b, v.environment,
                                      v.index(AttentionOp::kTiles), 1);
    Value hasTile = compare(CmpIPredicate::ult, mine.getBegin(), mine.getEnd());
    v.ifThen(hasTile, [&] {
      layOut(v.mul(mine.getBegin(), v.index(op.getTileSize())));
      forUnits(units, rows);
    });
    // They ask when all is taken: each thread has to be told that.
    v.barrier();
    Value hasNone = compare(CmpIPredicate::uge, mine.getBegin(), mine.getEnd());
    v.ifThen(hasNone, [&] { ClaimOp::create(v.b, v.environment, units, 1); });
  }

private:
  //===--------------------------------------------------------------------===//
  // Tiles
  //===--------------------------------------------------------------------===//

  /// Whether `row` does not follow the one before it, or a tile is full.
  Value isStart(Value row) {
    Value one = v.index(1);
    Value before = minus(arith::MaxUIOp::create(v.b, row, one), one);
    Value at = position(row);
    Value full =
        compare(CmpIPredicate::eq,
                arith::RemUIOp::create(v.b, at, v.index(tileRows)), v.index(0));
    Value jumps = compare(CmpIPredicate::ne, at, v.add(position(before), one));
    Value other =
        compare(CmpIPredicate::ne, v.loadIndex(op.getSequences(), row),
                v.loadIndex(op.getSequences(), before));
    return arith::OrIOp::create(v.b, full,
                                arith::OrIOp::create(v.b, jumps, other));
  }

  Value countTiles(Value rows) {
    return v
        .forRange(
            v.index(0), rows, 1, v.index(0),
            [&](Value row, ValueRange count) {
              Value more =
                  arith::ExtUIOp::create(v.b, v.b.getI64Type(), isStart(row));
              more = arith::IndexCastOp::create(v.b, v.b.getIndexType(), more);
              return SmallVector<Value>{v.add(count.front(), more)};
            })
        .front();
  }

  /// The first row of the tile that ends before `end`.
  Value startOfTile(Value end) {
    Type type = v.b.getIndexType();
    auto loop = scf::WhileOp::create(
        v.b, TypeRange{type}, ValueRange{end},
        [&](OpBuilder &, Location, ValueRange row) {
          Value previous = minus(row.front(), v.index(1));
          Value isInside = arith::XOrIOp::create(
              v.b, isStart(previous),
              arith::ConstantOp::create(v.b, v.b.getBoolAttr(true)));
          scf::ConditionOp::create(v.b, isInside, previous);
        },
        [&](OpBuilder &, Location, ValueRange row) {
          scf::YieldOp::create(v.b, row);
        });
    return loop.getResult(0);
  }

  /// Asks for units until none is left. They number the heads of the last tile,
  /// those of the one before it, and so on.
  void forUnits(Value units, Value rows) {
    Type type = v.b.getIndexType();
    // The tile of the last unit, [row, end), and how many were passed.
    scf::WhileOp::create(
        v.b, TypeRange{type, type, type, type},
        ValueRange{rows, rows, v.index(0)},
        [&](OpBuilder &, Location, ValueRange tile) {
          auto unit = ClaimOp::create(v.b, v.environment, units, 1);
          Value isMore =
              compare(CmpIPredicate::ult, unit.getBegin(), unit.getEnd());
          scf::ConditionOp::create(
              v.b, isMore,
              ValueRange{tile[0], tile[1], tile[2], unit.getBegin()});
        },
        [&](OpBuilder &, Location, ValueRange state) {
          Value unit = state[3];
          Value number = v.add(quotient(unit, cacheHeads), v.index(1));
          SmallVector<Value> tile = v.forRange(
              state[2], number, 1, ValueRange{state[0], state[1]},
              [&](Value, ValueRange tile) {
                return SmallVector<Value>{startOfTile(tile[0]), tile[0]};
              });
          Value cacheHead =
              arith::RemUIOp::create(v.b, unit, v.index(cacheHeads));
          reduceTile(tile[0], minus(tile[1], tile[0]), cacheHead);
          scf::YieldOp::create(v.b, ValueRange{tile[0], tile[1], number});
        });
  }

  void reduceTile(Value row, Value count, Value cacheHead) {
    Value alone = compare(CmpIPredicate::eq, count, v.index(1));
    v.ifThenElse(
        alone, [&] { wholeRow(row, cacheHead); },
        [&] { wholeTile(row, count, cacheHead); });
  }

  /// The keys after those of `block`, or these if it is the last before `end`.
  Value keysAfter(const Unit &unit, Value block, Value end) {
    Value next = smaller(v.add(block, v.index(1)), minus(end, v.index(1)));
    return places.keys(places.block(unit.sequence, next, op.getLayer()),
                       unit.cacheHead);
  }

  //===--------------------------------------------------------------------===//
  // The scratch
  //===--------------------------------------------------------------------===//

  enum Number { RunningMax, RunningSum, BlockMax, BlockSum, Old, Fresh };

  void layOut(Value tile) {
    queries = tile;
    weights = v.add(queries, v.index(op.getTileQueries()));
    narrowQueries = v.add(queries, v.index(op.getTileQueries() / 3 * 2));
    sums = v.add(weights, v.index(op.getTileWeights()));
    block = v.add(sums, v.index(op.getTileSums()));
    numbers = v.add(block, v.index(op.getTileBlock()));
  }
  Value number(Number which, Value pair) {
    return v.add(v.add(numbers, pair), v.index(which * op.getTileNumbers()));
  }
  Value weightsOf(Value pair) {
    return v.add(weights, v.mul(pair, v.index(kBlock)));
  }
  /// Columns of the sums of a pair: whole vectors.
  int64_t sumColumns() const { return llvm::alignTo(headDim, lanes); }
  Value sumsOf(Value pair) {
    return v.add(sums, v.mul(pair, v.index(sumColumns())));
  }

  /// The lines of the block, of `count` vectors, are stored in parts of `width`
  /// vectors: `lines` lines of the first part, then those of the next.
  struct Parts {
    int64_t count, width, lines;
  };
  static Parts parts(int64_t count, int64_t lines, int64_t most) {
    int64_t number = llvm::divideCeil(count, most);
    return {count, int64_t(llvm::divideCeil(count, number)), lines};
  }
  Parts keyParts() const { return parts(chunks, headDim, vectors); }
  Parts valueParts() const {
    return parts(sumColumns() / lanes, kBlock, vectors);
  }

  /// Calls `body` with the first vector of each part and the part's width.
  void forParts(const Parts &parts, function_ref<void(Value, int64_t)> body) {
    // The last part may be narrower, and so may be its last vector.
    int64_t last = (parts.count - 1) / parts.width * parts.width;
    v.forRange(v.index(0), v.index(last), parts.width,
               [&](Value vector) { body(vector, parts.width); });
    body(v.index(last), parts.count - last);
  }
  Value placeOfPart(const Parts &parts, Value vector) {
    return v.add(block, v.mul(vector, v.index(parts.lines * lanes)));
  }

  /// Copies a line of the pool to the block, as f32, the last vector padded.
  void storeLine(Value from, int64_t count, Value line, const Parts &parts) {
    forParts(parts, [&](Value vector, int64_t width) {
      Value column = v.mul(vector, v.index(lanes));
      Value to = v.add(placeOfPart(parts, vector),
                       v.mul(line, v.index(width * lanes)));
      for (int64_t c = 0; c < width; ++c) {
        Value shift = v.index(c * lanes);
        std::optional<int64_t> first = getConstantIntValue(vector);
        int64_t room = first ? count - (*first + c) * lanes : lanes;
        Value x = v.loadF32(places.pool, v.add(v.add(from, column), shift),
                            std::min(lanes, room));
        v.store(v.widen(x, v.splat(0.0, lanes)), shared, v.add(to, shift));
      }
    });
  }

  void loadKeys(const Unit &unit) {
    v.forRange(v.index(0), v.index(headDim), 1, [&](Value d) {
      Value line = v.mul(d, v.index(kBlock));
      prefetch(v.add(unit.values, line), kBlock, SecondLevel);
      storeLine(v.add(unit.keys, line), kBlock, d, keyParts());
    });
  }

  void loadValues(const Unit &unit) {
    v.forRange(v.index(0), v.index(kBlock), 1, [&](Value position) {
      Value line = v.mul(position, v.index(headDim));
      prefetch(v.add(unit.nextKeys, line), headDim, SecondLevel);
      storeLine(v.add(unit.values, line), headDim, position, valueParts());
    });
  }

  //===--------------------------------------------------------------------===//
  // A tile
  //===--------------------------------------------------------------------===//

  void wholeTile(Value row, Value count, Value cacheHead) {
    Value at = position(row);
    Value last = v.add(at, minus(count, v.index(1)));
    Value pairs = v.mul(count, v.index(group));
    begin(row, count, pairs, cacheHead);
    Value endOfAll = endOfBlocks(at);
    v.forRange(firstBlock(at), endOfAll, 1, [&](Value number) {
      Unit unit = unitOf(row, at, number, cacheHead);
      unit.nextKeys = keysAfter(unit, number, endOfAll);
      Value before = v.mul(number, v.index(kBlock));
      Value seeing = count;
      if (window) {
        // The windows of later rows may begin behind the block.
        Value room =
            minus(v.add(v.add(before, window), v.index(kBlock - 1)), at);
        seeing = arith::MinSIOp::create(v.b, count, room);
      }
      Seen seen{at, before, unit.begin, unit.end, Value(), Value()};
      seen.lastBegin =
          beginInBlock(v.add(at, minus(seeing, v.index(1))), before);
      seen.lastEnd = endInBlock(last, before);
      Value some = v.mul(seeing, v.index(group));
      if (narrow.empty())
        return wholeBlock(unit, seen, some);
      // Where all rows see all positions.
      Value isFull = compare(CmpIPredicate::eq, count, v.index(tileRows));
      for (auto [place, value] :
           {std::pair(unit.end, kBlock), std::pair(seen.lastBegin, int64_t(0))})
        isFull = arith::AndIOp::create(
            v.b, isFull, compare(CmpIPredicate::eq, place, v.index(value)));
      anyBlock(narrow, isFull, unit, seen, some);
    });
    finish(row, pairs, cacheHead);
  }

  /// Which rows of a tile see which positions of a block: the first row those
  /// of [begin, end), the last [lastBegin, lastEnd).
  struct Seen {
    Value at, before, begin, end, lastBegin, lastEnd;
  };

  /// Narrow products and whether they may be used here; null: always.
  using Kind = std::pair<const NarrowProducts *, Value>;

  /// With the first of `kinds` that may be used, if all rows see all of it.
  void anyBlock(ArrayRef<Kind> kinds, Value isFull, const Unit &unit,
                const Seen &seen, Value pairs) {
    if (kinds.empty())
      return wholeBlock(unit, seen, pairs);
    auto [products, usable] = kinds.front();
    Value use = usable ? arith::AndIOp::create(v.b, isFull, usable).getResult()
                       : isFull;
    v.ifThenElse(
        use, [&] { narrowBlock(*products, unit, seen, pairs); },
        [&] { anyBlock(kinds.drop_front(), isFull, unit, seen, pairs); });
  }

  void wholeBlock(const Unit &unit, const Seen &seen, Value pairs) {
    loadKeys(unit);
    multiplyKeys(pairs);
    weighPairs(unit, seen, pairs);
    mergePairs(pairs);
    loadValues(unit);
    multiplyValues(seen, pairs);
  }

  void begin(Value row, Value count, Value pairs, Value cacheHead) {
    int64_t columns = group * headDim;
    Value first = v.mul(cacheHead, v.index(columns));
    v.forRange(v.index(0), count, 1, [&](Value r) {
      Value to = v.add(queries, v.mul(r, v.index(columns)));
      v.forColumns(columns, [&](Value d, int64_t width) {
        Value q = v.load(op.getQ(), {v.add(row, r), v.add(first, d)}, width);
        v.store(q, shared, v.add(to, d));
        if (!narrow.empty())
          storeNarrow(q, v.add(v.add(narrowQueries,
                                     quotient(v.mul(r, v.index(columns)), 2)),
                               quotient(d, 2)));
      });
    });
    v.forRange(v.index(0), pairs, lanes, [&](Value pair) {
      v.store(v.splat(-INFINITY, lanes), shared, number(RunningMax, pair));
      v.store(v.splat(0.0, lanes), shared, number(RunningSum, pair));
    });
    v.forRange(
        v.index(0), v.mul(pairs, v.index(sumColumns())), lanes,
        [&](Value i) { v.store(v.splat(0.0, lanes), shared, v.add(sums, i)); });
  }

  void finish(Value row, Value pairs, Value cacheHead) {
    v.forRange(v.index(0), pairs, 1, [&](Value pair) {
      Value inverse =
          v.divF(v.f32(1.0), loadScalar(shared, number(RunningSum, pair)));
      Value r = v.add(row, quotient(pair, group));
      Value head = v.add(v.mul(cacheHead, v.index(group)),
                         arith::RemUIOp::create(v.b, pair, v.index(group)));
      Value first = v.mul(head, v.index(headDim));
      v.forColumns(headDim, [&](Value d, int64_t width) {
        Value y = v.load(shared, v.add(sumsOf(pair), d), width);
        v.store(v.mulF(y, v.broadcast(inverse, width)), out,
                {r, v.add(first, d)});
      });
    });
  }

  /// Adds left[i][k] * right[k] of lines [from, to) to the sums of `together`
  /// pairs and `width` vectors. `left` is the place of the first pair's
  /// numbers, the next pairs' are `stride` behind it; `right` that of line 0.
  /// `keep(i, k)` says whether pair i takes part in line k; null: always.
  SmallVector<Value> multiply(Value left, int64_t stride, Value right,
                              int64_t width, Value from, Value to,
                              ValueRange init,
                              function_ref<Value(int64_t, Value)> keep = {}) {
    return v.forRange(from, to, 1, init, [&](Value k, ValueRange carried) {
      SmallVector<Value> line, next(carried);
      Value at = v.add(right, v.mul(k, v.index(width * lanes)));
      for (int64_t c = 0; c < width; ++c)
        line.push_back(v.load(shared, v.add(at, v.index(c * lanes)), lanes));
      for (int64_t i = 0; i < together; ++i) {
        Value place = v.add(v.add(left, k), v.index(i * stride));
        Value x = v.broadcast(loadScalar(shared, place), lanes);
        Value isKept = keep ? keep(i, k) : Value();
        for (int64_t c = 0; c < width; ++c) {
          Value &sum = next[i * width + c];
          Value more = v.fma(x, line[c], sum);
          sum = isKept ? arith::SelectOp::create(v.b, isKept, more, sum) : more;
        }
      }
      return next;
    });
  }

  SmallVector<Value> zeros(int64_t width) {
    return SmallVector<Value>(together * width, v.splat(0.0, lanes));
  }

  void multiplyKeys(Value pairs) {
    Parts keys = keyParts();
    forParts(keys, [&](Value vector, int64_t width) {
      v.forRange(v.index(0), pairs, together, [&](Value pair) {
        Value left = v.add(queries, v.mul(pair, v.index(headDim)));
        SmallVector<Value> scores =
            multiply(left, headDim, placeOfPart(keys, vector), width,
                     v.index(0), v.index(headDim), zeros(width));
        Value to = v.add(weightsOf(pair), v.mul(vector, v.index(lanes)));
        for (int64_t i = 0; i < together; ++i)
          for (int64_t c = 0; c < width; ++c)
            v.store(scores[i * width + c], shared,
                    v.add(to, v.index(i * kBlock + c * lanes)));
      });
    });
  }

  void weighPairs(Unit unit, const Seen &seen, Value pairs) {
    v.forRange(v.index(0), pairs, 1, [&](Value pair) {
      Value mine = v.add(seen.at, quotient(pair, group));
      unit.begin = beginInBlock(mine, seen.before);
      unit.end = endInBlock(mine, seen.before);
      Value place = weightsOf(pair);
      auto [most, sum] = weigh(unit, shared, [&](Value i) {
        return SmallVector<Value>{v.add(place, i)};
      });
      storeScalar(most, shared, number(BlockMax, pair));
      storeScalar(sum, shared, number(BlockSum, pair));
    });
  }

  /// Merges the maxima and sums of a block with what came before.
  void mergePairs(Value pairs) {
    v.forRange(v.index(0), pairs, lanes, [&](Value pair) {
      auto load = [&](Number which) {
        return v.load(shared, number(which, pair), lanes);
      };
      auto store = [&](Value x, Number which) {
        v.store(x, shared, number(which, pair));
      };
      Value before = load(RunningMax), most = load(BlockMax);
      Value after = v.maxF(before, most);
      Value old = v.exp(v.subF(before, after));
      Value fresh = v.exp(v.subF(most, after));
      Value sumBefore = load(RunningSum);
      Value sum = merge(sumBefore, old, load(BlockSum), fresh, 0);
      store(old, Old);
      store(fresh, Fresh);
      if (window) {
        // What lies behind the pairs may be those that do not see the block.
        Value isPair = compare(CmpIPredicate::slt, laneNumbers(),
                               everywhere(minus(pairs, pair)));
        after = arith::SelectOp::create(v.b, isPair, after, before);
        sum = arith::SelectOp::create(v.b, isPair, sum, sumBefore);
      }
      store(after, RunningMax);
      store(sum, RunningSum);
    });
  }

  void multiplyValues(const Seen &seen, Value pairs) {
    Parts values = valueParts();
    forParts(values, [&](Value vector, int64_t width) {
      v.forRange(v.index(0), pairs, together, [&](Value pair) {
        SmallVector<Value> begins, ends;
        for (int64_t i = 0; i < together; ++i) {
          Value mine = v.add(seen.at, quotient(v.add(pair, v.index(i)), group));
          begins.push_back(beginInBlock(mine, seen.before));
          ends.push_back(endInBlock(mine, seen.before));
        }
        auto keep = [&](int64_t i, Value k) -> Value {
          Value isSeen = compare(CmpIPredicate::ult, k, ends[i]);
          if (!window)
            return isSeen;
          return arith::AndIOp::create(
              v.b, isSeen, compare(CmpIPredicate::uge, k, begins[i]));
        };
        // Some rows see the first positions and the last, all those between.
        Value left = weightsOf(pair), right = placeOfPart(values, vector);
        SmallVector<Value> y = zeros(width);
        Value common = seen.end;
        if (window) {
          y = multiply(left, kBlock, right, width, seen.begin, seen.lastBegin,
                       y, keep);
          common = arith::MaxUIOp::create(v.b, seen.lastBegin, seen.end);
        }
        y = multiply(left, kBlock, right, width, seen.lastBegin, seen.end, y);
        y = multiply(left, kBlock, right, width, common, seen.lastEnd, y, keep);
        for (int64_t i = 0; i < together; ++i) {
          Value mine = v.add(pair, v.index(i));
          v.ifThen(compare(CmpIPredicate::ult, mine, pairs), [&] {
            addToSums(mine, vector, ArrayRef(y).slice(i * width, width));
          });
        }
      });
    });
  }

  /// Merges a block's sums of a pair with those of the blocks before.
  void addToSums(Value pair, Value vector, ArrayRef<Value> y) {
    Value old = v.broadcast(loadScalar(shared, number(Old, pair)), lanes);
    Value fresh = v.broadcast(loadScalar(shared, number(Fresh, pair)), lanes);
    Value to = v.add(sumsOf(pair), v.mul(vector, v.index(lanes)));
    for (auto [c, more] : llvm::enumerate(y)) {
      Value at = v.add(to, v.index(int64_t(c) * lanes));
      v.store(merge(v.load(shared, at, lanes), old, more, fresh, 0), shared,
              at);
    }
  }

  //===--------------------------------------------------------------------===//
  // Narrow factors
  //===--------------------------------------------------------------------===//

  /// Stores f32 as bf16, two for each f32 of the scratch.
  void storeNarrow(Value x, Value place) {
    int64_t width = cast<VectorType>(x.getType()).getDimSize(0);
    Value rounded;
    if (llvm::any_of(narrow, [](Kind kind) { return kind.first->rounds(); }))
      rounded = arith::TruncFOp::create(
          v.b, VectorType::get({width}, v.b.getBF16Type()), x);
    else
      rounded = arith::TruncIOp::create(
          v.b, VectorType::get({width}, v.b.getI16Type()),
          arith::ShRUIOp::create(v.b, roundHalf(x), v.splatI32(16, width)));
    v.store(vector::BitCastOp::create(
                v.b, VectorType::get({width / 2}, v.b.getF32Type()), rounded),
            shared, place);
  }

  /// The bits of f32, of which the upper half is bf16, half to even.
  Value roundHalf(Value x) {
    int64_t width = cast<VectorType>(x.getType()).getDimSize(0);
    Value word = arith::BitcastOp::create(
        v.b, VectorType::get({width}, v.b.getI32Type()), x);
    auto constant = [&](int32_t value) { return v.splatI32(value, width); };
    Value odd = arith::AndIOp::create(
        v.b, arith::ShRUIOp::create(v.b, word, constant(16)), constant(1));
    return v.add(v.add(word, constant(0x7fff)), odd);
  }

  /// Copies pairs of lines of `columns` numbers of the pool to the block.
  void loadNarrow(Value from, int64_t columns, const Parts &parts,
                  Value ahead) {
    v.forRange(v.index(0), v.index(parts.lines), 1, [&](Value line) {
      Value first = v.mul(line, v.index(2 * columns));
      prefetch(v.add(ahead, first), 2 * columns, SecondLevel);
      forParts(parts, [&](Value vector, int64_t width) {
        Value at = v.add(v.add(from, first), v.mul(vector, v.index(lanes)));
        Value to = v.add(placeOfPart(parts, vector),
                         v.mul(line, v.index(width * lanes)));
        for (int64_t c = 0; c < width; ++c) {
          Value shift = v.index(c * lanes);
          Value low =
              roundHalf(v.loadF32(places.pool, v.add(at, shift), lanes));
          Value high = roundHalf(v.loadF32(
              places.pool, v.add(at, v.index(columns + c * lanes)), lanes));
          low = arith::ShRUIOp::create(v.b, low, v.splatI32(16, lanes));
          high = arith::AndIOp::create(v.b, high,
                                       v.splatI32(int32_t(0xffff0000), lanes));
          Value both = arith::OrIOp::create(v.b, high, low);
          v.store(arith::BitcastOp::create(
                      v.b, VectorType::get({lanes}, v.b.getF32Type()), both),
                  shared, v.add(to, shift));
        }
      });
    });
  }

  /// Pairs of a product: those of a tile in equal parts, of `most` at most.
  int64_t pairsTogether(const NarrowProducts &products, int64_t most) {
    int64_t steps = llvm::divideCeil(tileRows * group, products.rows());
    int64_t some = std::min(products.mostRows(), most) / products.rows();
    while (steps % some != 0)
      --some;
    return some * products.rows();
  }

  /// A block of which all rows of a full tile see all positions.
  void narrowBlock(const NarrowProducts &products, const Unit &unit,
                   const Seen &seen, Value pairs) {
    Parts keys = parts(chunks, headDim / 2, products.vectors());
    loadNarrow(unit.keys, kBlock, keys, unit.values);
    forParts(keys, [&](Value vector, int64_t width) {
      int64_t some = pairsTogether(products, products.mostRows());
      v.forRange(v.index(0), pairs, some, [&](Value pair) {
        Value left = v.add(narrowQueries, v.mul(pair, v.index(headDim / 2)));
        Value to = v.add(weightsOf(pair), v.mul(vector, v.index(lanes)));
        products.multiply(v,
                          {shared, left, headDim / 2, placeOfPart(keys, vector),
                           headDim / 2, width, to, kBlock, some});
      });
    });
    weighPairs(unit, seen, pairs);
    v.forRange(v.index(0), pairs, 1, [&](Value pair) {
      Value row = weightsOf(pair);
      for (int64_t c = 0; c < chunks; ++c)
        storeNarrow(v.load(shared, v.add(row, v.index(c * lanes)), lanes),
                    v.add(row, v.index(c * lanes / 2)));
    });
    mergePairs(pairs);
    Parts values = parts(headDim / lanes, kBlock / 2, products.vectors());
    loadNarrow(unit.values, headDim, values, unit.nextKeys);
    // A product's sums lie in the half of the block that is free.
    int64_t room = op.getTileBlock() / 2;
    Value added = v.add(block, v.index(room));
    forParts(values, [&](Value vector, int64_t width) {
      int64_t some = pairsTogether(products, room / (width * lanes));
      v.forRange(v.index(0), pairs, some, [&](Value pair) {
        products.multiply(v, {shared, weightsOf(pair), kBlock,
                              placeOfPart(values, vector), kBlock / 2, width,
                              added, width * lanes, some});
        Value count = smaller(minus(pairs, pair), v.index(some));
        v.forRange(v.index(0), count, 1, [&](Value i) {
          Value from = v.add(added, v.mul(i, v.index(width * lanes)));
          SmallVector<Value> y;
          for (int64_t c = 0; c < width; ++c)
            y.push_back(v.load(shared, v.add(from, v.index(c * lanes)), lanes));
          addToSums(v.add(pair, i), vector, y);
        });
      });
    });
  }

  //===--------------------------------------------------------------------===//
  // A row alone
  //===--------------------------------------------------------------------===//

  void wholeRow(Value row, Value cacheHead) {
    Slot slot{rowScratch, row, v.mul(cacheHead, v.index(group * kSlot))};
    Value at = position(row), end = endOfBlocks(at);
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
    v.forRange(firstBlock(at), end, 1, [&](Value block) {
      Unit unit = unitOf(row, at, block, cacheHead);
      unit.nextKeys = keysAfter(unit, block, end);
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

  int64_t tileRows, vectors, together;
  SmallVector<Kind> narrow; ///< or empty: all in f32
  // Places in the scratch.
  Value queries, narrowQueries, weights, sums, block, numbers;
};

} // namespace

void ternac::lowerManyRows(const AttentionBuilder &builder, Value rows,
                           ArrayRef<const NarrowProducts *> products) {
  ManyRows(builder, products).lower(rows);
}
