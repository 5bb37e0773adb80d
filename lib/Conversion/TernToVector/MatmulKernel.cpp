//===- MatmulKernel.cpp - Functions for ternary matmuls -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/MatmulKernel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// Tiles of a superblock at most.
constexpr int64_t kMaxBlocks = 16;

/// Bytes of rewritten activations that a kernel keeps on its stack, unless one
/// row is longer.
constexpr int64_t kStackBytes = 32768;
/// The longest row that it may keep there.
constexpr int64_t kMaxStackBytes = 1 << 20;

/// The static facts of one kernel.
struct Shape {
  packing::Layout layout;
  int64_t rows, cols; ///< M and K, before padding
  int64_t qStride;    ///< columns of q, at least the padded K
  bool tiled() const { return layout.rows > 1; }
  int64_t superblocks() const {
    return layout.paddedCols(cols) / layout.span();
  }
  /// Bytes of all blocks of one row, or of one tile of rows.
  int64_t groupBytes() const {
    return superblocks() * layout.blocks * layout.tileBytes();
  }
};

Shape shapeOf(MatmulOp op) {
  return {op.getPacking()->getLayout(), op.getMatrixRows(), op.getMatrixCols(),
          cast<MemRefType>(op.getQ().getType()).getDimSize(1)};
}

std::string kernelName(StringRef strategy, const Shape &shape) {
  std::string name = ("tern_matmul_" + strategy + "_" + shape.layout.name() +
                      "_" + Twine(shape.rows) + "x" + Twine(shape.cols))
                         .str();
  // Rows of q that are wider than this matrix needs are a variant.
  if (shape.qStride != shape.layout.paddedCols(shape.cols))
    name += "_q" + std::to_string(shape.qStride);
  return name;
}

/// What becomes of the sums: "i32", or "f32" after a rescale.
std::string storedForm(MatmulOp op) {
  if (!op.getStep())
    return "i32";
  std::string form = "f32";
  ArrayRef<int64_t> segments = *op.getSegments();
  if (segments.size() > 1)
    for (int64_t segment : segments)
      form += "_" + std::to_string(segment);
  if (op.getResidual())
    form += "_plus";
  return form;
}

/// f32 rows of the matrix `memref`, wherever they lie.
MemRefType stridedRows(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t dynamic = ShapedType::kDynamic;
  auto layout =
      StridedLayoutAttr::get(memref.getContext(), dynamic, {dynamic, 1});
  return MemRefType::get({dynamic, type.getDimSize(1)}, type.getElementType(),
                         layout);
}

/// What a kernel takes.
struct KernelArguments {
  static constexpr unsigned kQ = 0, kSum = 1, kWeights = 2, kOut = 3, kN = 4,
                            kBegin = 5, kEnd = 6, kStep = 7, kScale = 8,
                            kResidual = 9;
};

/// The attribute of a kernel that has its stored form.
constexpr StringLiteral kStoredAttr = "tern.stored_form";

/// The kernel of `name`: (q, sum, weights, out, n, begin, end), where q is flat
/// and rows begin..end of the matrix are computed for n tokens. Without a
/// rescale out is flat, too; with one, step, scale and the residual, if there
/// is one, follow. The body, if the kernel is new, is written by `body`. Where
/// one shape is stored in several forms, all but the first have it in the name.
func::FuncOp getKernel(MatmulOp op, std::string name,
                       function_ref<void(VectorBuilder &, func::FuncOp)> body,
                       VectorBuilder &caller) {
  auto module = op->getParentOfType<ModuleOp>();
  StringAttr form = caller.b.getStringAttr(storedForm(op));
  if (auto first = module.lookupSymbol<func::FuncOp>(name)) {
    if (first->getAttr(kStoredAttr) == form)
      return first;
    name += "_" + form.str();
    if (auto known = module.lookupSymbol<func::FuncOp>(name))
      return known;
  }
  Type i8 = caller.b.getI8Type(), i32 = caller.b.getI32Type(),
       index = caller.b.getIndexType();
  Value out = op.getOuts().front();
  SmallVector<Type> types = {flat(i8),  flat(i32), op.getWeight().getType(),
                             flat(i32), index,     index,
                             index};
  if (op.getStep()) {
    types[KernelArguments::kOut] = stridedRows(out);
    types.append({op.getStep().getType(), op.getScale().getType()});
  }
  if (op.getResidual())
    types.push_back(stridedRows(op.getResidual()));
  func::FuncOp kernel = getKernelFunction(op, name, types, body, caller);
  kernel->setAttr(kStoredAttr, form);
  return kernel;
}

/// Calls `kernel` for this thread's rows, in multiples of `step`: for its
/// share, then for pieces of `piece` rows, or, with 0, for its share of all.
void callKernel(MatmulOp op, VectorBuilder &v, func::FuncOp kernel,
                int64_t step, int64_t piece) {
  Value out = op.getOuts().front();
  Value n = memref::DimOp::create(v.b, out, 0);
  auto asRows = [&](Value matrix) -> Value {
    return memref::CastOp::create(v.b, stridedRows(matrix), matrix);
  };
  SmallVector<Value> arguments = {flatten(v, op.getQ()),
                                  op.getSum(),
                                  op.getWeight(),
                                  Value(),
                                  n,
                                  Value(),
                                  Value()};
  arguments[KernelArguments::kOut] =
      op.getStep() ? asRows(out) : flatten(v, out);
  if (op.getStep())
    arguments.append({op.getStep(), op.getScale()});
  if (op.getResidual())
    arguments.push_back(asRows(op.getResidual()));
  auto call = [&](Value begin, Value end) {
    arguments[KernelArguments::kBegin] = begin;
    arguments[KernelArguments::kEnd] = end;
    func::CallOp::create(v.b, kernel, arguments);
  };
  if (piece > 0)
    return v.forShares(op.getMatrixRows(), step, piece, call);
  auto range = ThreadRangeOp::create(v.b, v.environment,
                                     v.index(op.getMatrixRows()), step);
  call(range.getBegin(), range.getEnd());
}

/// Writes the loops of one kernel.
class KernelWriter {
public:
  KernelWriter(VectorBuilder &v, MatmulOp op, func::FuncOp kernel,
               const Shape &shape, const BlockStrategy &strategy)
      : v(v), op(op), kernel(kernel), shape(shape), layout(shape.layout),
        strategy(strategy), q(kernel.getArgument(KernelArguments::kQ)),
        sum(kernel.getArgument(KernelArguments::kSum)),
        weights(kernel.getArgument(KernelArguments::kWeights)),
        out(kernel.getArgument(KernelArguments::kOut)),
        tokens(kernel.getArgument(KernelArguments::kN)),
        begin(kernel.getArgument(KernelArguments::kBegin)),
        end(kernel.getArgument(KernelArguments::kEnd)) {}

  void write() {
    // Offsets advance by addition; nothing in the loops multiplies.
    Value firstGroup = arith::DivUIOp::create(v.b, begin, v.index(layout.rows));
    Value firstByte = v.mul(firstGroup, v.index(shape.groupBytes()));
    if (strategy.rewritesActivations())
      rewrittenLoop(firstByte);
    else
      rowLoop(v.index(0), tokens, v.index(0), firstByte);
  }

private:
  /// All tokens, as many at a time as the stack has room for once their
  /// activations are rewritten.
  void rewrittenLoop(Value firstByte) {
    int64_t qStride = shape.qStride;
    shape.qStride = layout.paddedCols(shape.cols);
    int64_t chunk = std::max<int64_t>(1, kStackBytes / shape.qStride);
    Value source = q;
    q = memref::AllocaOp::create(
        v.b, MemRefType::get({chunk * shape.qStride}, v.b.getI8Type()),
        v.b.getI64IntegerAttr(kBlockBytes));
    // A thread without rows has nothing to rewrite for.
    Value isIdle =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, begin, end);
    Value last = arith::SelectOp::create(v.b, isIdle, v.index(0), tokens);
    SmallVector<Value> places = {v.index(0), v.index(0)};
    v.forRange(
        v.index(0), last, chunk, places, [&](Value token, ValueRange carried) {
          Value stop =
              arith::MinUIOp::create(v.b, v.add(token, v.index(chunk)), tokens);
          SmallVector<Value> rows = {carried[0], v.index(0)};
          v.forRange(token, stop, 1, rows, [&](Value, ValueRange row) {
            v.forRange(v.index(0), v.index(shape.qStride), layout.span(),
                       [&](Value column) {
                         strategy.rewrite(v, layout, source,
                                          v.add(row[0], column), q,
                                          v.add(row[1], column));
                       });
            return SmallVector<Value>{v.add(row[0], v.index(qStride)),
                                      v.add(row[1], v.index(shape.qStride))};
          });
          rowLoop(token, stop, carried[1], firstByte);
          return SmallVector<Value>{
              v.add(carried[0], v.index(chunk * qStride)),
              v.add(carried[1], v.index(chunk * shape.rows))};
        });
  }

  /// All rows of the matrix for tokens first..last, the first of which is the
  /// first row of q; `outPlace` is the offset of its results.
  void rowLoop(Value first, Value last, Value outPlace, Value firstByte) {
    int64_t together = strategy.tokensTogether();
    Value count = v.b.createOrFold<arith::SubIOp>(last, first);
    Value rest = arith::RemUIOp::create(v.b, count, v.index(together));
    Value whole = arith::SubIOp::create(v.b, last, rest);
    v.forRange(
        begin, end, layout.rows, firstByte, [&](Value row, ValueRange carried) {
          Value byte = carried.front();
          SmallVector<Value> places = {v.index(0), v.add(outPlace, row)};
          places = tokenLoop(first, whole, together, row, byte, places);
          tokenLoop(whole, last, 1, row, byte, places);
          return SmallVector<Value>{v.add(byte, v.index(shape.groupBytes()))};
        });
  }

  /// Tokens first..last, `together` at a time. `places` are the offsets of the
  /// first token's row in q and of its result in out.
  SmallVector<Value> tokenLoop(Value first, Value last, int64_t together,
                               Value row, Value byte, ValueRange places) {
    return v.forRange(
        first, last, together, places, [&](Value token, ValueRange carried) {
          tokenGroup(token, together, row, byte, carried[0], carried[1]);
          return SmallVector<Value>{
              v.add(carried[0], v.index(together * shape.qStride)),
              v.add(carried[1], v.index(together * shape.rows))};
        });
  }

  void tokenGroup(Value token, int64_t together, Value row, Value byte,
                  Value qPlace, Value outPlace) {
    // All superblocks, in stretches between two flushes.
    int64_t stretch = strategy.superblocksPerFlush(layout);
    int64_t span = layout.span();
    int64_t columns = shape.superblocks() * span;
    int64_t stretchColumns = stretch ? stretch * span : columns;
    Value zero = v.splatI32(0, kBlockLanes);
    SmallVector<Value> state(together, zero);
    state.push_back(byte);
    if (stretchColumns >= columns) {
      state = stretchOfBlocks(v.index(0), v.index(columns), qPlace, state);
    } else {
      state = v.forRange(v.index(0), v.index(columns), stretchColumns, state,
                         [&](Value column, ValueRange carried) {
                           Value stop = arith::MinSIOp::create(
                               v.b, v.add(column, v.index(stretchColumns)),
                               v.index(columns));
                           return stretchOfBlocks(column, stop, qPlace,
                                                  SmallVector<Value>(carried));
                         });
    }
    for (int64_t t = 0; t < together; ++t)
      storeSums(state[t], v.add(token, v.index(t)), row,
                v.add(outPlace, v.index(t * shape.rows)));
  }

  /// Superblocks of columns first..last. `state` holds an i32 sum per token and
  /// the offset of the next block.
  SmallVector<Value> stretchOfBlocks(Value first, Value last, Value qPlace,
                                     SmallVector<Value> state) {
    int64_t together = state.size() - 1;
    SmallVector<Value> carried;
    for (int64_t t = 0; t < together; ++t)
      llvm::append_range(carried, strategy.zero(v, layout));
    size_t perToken = carried.size() / together;
    carried.push_back(state.back());

    auto oneBlock = [&](Value column, ValueRange values) {
      SmallVector<SmallVector<Value>> sums(together);
      for (int64_t t = 0; t < together; ++t)
        llvm::append_range(sums[t], values.slice(t * perToken, perToken));
      Value byte = values.back();
      int64_t bytes = kBlockBytes * packing::planesPerTile(layout.code);
      Value block = v.load(weights, byte, bytes);
      // Into the second cache long before, into the first one in time. Harmless
      // beyond the end: a prefetch does not fault.
      for (auto [ahead, locality] :
           {std::pair(kFarBytes, 2), std::pair(kNearBytes, 3)})
        for (int64_t line = 0; line < bytes; line += kBlockBytes)
          memref::PrefetchOp::create(v.b, weights,
                                     v.add(byte, v.index(ahead + line)),
                                     /*isWrite=*/false, locality,
                                     /*isDataCache=*/true);
      Value at = v.add(qPlace, column);
      strategy.accumulate(
          v, layout, block,
          [&](int64_t token, int64_t digit) {
            return activations(v.add(
                at,
                v.index(token * shape.qStride + digit * layout.digitStride())));
          },
          sums);
      SmallVector<Value> next;
      for (SmallVector<Value> &token : sums)
        llvm::append_range(next, token);
      next.push_back(v.add(byte, v.index(bytes)));
      return next;
    };
    carried = v.forRange(
        first, last, layout.span(), carried,
        [&](Value column, ValueRange values) {
          if (layout.blocks == 1)
            return oneBlock(column, values);
          Value stop = v.add(column, v.index(layout.digitStride()));
          return v.forRange(column, stop, layout.group, values, oneBlock);
        });

    for (int64_t t = 0; t < together; ++t) {
      auto sums = ArrayRef(carried).slice(t * perToken, perToken);
      state[t] = v.add(state[t], strategy.flush(v, layout, sums));
    }
    state.back() = carried.back();
    return state;
  }

  /// The 64 activations that face one digit of a block.
  Value activations(Value place) {
    if (!shape.tiled())
      return v.load(q, place, kBlockBytes);
    Value four = v.load(q, place, 4);
    auto word = VectorType::get({1}, v.b.getI32Type());
    Value scalar = vector::ExtractOp::create(
        v.b, vector::BitCastOp::create(v.b, word, four), ArrayRef<int64_t>{0});
    return vector::BitCastOp::create(
        v.b, VectorType::get({kBlockBytes}, v.b.getI8Type()),
        v.broadcast(scalar, kBlockLanes));
  }

  /// Stores the sums of one token and of the rows of a tile, or of one row:
  /// at `place` of a flat out, or else rescaled.
  void storeSums(Value lanes, Value token, Value row, Value place) {
    Value correction;
    if (strategy.unsignedCodes())
      correction = memref::LoadOp::create(v.b, sum, token);
    int64_t width = layout.rows;
    Value sums = lanes;
    if (!shape.tiled())
      sums = v.broadcast(v.reduceAdd(lanes), 1);
    if (correction)
      sums = arith::SubIOp::create(v.b, sums, v.broadcast(correction, width));
    int64_t rest = shape.rows % width;
    if (rest == 0) {
      store(sums, width, token, row, place);
      return;
    }
    // The last tile is padded; its rows beyond M are not stored.
    Value isWhole = arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, row,
                                          v.index(shape.rows - rest));
    auto branch = scf::IfOp::create(v.b, isWhole, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(branch.thenBlock());
    store(sums, width, token, row, place);
    v.b.setInsertionPointToStart(branch.elseBlock());
    Value part = vector::ExtractStridedSliceOp::create(
        v.b, sums, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{rest},
        ArrayRef<int64_t>{1});
    store(part, rest, token, row, place);
  }

  void store(Value sums, int64_t width, Value token, Value row, Value place) {
    if (!op.getStep()) {
      v.store(sums, out, place);
      return;
    }
    Value step = memref::LoadOp::create(
        v.b, kernel.getArgument(KernelArguments::kStep), token);
    Value y = v.mulF(v.toF32(sums),
                     v.mulF(v.broadcast(step, width), scales(row, width)));
    if (op.getResidual())
      y = v.addF(y, v.load(kernel.getArgument(KernelArguments::kResidual),
                           {token, row}, width));
    v.store(y, out, {token, row});
  }

  /// The scales of rows row .. row + width: each row's is its segment's.
  Value scales(Value row, int64_t width) {
    Value all = kernel.getArgument(KernelArguments::kScale);
    auto scaleOf = [&](int64_t segment) {
      Value scale = memref::LoadOp::create(v.b, all, v.index(segment));
      return v.broadcast(scale, width);
    };
    Value result = scaleOf(0);
    Value first = v.broadcast(
        arith::IndexCastOp::create(v.b, v.b.getI32Type(), row), width);
    ArrayRef<int64_t> segments = *op.getSegments();
    int64_t begin = 0;
    for (int64_t i = 1, e = segments.size(); i < e; ++i) {
      begin += segments[i - 1];
      // Lane j is row + j: it belongs here, or further on, from begin - j.
      SmallVector<int32_t> begins;
      for (int64_t j = 0; j < width; ++j)
        begins.push_back(begin - j);
      Value bounds = arith::ConstantOp::create(
          v.b,
          DenseElementsAttr::get(VectorType::get({width}, v.b.getI32Type()),
                                 ArrayRef(begins)));
      Value inside =
          arith::CmpIOp::create(v.b, arith::CmpIPredicate::sge, first, bounds);
      result = arith::SelectOp::create(v.b, inside, scaleOf(i), result);
    }
    return result;
  }

  VectorBuilder &v;
  MatmulOp op;
  func::FuncOp kernel;
  Shape shape;
  packing::Layout layout;
  const BlockStrategy &strategy;
  Value q, sum, weights, out, tokens, begin, end;
};

} // namespace

MemRefType ternac::flat(Type element) {
  return MemRefType::get({ShapedType::kDynamic}, element);
}

Value ternac::flatten(VectorBuilder &v, Value memref) {
  SmallVector<ReassociationIndices> all{{0, 1}};
  Value line = memref::CollapseShapeOp::create(v.b, memref, all);
  auto type = cast<MemRefType>(line.getType());
  if (type.hasStaticShape())
    return memref::CastOp::create(v.b, flat(type.getElementType()), line);
  return line;
}

func::FuncOp ternac::getKernelFunction(
    Operation *op, StringRef name, TypeRange inputs,
    function_ref<void(VectorBuilder &, func::FuncOp)> body,
    const VectorBuilder &caller) {
  auto module = op->getParentOfType<ModuleOp>();
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto type = builder.getFunctionType(inputs, {});
  auto kernel = func::FuncOp::create(builder, op->getLoc(), name, type);
  kernel.setPrivate();
  // A kernel is something to find in the code and in a profile.
  kernel->setAttr("passthrough", builder.getStrArrayAttr({"noinline"}));
  ImplicitLocOpBuilder b(op->getLoc(), builder);
  b.setInsertionPointToStart(kernel.addEntryBlock());
  VectorBuilder v(b, /*environment=*/Value(), caller.options);
  body(v, kernel);
  func::ReturnOp::create(b);
  return kernel;
}

LogicalResult ternac::verifyContiguous(MatmulOp op) {
  SmallVector<Value> flat = {op.getQ()};
  if (op.getStep())
    flat.append({op.getStep(), op.getScale()});
  else
    llvm::append_range(flat, op.getOuts());
  for (Value memref : flat)
    if (!cast<MemRefType>(memref.getType()).getLayout().isIdentity())
      return op.emitOpError("expected contiguous rows, but got ")
             << memref.getType();
  return success();
}

bool BlockStrategy::reads(const packing::Layout &layout) const {
  return layout.code == packing::Code::TwoBit ||
         layout.code == packing::Code::Base3;
}

LogicalResult ternac::lowerToKernel(MatmulOp op, VectorBuilder &v,
                                    const BlockStrategy &strategy) {
  Shape shape = shapeOf(op);
  const packing::Layout &layout = shape.layout;
  bool tile = layout.rows == kBlockLanes && layout.group == 4;
  bool row = layout.rows == 1 && layout.group == kBlockBytes;
  // More blocks would need sums to be flushed within a superblock.
  bool few = layout.blocks <= kMaxBlocks;
  if (!strategy.reads(layout) || !(tile || row) || !few)
    return op.emitOpError("strategy '")
           << strategy.name() << "' expected a packing of 64-byte blocks, at "
           << "most " << kMaxBlocks << " of them to a superblock (row2, tile2, "
           << "base3), but got " << *op.getPacking();
  if (strategy.rewritesActivations() &&
      layout.paddedCols(shape.cols) > kMaxStackBytes)
    return op.emitOpError("packing '")
           << layout.name() << "' expected at most " << kMaxStackBytes
           << " columns, which its kernel has on the stack, but got "
           << shape.cols << "; choose another packing";
  if (failed(verifyContiguous(op)))
    return failure();
  func::FuncOp kernel = getKernel(
      op, kernelName(strategy.name(), shape),
      [&](VectorBuilder &inner, func::FuncOp function) {
        KernelWriter(inner, op, function, shape, strategy).write();
      },
      v);
  // What a kernel does before its first row is too much for a piece's.
  int64_t bytes = std::max<int64_t>(shape.groupBytes(), 1);
  int64_t piece = layout.rows * llvm::divideCeil(v.kPieceBytes, bytes);
  callKernel(op, v, kernel, layout.rows,
             strategy.rewritesActivations() ? 0 : piece);
  return success();
}

LogicalResult ternac::lowerToReferenceKernel(MatmulOp op, VectorBuilder &v) {
  Shape shape = shapeOf(op);
  if (shape.layout != packing::unpacked())
    return op.emitOpError("strategy 'reference' expected the packing 'i8', but "
                          "got ")
           << *op.getPacking();
  if (op.getStep())
    return op.emitOpError("strategy 'reference' expected no 'rescale'");
  if (failed(verifyContiguous(op)))
    return failure();
  auto body = [&](VectorBuilder &k, func::FuncOp function) {
    Value q = function.getArgument(0), weights = function.getArgument(2);
    Value out = function.getArgument(3), tokens = function.getArgument(4);
    Type i32 = k.b.getI32Type();
    auto wide = [&](Value memref, Value place) -> Value {
      Value byte = memref::LoadOp::create(k.b, memref, place);
      return arith::ExtSIOp::create(k.b, i32, byte);
    };
    k.forRange(
        function.getArgument(5), function.getArgument(6), 1, [&](Value row) {
          k.forRange(k.index(0), tokens, 1, [&](Value token) {
            Value zero =
                arith::ConstantOp::create(k.b, k.b.getI32IntegerAttr(0));
            Value qRow = k.mul(token, k.index(shape.qStride));
            Value wRow = k.mul(row, k.index(shape.cols));
            Value total = k.forRange(k.index(0), k.index(shape.cols), 1, zero,
                                     [&](Value column, ValueRange carried) {
                                       Value product = arith::MulIOp::create(
                                           k.b, wide(q, k.add(qRow, column)),
                                           wide(weights, k.add(wRow, column)));
                                       return SmallVector<Value>{
                                           k.add(carried.front(), product)};
                                     })
                              .front();
            memref::StoreOp::create(
                k.b, total, out, k.add(k.mul(token, k.index(shape.rows)), row));
          });
        });
  };
  callKernel(op, v, getKernel(op, kernelName("reference", shape), body, v), 1,
             /*piece=*/0);
  return success();
}
