//===- ComputeOps.cpp - Verifiers and effects of ops with two forms -------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "VerifyDim.h"

#include "ternac/Packing/Int4.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

//===----------------------------------------------------------------------===//
// What compute ops share
//===----------------------------------------------------------------------===//

OperandRange tern::getOuts(Operation *op) {
  return TypeSwitch<Operation *, OperandRange>(op)
      .Case<EmbeddingOp, GatherRowsOp, AddOp, RMSNormOp, RopeOp, AttentionOp,
            GateOp, LinearOp, QuantizeOp, MatmulOp, RescaleOp, TernaryLinearOp>(
          [](auto op) -> OperandRange { return op.getOuts(); })
      .Default([](Operation *op) { return op->getOperands().take_front(0); });
}

ShapedType tern::getResultType(Operation *op, unsigned index) {
  if (op->getNumResults() > index)
    return cast<ShapedType>(op->getResult(index).getType());
  return cast<ShapedType>(getOuts(op)[index].getType());
}

OpOperand &tern::getRowsOperand(Operation *op) {
  // What gather_rows has first are the rows to choose from.
  return op->getOpOperand(isa<GatherRowsOp>(op) ? 1 : 0);
}

/// Rows are counted when the model runs; columns are known to the compiler.
static LogicalResult verifyStaticColumns(Operation *op, Type type) {
  auto shaped = dyn_cast<ShapedType>(type);
  if (shaped && shaped.hasRank() && shaped.getRank() == 2 &&
      shaped.isDynamicDim(1))
    return op->emitOpError("expected a static number of columns, but got ")
           << type;
  return success();
}

/// Checks that `op` is in one of the two forms with `count` results and that
/// no form is mixed. The buffer form has `scratch` more memrefs.
static LogicalResult verifyForms(Operation *op, unsigned count,
                                 unsigned scratch = 0) {
  unsigned outs = getOuts(op).size();
  unsigned results = op->getNumResults();
  if ((results != count || outs != 0) &&
      (results != 0 || outs != count + scratch))
    return op->emitOpError("expected ")
           << count << " results, or none and " << count + scratch
           << " memrefs after 'into', but got " << results << " and " << outs;
  SmallVector<Type> types(op->getOperandTypes());
  llvm::append_range(types, op->getResultTypes());
  for (Type type : types)
    if (failed(verifyStaticColumns(op, type)))
      return failure();
  for (Value operand : op->getOperands()) {
    if (outs == 0 && isa<BaseMemRefType>(operand.getType()))
      return op->emitOpError("expected tensors in the value form, but got ")
             << operand.getType();
    if (outs != 0 && isa<TensorType>(operand.getType()))
      return op->emitOpError("expected memrefs in the buffer form, but got ")
             << operand.getType();
  }
  return success();
}

/// Checks the shape and element type of result `index`.
static LogicalResult verifyResult(Operation *op, StringRef constraint,
                                  unsigned index, ArrayRef<int64_t> shape,
                                  Type element) {
  ShapedType type = getResultType(op, index);
  if (!type.hasRank() || type.getRank() != int64_t(shape.size()) ||
      type.getElementType() != element ||
      failed(verifyCompatibleShape(type.getShape(), shape)))
    return op->emitOpError("(")
           << constraint << ") expected result " << index << " to be "
           << RankedTensorType::get(shape, element)
           << " or its memref, but got " << type;
  return success();
}

static Type f32(Operation *op) { return Float32Type::get(op->getContext()); }

static LogicalResult verifySegments(Operation *op, ArrayRef<int64_t> segments,
                                    Value scale, int64_t rows,
                                    StringRef constraint) {
  int64_t sum = 0;
  for (int64_t segment : segments) {
    if (segment <= 0 || (rows >= 0 && segment > rows - sum))
      return op->emitOpError("(")
             << constraint << ") expected positive segments whose sum is "
             << rows << ", but got " << segments;
    sum += segment;
  }
  if (failed(verifyDim(op, constraint, "the number of scales", dim(scale, 0),
                       segments.size())))
    return failure();
  return verifyDim(op, constraint, "the sum of segments", sum, rows);
}

/// The scales of the rows of a product: [S] with segments, or [1, M].
static LogicalResult verifyRowScales(Operation *op, StringRef constraint,
                                     Value scale,
                                     std::optional<ArrayRef<int64_t>> segments,
                                     int64_t rows) {
  auto type = cast<ShapedType>(scale.getType());
  if ((type.getRank() == 1) != segments.has_value())
    return op->emitOpError("(")
           << constraint << ") expected 'segments' exactly with scales of rank "
           << "1, but got " << type;
  if (segments)
    return verifySegments(op, *segments, scale, rows, constraint);
  if (failed(verifyDim(op, constraint, "groups of scales", dim(scale, 0), 1)))
    return failure();
  return verifyDim(op, constraint, "the number of scales", dim(scale, 1), rows);
}

/// The scales of a matrix: [S] with segments, or [G, M] with a group.
static LogicalResult verifyScales(Operation *op, StringRef constraint,
                                  Value scale,
                                  std::optional<ArrayRef<int64_t>> segments,
                                  std::optional<uint64_t> group, int64_t rows,
                                  int64_t cols) {
  auto type = cast<ShapedType>(scale.getType());
  if ((type.getRank() == 1) != segments.has_value() ||
      segments.has_value() == group.has_value())
    return op->emitOpError("(")
           << constraint << ") expected 'segments' with scales of rank 1, or "
           << "'group' with scales of rank 2, but got " << type;
  if (segments)
    return verifySegments(op, *segments, scale, rows, constraint);
  if (int64_t(*group) <= 0)
    return op->emitOpError("(")
           << constraint << ") expected a positive group, but got "
           << int64_t(*group);
  int64_t groups = llvm::divideCeil(cols, *group);
  if (groups > 1 && *group % 32 != 0)
    return op->emitOpError("(")
           << constraint << ") expected several groups to be of a multiple of "
           << "32 columns, but got " << *group;
  if (failed(
          verifyDim(op, constraint, "groups of scales", dim(scale, 0), groups)))
    return failure();
  return verifyDim(op, constraint, "scales of a group", dim(scale, 1), rows);
}

/// The optional fused norm of bitlinear and quantize.
static LogicalResult verifyNorm(Operation *op, StringRef constraint, Value norm,
                                bool hasEps, int64_t cols) {
  if (bool(norm) != hasEps)
    return op->emitOpError("(")
           << constraint << ") expected 'eps' exactly with 'norm'";
  if (!norm)
    return success();
  return verifyDim(op, constraint, "elements of norm", dim(norm, 0), cols);
}

/// Effects of a compute op: none as a value, reads and writes as a buffer.
static void
getComputeEffects(Operation *op,
                  SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  OperandRange outs = getOuts(op);
  if (outs.empty())
    return;
  unsigned firstOut = outs.getBeginOperandIndex();
  for (OpOperand &operand : op->getOpOperands()) {
    unsigned index = operand.getOperandNumber();
    if (index >= firstOut && index < firstOut + outs.size())
      effects.emplace_back(MemoryEffects::Write::get(), &operand,
                           SideEffects::DefaultResource::get());
    else if (isa<BaseMemRefType, KVCacheType>(operand.get().getType()))
      effects.emplace_back(MemoryEffects::Read::get(), &operand,
                           SideEffects::DefaultResource::get());
  }
}

#define TERNAC_COMPUTE_EFFECTS(OpTy)                                           \
  void OpTy::getEffects(                                                       \
      SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {               \
    getComputeEffects(*this, effects);                                         \
  }
TERNAC_COMPUTE_EFFECTS(EmbeddingOp)
TERNAC_COMPUTE_EFFECTS(GatherRowsOp)
TERNAC_COMPUTE_EFFECTS(AddOp)
TERNAC_COMPUTE_EFFECTS(RMSNormOp)
TERNAC_COMPUTE_EFFECTS(RopeOp)
TERNAC_COMPUTE_EFFECTS(AttentionOp)
TERNAC_COMPUTE_EFFECTS(GateOp)
TERNAC_COMPUTE_EFFECTS(LinearOp)
TERNAC_COMPUTE_EFFECTS(QuantizeOp)
TERNAC_COMPUTE_EFFECTS(MatmulOp)
TERNAC_COMPUTE_EFFECTS(RescaleOp)
TERNAC_COMPUTE_EFFECTS(TernaryLinearOp)
#undef TERNAC_COMPUTE_EFFECTS

//===----------------------------------------------------------------------===//
// Verifiers of compute ops
//===----------------------------------------------------------------------===//

LogicalResult BitLinearOp::verify() {
  int64_t n = dim(getX(), 0), k = dim(getX(), 1), m = dim(getWeight(), 0);
  if (!getWeight().getType().hasStaticShape())
    return emitOpError("(C1) expected a static shape of the weight, but got ")
           << getWeight().getType();
  for (Type type : {Type(getX().getType()), Type(getType())})
    if (failed(verifyStaticColumns(*this, type)))
      return failure();
  if (failed(verifyDim(*this, "C1", "columns of the weight",
                       dim(getWeight(), 1), k)) ||
      failed(verifyResult(*this, "C1", 0, {n, m}, f32(*this))) ||
      failed(verifyScales(*this, "C2", getScale(), getSegments(), getGroup(), m,
                          dim(getWeight(), 1))))
    return failure();
  if (getWeightOnly() && getNorm())
    return emitOpError("(C4) expected no norm with 'weight_only'");
  return verifyNorm(*this, "C3", getNorm(), getEps().has_value(), k);
}

LogicalResult EmbeddingOp::verify() {
  if (failed(verifyForms(*this, 1)))
    return failure();
  return verifyResult(*this, "C1", 0, {dim(getTokens(), 0), dim(getTable(), 1)},
                      f32(*this));
}

LogicalResult GatherRowsOp::verify() {
  if (failed(verifyForms(*this, 1)))
    return failure();
  return verifyResult(*this, "C1", 0, {dim(getRows(), 0), dim(getX(), 1)},
                      f32(*this));
}

LogicalResult AddOp::verify() {
  if (failed(verifyForms(*this, 1)) ||
      failed(verifyDim(*this, "C1", "rows of b", dim(getB(), 0),
                       dim(getA(), 0))) ||
      failed(verifyDim(*this, "C1", "columns of b", dim(getB(), 1),
                       dim(getA(), 1))))
    return failure();
  return verifyResult(*this, "C1", 0, {dim(getA(), 0), dim(getA(), 1)},
                      f32(*this));
}

LogicalResult RMSNormOp::verify() {
  int64_t n = dim(getX(), 0), h = dim(getX(), 1);
  if (failed(verifyForms(*this, 1)) ||
      failed(verifyDim(*this, "C1", "elements of the weight",
                       dim(getWeight(), 0), h)))
    return failure();
  return verifyResult(*this, "C1", 0, {n, h}, f32(*this));
}

LogicalResult RopeOp::verify() {
  int64_t n = dim(getX(), 0), cols = dim(getX(), 1), d = dim(getTable(), 1);
  if (failed(verifyForms(*this, 1)) ||
      failed(verifyResult(*this, "C1", 0, {n, cols}, f32(*this))))
    return failure();
  if (ShapedType::isDynamic(d) || ShapedType::isDynamic(cols) || d == 0 ||
      d % 2 != 0 || cols % d != 0)
    return emitOpError("(C2) expected an even head size that divides ")
           << cols << " columns, but got " << d;
  return success();
}

LogicalResult KVAppendOp::verify() {
  auto cache = cast<KVCacheType>(getCache().getType());
  int64_t cols = cache.getHeads() * cache.getHeadDim();
  if (failed(verifyDim(*this, "C1", "columns of k", dim(getK(), 1), cols)) ||
      failed(verifyDim(*this, "C1", "columns of v", dim(getV(), 1), cols)) ||
      failed(verifyDim(*this, "C1", "rows of v", dim(getV(), 0),
                       dim(getK(), 0))) ||
      failed(verifyDim(*this, "C1", "the number of positions",
                       dim(getPositions(), 0), dim(getK(), 0))) ||
      failed(verifyDim(*this, "C1", "the number of sequences",
                       dim(getSequences(), 0), dim(getK(), 0))))
    return failure();
  bool value = isa<TensorType>(getK().getType());
  if (value != (getNumResults() == 1) ||
      (value && getNewCache().getType() != cache))
    return emitOpError("(C2) expected a result of type ")
           << cache << " exactly in the value form";
  for (Value operand : getOperands())
    if (isa<ShapedType>(operand.getType()) &&
        isa<TensorType>(operand.getType()) != value)
      return emitOpError("(C2) expected only ")
             << (value ? "tensors" : "memrefs") << " in the "
             << (value ? "value" : "buffer") << " form, but got "
             << operand.getType();
  return success();
}

void KVAppendOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  if (getNumResults() != 0)
    return;
  for (OpOperand &operand : (*this)->getOpOperands())
    if (isa<BaseMemRefType>(operand.get().getType()))
      effects.emplace_back(MemoryEffects::Read::get(), &operand,
                           SideEffects::DefaultResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), &getCacheMutable(),
                       SideEffects::DefaultResource::get());
}

int64_t AttentionOp::getHeads() {
  return dim(getQ(), 1) / cast<KVCacheType>(getCache().getType()).getHeadDim();
}

int64_t AttentionOp::getGroup() {
  return getHeads() / cast<KVCacheType>(getCache().getType()).getHeads();
}

int64_t AttentionOp::getTileRows() {
  int64_t least = getGroup() <= kMostShared ? kManyRows : 1;
  return std::max<int64_t>(
      least, llvm::bit_floor(uint64_t(kTilePairs) / uint64_t(getGroup())));
}

/// Pairs of a tile, and some more, so that they can be taken several at a time.
static int64_t pairsOfTile(AttentionOp op) {
  return op.getTileRows() * op.getGroup() + 16;
}

int64_t AttentionOp::getTileQueries() {
  int64_t headDim = cast<KVCacheType>(getCache().getType()).getHeadDim();
  // As f32, and as bf16.
  return llvm::alignTo(pairsOfTile(*this) * headDim * 3 / 2, 16);
}

int64_t AttentionOp::getTileWeights() {
  return llvm::alignTo(pairsOfTile(*this) * 64, 16);
}

// Columns of values are padded to whole vectors, of 64 lanes at most.
int64_t AttentionOp::getTileSums() {
  int64_t headDim = cast<KVCacheType>(getCache().getType()).getHeadDim();
  return pairsOfTile(*this) * llvm::alignTo(headDim, 64);
}

int64_t AttentionOp::getTileBlock() {
  int64_t headDim = cast<KVCacheType>(getCache().getType()).getHeadDim();
  return 64 * llvm::alignTo(headDim, 64);
}

int64_t AttentionOp::getTileNumbers() {
  return llvm::alignTo(getTileRows() * getGroup(), 64);
}

int64_t AttentionOp::getTileSize() {
  return getTileQueries() + getTileWeights() + getTileSums() + getTileBlock() +
         kTileStatistics * getTileNumbers();
}

int64_t AttentionOp::getRowScratch() { return getHeads() * kSlot; }

int64_t AttentionOp::getPartials() {
  // A maximum, the change of the maximum, a sum, the output and a slot.
  int64_t headDim = cast<KVCacheType>(getCache().getType()).getHeadDim();
  return getHeads() * kSpan * (3 + headDim + kSlot);
}

int64_t AttentionOp::getSharedScratch() {
  return std::max(getPartials(), kTiles * getTileSize());
}

LogicalResult AttentionOp::verify() {
  auto cache = cast<KVCacheType>(getCache().getType());
  int64_t n = dim(getQ(), 0), cols = dim(getQ(), 1);
  if (failed(verifyForms(*this, 1, /*scratch=*/2)) ||
      failed(verifyResult(*this, "C1", 0, {n, cols}, f32(*this))))
    return failure();
  int64_t unit = cache.getHeads() * cache.getHeadDim();
  if (ShapedType::isDynamic(cols) || cols == 0 || cols % unit != 0)
    return emitOpError("(C1) expected columns of q to be a multiple of ")
           << unit << ", but got " << cols;
  if (failed(verifyWindows(*this, "C2", getWindows(), cache.getLayers())))
    return failure();
  if (getOuts().empty())
    return success();
  if (failed(verifyResult(*this, "C1", 1, {n, getRowScratch()}, f32(*this))))
    return failure();
  return verifyResult(*this, "C1", 2, {getSharedScratch()}, f32(*this));
}

LogicalResult GateOp::verify() {
  int64_t n = dim(getGate(), 0), cols = dim(getGate(), 1);
  if (failed(verifyForms(*this, 1)) ||
      failed(verifyDim(*this, "C1", "rows of up", dim(getUp(), 0), n)) ||
      failed(verifyDim(*this, "C1", "columns of up", dim(getUp(), 1), cols)))
    return failure();
  return verifyResult(*this, "C1", 0, {n, cols}, f32(*this));
}

bool LinearOp::hasIntegerWeight() {
  return cast<ShapedType>(getWeight().getType()).getElementType().isInteger();
}

bool LinearOp::hasInt4Weight() {
  return cast<ShapedType>(getWeight().getType()).getRank() == 1;
}

/// The bytes of a weight of 4-bit integers, and the columns of the rows.
static LogicalResult verifyInt4(LinearOp op) {
  int64_t m = getResultType(op, 0).getDimSize(1), k = dim(op.getX(), 1);
  if (ShapedType::isDynamic(m))
    return op.emitOpError(
               "(C3) expected static columns of the result, but got ")
           << getResultType(op, 0);
  if (op.getStep() && k % packing::Int4::kSpan != 0)
    return op.emitOpError("(C3) expected columns of x to be a multiple of ")
           << packing::Int4::kSpan << ", but got " << k;
  return verifyDim(op, "C3", "the number of bytes", dim(op.getWeight(), 0),
                   packing::Int4::bytes(m, k));
}

LogicalResult LinearOp::verify() {
  int64_t n = dim(getX(), 0), k = dim(getX(), 1);
  if (failed(verifyForms(*this, 1)))
    return failure();
  ShapedType result = getResultType(*this, 0);
  int64_t m = hasInt4Weight() && result.getRank() == 2 ? result.getDimSize(1)
                                                       : dim(getWeight(), 0);
  if (failed(verifyResult(*this, "C1", 0, {n, m}, f32(*this))))
    return failure();
  if (!hasInt4Weight() && failed(verifyDim(*this, "C1", "columns of the weight",
                                           dim(getWeight(), 1), k)))
    return failure();
  if ((hasIntegerWeight() && !hasInt4Weight()) != bool(getRowScale()))
    return emitOpError("(C2) expected row scales exactly with an i8 weight of "
                       "rank 2");
  if (getRowScale() && failed(verifyDim(*this, "C2", "the number of row scales",
                                        dim(getRowScale(), 0), m)))
    return failure();
  if (hasInt4Weight() && failed(verifyInt4(*this)))
    return failure();
  bool isInteger =
      cast<ShapedType>(getX().getType()).getElementType().isInteger();
  if (isInteger != bool(getStep()))
    return emitOpError("(C4) expected 'step' exactly with rows of i16");
  if (isInteger && !hasIntegerWeight())
    return emitOpError("(C4) expected a weight of integers with rows of i16, "
                       "but got ")
           << getWeight().getType();
  if (getStep())
    return verifyDim(*this, "C4", "elements of step", dim(getStep(), 0), n);
  return success();
}

int64_t tern::quantizedRange(Type element, int64_t cols) {
  if (element.isInteger(8))
    return 127;
  return std::min<int64_t>(std::numeric_limits<int16_t>::max(),
                           std::numeric_limits<int32_t>::max() /
                               (128 * std::max<int64_t>(1, cols)));
}

LogicalResult QuantizeOp::verify() {
  int64_t n = dim(getX(), 0), k = dim(getX(), 1);
  bool isForm = getNumResults() != 0 || !getOuts().empty();
  Type element = isForm ? getResultType(*this, 0).getElementType() : Type();
  bool isWide = element && element.isInteger(16);
  if (failed(verifyForms(*this, isWide ? 2 : 3)))
    return failure();
  ShapedType quantized = getResultType(*this, 0);
  int64_t padded =
      quantized.getRank() == 2 ? quantized.getDimSize(1) : ShapedType::kDynamic;
  Type i8 = IntegerType::get(getContext(), 8);
  if (failed(
          verifyResult(*this, "C1", 0, {n, padded}, isWide ? element : i8)) ||
      failed(verifyResult(*this, "C1", 1, {n}, f32(*this))))
    return failure();
  if (!isWide && failed(verifyResult(*this, "C1", 2, {n},
                                     IntegerType::get(getContext(), 32))))
    return failure();
  if (padded < k)
    return emitOpError("(C1) expected at least ")
           << k << " columns, but got " << padded;
  if (bool(getUp()) != getActivation().has_value())
    return emitOpError("(C3) expected 'activation' exactly with 'up'");
  if (getUp() &&
      (failed(verifyDim(*this, "C3", "rows of up", dim(getUp(), 0), n)) ||
       failed(verifyDim(*this, "C3", "columns of up", dim(getUp(), 1), k))))
    return failure();
  if (isWide && k > kMaxWideColumns)
    return emitOpError("(C4) expected at most 2^17 columns with i16, but got ")
           << k;
  return verifyNorm(*this, "C2", getNorm(), getEps().has_value(), k);
}

int64_t MatmulOp::getMatrixRows() {
  return getResultType(*this, 0).getDimSize(1);
}

int64_t MatmulOp::getMatrixCols() {
  return getCols() ? int64_t(*getCols()) : dim(getWeight(), 1);
}

bool MatmulOp::hasTables() {
  return getConfig() && getConfig()->getStrategy() == Strategy::Lut;
}

int64_t MatmulOp::getTableColumns() {
  packing::Layout layout = getPacking()->getLayout();
  int64_t groups = layout.paddedCols(getMatrixCols()) / layout.digits();
  int64_t sums = layout.paddedRows(getMatrixRows()) * kBlockTokens;
  return std::max(groups * kTableElements, sums * kTableBlocks / kTableRows);
}

LogicalResult MatmulOp::verify() {
  int64_t n = dim(getQ(), 0);
  auto weight = cast<ShapedType>(getWeight().getType());
  Type i32 = IntegerType::get(getContext(), 32);
  if (failed(verifyForms(*this, 1, /*scratch=*/hasTables() ? 1 : 0)))
    return failure();
  bool packed = weight.getRank() == 1;
  StringRef constraint = packed ? "C2" : "C1";
  if (packed && (!getPacking() || !getCols() || !getConfig()))
    return emitOpError("(C2) expected 'packing', 'cols' and 'config' with a "
                       "packed weight");
  if (!packed && getCols())
    return emitOpError("(C1) expected no 'cols' with a weight of trits");
  if (!packed && !weight.hasStaticShape())
    return emitOpError("(C1) expected a static shape of the weight, but got ")
           << weight;
  if (packed && getMatrixCols() < 0)
    return emitOpError("(C2) expected 'cols' from 0, but got ")
           << getMatrixCols();
  if (packed) {
    ShapedType result = getResultType(*this, 0);
    if (result.getRank() != 2 || ShapedType::isDynamic(result.getDimSize(1)))
      return emitOpError("(C2) expected static columns of the result, but got ")
             << result;
    packing::Layout layout = getPacking()->getLayout();
    int64_t padded = layout.paddedCols(getMatrixCols());
    if (dim(getQ(), 1) < padded)
      return emitOpError("(C2) expected at least ")
             << padded << " columns of q, but got " << dim(getQ(), 1);
    if (failed(verifyDim(*this, "C2", "the number of bytes",
                         weight.getDimSize(0),
                         layout.bytes(getMatrixRows(), getMatrixCols()))))
      return failure();
  } else if (dim(getQ(), 1) < weight.getDimSize(1)) {
    return emitOpError("(C1) expected at least ")
           << weight.getDimSize(1) << " columns of q, but got "
           << dim(getQ(), 1);
  }
  if (getMatrixCols() > (int64_t(1) << 23))
    return emitOpError("(C3) expected at most 2^23 columns, but got ")
           << getMatrixCols();
  if (failed(verifyDim(*this, "C4", "elements of sum", dim(getSum(), 0), n)))
    return failure();
  int64_t m = packed ? getMatrixRows() : weight.getDimSize(0);
  if (bool(getStep()) != bool(getScale()) || (getSegments() && !getStep()))
    return emitOpError("(C5) expected step and scale together, and 'segments' "
                       "only with them");
  if (getResidual() && !getStep())
    return emitOpError("(C6) expected a residual only with 'rescale'");
  if (getStep() &&
      (failed(
           verifyDim(*this, "C5", "elements of step", dim(getStep(), 0), n)) ||
       failed(verifyRowScales(*this, "C5", getScale(), getSegments(), m))))
    return failure();
  if (getResidual() && (failed(verifyDim(*this, "C6", "rows of the residual",
                                         dim(getResidual(), 0), n)) ||
                        failed(verifyDim(*this, "C6", "columns of the residual",
                                         dim(getResidual(), 1), m))))
    return failure();
  if (failed(getStep() ? verifyResult(*this, "C5", 0, {n, m}, f32(*this))
                       : verifyResult(*this, constraint, 0, {n, m}, i32)))
    return failure();
  if (getOuts().empty() || !hasTables())
    return success();
  return verifyResult(*this, "C7", 1, {kTableRows, getTableColumns()},
                      IntegerType::get(getContext(), 16));
}

LogicalResult RescaleOp::verify() {
  int64_t n = dim(getAcc(), 0), m = dim(getAcc(), 1);
  if (failed(verifyForms(*this, 1)) ||
      failed(verifyResult(*this, "C1", 0, {n, m}, f32(*this))) ||
      failed(verifyDim(*this, "C1", "elements of step", dim(getStep(), 0), n)))
    return failure();
  if (getResidual() && (failed(verifyDim(*this, "C1", "rows of the residual",
                                         dim(getResidual(), 0), n)) ||
                        failed(verifyDim(*this, "C1", "columns of the residual",
                                         dim(getResidual(), 1), m))))
    return failure();
  return verifyRowScales(*this, "C2", getScale(), getSegments(), m);
}

int64_t TernaryLinearOp::getMatrixRows() {
  return getResultType(*this, 0).getDimSize(1);
}

int64_t TernaryLinearOp::getMatrixCols() {
  return getCols() ? int64_t(*getCols()) : dim(getWeight(), 1);
}

int64_t TernaryLinearOp::getGroupCols() {
  return getGroup() ? std::min<int64_t>(*getGroup(), getMatrixCols())
                    : getMatrixCols();
}

/// The weight of trits, or packed.
static LogicalResult verifyTernaryWeight(TernaryLinearOp op) {
  auto weight = cast<ShapedType>(op.getWeight().getType());
  if (weight.getRank() == 2) {
    if (op.getCols())
      return op.emitOpError("(C2) expected no 'cols' with a weight of trits");
    if (!weight.hasStaticShape())
      return op.emitOpError("(C2) expected a static shape of the weight, but "
                            "got ")
             << weight;
    return verifyDim(op, "C2", "columns of the result", op.getMatrixRows(),
                     weight.getDimSize(0));
  }
  if (!op.getPacking() || !op.getCols() || !op.getConfig())
    return op.emitOpError("(C2) expected 'packing', 'cols' and 'config' with a "
                          "packed weight");
  if (op.getMatrixCols() < 0)
    return op.emitOpError("(C2) expected 'cols' from 0, but got ")
           << op.getMatrixCols();
  return verifyDim(op, "C2", "the number of bytes", weight.getDimSize(0),
                   op.getPacking()->getLayout().bytes(op.getMatrixRows(),
                                                      op.getMatrixCols()));
}

LogicalResult TernaryLinearOp::verify() {
  if (failed(verifyForms(*this, 1)))
    return failure();
  int64_t n = dim(getX(), 0);
  ShapedType result = getResultType(*this, 0);
  if (result.getRank() != 2)
    return emitOpError("(C1) expected a result of rank 2, but got ") << result;
  if (failed(verifyResult(*this, "C1", 0, {n, getMatrixRows()}, f32(*this))) ||
      failed(verifyTernaryWeight(*this)))
    return failure();
  bool isInteger =
      cast<ShapedType>(getX().getType()).getElementType().isInteger();
  int64_t k = getMatrixCols();
  if (isInteger ? dim(getX(), 1) < k : dim(getX(), 1) != k)
    return emitOpError("(C1) expected ")
           << (isInteger ? "at least " : "") << k << " columns of x, but got "
           << dim(getX(), 1);
  if (failed(verifyScales(*this, "C3", getScale(), getSegments(), getGroup(),
                          getMatrixRows(), k)))
    return failure();
  if (isInteger != bool(getStep()))
    return emitOpError("(C4) expected 'step' exactly with rows of i8");
  if (!isInteger)
    return success();
  if (getGroupCols() > kMaxExactColumns)
    return emitOpError("(C4) expected groups of at most 2^17 columns with i8, "
                       "but got ")
           << getGroupCols();
  return verifyDim(*this, "C4", "elements of step", dim(getStep(), 0), n);
}
