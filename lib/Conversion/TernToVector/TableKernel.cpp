//===- TableKernel.cpp - Functions for matmuls by table look-up -----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/TableKernel.h"

#include "TokenTables.h"

#include "ternac/Conversion/MatmulKernel.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// Groups are divided among threads by this many.
constexpr int64_t kGroupStep = 4;

/// How far ahead of their use weights are fetched, in all tiles together.
constexpr int64_t kBytesAhead = 2 * kFarBytes;

/// Lines of weights that are fetched while a table is built.
constexpr int64_t kLinesPerTable = 4;

/// The static facts of one matmul.
struct Shape {
  packing::Layout layout;
  int64_t rows, cols;    ///< M and K, before padding
  int64_t qStride;       ///< columns of q, at least the padded K
  int64_t tableElements; ///< of one group
  int64_t groups() const { return layout.paddedCols(cols) / layout.digits(); }
  int64_t tileBytes() const { return groups() * layout.rows; }
  /// Of the tables of one row of q.
  int64_t rowElements() const { return groups() * tableElements; }
};

/// Fetches a line of weights into the second cache only: what is on its way to
/// the first one would stand in the way of the tables. Harmless beyond the end:
/// a prefetch does not fault.
void prefetch(VectorBuilder &v, Value weights, Value byte) {
  memref::PrefetchOp::create(v.b, weights, byte, /*isWrite=*/false,
                             /*localityHint=*/2, /*isDataCache=*/true);
}

/// Writes the function that builds tables: (q, tables, first, count, begin,
/// end, weights, byte), of groups begin..end for rows first.. of q. Memory has
/// nothing else to do meanwhile, so it fetches the weights from `byte` on.
void writeBuilder(VectorBuilder &v, func::FuncOp function, const Shape &shape,
                  const TableForm &form) {
  Value q = function.getArgument(0), tables = function.getArgument(1);
  Value first = function.getArgument(2), count = function.getArgument(3);
  Value begin = function.getArgument(4), end = function.getArgument(5);
  Value weights = function.getArgument(6), byte = function.getArgument(7);
  int64_t digits = shape.layout.digits();
  // Offsets advance by addition; nothing in the loops multiplies.
  Value column = v.add(v.mul(first, v.index(shape.qStride)),
                       v.mul(begin, v.index(digits)));
  Value place = v.mul(begin, v.index(shape.tableElements));
  auto oneGroup = [&](Value, ValueRange places) {
    SmallVector<Value> x;
    for (int64_t d = 0; d < digits; ++d) {
      Value byte = memref::LoadOp::create(v.b, q, v.add(places[0], v.index(d)));
      x.push_back(arith::ExtSIOp::create(v.b, v.b.getI16Type(), byte));
    }
    form.build(v, x, tables, places[1]);
    for (int64_t line = 0; line < kLinesPerTable; ++line)
      prefetch(v, weights, v.add(places[2], v.index(line * kBlockBytes)));
    return SmallVector<Value>{
        v.add(places[0], v.index(digits)),
        v.add(places[1], v.index(shape.tableElements)),
        v.add(places[2], v.index(kLinesPerTable * kBlockBytes))};
  };
  v.forRange(v.index(0), count, 1, {column, place, byte},
             [&](Value, ValueRange places) {
               SmallVector<Value> last =
                   v.forRange(begin, end, 1, places, oneGroup);
               return SmallVector<Value>{
                   v.add(places[0], v.index(shape.qStride)),
                   v.add(places[1], v.index(shape.rowElements())), last[2]};
             });
}

/// Writes the loops of a kernel: (tables, weights, out, first, count, begin,
/// end), of rows begin..end of the matrix for rows first.. of q.
class TableKernelWriter {
public:
  TableKernelWriter(VectorBuilder &v, func::FuncOp kernel, const Shape &shape,
                    const TableForm &form)
      : v(v), shape(shape), form(form), tables(kernel.getArgument(0)),
        weights(kernel.getArgument(1)), out(kernel.getArgument(2)),
        first(kernel.getArgument(3)), count(kernel.getArgument(4)),
        begin(kernel.getArgument(5)), end(kernel.getArgument(6)),
        tileRows(shape.layout.rows),
        stripRows(std::min(form.rowsTogether(), tileRows)) {}

  void write() {
    int64_t together = std::max<int64_t>(form.rowsTogether() / tileRows, 1);
    Value firstTile = arith::DivUIOp::create(v.b, begin, v.index(tileRows));
    Value byte = v.mul(firstTile, v.index(shape.tileBytes()));
    outRow = v.mul(first, v.index(shape.rows));
    Value count = arith::SubIOp::create(v.b, end, begin);
    Value rest =
        arith::RemUIOp::create(v.b, count, v.index(together * tileRows));
    Value whole = arith::SubIOp::create(v.b, end, rest);
    byte = tileLoop(begin, whole, together, byte);
    tileLoop(whole, end, 1, byte);
  }

private:
  /// Rows from..to, `tiles` tiles at a time, whose bytes begin at `byte`.
  /// Returns the byte after them.
  Value tileLoop(Value from, Value to, int64_t tiles, Value byte) {
    auto oneStep = [&](Value row, ValueRange bytes) {
      SmallVector<Value> places = {v.index(0), v.add(outRow, row)};
      v.forRange(v.index(0), count, 1, places, [&](Value, ValueRange places) {
        for (int64_t strip = 0; strip < tileRows; strip += stripRows)
          pass(tiles, v.add(row, v.index(strip)),
               v.add(bytes.front(), v.index(strip)), places[0],
               v.add(places[1], v.index(strip)), /*fetches=*/strip == 0);
        return SmallVector<Value>{
            v.add(places[0], v.index(shape.rowElements())),
            v.add(places[1], v.index(shape.rows))};
      });
      return SmallVector<Value>{
          v.add(bytes.front(), v.index(tiles * shape.tileBytes()))};
    };
    return v.forRange(from, to, tiles * tileRows, byte, oneStep).front();
  }

  /// All groups, for `stripRows` rows of each of `tiles` tiles.
  void pass(int64_t tiles, Value row, Value byte, Value place, Value outPlace,
            bool fetches) {
    // Stretches between two flushes, of equal length but for the last.
    int64_t groups = shape.groups();
    int64_t stretches = llvm::divideCeil(groups, form.groupsPerFlush());
    int64_t length = llvm::divideCeil(groups, std::max<int64_t>(stretches, 1));
    int64_t whole = length ? groups / length : 0;

    SmallVector<Value> state;
    for (int64_t tile = 0; tile < tiles; ++tile)
      llvm::append_range(state, form.zeroTotals(v, stripRows));
    size_t perTile = state.size() / tiles;
    state.append({byte, place});
    if (whole > 1)
      state = v.forRange(v.index(0), v.index(whole), 1, state,
                         [&](Value, ValueRange carried) {
                           return stretch(tiles, length, carried, fetches);
                         });
    else if (whole == 1)
      state = stretch(tiles, length, state, fetches);
    if (int64_t rest = groups - whole * length)
      state = stretch(tiles, rest, state, fetches);

    for (int64_t tile = 0; tile < tiles; ++tile) {
      auto totals = ArrayRef(state).slice(tile * perTile, perTile);
      int64_t offset = tile * tileRows;
      for (Value sixteen : form.finish(v, totals)) {
        storeRows(sixteen, v.add(row, v.index(offset)),
                  v.add(outPlace, v.index(offset)));
        offset += kBlockLanes;
      }
    }
  }

  /// The next `groups` groups, then a flush. `state` has the totals of each
  /// tile, the offset of the next byte, and that of the next table.
  SmallVector<Value> stretch(int64_t tiles, int64_t groups, ValueRange state,
                             bool fetches) {
    size_t perTile = (state.size() - 2) / tiles;
    SmallVector<Value> carried;
    for (int64_t tile = 0; tile < tiles; ++tile)
      llvm::append_range(carried, form.zero(v, stripRows, groups));
    size_t sumsPerTile = carried.size() / tiles;
    llvm::append_range(carried, state.take_back(2));

    auto oneGroup = [&](Value, ValueRange values) {
      SmallVector<Value> next(values);
      Value &byte = next[next.size() - 2], &place = next.back();
      TableForm::Table table{tables, place, form.load(v, tables, place)};
      for (int64_t tile = 0; tile < tiles; ++tile) {
        Value at = v.add(byte, v.index(tile * shape.tileBytes()));
        if (fetches)
          prefetch(v, weights, v.add(at, v.index(kBytesAhead / tiles)));
        form.accumulate(
            v, table, weights, at, stripRows,
            MutableArrayRef(next).slice(tile * sumsPerTile, sumsPerTile));
      }
      byte = v.add(byte, v.index(tileRows));
      place = v.add(place, v.index(shape.tableElements));
      return next;
    };
    carried = v.forRange(v.index(0), v.index(groups), 1, carried, oneGroup);

    SmallVector<Value> result(state);
    for (int64_t tile = 0; tile < tiles; ++tile)
      form.flush(v, ArrayRef(carried).slice(tile * sumsPerTile, sumsPerTile),
                 MutableArrayRef(result).slice(tile * perTile, perTile));
    llvm::copy(ArrayRef(carried).take_back(2), result.end() - 2);
    return result;
  }

  /// Stores the sums of 16 rows from `row` at `place`, as far as the matrix has
  /// these rows: the last tile is padded.
  void storeRows(Value sums, Value row, Value place) {
    if (shape.rows % tileRows == 0) {
      v.store(sums, out, place);
      return;
    }
    Value left = arith::SubIOp::create(v.b, v.index(shape.rows), row);
    auto branch = [&](int64_t least, bool withElse) {
      Value enough = arith::CmpIOp::create(v.b, arith::CmpIPredicate::sge, left,
                                           v.index(least));
      return scf::IfOp::create(v.b, enough, withElse);
    };
    OpBuilder::InsertionGuard guard(v.b);
    int64_t rest = shape.rows % kBlockLanes;
    auto all = branch(kBlockLanes, /*withElse=*/rest != 0);
    v.b.setInsertionPointToStart(all.thenBlock());
    v.store(sums, out, place);
    if (rest == 0)
      return;
    v.b.setInsertionPointToStart(all.elseBlock());
    auto some = branch(1, /*withElse=*/false);
    v.b.setInsertionPointToStart(some.thenBlock());
    Value part = vector::ExtractStridedSliceOp::create(
        v.b, sums, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{rest},
        ArrayRef<int64_t>{1});
    v.store(part, out, place);
  }

  VectorBuilder &v;
  Shape shape;
  const TableForm &form;
  Value tables, weights, out, first, count, begin, end;
  int64_t tileRows, stripRows;
  Value outRow; ///< where the first row of q has its results in out
};

/// The rows of q, of `n`, that are looked up side by side: whole blocks, and
/// what is left if it is more than `few`.
Value rowsSideBySide(VectorBuilder &v, Value n, int64_t few) {
  Value rest = arith::RemUIOp::create(v.b, n, v.index(MatmulOp::kBlockTokens));
  Value isMore =
      arith::CmpIOp::create(v.b, arith::CmpIPredicate::ugt, rest, v.index(few));
  Value whole = arith::SubIOp::create(v.b, n, rest);
  return arith::SelectOp::create(v.b, isMore, n, whole);
}

std::string builderName(const Shape &shape) {
  std::string name = "tern_build_tables_" + shape.layout.name() + "_" +
                     std::to_string(shape.cols);
  // Rows of q that are wider than this matrix needs are a variant.
  if (shape.qStride != shape.layout.paddedCols(shape.cols))
    name += "_q" + std::to_string(shape.qStride);
  return name;
}

} // namespace

LogicalResult ternac::lowerToTables(MatmulOp op, VectorBuilder &v,
                                    const TableForm &form) {
  packing::Layout layout = op.getPacking()->getLayout();
  if (layout != packing::columnTwoBit() && layout != packing::columnBase3())
    return op.emitOpError("strategy 'lut' expected a packing of tiles of 64 "
                          "rows, one byte wide (tile2col, base3col), but got ")
           << *op.getPacking();
  if (failed(verifyContiguous(op)))
    return failure();
  Shape shape{layout, op.getMatrixRows(), op.getMatrixCols(),
              cast<MemRefType>(op.getQ().getType()).getDimSize(1),
              form.elements()};
  Type i8 = v.b.getI8Type(), i16 = v.b.getI16Type(), i32 = v.b.getI32Type(),
       index = v.b.getIndexType();
  func::FuncOp builder = getKernelFunction(
      op, builderName(shape),
      {flat(i8), flat(i16), index, index, index, index, flat(i8), index},
      [&](VectorBuilder &inner, func::FuncOp function) {
        writeBuilder(inner, function, shape, form);
      },
      v);
  std::string name = "tern_matmul_lut_" + layout.name() + "_" +
                     std::to_string(shape.rows) + "x" +
                     std::to_string(shape.cols);
  func::FuncOp kernel = getKernelFunction(
      op, name,
      {flat(i16), op.getWeight().getType(), flat(i32), index, index, index,
       index},
      [&](VectorBuilder &inner, func::FuncOp function) {
        TableKernelWriter(inner, function, shape, form).write();
      },
      v);

  Value q = flatten(v, op.getQ()), out = flatten(v, op.getOuts()[0]),
        tables = flatten(v, op.getOuts()[1]);
  Value n = memref::DimOp::create(v.b, op.getOuts()[0], 0);
  auto groups = ThreadRangeOp::create(v.b, v.environment,
                                      v.index(shape.groups()), kGroupStep);
  auto rows = ThreadRangeOp::create(v.b, v.environment, v.index(shape.rows),
                                    layout.rows);
  Value weights = memref::CastOp::create(v.b, flat(i8), op.getWeight());
  Value firstTile =
      arith::DivUIOp::create(v.b, rows.getBegin(), v.index(layout.rows));
  Value firstByte = v.mul(firstTile, v.index(shape.tileBytes()));
  Value many = v.index(0);
  int64_t known = cast<MemRefType>(op.getOuts()[0].getType()).getDimSize(0);
  if (ShapedType::isDynamic(known) || known > form.tokensOfBlock()) {
    many = rowsSideBySide(v, n, form.tokensOfBlock());
    callTokenTables(op, v, many);
  }
  v.forRange(many, n, MatmulOp::kTableRows, [&](Value first) {
    // Other threads may still need the scratch for the rows before.
    Value isLater =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::ne, first, v.index(0));
    v.ifThen(isLater, [&] { v.barrier(); });
    Value count =
        arith::MinUIOp::create(v.b, arith::SubIOp::create(v.b, n, first),
                               v.index(MatmulOp::kTableRows));
    func::CallOp::create(v.b, builder,
                         ValueRange{q, tables, first, count, groups.getBegin(),
                                    groups.getEnd(), weights, firstByte});
    v.barrier();
    func::CallOp::create(v.b, kernel,
                         ValueRange{tables, op.getWeight(), out, first, count,
                                    rows.getBegin(), rows.getEnd()});
  });
  return success();
}
