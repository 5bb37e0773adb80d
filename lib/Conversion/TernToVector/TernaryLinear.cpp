//===- TernaryLinear.cpp - Lowering of ternary layers with f32 sums -------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bit planes lie in tiles of 16 rows x 32 columns, so that bit b of 16 words is
// one column of 16 rows: lanes are rows of the matrix, an element of x is the
// same in all lanes, and it is added where a bit of the plus plane is set,
// subtracted where one of the minus plane is. Each lane sees the operations of
// the op's definition in their order, and none is a multiplication until a
// group of columns ends; how many lanes or rows of x are computed together does
// not show in the result.
//
//===----------------------------------------------------------------------===//

#include "MatmulParts.h"

#include "ternac/Conversion/RowLowerings.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

constexpr int64_t kParts = TernaryLinearOp::kParts;

/// Arguments of a kernel: rows begin..end of the matrix are computed for all
/// rows of x. The step is there for rows of i8.
enum Argument : unsigned { kX, kWeights, kScale, kOut, kBegin, kEnd, kStep };

/// What the kernels share.
class LinearWriter {
public:
  LinearWriter(VectorBuilder &v, TernaryLinearOp op, func::FuncOp kernel)
      : v(v), op(op), x(kernel.getArgument(kX)),
        weights(kernel.getArgument(kWeights)),
        scale(kernel.getArgument(kScale)), out(kernel.getArgument(kOut)),
        begin(kernel.getArgument(kBegin)), end(kernel.getArgument(kEnd)),
        step(op.getStep() ? kernel.getArgument(kStep) : Value()),
        outputs(op.getMatrixRows()), cols(op.getMatrixCols()),
        group(std::max<int64_t>(op.getGroupCols(), 1)) {}

protected:
  Value rowsOfX() { return memref::DimOp::create(v.b, out, 0); }
  /// The columns of whole groups.
  int64_t wholeCols() const { return cols / group * group; }

  /// The scales of rows output .. output + width in group `number`.
  Value scales(Value number, Value output, int64_t width) {
    if (op.getSegments())
      return scalesOfSegments(v, scale, *op.getSegments(), output, width);
    return v.load(scale, {number, output}, width);
  }

  /// The sum of a group, of the sums of its parts.
  Value sumOfParts(ValueRange parts) {
    return v.addF(v.addF(parts[0], parts[2]), v.addF(parts[1], parts[3]));
  }

  VectorBuilder &v;
  TernaryLinearOp op;
  Value x, weights, scale, out, begin, end, step;
  int64_t outputs, cols, group;
};

//===----------------------------------------------------------------------===//
// Bit planes
//===----------------------------------------------------------------------===//

class PlaneWriter : LinearWriter {
public:
  PlaneWriter(VectorBuilder &v, TernaryLinearOp op, func::FuncOp kernel)
      : LinearWriter(v, op, kernel), layout(op.getPacking()->getLayout()) {
    // Lanes are the rows of a register; rows of x share tests of bits as far as
    // their sums leave registers.
    int64_t registerLanes =
        std::clamp<int64_t>(v.options.vectorBits / 32, 4, kBlockLanes);
    lanes = std::min<int64_t>(registerLanes, v.options.rowsTogether(kSumBits));
    together = {1};
    if (v.options.registers >= 32 && lanes == registerLanes)
      together = {4, 1};
    else if (lanes == registerLanes)
      together = {2, 1};
  }

  void write() {
    // Of x as i8, a superblock of each row as f32.
    if (op.getStep())
      converted = memref::AllocaOp::create(
          v.b,
          MemRefType::get({together.front(), layout.span()}, v.b.getF32Type()),
          v.b.getI64IntegerAttr(kBlockBytes));
    int64_t bytes = layout.bytes(layout.rows, cols);
    v.forRange(begin, end, layout.rows, [&](Value tile) {
      Value number = arith::DivUIOp::create(v.b, tile, v.index(layout.rows));
      Value place = v.mul(number, v.index(bytes));
      v.forRange(v.index(0), v.index(layout.rows), lanes, [&](Value first) {
        Value output = v.add(tile, first);
        // The last tile is padded.
        v.ifThen(isBelow(output, outputs), [&] {
          writeRows(output, v.add(place, v.mul(first, v.index(4))));
        });
      });
    });
  }

private:
  Value isBelow(Value index, int64_t bound) {
    return arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, index,
                                 v.index(bound));
  }

  /// All rows of x with the `lanes` rows of the matrix from `output` on, whose
  /// words begin at `place`.
  void writeRows(Value output, Value place) {
    v.forBlocks(v.index(0), rowsOfX(), together, [&](Value row, int64_t count) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < count; ++i)
        rows.push_back(v.add(row, v.index(i)));
      writeBlock(rows, output, place);
    });
  }

  void writeBlock(ArrayRef<Value> rows, Value output, Value place) {
    SmallVector<Value> totals(rows.size(), v.splat(0.0, lanes));
    auto addGroup = [&](Value column, int64_t count, Value number,
                        Value groupPlace, ValueRange sums) {
      SmallVector<Value> parts = sumsOfGroup(rows, column, count, groupPlace);
      Value factor = scalesOfLanes(number, output);
      SmallVector<Value> next;
      for (auto [r, total] : llvm::enumerate(sums)) {
        Value sum = sumOfParts(ValueRange(parts).slice(r * kParts, kParts));
        next.push_back(v.addF(total, v.mulF(sum, factor)));
      }
      return next;
    };
    int64_t whole = wholeCols(), groupBytes = bytesOf(group);
    if (whole > 0) {
      SmallVector<Value> state = totals;
      state.append({v.index(0), place});
      state = v.forRange(v.index(0), v.index(whole), group, state,
                         [&](Value column, ValueRange carried) {
                           Value number = carried[rows.size()];
                           Value at = carried.back();
                           SmallVector<Value> next =
                               addGroup(column, group, number, at,
                                        carried.take_front(rows.size()));
                           next.push_back(v.add(number, v.index(1)));
                           next.push_back(v.add(at, v.index(groupBytes)));
                           return next;
                         });
      totals.assign(state.begin(), state.begin() + rows.size());
    }
    if (whole < cols)
      totals = addGroup(v.index(whole), cols - whole, v.index(whole / group),
                        v.add(place, v.index(bytesOf(whole))), totals);
    for (auto [row, total] : llvm::zip_equal(rows, totals))
      store(total, row, output);
  }

  /// Bytes of a tile from its first column to column `count`.
  int64_t bytesOf(int64_t count) const {
    return count / layout.span() * layout.tileBytes();
  }

  /// The scales of the lanes, 0 in those beyond the outputs.
  Value scalesOfLanes(Value number, Value output) {
    int64_t rest = outputs % lanes;
    if (rest == 0 || op.getSegments())
      return scales(number, output, lanes);
    auto branch =
        scf::IfOp::create(v.b, VectorType::get({lanes}, v.b.getF32Type()),
                          isBelow(output, outputs - rest),
                          /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(v.b, scales(number, output, lanes));
    v.b.setInsertionPointToStart(branch.elseBlock());
    Value part = vector::InsertStridedSliceOp::create(
        v.b, scales(number, output, rest), v.splat(0.0, lanes),
        ArrayRef<int64_t>{0}, ArrayRef<int64_t>{1});
    scf::YieldOp::create(v.b, part);
    return branch.getResult(0);
  }

  /// Stores the lanes that are not beyond the outputs.
  void store(Value y, Value row, Value output) {
    if (step)
      y = v.mulF(y, v.broadcast(memref::LoadOp::create(v.b, step, row), lanes));
    int64_t rest = outputs % lanes;
    if (rest == 0) {
      v.store(y, out, {row, output});
      return;
    }
    v.ifThenElse(
        isBelow(output, outputs - rest),
        [&] { v.store(y, out, {row, output}); },
        [&] {
          Value part = vector::ExtractStridedSliceOp::create(
              v.b, y, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{rest},
              ArrayRef<int64_t>{1});
          v.store(part, out, {row, output});
        });
  }

  /// The sums of the parts of `count` columns from `column` on, whose tiles
  /// begin at `place`: [row][part].
  SmallVector<Value> sumsOfGroup(ArrayRef<Value> rows, Value column,
                                 int64_t count, Value place) {
    SmallVector<Value> state(rows.size() * kParts, v.splat(0.0, lanes));
    int64_t span = layout.span(), whole = count / span * span;
    if (whole > 0) {
      state.push_back(place);
      state = v.forRange(
          v.index(0), v.index(whole), span, state,
          [&](Value offset, ValueRange carried) {
            SmallVector<Value> next(carried.drop_back());
            addTile(rows, v.add(column, offset), span, carried.back(), next);
            next.push_back(v.add(carried.back(), v.index(layout.tileBytes())));
            return next;
          });
      state.pop_back();
    }
    if (whole < count)
      addTile(rows, v.add(column, v.index(whole)), count - whole,
              v.add(place, v.index(bytesOf(whole))), state);
    return state;
  }

  /// Adds the `count` columns of one tile to the parts: column c is digit c / 4
  /// of byte c % 4 of a row's word, so a digit is four columns, one of each
  /// part, and the words move on by one bit.
  void addTile(ArrayRef<Value> rows, Value column, int64_t count, Value place,
               SmallVector<Value> &parts) {
    if (op.getStep())
      convert(rows, column, count);
    SmallVector<Value> state(parts);
    state.push_back(loadWords(place));
    state.push_back(loadWords(v.add(place, v.index(kBlockBytes))));
    int64_t whole = count / layout.group * layout.group;
    if (whole > 0)
      state = v.forRange(
          v.index(0), v.index(whole), layout.group, state,
          [&](Value offset, ValueRange carried) {
            SmallVector<Value> next(carried);
            addDigit(rows, column, offset, layout.group, next);
            for (Value &words : MutableArrayRef(next).take_back(2))
              words = arith::ShRUIOp::create(v.b, words, v.splatI32(1, lanes));
            return next;
          });
    if (whole < count)
      addDigit(rows, column, v.index(whole), count - whole, state);
    parts.assign(state.begin(), state.end() - 2);
  }

  /// Adds `count` columns from column + offset on, whose bits are the lowest of
  /// the bytes of the words; `state` has the parts, then both words.
  void addDigit(ArrayRef<Value> rows, Value column, Value offset, int64_t count,
                MutableArrayRef<Value> state) {
    Value minus = state.back(), plus = state.drop_back().back();
    for (int64_t c = 0; c < count; ++c) {
      Value isPlus = isSet(plus, 8 * c), isMinus = isSet(minus, 8 * c);
      for (auto [r, row] : llvm::enumerate(rows)) {
        Value element = v.broadcast(
            elementAt(r, row, column, v.add(offset, v.index(c))), lanes);
        Value &part = state[r * kParts + c];
        part =
            arith::SelectOp::create(v.b, isPlus, v.addF(part, element), part);
        part =
            arith::SelectOp::create(v.b, isMinus, v.subF(part, element), part);
      }
    }
  }

  /// A word of 32 columns for each lane, its bits inverted: a comparison with
  /// zero then says equal where a column counts, which is how machines with
  /// predicates add under one, and others compare. Fetches other words, which
  /// will be used later; harmless beyond the end, as a prefetch does not fault.
  Value loadWords(Value place) {
    for (auto [ahead, locality] :
         {std::pair(kFarBytes, 2), std::pair(kNearBytes, 3)})
      memref::PrefetchOp::create(v.b, weights, v.add(place, v.index(ahead)),
                                 /*isWrite=*/false, locality,
                                 /*isDataCache=*/true);
    Value words = vector::BitCastOp::create(
        v.b, VectorType::get({lanes}, v.b.getI32Type()),
        v.load(weights, place, 4 * lanes));
    return arith::XOrIOp::create(v.b, words, v.splatI32(-1, lanes));
  }

  /// Whether bit `bit` was set before words were inverted.
  Value isSet(Value words, int64_t bit) {
    Value masked = arith::AndIOp::create(
        v.b, words, v.splatI32(int32_t(uint32_t(1) << bit), lanes));
    return arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq, masked,
                                 v.splatI32(0, lanes));
  }

  /// Writes columns of rows of i8 as f32.
  void convert(ArrayRef<Value> rows, Value column, int64_t count) {
    for (auto [r, row] : llvm::enumerate(rows))
      v.store(v.loadF32(x, {row, column}, count), converted,
              {v.index(r), v.index(0)});
  }

  /// Element column + offset of `row`, the r-th of those computed together.
  Value elementAt(int64_t r, Value row, Value column, Value offset) {
    if (op.getStep())
      return memref::LoadOp::create(v.b, converted,
                                    ValueRange{v.index(r), offset});
    return memref::LoadOp::create(v.b, x,
                                  ValueRange{row, v.add(column, offset)});
  }

  /// Of the parts of one row of x for 16 rows of the matrix.
  static constexpr int64_t kSumBits = kParts * kBlockLanes * 32;

  static_assert(kParts == 4, "columns of a digit");

  packing::Layout layout;
  int64_t lanes;
  SmallVector<int64_t> together; ///< rows of x, as forBlocks takes them
  Value converted;
};

//===----------------------------------------------------------------------===//
// Scalar loops: the definition
//===----------------------------------------------------------------------===//

class ScalarWriter : LinearWriter {
public:
  using LinearWriter::LinearWriter;

  void write() {
    v.forRange(begin, end, 1, [&](Value output) {
      v.forRange(v.index(0), rowsOfX(), 1, [&](Value row) {
        Value y = v.forRange(v.index(0), v.index(cols), group, v.f32(0.0),
                             [&](Value first, ValueRange carried) {
                               Value sum = sumOfGroup(row, output, first);
                               Value total =
                                   v.addF(carried.front(),
                                          v.mulF(sum, scaleAt(output, first)));
                               return SmallVector<Value>{total};
                             })
                      .front();
        if (step)
          y = v.mulF(y, memref::LoadOp::create(v.b, step, row));
        memref::StoreOp::create(v.b, y, out, ValueRange{row, output});
      });
    });
  }

private:
  Value scaleAt(Value output, Value column) {
    Value number = arith::DivUIOp::create(v.b, column, v.index(group));
    return vector::ExtractOp::create(v.b, scales(number, output, 1),
                                     ArrayRef<int64_t>{0});
  }

  Value sumOfGroup(Value row, Value output, Value first) {
    Value last = arith::MinUIOp::create(v.b, v.add(first, v.index(group)),
                                        v.index(cols));
    SmallVector<Value> parts;
    for (int64_t part = 0; part < kParts; ++part)
      parts.push_back(
          v.forRange(v.add(first, v.index(part)), last, kParts, v.f32(0.0),
                     [&](Value column, ValueRange carried) {
                       return SmallVector<Value>{
                           addSelected(carried.front(), row, output, column)};
                     })
              .front());
    return sumOfParts(parts);
  }

  /// `sum` + x, or - x, or as it is.
  Value addSelected(Value sum, Value row, Value output, Value column) {
    Value element = memref::LoadOp::create(v.b, x, ValueRange{row, column});
    if (op.getStep())
      element = arith::SIToFPOp::create(v.b, v.b.getF32Type(), element);
    Value place = v.add(v.mul(output, v.index(cols)), column);
    Value trit = memref::LoadOp::create(v.b, weights, place);
    Value zero = arith::ConstantOp::create(v.b, v.b.getI8IntegerAttr(0));
    auto is = [&](arith::CmpIPredicate predicate) {
      return arith::CmpIOp::create(v.b, predicate, trit, zero);
    };
    sum = arith::SelectOp::create(v.b, is(arith::CmpIPredicate::sgt),
                                  v.addF(sum, element), sum);
    return arith::SelectOp::create(v.b, is(arith::CmpIPredicate::slt),
                                   v.subF(sum, element), sum);
  }
};

/// `tern_linear_<strategy>_<packing>_<M>x<K>`, and what else decides the code.
std::string kernelName(TernaryLinearOp op) {
  packing::Layout layout = op.getPacking()->getLayout();
  std::string name =
      ("tern_linear_" + stringifyStrategy(op.getConfig()->getStrategy()) + "_" +
       layout.name() + "_" + Twine(op.getMatrixRows()) + "x" +
       Twine(op.getMatrixCols()))
          .str();
  std::optional<ArrayRef<int64_t>> segments = op.getSegments();
  if (!segments)
    name += "_g" + std::to_string(op.getGroupCols());
  else if (segments->size() > 1)
    for (int64_t segment : *segments)
      name += "_" + std::to_string(segment);
  if (op.getStep())
    name += "_i8_" +
            std::to_string(cast<MemRefType>(op.getX().getType()).getDimSize(1));
  return name;
}

/// Calls `kernel` for this thread's rows of the matrix.
void callKernel(TernaryLinearOp op, VectorBuilder &v, func::FuncOp kernel) {
  SmallVector<Value> arguments;
  for (Value memref : {Value(op.getX()), Value(op.getWeight()),
                       Value(op.getScale()), Value(op.getOuts().front())})
    arguments.push_back(memref);
  for (unsigned i : {kX, kOut})
    arguments[i] =
        memref::CastOp::create(v.b, stridedRows(arguments[i]), arguments[i]);
  packing::Layout layout = op.getPacking()->getLayout();
  int64_t bytes = layout.bytes(layout.rows, op.getMatrixCols());
  int64_t piece = layout.rows * llvm::divideCeil(VectorBuilder::kPieceBytes,
                                                 std::max<int64_t>(bytes, 1));
  v.forShares(op.getMatrixRows(), layout.rows, piece,
              [&](Value begin, Value end) {
                SmallVector<Value> all = arguments;
                all.append({begin, end});
                if (op.getStep())
                  all.push_back(op.getStep());
                func::CallOp::create(v.b, kernel, all);
              });
}

} // namespace

LogicalResult ternac::lowerTernaryLinear(TernaryLinearOp op, VectorBuilder &v) {
  Strategy strategy = op.getConfig()->getStrategy();
  packing::Layout layout = op.getPacking()->getLayout();
  bool isReference = strategy == Strategy::Reference;
  packing::Layout expected =
      isReference ? packing::unpacked() : packing::tilePlanes();
  if (!op.getConfig()->isUniform() ||
      (!isReference && strategy != Strategy::AddSub))
    return op.emitOpError("expected the strategy 'add_sub' or 'reference' for "
                          "any number of rows, but got ")
           << *op.getConfig();
  if (layout != expected)
    return op.emitOpError("strategy '")
           << stringifyStrategy(strategy) << "' expected the packing '"
           << expected.name() << "', but got " << *op.getPacking();
  SmallVector<Type> types = {
      stridedRows(op.getX()),  op.getWeight().getType(),
      op.getScale().getType(), stridedRows(op.getOuts().front()),
      v.b.getIndexType(),      v.b.getIndexType()};
  if (op.getStep())
    types.push_back(op.getStep().getType());
  func::FuncOp kernel = getKernelFunction(
      op, kernelName(op), types,
      [&](VectorBuilder &inner, func::FuncOp function) {
        if (isReference)
          ScalarWriter(inner, op, function).write();
        else
          PlaneWriter(inner, op, function).write();
      },
      v);
  callKernel(op, v, kernel);
  return success();
}
