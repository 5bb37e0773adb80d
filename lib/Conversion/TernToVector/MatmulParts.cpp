//===- MatmulParts.cpp - What kernels of ternary matmuls share ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MatmulParts.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

SmallVector<MatmulOp>
ternac::findMatmuls(ModuleOp module, Strategy strategy,
                    llvm::function_ref<bool(TargetAttr)> accepts) {
  SmallVector<MatmulOp> matmuls;
  module.walk([&](MatmulOp op) {
    if (!op.getConfig() || op.getConfig()->getStrategy() != strategy ||
        op.getNumResults() != 0)
      return;
    if (TargetAttr target = getTarget(op); target && accepts(target))
      matmuls.push_back(op);
  });
  return matmuls;
}

//===----------------------------------------------------------------------===//
// Names and calls
//===----------------------------------------------------------------------===//

MatmulShape::MatmulShape(MatmulOp op)
    : layout(op.getPacking()->getLayout()), rows(op.getMatrixRows()),
      cols(op.getMatrixCols()),
      qStride(cast<MemRefType>(op.getQ().getType()).getDimSize(1)) {}

std::string ternac::matmulKernelName(StringRef strategy,
                                     const MatmulShape &shape) {
  std::string name = ("tern_matmul_" + strategy + "_" + shape.layout.name() +
                      "_" + Twine(shape.rows) + "x" + Twine(shape.cols))
                         .str();
  // Rows of q that are wider than this matrix needs are a variant.
  if (shape.qStride != shape.paddedCols())
    name += "_q" + std::to_string(shape.qStride);
  return name;
}

/// What becomes of the sums: "i32", or "f32" after a rescale.
static std::string storedForm(MatmulOp op) {
  if (!op.getStep())
    return "i32";
  std::string form = "f32";
  std::optional<ArrayRef<int64_t>> segments = op.getSegments();
  if (!segments)
    form += "_rows";
  else if (segments->size() > 1)
    for (int64_t segment : *segments)
      form += "_" + std::to_string(segment);
  if (op.getResidual())
    form += "_plus";
  return form;
}

MemRefType ternac::stridedRows(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t dynamic = ShapedType::kDynamic;
  auto layout =
      StridedLayoutAttr::get(memref.getContext(), dynamic, {dynamic, 1});
  return MemRefType::get({dynamic, type.getDimSize(1)}, type.getElementType(),
                         layout);
}

/// The attribute of a kernel that has its stored form.
static constexpr StringLiteral kStoredAttr = "tern.stored_form";

func::FuncOp
ternac::getMatmulKernel(MatmulOp op, std::string name,
                        function_ref<void(VectorBuilder &, func::FuncOp)> body,
                        VectorBuilder &caller) {
  auto module = op->getParentOfType<ModuleOp>();
  StringAttr form = caller.b.getStringAttr(storedForm(op));
  auto find = [&] {
    return module.lookupSymbol<func::FuncOp>(
        nameOfVersion(name, getCodeVersion(op)));
  };
  if (func::FuncOp first = find()) {
    if (first->getAttr(kStoredAttr) == form)
      return first;
    name += "_" + form.str();
    if (func::FuncOp known = find())
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

void ternac::callMatmulKernel(MatmulOp op, VectorBuilder &v,
                              func::FuncOp kernel, int64_t step,
                              int64_t piece) {
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

int64_t ternac::rowsOfPiece(const MatmulShape &shape, int64_t step) {
  int64_t tiles = llvm::divideCeil(step, shape.layout.rows);
  int64_t bytes = std::max<int64_t>(tiles * shape.groupBytes(), 1);
  return step * llvm::divideCeil(VectorBuilder::kPieceBytes, bytes);
}

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
  unsigned version = getCodeVersion(op);
  std::string symbol = nameOfVersion(name, version);
  if (auto known = module.lookupSymbol<func::FuncOp>(symbol))
    return known;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto type = builder.getFunctionType(inputs, {});
  auto kernel = func::FuncOp::create(builder, op->getLoc(), symbol, type);
  kernel.setPrivate();
  if (version != 0)
    kernel->setAttr(TernDialect::kTargetAttr, getTarget(op));
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

//===----------------------------------------------------------------------===//
// Loads
//===----------------------------------------------------------------------===//

Value ternac::loadBlock(VectorBuilder &v, const packing::Layout &layout,
                        Value weights, Value byte, int64_t rows) {
  int64_t bytes = kBlockBytes * packing::planesPerTile(layout.code);
  Value block;
  if (rows == kBlockLanes) {
    block = v.load(weights, byte, bytes);
  } else if (bytes == kBlockBytes) {
    block = v.load(weights, byte, 4 * rows);
  } else {
    assert(bytes == 2 * kBlockBytes && "two planes");
    block = vector::ShuffleOp::create(
        v.b, v.load(weights, byte, 4 * rows),
        v.load(weights, v.add(byte, v.index(kBlockBytes)), 4 * rows),
        llvm::to_vector(llvm::seq<int64_t>(0, 8 * rows)));
  }
  // Into the second cache long before, into the first one in time. Harmless
  // beyond the end: a prefetch does not fault.
  for (auto [ahead, locality] :
       {std::pair(kFarBytes, 2), std::pair(kNearBytes, 3)})
    for (int64_t line = 0; line < bytes; line += kBlockBytes)
      memref::PrefetchOp::create(v.b, weights,
                                 v.add(byte, v.index(ahead + line)),
                                 /*isWrite=*/false, locality,
                                 /*isDataCache=*/true);
  return block;
}

Value ternac::broadcastFour(VectorBuilder &v, Value q, Value place,
                            int64_t rows) {
  Value four = v.load(q, place, 4);
  auto word = VectorType::get({1}, v.b.getI32Type());
  Value scalar = vector::ExtractOp::create(
      v.b, vector::BitCastOp::create(v.b, word, four), ArrayRef<int64_t>{0});
  return vector::BitCastOp::create(v.b,
                                   VectorType::get({4 * rows}, v.b.getI8Type()),
                                   v.broadcast(scalar, rows));
}

//===----------------------------------------------------------------------===//
// Stores
//===----------------------------------------------------------------------===//

void SumStore::storeSums(Value lanes, Value token, Value row, Value place) {
  Value correction;
  if (unsignedCodes)
    correction = memref::LoadOp::create(
        v.b, kernel.getArgument(KernelArguments::kSum), token);
  int64_t width = shape.layout.rows;
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

void SumStore::store(Value sums, int64_t width, Value token, Value row,
                     Value place) {
  Value out = kernel.getArgument(KernelArguments::kOut);
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

Value SumStore::scales(Value row, int64_t width) {
  Value all = kernel.getArgument(KernelArguments::kScale);
  if (!op.getSegments())
    return v.load(all, {v.index(0), row}, width);
  return scalesOfSegments(v, all, *op.getSegments(), row, width);
}

Value ternac::scalesOfSegments(VectorBuilder &v, Value all,
                               ArrayRef<int64_t> segments, Value row,
                               int64_t width) {
  auto scaleOf = [&](int64_t segment) {
    Value scale = memref::LoadOp::create(v.b, all, v.index(segment));
    return v.broadcast(scale, width);
  };
  Value result = scaleOf(0);
  Value first = v.broadcast(
      arith::IndexCastOp::create(v.b, v.b.getI32Type(), row), width);
  int64_t begin = 0;
  for (int64_t i = 1, e = segments.size(); i < e; ++i) {
    begin += segments[i - 1];
    // Lane j is row + j: it belongs here, or further on, from begin - j.
    SmallVector<int32_t> begins;
    for (int64_t j = 0; j < width; ++j)
      begins.push_back(begin - j);
    Value bounds = arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(VectorType::get({width}, v.b.getI32Type()),
                                    ArrayRef(begins)));
    Value inside =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::sge, first, bounds);
    result = arith::SelectOp::create(v.b, inside, scaleOf(i), result);
  }
  return result;
}
