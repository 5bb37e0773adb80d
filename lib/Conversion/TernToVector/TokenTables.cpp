//===- TokenTables.cpp - Table look-up for many tokens at once ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For one block of tokens and a range of rows of the matrix the kernel goes
// through the groups of columns, as many at a time as have their tables in the
// first cache: it builds the tables, then adds to the i16 sums of each row what
// the row's bytes select. A thread needs tables of its own, on its stack, but
// no barrier.
//
// The sums are added to the i32 results before they can overflow. A sum of
// trits times q, in whatever row and however far it has come, is at most the
// sum of |q| in size; so where that, over the columns since the last time, is
// at most 32767 for each token, no row needs to be looked at. Activations are
// rarely all large: 32767 are at least 255 columns, and 1000 are common.
//
//===----------------------------------------------------------------------===//

#include "TokenTables.h"

#include "MatmulParts.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// Tokens side by side: a row of a table is a vector of their i16 sums.
constexpr int64_t kLanes = MatmulOp::kBlockTokens;
/// Rows of the matrix whose bytes are loaded at once, as the bytes of a word.
constexpr int64_t kWordRows = 8;
/// How many tiles ahead of their use weights are fetched.
constexpr int64_t kTilesAhead = 2;

/// The static facts of one kernel.
struct Shape : MatmulShape {
  using MatmulShape::MatmulShape;

  bool isBase3() const { return layout.code == packing::Code::Base3; }
  int64_t digits() const { return layout.digits(); }
  int64_t groups() const { return layout.paddedCols(cols) / digits(); }
  int64_t tiles() const { return layout.paddedRows(rows) / layout.rows; }
  int64_t tileBytes() const { return groups() * layout.rows; }
  /// Distance of two values of a digit in a byte.
  int64_t place(int64_t digit) const {
    int64_t value = 1;
    while (digit-- > 0)
      value *= isBase3() ? 3 : 4;
    return value;
  }
  /// Elements of a table: no byte is larger than one with all digits 2.
  int64_t tableElements() const {
    int64_t most = 0;
    for (int64_t d = 0; d < digits(); ++d)
      most += 2 * place(d);
    return (most + 1) * kLanes;
  }
  /// Groups whose tables are looked up in one pass over the rows: of base-3
  /// tables 4 are 31 KiB; of two-bit tables only 81 vectors are ever read, so 8
  /// are 21 KiB.
  int64_t groupsPerPass() const { return isBase3() ? 4 : 8; }
  /// Groups of a stretch, a whole number of passes and of vectors of columns,
  /// so few that the sum of |q| over their columns is at most 32767: 240 or 224
  /// columns.
  int64_t groupsPerStretch() const { return isBase3() ? 48 : 56; }
  int64_t columnsPerStretch() const { return groupsPerStretch() * digits(); }
};

VectorType i16Lanes(VectorBuilder &v) {
  return VectorType::get({kLanes}, v.b.getI16Type());
}
Value zeroLanes(VectorBuilder &v) {
  return arith::ConstantOp::create(v.b, v.b.getZeroAttr(i16Lanes(v)));
}

/// Vector j of the result has element j of each of the kLanes vectors of i16.
SmallVector<Value> transpose(VectorBuilder &v, SmallVector<Value> vectors) {
  // Halves change places, then elements are interleaved within halves, which
  // registers of any width can do without moving them across.
  constexpr int64_t half = kLanes / 2;
  static_assert(kLanes == 16, "two halves of eight, three interleavings");
  auto shuffle = [&](Value a, Value c,
                     function_ref<int64_t(int64_t)> from) -> Value {
    SmallVector<int64_t> mask;
    for (int64_t i = 0; i < kLanes; ++i)
      mask.push_back(from(i));
    return vector::ShuffleOp::create(v.b, a, c, mask);
  };
  SmallVector<Value> next(kLanes);
  for (int64_t i = 0; i < half; ++i)
    for (int64_t high : {0, 1})
      next[i + high * half] =
          shuffle(vectors[i], vectors[i + half], [&](int64_t lane) {
            return lane < half ? lane + high * half
                               : kLanes + lane - half + high * half;
          });
  for (int round = 0; round < 3; ++round) {
    vectors = next;
    for (int64_t part : {int64_t(0), half})
      for (int64_t i = 0; i < half / 2; ++i)
        for (int64_t high : {0, 1})
          next[part + 2 * i + high] =
              shuffle(vectors[part + i], vectors[part + i + half / 2],
                      [&](int64_t lane) {
                        int64_t inHalf = lane % half;
                        int64_t from =
                            lane - inHalf + high * half / 2 + inHalf / 2;
                        return inHalf % 2 ? kLanes + from : from;
                      });
  }
  return next;
}

/// Writes the loops of a kernel: (q, weights, out, sums, token, result, sum,
/// byte, span, begin, end), of rows begin..end of the matrix for the tokens
/// whose rows of out are `span` elements. These have their activations in q
/// from `token` on; for row `begin`, their results are in out from `result` on,
/// their i16 sums in `sums` from `sum` on, a vector of tokens for each row, and
/// the weights begin at `byte`.
class TokenTablesWriter {
public:
  TokenTablesWriter(VectorBuilder &v, func::FuncOp kernel, const Shape &shape)
      : v(v), shape(shape), q(kernel.getArgument(0)),
        weights(kernel.getArgument(1)), out(kernel.getArgument(2)),
        sums(kernel.getArgument(3)), firstOut(kernel.getArgument(5)),
        firstSum(kernel.getArgument(6)), firstByte(kernel.getArgument(7)),
        span(kernel.getArgument(8)), begin(kernel.getArgument(9)),
        end(kernel.getArgument(10)), qRows{kernel.getArgument(4)} {}

  void write() {
    panel = onStack(shape.columnsPerStretch() * kLanes);
    tables = onStack(shape.groupsPerPass() * shape.tableElements());
    square = onStack(kLanes * kLanes);
    // Offsets advance by addition; nothing multiplies. Tokens beyond the last
    // are that one again.
    for (int64_t t = 1; t < kLanes; ++t) {
      Value isToken = arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult,
                                            v.index(t * shape.rows), span);
      Value step = arith::SelectOp::create(v.b, isToken, v.index(shape.qStride),
                                           v.index(0));
      qRows.push_back(v.add(qRows.back(), step));
    }
    rowLoop(1, [&](Value sum, Value) { v.store(zeroLanes(v), sums, sum); });
    Value no = arith::ConstantOp::create(v.b, v.b.getBoolAttr(false));
    SmallVector<Value> state = {v.index(0), firstByte, zeroLanes(v), no};
    state = v.forRange(v.index(0), v.index(shape.groups()),
                       shape.groupsPerStretch(), state,
                       [&](Value group, ValueRange carried) {
                         return stretch(group, carried);
                       });
    flush(state.back());
  }

private:
  Value onStack(int64_t elements) {
    return memref::AllocaOp::create(
        v.b, MemRefType::get({elements}, v.b.getI16Type()),
        v.b.getI64IntegerAttr(kBlockBytes));
  }

  /// Whether rows become columns in registers; otherwise columns are gathered.
  bool transposesInRegisters() const {
    return v.options.vectorBits > 64 && !v.options.unknownLength;
  }

  /// `body` for every `step` rows: the offsets of their sums and of their
  /// results for the first token.
  void rowLoop(int64_t step, function_ref<void(Value sum, Value row)> body) {
    v.forRange(begin, end, step, firstSum, [&](Value row, ValueRange sum) {
      body(sum.front(), row);
      return SmallVector<Value>{v.add(sum.front(), v.index(step * kLanes))};
    });
  }

  /// The groups of a stretch from `group`. `state` has the first column, the
  /// offset of the group's first byte, how large the sums of each token may be,
  /// and whether there are results already.
  SmallVector<Value> stretch(Value group, ValueRange state) {
    Value column = state[0], byte = state[1], spent = state[2], has = state[3];
    auto upTo = [&](Value from, int64_t length, int64_t most) -> Value {
      return arith::MinUIOp::create(v.b, v.add(from, v.index(length)),
                                    v.index(most));
    };
    Value size = fillPanel(column, upTo);
    // As unsigned numbers two stretches have room.
    Value sum = v.add(spent, size);
    Value largest =
        vector::ReductionOp::create(v.b, vector::CombiningKind::MAXUI, sum);
    Value limit = arith::ConstantOp::create(v.b, v.b.getI16IntegerAttr(32767));
    Value isFull =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::ugt, largest, limit);
    auto full = scf::IfOp::create(v.b, isFull, /*withElseRegion=*/false);
    {
      OpBuilder::InsertionGuard guard(v.b);
      v.b.setInsertionPointToStart(full.thenBlock());
      flush(has);
    }
    spent = arith::SelectOp::create(v.b, isFull, size, sum);
    has = arith::OrIOp::create(v.b, has, isFull);

    int64_t together = shape.groupsPerPass();
    int64_t rest = shape.groups() % together;
    Value stop = upTo(group, shape.groupsPerStretch(), shape.groups() - rest);
    SmallVector<Value> places = {v.index(0), byte};
    places =
        v.forRange(group, stop, together, places, [&](Value, ValueRange at) {
          pass(together, at[0], at[1]);
          return SmallVector<Value>{
              v.add(at[0], v.index(together * shape.digits() * kLanes)),
              v.add(at[1], v.index(together * shape.layout.rows))};
        });
    if (rest) {
      Value isLast =
          arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge,
                                v.add(group, v.index(shape.groupsPerStretch())),
                                v.index(shape.groups()));
      auto last = scf::IfOp::create(v.b, isLast, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(v.b);
      v.b.setInsertionPointToStart(last.thenBlock());
      pass(rest, places[0], places[1]);
    }
    return {v.add(column, v.index(shape.columnsPerStretch())),
            v.add(byte, v.index(shape.groupsPerStretch() * shape.layout.rows)),
            spent, has};
  }

  /// Writes the activations of a stretch to the panel, a vector of tokens for
  /// each column. Returns the sums of their sizes.
  Value fillPanel(Value column,
                  function_ref<Value(Value, int64_t, int64_t)> upTo) {
    int64_t cols = shape.layout.paddedCols(shape.cols);
    int64_t whole = transposesInRegisters() ? cols / kLanes * kLanes : 0;
    auto put = [&](Value lanes, Value at, Value size) {
      v.store(lanes, panel, at);
      return v.add(size, math::AbsIOp::create(v.b, lanes));
    };
    auto wide = [&](Value bytes, Type type) -> Value {
      return arith::ExtSIOp::create(v.b, type, bytes);
    };
    SmallVector<Value> state = {v.index(0), zeroLanes(v)};
    if (whole)
      state =
          v.forRange(column, upTo(column, shape.columnsPerStretch(), whole),
                     kLanes, state, [&](Value from, ValueRange carried) {
                       SmallVector<Value> rows;
                       for (Value row : qRows)
                         rows.push_back(wide(
                             v.load(q, v.add(row, from), kLanes), i16Lanes(v)));
                       Value at = carried[0], size = carried[1];
                       for (Value lanes : transpose(v, rows)) {
                         size = put(lanes, at, size);
                         at = v.add(at, v.index(kLanes));
                       }
                       return SmallVector<Value>{at, size};
                     });
    if (whole == cols)
      return state[1];
    // The last columns of all, one by one.
    Value from = arith::MaxUIOp::create(v.b, column, v.index(whole));
    state = v.forRange(
        from, upTo(column, shape.columnsPerStretch(), cols), 1, state,
        [&](Value from, ValueRange carried) {
          SmallVector<Value> tokens;
          for (Value row : qRows)
            tokens.push_back(
                wide(memref::LoadOp::create(v.b, q, v.add(row, from)),
                     v.b.getI16Type()));
          Value lanes =
              vector::FromElementsOp::create(v.b, i16Lanes(v), tokens);
          Value size = put(lanes, carried[0], carried[1]);
          return SmallVector<Value>{v.add(carried[0], v.index(kLanes)), size};
        });
    return state[1];
  }

  /// Builds the tables of `groups` groups, from `place` in the panel on, and
  /// adds what the bytes of all rows, from `byte` on, select.
  void pass(int64_t groups, Value place, Value byte) {
    SmallVector<Value> places = {place, v.index(0)};
    v.forRange(v.index(0), v.index(groups), 1, places,
               [&](Value, ValueRange at) {
                 build(at[0], at[1]);
                 return SmallVector<Value>{
                     v.add(at[0], v.index(shape.digits() * kLanes)),
                     v.add(at[1], v.index(shape.tableElements()))};
               });
    int64_t tileRows = shape.layout.rows;
    places = {byte, firstSum};
    v.forRange(begin, end, tileRows, places, [&](Value, ValueRange tile) {
      for (int64_t g = 0; g < groups; ++g)
        memref::PrefetchOp::create(
            v.b, weights,
            v.add(tile[0],
                  v.index(kTilesAhead * shape.tileBytes() + g * tileRows)),
            /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
      SmallVector<Value> at(tile);
      at = v.forRange(v.index(0), v.index(tileRows), kWordRows, at,
                      [&](Value, ValueRange at) {
                        addWords(groups, at[0], at[1]);
                        return SmallVector<Value>{
                            v.add(at[0], v.index(kWordRows)),
                            v.add(at[1], v.index(kWordRows * kLanes))};
                      });
      return SmallVector<Value>{v.add(tile[0], v.index(shape.tileBytes())),
                                at[1]};
    });
  }

  /// Writes the table of the group whose activations are at `place` of the
  /// panel to `table` of the tables.
  void build(Value place, Value table) {
    SmallVector<Value> x;
    for (int64_t d = 0; d < shape.digits(); ++d)
      x.push_back(v.load(panel, v.add(place, v.index(d * kLanes)), kLanes));
    auto sub = [&](Value a, Value c) -> Value {
      return arith::SubIOp::create(v.b, a, c);
    };
    // The nine sums of the first two digits.
    Value least = sub(sub(zeroLanes(v), x[0]), x[1]);
    struct Entry {
      int64_t place;
      Value sum;
    };
    SmallVector<Entry> low;
    for (int64_t second = 0; second < 3; ++second) {
      Value sum = least;
      for (int64_t code = 0; code < 3; ++code) {
        low.push_back({second * shape.place(1) + code, sum});
        sum = v.add(sum, x[0]);
      }
      least = v.add(least, x[1]);
    }
    // Each plus each sum of the others; a digit 0 is the trit -1.
    Value high = zeroLanes(v);
    for (Value other : ArrayRef(x).drop_front(2))
      high = sub(high, other);
    std::function<void(int64_t, Value, Value)> digit = [&](int64_t d, Value sum,
                                                           Value entry) {
      if (d < 2) {
        for (const Entry &e : low)
          v.store(v.add(e.sum, sum), tables,
                  v.add(entry, v.index(e.place * kLanes)));
        return;
      }
      SmallVector<Value> carried = {sum, entry};
      v.forRange(v.index(0), v.index(3), 1, carried, [&](Value, ValueRange at) {
        digit(d - 1, at[0], at[1]);
        return SmallVector<Value>{
            v.add(at[0], x[d]), v.add(at[1], v.index(shape.place(d) * kLanes))};
      });
    };
    digit(shape.digits() - 1, high, table);
  }

  /// Adds to the sums of kWordRows rows, from `sum` on, what their bytes in
  /// `groups` columns of bytes, from `byte` on, select.
  void addWords(int64_t groups, Value byte, Value sum) {
    auto type = VectorType::get({1}, v.b.getI64Type());
    SmallVector<Value> words;
    for (int64_t g = 0; g < groups; ++g) {
      Value bytes = v.load(weights, v.add(byte, v.index(g * shape.layout.rows)),
                           kWordRows);
      words.push_back(vector::ExtractOp::create(
          v.b, vector::BitCastOp::create(v.b, type, bytes),
          ArrayRef<int64_t>{0}));
    }
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantOp::create(v.b, v.b.getI64IntegerAttr(value));
    };
    for (int64_t row = 0; row < kWordRows; ++row) {
      Value at = v.add(sum, v.index(row * kLanes));
      Value lanes = v.load(sums, at, kLanes);
      for (auto [g, word] : llvm::enumerate(words)) {
        // The byte times kLanes.
        Value entry = arith::AndIOp::create(
            v.b, arith::ShRUIOp::create(v.b, word, constant(8 * row)),
            constant(255));
        entry =
            arith::ShLIOp::create(v.b, entry, constant(llvm::Log2_64(kLanes)));
        entry = arith::IndexCastUIOp::create(v.b, v.b.getIndexType(), entry);
        entry = v.add(entry, v.index(g * shape.tableElements()));
        lanes = v.add(lanes, v.load(tables, entry, kLanes));
      }
      v.store(lanes, sums, at);
    }
  }

  /// Adds the sums to the results, where there are some (`has`), and sets them
  /// to zero.
  void flush(Value has) {
    rowLoop(kLanes, [&](Value sum, Value row) {
      if (transposesInRegisters())
        transposeSums(sum);
      else
        gatherSums(sum);
      addRows(row, has);
    });
  }

  /// Moves the sums of kLanes rows from `sum` on to the square, columns as
  /// rows, and sets them to zero.
  void transposeSums(Value sum) {
    SmallVector<Value> rows;
    for (int64_t i = 0; i < kLanes; ++i) {
      Value at = v.add(sum, v.index(i * kLanes));
      rows.push_back(v.load(sums, at, kLanes));
      v.store(zeroLanes(v), sums, at);
    }
    for (auto [i, lanes] : llvm::enumerate(transpose(v, rows)))
      v.store(lanes, square, v.index(i * kLanes));
  }

  /// The same one by one.
  void gatherSums(Value sum) {
    v.forRange(v.index(0), v.index(kLanes), 1, v.index(0),
               [&](Value column, ValueRange at) {
                 Value from = v.add(sum, column);
                 SmallVector<Value> lanes;
                 for (int64_t i = 0; i < kLanes; ++i)
                   lanes.push_back(memref::LoadOp::create(
                       v.b, sums, v.add(from, v.index(i * kLanes))));
                 v.store(
                     vector::FromElementsOp::create(v.b, i16Lanes(v), lanes),
                     square, at.front());
                 return SmallVector<Value>{v.add(at.front(), v.index(kLanes))};
               });
    for (int64_t i = 0; i < kLanes; ++i)
      v.store(zeroLanes(v), sums, v.add(sum, v.index(i * kLanes)));
  }

  /// Adds the square to the results of rows `row`.. as far as the matrix has
  /// these rows: the last tile is padded.
  void addRows(Value row, Value has) {
    Value from = v.add(firstOut, arith::SubIOp::create(v.b, row, begin));
    Value to = v.add(from, span);
    auto columns = [&](int64_t width) {
      auto type = VectorType::get({width}, v.b.getI32Type());
      v.forRange(
          from, to, shape.rows, v.index(0), [&](Value at, ValueRange place) {
            Value lanes = arith::ExtSIOp::create(
                v.b, type, v.load(square, place.front(), width));
            Value old = arith::SelectOp::create(
                v.b, has, v.load(out, at, width), v.splatI32(0, width));
            v.store(v.add(old, lanes), out, at);
            return SmallVector<Value>{v.add(place.front(), v.index(kLanes))};
          });
    };
    if (shape.rows % shape.layout.rows == 0)
      return columns(kLanes);
    auto ifRows = [&](arith::CmpIPredicate predicate, int64_t bound,
                      int64_t width) {
      Value is = arith::CmpIOp::create(v.b, predicate, row, v.index(bound));
      auto branch = scf::IfOp::create(v.b, is, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(v.b);
      v.b.setInsertionPointToStart(branch.thenBlock());
      columns(width);
    };
    int64_t rest = shape.rows % kLanes, whole = shape.rows - rest;
    if (whole)
      ifRows(arith::CmpIPredicate::ult, whole, kLanes);
    if (rest)
      ifRows(arith::CmpIPredicate::eq, whole, rest);
  }

  VectorBuilder &v;
  Shape shape;
  Value q, weights, out, sums;
  Value firstOut, firstSum, firstByte, span, begin, end;
  SmallVector<Value> qRows; ///< where the tokens have their rows of q
  Value panel, tables, square;
};

} // namespace

void ternac::callTokenTables(MatmulOp op, VectorBuilder &v, Value count) {
  Shape shape(op);
  Type i8 = v.b.getI8Type(), i16 = v.b.getI16Type(), i32 = v.b.getI32Type(),
       index = v.b.getIndexType();
  std::string name = matmulKernelName("lut", shape) + "_many";
  func::FuncOp kernel = getKernelFunction(
      op, name,
      {flat(i8), op.getWeight().getType(), flat(i32), flat(i16), index, index,
       index, index, index, index, index},
      [&](VectorBuilder &inner, func::FuncOp function) {
        TokenTablesWriter(inner, function, shape).write();
      },
      v);

  Value q = flatten(v, op.getQ()), out = flatten(v, op.getOuts()[0]),
        sums = flatten(v, op.getOuts()[1]);
  Value tiles = v.index(shape.tiles());
  int64_t tileRows = shape.layout.rows;
  auto sub = [&](Value a, Value c) -> Value {
    return arith::SubIOp::create(v.b, a, c);
  };
  constexpr int64_t step = MatmulOp::kTableBlocks * kLanes;
  v.forRange(v.index(0), count, step, [&](Value first) {
    Value isLater =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::ne, first, v.index(0));
    // Other threads may still have their sums of the tokens before.
    v.ifThen(isLater, [&] { v.barrier(); });
    // The tiles of all blocks of tokens are shared out, so that most threads
    // have whole blocks, and build a table for all rows once.
    Value tokens =
        arith::MinUIOp::create(v.b, sub(count, first), v.index(step));
    Value blocks = arith::CeilDivUIOp::create(v.b, tokens, v.index(kLanes));
    auto share =
        ThreadRangeOp::create(v.b, v.environment, v.mul(blocks, tiles), 1);
    Value begin = share.getBegin(), end = share.getEnd();
    Value from = arith::DivUIOp::create(v.b, begin, tiles);
    Value to = arith::CeilDivUIOp::create(v.b, end, tiles);
    // A thread without tiles builds no tables.
    Value isIdle =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, begin, end);
    to = arith::SelectOp::create(v.b, isIdle, from, to);
    v.forRange(from, to, 1, [&](Value block) {
      Value firstTile = v.mul(block, tiles);
      Value lower =
          sub(arith::MaxUIOp::create(v.b, begin, firstTile), firstTile);
      Value upper = arith::MinUIOp::create(v.b, sub(end, firstTile), tiles);
      Value token = v.mul(block, v.index(kLanes));
      Value some =
          arith::MinUIOp::create(v.b, sub(tokens, token), v.index(kLanes));
      token = v.add(first, token);
      Value row = v.mul(lower, v.index(tileRows));
      func::CallOp::create(
          v.b, kernel,
          ValueRange{q, op.getWeight(), out, sums,
                     v.mul(token, v.index(shape.qStride)),
                     v.add(v.mul(token, v.index(shape.rows)), row),
                     v.mul(v.add(firstTile, lower), v.index(tileRows * kLanes)),
                     v.mul(lower, v.index(shape.tileBytes())),
                     v.mul(some, v.index(shape.rows)), row,
                     v.mul(upper, v.index(tileRows))});
    });
  });
}
