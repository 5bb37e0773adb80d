//===- IntegerLinear.cpp - Dense layers of integers -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// These layers are read from memory once per call. For few rows of x what
// counts is that the loads never wait: rows are shared out to threads evenly
// and fetched ahead. For many it is products per load: a block of outputs and
// rows of x keeps its sums in registers, so that each loaded vector is used
// several times. Sums of integers are exact, so their bits do not depend on the
// width of vectors or on what is computed together.
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/RowLowerings.h"

#include "ternac/Packing/Int4.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;
using packing::Int4;

namespace {

constexpr int64_t kLineBytes = 64;

/// What both forms share: the rows of x and where results go.
class Writer {
public:
  Writer(LinearOp op, VectorBuilder &v)
      : op(op), v(v), x(op.getX()), weight(op.getWeight()),
        out(op.getOuts().front()),
        outputs(cast<MemRefType>(out.getType()).getDimSize(1)),
        cols(cast<MemRefType>(x.getType()).getDimSize(1)) {}

protected:
  Value rowsOfX() { return memref::DimOp::create(v.b, out, 0); }

  SmallVector<Value> successive(Value first, int64_t count) {
    SmallVector<Value> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(v.add(first, v.index(i)));
    return values;
  }

  Value stepOf(Value row) {
    return memref::LoadOp::create(v.b, op.getStep(), row);
  }
  /// Fetches what follows `indices`; harmless beyond the end, as it does not
  /// fault.
  void prefetch(ArrayRef<Value> indices) {
    fetch(indices, kFarBytes, SecondLevel);
    fetch(indices, kNearBytes, FirstLevel);
  }
  /// Where a fetched line shall wait.
  enum Locality : uint32_t { SecondLevel = 2, FirstLevel = 3 };
  void fetch(ArrayRef<Value> indices, int64_t ahead, Locality locality) {
    SmallVector<Value> at(indices);
    at.back() = v.add(at.back(), v.index(ahead));
    memref::PrefetchOp::create(v.b, weight, at, /*isWrite=*/false, locality,
                               /*isDataCache=*/true);
  }
  /// All rows of x read the same weights: those that come first fetch them.
  void forFirst(Value row, function_ref<void()> body) {
    v.ifThen(
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq, row, v.index(0)),
        body);
  }
  VectorType vectorOf(int64_t width, Type element) {
    return VectorType::get({width}, element);
  }
  Type i16() { return v.b.getI16Type(); }
  Type i32() { return v.b.getI32Type(); }

  LinearOp op;
  VectorBuilder &v;
  Value x, weight, out;
  int64_t outputs, cols;
};

//===----------------------------------------------------------------------===//
// Rows of i8
//===----------------------------------------------------------------------===//

class Int8Writer : Writer {
public:
  Int8Writer(LinearOp op, VectorBuilder &v) : Writer(op, v) {
    // Vectors of i16 fill the registers.
    width = std::max<int64_t>(2, v.options.vectorBits / 16);
  }

  void write() {
    // The sums of a block leave registers for a vector of weights and one of
    // each row of x. A piece has several blocks: nothing fetches its first.
    int64_t together = v.options.registers >= 32 ? 6 : 2;
    int64_t piece = llvm::divideCeil(v.kPieceBytes, std::max<int64_t>(cols, 1));
    piece = llvm::alignTo(std::max(piece, 8 * together), together);
    Value rows = rowsOfX();
    Value isOne =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq, rows, v.index(1));
    v.forShares(outputs, together, piece, [&](Value begin, Value end) {
      auto oneRow = [&] {
        // Rows of the weight one after the other are one stream; four at a
        // time, sharing the loads of x, were slower: memory likes streams.
        v.forRange(begin, end, 1, [&](Value output) {
          writeBlock({output}, {v.index(0)}, kLineBytes,
                     [&](Value column) { prefetch({output, column}); });
        });
      };
      auto manyRows = [&] {
        v.forBlocks(begin, end, {together, 1}, [&](Value output, int64_t m) {
          v.forBlocks(v.index(0), rows, {4, 3, 2, 1},
                      [&](Value row, int64_t n) {
                        // One product for each sum: more of them in a row wait
                        // for each other, and code generators may take other
                        // instructions then.
                        int64_t step = width * partsOf(m * n);
                        writeBlock(successive(output, m), successive(row, n),
                                   step, [&](Value column) {
                                     forFirst(row, [&] {
                                       fetchNext(output, m, column, m * step);
                                     });
                                   });
                      });
        });
      };
      v.ifThenElse(isOne, oneRow, manyRows);
    });
  }

private:
  /// Fetches `bytes` of the outputs behind a block of `count`: their rows are
  /// one stream, too.
  void fetchNext(Value output, int64_t count, Value column, int64_t bytes) {
    Value next = v.add(output, v.index(count));
    Value begin = v.mul(column, v.index(count));
    for (int64_t at = 0; at < bytes; at += kLineBytes)
      fetch({next, begin}, at, SecondLevel);
  }

  /// Vectors of partial sums for each of `sums`: few wait for each other.
  static int64_t partsOf(int64_t sums) { return sums < 8 ? 2 : 1; }

  /// The sums of a block, as vectors of partial sums.
  struct Sums {
    int64_t rows, parts;
    SmallVector<Value> vectors; ///< [output][row][part]

    Value &at(int64_t output, int64_t row, int64_t part) {
      return vectors[(output * rows + row) * parts + part % parts];
    }
  };

  /// Takes `step` columns at a time, and calls `fetch` with the first of them.
  void writeBlock(ArrayRef<Value> outputs, ArrayRef<Value> rows, int64_t step,
                  function_ref<void(Value)> fetch) {
    int64_t block = outputs.size() * rows.size();
    Sums sums{int64_t(rows.size()), partsOf(block), {}};
    sums.vectors.assign(block * sums.parts, v.splatI32(0, width / 2));
    addProducts(outputs, rows, step, fetch, sums);

    int64_t count = outputs.size();
    Value scale = v.load(op.getRowScale(), outputs.front(), count);
    SmallVector<Value> totals;
    for (int64_t r = 0; r < sums.rows; ++r)
      for (int64_t o = 0; o < count; ++o) {
        Value total = sums.at(o, r, 0);
        for (int64_t part = 1; part < sums.parts; ++part)
          total = v.add(total, sums.at(o, r, part));
        totals.push_back(total);
      }
    Value total = v.reduceAddEach(totals);
    for (auto [r, row] : llvm::enumerate(rows)) {
      Value y = vector::ExtractStridedSliceOp::create(
          v.b, total, ArrayRef<int64_t>{int64_t(r) * count},
          ArrayRef<int64_t>{count}, ArrayRef<int64_t>{1});
      Value factor = v.mulF(v.broadcast(stepOf(row), count), scale);
      v.store(v.mulF(v.toF32(y), factor), out, {row, outputs.front()});
    }
  }

  /// Whole steps, whole vectors, and the last columns.
  void addProducts(ArrayRef<Value> outputs, ArrayRef<Value> rows, int64_t step,
                   function_ref<void(Value)> fetch, Sums &sums) {
    int64_t column = cols / step * step;
    if (column > 0)
      sums.vectors = v.forRange(
          v.index(0), v.index(column), step, sums.vectors,
          [&](Value column, ValueRange carried) {
            Sums next{sums.rows, sums.parts, SmallVector<Value>(carried)};
            fetch(column);
            for (int64_t at = 0; at < step; at += width)
              accumulate(outputs, rows, v.add(column, v.index(at)), width,
                         at / width, next);
            return next.vectors;
          });
    for (; column + width <= cols; column += width)
      accumulate(outputs, rows, v.index(column), width, column / width, sums);
    if (column == cols)
      return;
    if (cols < width)
      accumulate(outputs, rows, v.index(0), cols, 0, sums);
    else // The last whole vector, less what it has in common with the others.
      accumulate(outputs, rows, v.index(cols - width), width, 0, sums,
                 /*skipped=*/column - (cols - width));
  }

  /// Adds the products of columns [column + skipped, column + count) to a part
  /// of each sum.
  void accumulate(ArrayRef<Value> outputs, ArrayRef<Value> rows, Value column,
                  int64_t count, int64_t part, Sums &sums,
                  int64_t skipped = 0) {
    SmallVector<Value> xs;
    for (Value row : rows)
      xs.push_back(masked(filled(v.load(x, {row, column}, count)), skipped));
    for (auto [o, output] : llvm::enumerate(outputs)) {
      Value bytes = v.load(weight, {output, column}, count);
      Value w =
          filled(arith::ExtSIOp::create(v.b, vectorOf(count, i16()), bytes));
      for (int64_t r = 0; r < sums.rows; ++r) {
        Value &sum = sums.at(o, r, part);
        sum = v.addProducts(sum, w, xs[r]);
      }
    }
  }

  /// Zeros up to `width` lanes.
  Value filled(Value vector) {
    if (cast<VectorType>(vector.getType()).getDimSize(0) == width)
      return vector;
    Value zeros =
        arith::ConstantOp::create(v.b, v.b.getZeroAttr(vectorOf(width, i16())));
    return vector::InsertStridedSliceOp::create(
        v.b, vector, zeros, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{1});
  }

  /// Zeros in the first `skipped` lanes.
  Value masked(Value vector, int64_t skipped) {
    if (skipped == 0)
      return vector;
    SmallVector<int16_t> mask(width, -1);
    std::fill_n(mask.begin(), skipped, 0);
    Value bits = arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(vectorOf(width, i16()), ArrayRef(mask)));
    return arith::AndIOp::create(v.b, vector, bits);
  }

  int64_t width;
};

//===----------------------------------------------------------------------===//
// Groups of 4-bit integers
//===----------------------------------------------------------------------===//

class Int4Writer : Writer {
public:
  using Writer::Writer;

  void write() {
    int64_t bytes = std::max<int64_t>(Int4::bytes(Int4::kRows, cols), 1);
    int64_t piece = llvm::divideCeil(v.kPieceBytes, bytes);
    // Rows that share decoded weights.
    SmallVector<int64_t> together = {1};
    if (v.options.vectorBits >= 512)
      together = {4, 3, 2, 1};
    else if (v.options.vectorBits >= 256)
      together = {2, 1};
    Value rows = rowsOfX();
    v.forShares(Int4::tiles(outputs), /*step=*/1, piece,
                [&](Value begin, Value end) {
                  v.forRange(begin, end, 1, [&](Value tile) {
                    v.forBlocks(v.index(0), rows, together,
                                [&](Value row, int64_t count) {
                                  writeTile(tile, successive(row, count));
                                });
                  });
                });
  }

private:
  void writeTile(Value tile, ValueRange rows) {
    Value place = v.mul(tile, v.index(Int4::bytes(Int4::kRows, cols)));
    SmallVector<Value> state(rows.size(), v.splat(0.0, Int4::kRows));
    state.push_back(place);
    state = v.forRange(v.index(0), v.index(cols), Int4::kSpan, state,
                       [&](Value column, ValueRange carried) {
                         return addSpan(rows, column, carried);
                       });
    for (auto [r, row] : llvm::enumerate(rows))
      store(v.mulF(state[r], v.broadcast(stepOf(row), Int4::kRows)), row, tile);
  }

  /// `carried` has a sum per row of x and the place of the span.
  SmallVector<Value> addSpan(ValueRange rows, Value column,
                             ValueRange carried) {
    SmallVector<Value> next(carried);
    Value place = carried.back();
    for (int64_t line = 0; line < Int4::kSpanBytes; line += kLineBytes)
      prefetch({v.add(place, v.index(line))});
    for (int64_t group = 0; group < Int4::kSpan / Int4::kGroup; ++group) {
      SmallVector<Value> sums(rows.size(), v.splatI32(0, Int4::kRows));
      for (int64_t at = group * Int4::kGroup; at < (group + 1) * Int4::kGroup;
           at += Int4::kBlockColumns)
        addBlock(
            rows, v.add(column, v.index(at)),
            v.add(place, v.index(Int4::kScaleBytes +
                                 at / Int4::kBlockColumns * Int4::kBlockBytes)),
            sums);
      Value scale = scales(v.add(place, v.index(group * 2 * Int4::kRows)));
      for (auto [r, sum] : llvm::enumerate(sums))
        next[r] = v.fma(v.toF32(sum), scale, next[r]);
    }
    next.back() = v.add(place, v.index(Int4::kSpanBytes));
    return next;
  }

  void addBlock(ValueRange rows, Value column, Value place,
                MutableArrayRef<Value> sums) {
    constexpr int64_t lanes = 2 * Int4::kRows;
    Value words = vector::BitCastOp::create(
        v.b, vectorOf(lanes, i16()), v.load(weight, place, Int4::kBlockBytes));
    auto splat = [&](int16_t value) -> Value {
      return arith::ConstantOp::create(
          v.b, DenseElementsAttr::get(vectorOf(lanes, i16()), value));
    };
    for (int64_t j = 0; j < Int4::kBlockColumns / 2; ++j) {
      Value codes = words;
      if (j > 0)
        codes = arith::ShRUIOp::create(v.b, codes, splat(4 * j));
      codes = arith::AndIOp::create(v.b, codes, splat(15));
      codes = arith::SubIOp::create(v.b, codes, splat(Int4::kZero));
      for (auto [row, sum] : llvm::zip_equal(rows, sums))
        sum =
            v.addProducts(sum, codes, pair(row, v.add(column, v.index(2 * j))));
    }
  }

  /// Columns `column` and the next of a row of x, in all lanes.
  Value pair(Value row, Value column) {
    Value two = vector::BitCastOp::create(v.b, vectorOf(1, i32()),
                                          v.load(x, {row, column}, 2));
    Value word = vector::ExtractOp::create(v.b, two, ArrayRef<int64_t>{0});
    return vector::BitCastOp::create(v.b, vectorOf(2 * Int4::kRows, i16()),
                                     v.broadcast(word, Int4::kRows));
  }

  Value scales(Value place) {
    Value bytes = v.load(weight, place, 2 * Int4::kRows);
    return v.toF32(vector::BitCastOp::create(
        v.b, vectorOf(Int4::kRows, v.b.getBF16Type()), bytes));
  }

  /// The last tile is padded; its rows beyond the outputs are not stored.
  void store(Value y, Value row, Value tile) {
    Value output = v.mul(tile, v.index(Int4::kRows));
    int64_t rest = outputs % Int4::kRows;
    if (rest == 0) {
      v.store(y, out, {row, output});
      return;
    }
    Value isWhole = arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, tile,
                                          v.index(outputs / Int4::kRows));
    auto branch = scf::IfOp::create(v.b, isWhole, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(branch.thenBlock());
    v.store(y, out, {row, output});
    v.b.setInsertionPointToStart(branch.elseBlock());
    Value part = vector::ExtractStridedSliceOp::create(
        v.b, y, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{rest},
        ArrayRef<int64_t>{1});
    v.store(part, out, {row, output});
  }
};

//===----------------------------------------------------------------------===//
// Scalar loops: the definition
//===----------------------------------------------------------------------===//

class ScalarWriter : Writer {
public:
  using Writer::Writer;

  void write() {
    auto range = ThreadRangeOp::create(v.b, v.environment, v.index(outputs), 1);
    Value rows = memref::DimOp::create(v.b, out, 0);
    v.forRange(range.getBegin(), range.getEnd(), 1, [&](Value output) {
      v.forRange(v.index(0), rows, 1, [&](Value row) {
        Value y = op.hasInt4Weight() ? int4(row, output) : int8(row, output);
        memref::StoreOp::create(v.b, y, out, ValueRange{row, output});
      });
    });
  }

private:
  Value wide(Value number) {
    return arith::ExtSIOp::create(v.b, i32(), number);
  }
  Value constant(int32_t value) {
    return arith::ConstantOp::create(v.b, v.b.getI32IntegerAttr(value));
  }
  Value toF32(Value integer) {
    return arith::SIToFPOp::create(v.b, v.b.getF32Type(), integer);
  }

  /// The sum over columns [begin, end) of x[row, column] * weight(column).
  Value sum(Value row, Value begin, Value end,
            function_ref<Value(Value)> weightAt) {
    return v
        .forRange(
            begin, end, 1, constant(0),
            [&](Value column, ValueRange carried) {
              Value xAt =
                  wide(memref::LoadOp::create(v.b, x, ValueRange{row, column}));
              Value product = arith::MulIOp::create(v.b, xAt, weightAt(column));
              return SmallVector<Value>{v.add(carried.front(), product)};
            })
        .front();
  }

  Value int8(Value row, Value output) {
    Value total =
        sum(row, v.index(0), v.index(cols), [&](Value column) -> Value {
          return wide(
              memref::LoadOp::create(v.b, weight, ValueRange{output, column}));
        });
    Value scale = memref::LoadOp::create(v.b, op.getRowScale(), output);
    return v.mulF(toF32(total), v.mulF(stepOf(row), scale));
  }

  Value int4(Value row, Value output) {
    Value total =
        v.forRange(v.index(0), v.index(cols), Int4::kGroup, v.f32(0.0),
                   [&](Value first, ValueRange carried) {
                     Value end = v.add(first, v.index(Int4::kGroup));
                     Value part = sum(row, first, end, [&](Value column) {
                       return int4At(output, column);
                     });
                     return SmallVector<Value>{v.fma(
                         toF32(part), scaleAt(output, first), carried.front())};
                   })
            .front();
    return v.mulF(total, stepOf(row));
  }

  Value quotient(Value a, int64_t divisor) {
    return arith::DivUIOp::create(v.b, a, v.index(divisor));
  }
  Value remainder(Value a, int64_t divisor) {
    return arith::RemUIOp::create(v.b, a, v.index(divisor));
  }

  Value spanOf(Value output, Value column) {
    Value span =
        v.add(v.mul(quotient(output, Int4::kRows), v.index(Int4::spans(cols))),
              quotient(column, Int4::kSpan));
    return v.mul(span, v.index(Int4::kSpanBytes));
  }

  /// The formula of ternac/Packing/Int4.h.
  Value int4At(Value output, Value column) {
    Value block = quotient(remainder(column, Int4::kSpan), Int4::kBlockColumns);
    Value nibble = quotient(remainder(column, Int4::kBlockColumns), 2);
    Value word = v.add(v.mul(remainder(output, Int4::kRows), v.index(2)),
                       remainder(column, 2));
    Value place = v.add(spanOf(output, column), v.index(Int4::kScaleBytes));
    place = v.add(place, v.mul(block, v.index(Int4::kBlockBytes)));
    place = v.add(place, v.add(v.mul(word, v.index(2)), quotient(nibble, 2)));
    Value byte = wide(memref::LoadOp::create(v.b, weight, place));
    Value shift = arith::IndexCastOp::create(
        v.b, i32(), v.mul(remainder(nibble, 2), v.index(4)));
    Value code = arith::AndIOp::create(
        v.b, arith::ShRUIOp::create(v.b, byte, shift), constant(15));
    return arith::SubIOp::create(v.b, code, constant(Int4::kZero));
  }

  /// The bfloat16 scale of a row's group.
  Value scaleAt(Value output, Value column) {
    Value group = quotient(remainder(column, Int4::kSpan), Int4::kGroup);
    Value index = v.add(v.mul(group, v.index(Int4::kRows)),
                        remainder(output, Int4::kRows));
    Value place = v.add(spanOf(output, column), v.mul(index, v.index(2)));
    Value scale = v.toF32(vector::BitCastOp::create(
        v.b, vectorOf(1, v.b.getBF16Type()), v.load(weight, place, 2)));
    return vector::ExtractOp::create(v.b, scale, ArrayRef<int64_t>{0});
  }
};

} // namespace

void ternac::lowerIntegerLinear(LinearOp op, VectorBuilder &v) {
  if (v.options.lanes == 1)
    ScalarWriter(op, v).write();
  else if (op.hasInt4Weight())
    Int4Writer(op, v).write();
  else
    Int8Writer(op, v).write();
}
