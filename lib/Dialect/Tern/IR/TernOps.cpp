//===- TernOps.cpp - Verifiers and folders of the tern ops ----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

#define GET_OP_CLASSES
#include "ternac/Dialect/Tern/IR/TernOps.cpp.inc"

//===----------------------------------------------------------------------===//
// What compute ops share
//===----------------------------------------------------------------------===//

OperandRange tern::getOuts(Operation *op) {
  return TypeSwitch<Operation *, OperandRange>(op)
      .Case<EmbeddingOp, GatherRowsOp, AddOp, RMSNormOp, RopeOp, AttentionOp,
            GateOp, LinearOp, QuantizeOp, MatmulOp, RescaleOp>(
          [](auto op) -> OperandRange { return op.getOuts(); })
      .Default([](Operation *op) { return op->getOperands().take_front(0); });
}

ShapedType tern::getResultType(Operation *op, unsigned index) {
  if (op->getNumResults() > index)
    return cast<ShapedType>(op->getResult(index).getType());
  return cast<ShapedType>(getOuts(op)[index].getType());
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

/// Checks one dimension; dynamic sizes agree with everything.
static LogicalResult verifyDim(Operation *op, StringRef constraint,
                               StringRef what, int64_t got, int64_t expected) {
  if (ShapedType::isDynamic(got) || ShapedType::isDynamic(expected) ||
      got == expected)
    return success();
  return op->emitOpError("(")
         << constraint << ") expected " << what << " to be " << expected
         << ", but got " << got;
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
           << RankedTensorType::get(shape, element) << " or its memref, but got "
           << type;
  return success();
}

static int64_t dim(Value value, unsigned index) {
  return cast<ShapedType>(value.getType()).getDimSize(index);
}
static Type f32(Operation *op) { return Float32Type::get(op->getContext()); }

static LogicalResult verifySegments(Operation *op, ArrayRef<int64_t> segments,
                                    Value scale, int64_t rows) {
  int64_t sum = 0;
  for (int64_t segment : segments) {
    if (segment <= 0 || (rows >= 0 && segment > rows - sum))
      return op->emitOpError("(C2) expected positive segments whose sum is ")
             << rows << ", but got " << segments;
    sum += segment;
  }
  if (failed(verifyDim(op, "C2", "the number of scales", dim(scale, 0),
                       segments.size())))
    return failure();
  return verifyDim(op, "C2", "the sum of segments", sum, rows);
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
#undef TERNAC_COMPUTE_EFFECTS

//===----------------------------------------------------------------------===//
// Globals
//===----------------------------------------------------------------------===//

int64_t GlobalOp::getLayers() {
  RankedTensorType type = getTensorType();
  bool vector = getStored().getKind() == StoredKind::Scales ||
                bool(getStored().getPacking()) ||
                (!getStored().getSources().empty() &&
                 getStored().getSources().front().getRows() == 1 &&
                 getStored().getKind() == StoredKind::Dense);
  int64_t layerRank = vector ? 1 : 2;
  return type.getRank() > layerRank ? type.getDimSize(0) : 1;
}

LogicalResult GlobalOp::verify() {
  RankedTensorType type = getTensorType();
  StoredAttr stored = getStored();
  if (!type.hasStaticShape() || type.getRank() == 0 ||
      type.getNumElements() == 0)
    return emitOpError("(C1) expected a static shape with elements, but got ")
           << type;

  FloatAttr theta = stored.getTheta();
  bool isRope = stored.getKind() == StoredKind::Rope;
  if (isRope != bool(theta) ||
      (theta && !(theta.getValueAsDouble() > 0 &&
                  std::isfinite(theta.getValueAsDouble()))))
    return emitOpError("(C5) expected a positive finite 'theta' exactly with "
                       "kind 'rope'");
  if (stored.getSense() != ScaleSense::Direct &&
      stored.getKind() != StoredKind::Scales)
    return emitOpError("(C5) expected 'sense' only with kind 'scales'");
  if (stored.getPacking() && stored.getKind() != StoredKind::Trits)
    return emitOpError("(C5) expected 'packing' only with kind 'trits'");

  Type element = type.getElementType();
  bool packed = bool(stored.getPacking());
  bool elementFits = false;
  switch (stored.getKind()) {
  case StoredKind::Trits:
    elementFits = packed ? element.isInteger(8) : isa<TritType>(element);
    break;
  case StoredKind::Scales:
  case StoredKind::Rope:
    elementFits = element.isF32();
    break;
  case StoredKind::Dense:
    elementFits = element.isF32() || element.isF16() || element.isBF16();
    break;
  case StoredKind::RowInt8:
    elementFits = element.isInteger(8);
    break;
  }
  if (!elementFits)
    return emitOpError("(C2) expected the element type of kind '")
           << stringifyStoredKind(stored.getKind()) << "', but got " << element;

  if (stored.getKind() == StoredKind::Scales &&
      type.getShape().back() != int64_t(stored.getSources().size()))
    return emitOpError("(C3) expected one value for each of the ")
           << stored.getSources().size() << " sources, but got "
           << type.getShape().back();
  if (stored.getKind() != StoredKind::Scales &&
      stored.getKind() != StoredKind::Rope) {
    int64_t rows = 0;
    for (SourceAttr source : stored.getSources()) {
      rows += source.getRows();
      if (source.getCols() != stored.getSources().front().getCols())
        return emitOpError("(C3) expected equal columns in all sources");
    }
    if (!packed) {
      int64_t cols = type.getShape().back();
      int64_t typeRows = type.getNumElements() / (cols * getLayers());
      if (stored.getSources().empty() || rows != typeRows ||
          cols != stored.getSources().front().getCols())
        return emitOpError("(C3) expected the sources to fill ")
               << typeRows << " x " << cols;
    }
  }
  for (SourceAttr source : stored.getSources())
    if (!source.getOffsets().empty() &&
        int64_t(source.getOffsets().size()) != getLayers())
      return emitOpError("(C4) expected ")
             << getLayers() << " offsets in source '" << source.getName()
             << "', but got " << source.getOffsets().size();
  return success();
}

LogicalResult LoadGlobalOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto global =
      symbols.lookupNearestSymbolFrom<GlobalOp>(*this, getGlobalAttr());
  if (!global)
    return emitOpError("(C1) expected a tern.global named '")
           << getGlobal() << "'";
  RankedTensorType expected = global.getTensorType();
  if (getLayer() && expected.getRank() < 2)
    return emitOpError("(C2) expected a leading dimension of layers in ")
           << expected;
  if (getLayer())
    expected = RankedTensorType::get(expected.getShape().drop_front(),
                                     expected.getElementType());
  if (getNumResults() == 0 || getResult(0).getType() != expected)
    return emitOpError("(C2) expected the first result to be ") << expected;
  bool scaled = global.getStored().getKind() == StoredKind::RowInt8;
  if (getNumResults() != (scaled ? 2u : 1u))
    return emitOpError("(C3) expected ")
           << (scaled ? 2 : 1) << " results for kind '"
           << stringifyStoredKind(global.getStored().getKind())
           << "', but got " << getNumResults();
  if (scaled && getResult(1).getType() !=
                    RankedTensorType::get({expected.getDimSize(0)},
                                          Float32Type::get(getContext())))
    return emitOpError("(C3) expected one f32 scale for each of ")
           << expected.getDimSize(0) << " rows";
  return success();
}

//===----------------------------------------------------------------------===//
// Constants and packing
//===----------------------------------------------------------------------===//

LogicalResult tern::ConstantOp::verify() {
  if (!getType().hasStaticShape() ||
      getType().getNumElements() != int64_t(getValue().getDigits().size()))
    return emitOpError("(C1) expected ")
           << getType() << " to have " << getValue().getDigits().size()
           << " elements";
  return success();
}

OpFoldResult tern::ConstantOp::fold(FoldAdaptor) { return getValue(); }

static LogicalResult verifyPackedBytes(Operation *op, PackingAttr packing,
                                       ShapedType matrix, ShapedType packed) {
  if (!matrix.hasStaticShape())
    return op->emitOpError("(C1) expected a static shape, but got ") << matrix;
  return verifyDim(op, "C1", "the number of bytes", packed.getDimSize(0),
                   packing.getLayout().bytes(matrix.getDimSize(0),
                                             matrix.getDimSize(1)));
}

LogicalResult PackOp::verify() {
  return verifyPackedBytes(*this, getPacking(), getMatrix().getType(),
                           getPacked().getType());
}

OpFoldResult PackOp::fold(FoldAdaptor adaptor) {
  if (auto unpack = getMatrix().getDefiningOp<UnpackOp>())
    if (unpack.getPacking() == getPacking() &&
        unpack.getPacked().getType() == getType())
      return unpack.getPacked();
  auto trits = dyn_cast_if_present<TritsAttr>(adaptor.getMatrix());
  if (!trits)
    return {};
  ShapedType matrix = getMatrix().getType();
  packing::Layout layout = getPacking().getLayout();
  SmallVector<uint8_t> bytes(
      layout.bytes(matrix.getDimSize(0), matrix.getDimSize(1)));
  packing::pack(layout, trits.getValues().data(), matrix.getDimSize(0),
                matrix.getDimSize(1), bytes.data());
  return DenseElementsAttr::get(
      cast<ShapedType>(getType()),
      ArrayRef(reinterpret_cast<const int8_t *>(bytes.data()), bytes.size()));
}

LogicalResult UnpackOp::verify() {
  return verifyPackedBytes(*this, getPacking(), getMatrix().getType(),
                           getPacked().getType());
}

OpFoldResult UnpackOp::fold(FoldAdaptor) {
  if (auto pack = getPacked().getDefiningOp<PackOp>())
    if (pack.getPacking() == getPacking() &&
        pack.getMatrix().getType() == getType())
      return pack.getMatrix();
  return {};
}

//===----------------------------------------------------------------------===//
// Decoder layer
//===----------------------------------------------------------------------===//

ArrayRef<StringRef> tern::requiredLayerNorms() {
  static const StringRef names[] = {"input_norm", "post_attention_norm"};
  return names;
}
ArrayRef<StringRef> tern::optionalLayerNorms() {
  static const StringRef names[] = {"attention_sub_norm", "ffn_sub_norm"};
  return names;
}
ArrayRef<StringRef> tern::layerProjections() {
  static const StringRef names[] = {"q_proj",    "k_proj",  "v_proj",
                                    "o_proj",    "gate_proj", "up_proj",
                                    "down_proj"};
  return names;
}

LogicalResult DecoderLayerOp::verify() {
  llvm::StringSet<> known;
  auto require = [&](StringRef name) -> LogicalResult {
    known.insert(name);
    if (!getWeights().contains(name))
      return emitOpError("(C1) expected a weight '") << name << "'";
    return success();
  };
  for (StringRef name : requiredLayerNorms())
    if (failed(require(name)))
      return failure();
  for (StringRef name : layerProjections()) {
    if (failed(require(name)))
      return failure();
    known.insert((name + "_scale").str());
  }
  if (failed(require("rope")))
    return failure();
  for (StringRef name : optionalLayerNorms())
    known.insert(name);
  for (NamedAttribute weight : getWeights()) {
    if (!known.contains(weight.getName()))
      return emitOpError("(C1) unexpected weight '")
             << weight.getName().getValue() << "'";
    if (!isa<FlatSymbolRefAttr>(weight.getValue()))
      return emitOpError("(C2) expected a symbol for weight '")
             << weight.getName().getValue() << "', but got "
             << weight.getValue();
  }
  int64_t kvHeads = cast<KVCacheType>(getCache().getType()).getHeads();
  if (int64_t(getHeads()) <= 0 || int64_t(getHeads()) % kvHeads != 0)
    return emitOpError("(C3) expected heads to be a multiple of ")
           << kvHeads << ", but got " << getHeads();
  return success();
}

LogicalResult DecoderLayerOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto cache = cast<KVCacheType>(getCache().getType());
  int64_t hidden = dim(getX(), 1);
  int64_t queries = int64_t(getHeads()) * cache.getHeadDim();
  int64_t keys = cache.getHeads() * cache.getHeadDim();
  int64_t any = ShapedType::kDynamic;
  // The hidden size of the feed-forward part is what the gate says.
  int64_t inner = any;
  if (auto symbol = getWeights().getAs<FlatSymbolRefAttr>("gate_proj"))
    if (auto gate = symbols.lookupNearestSymbolFrom<GlobalOp>(*this, symbol))
      if (gate.getTensorType().getRank() == 3)
        inner = gate.getTensorType().getDimSize(1);
  const std::pair<StringRef, SmallVector<int64_t>> expectations[] = {
      {"input_norm", {any, hidden}},
      {"post_attention_norm", {any, hidden}},
      {"attention_sub_norm", {any, queries}},
      {"ffn_sub_norm", {any, inner}},
      {"rope", {any, cache.getHeadDim()}},
      {"q_proj", {any, queries, hidden}},
      {"k_proj", {any, keys, hidden}},
      {"v_proj", {any, keys, hidden}},
      {"o_proj", {any, hidden, queries}},
      {"gate_proj", {any, inner, hidden}},
      {"up_proj", {any, inner, hidden}},
      {"down_proj", {any, hidden, inner}}};
  int64_t layers = -1;
  for (NamedAttribute weight : getWeights()) {
    StringRef name = weight.getName();
    auto symbol = dyn_cast<FlatSymbolRefAttr>(weight.getValue());
    auto global =
        symbol ? symbols.lookupNearestSymbolFrom<GlobalOp>(*this, symbol)
               : GlobalOp();
    if (!global)
      return emitOpError("(C2) expected a tern.global named '")
             << (symbol ? symbol.getValue() : StringRef()) << "'";
    SmallVector<int64_t> shape = {any, 1}; // scales
    for (const auto &expectation : expectations)
      if (expectation.first == name)
        shape = expectation.second;
    RankedTensorType type = global.getTensorType();
    Type element = type.getElementType();
    bool fits = succeeded(verifyCompatibleShape(type.getShape(), shape));
    if (shape.size() == 3)
      fits &= isa<TritType>(element) ==
              getWeights().contains((name + "_scale").str());
    else
      fits &= element.isF32();
    if (!fits)
      return emitOpError("(C4) expected '")
             << name << "' to be " << RankedTensorType::get(shape, element)
             << " of f32, or of trits with a scale or floats without one, but "
                "got "
             << type;
    if (name == "rope")
      continue;
    int64_t first = getFirstLayer();
    if (layers < 0)
      layers = type.getDimSize(0);
    if (type.getDimSize(0) != layers)
      return emitOpError("(C4) expected '")
             << name << "' to have " << layers << " layers, but got "
             << type.getDimSize(0);
    if (first < 0 || layers > cache.getLayers() ||
        first > cache.getLayers() - layers)
      return emitOpError("(C5) expected ")
             << layers << " layers from " << first
             << " to be in a cache of " << cache.getLayers();
  }
  return success();
}

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
      failed(verifySegments(*this, getSegments(), getScale(), m)))
    return failure();
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

LogicalResult AttentionOp::verify() {
  auto cache = cast<KVCacheType>(getCache().getType());
  int64_t n = dim(getQ(), 0), cols = dim(getQ(), 1);
  if (failed(verifyForms(*this, 1, /*scratch=*/1)) ||
      failed(verifyResult(*this, "C1", 0, {n, cols}, f32(*this))))
    return failure();
  int64_t unit = cache.getHeads() * cache.getHeadDim();
  if (ShapedType::isDynamic(cols) || cols == 0 || cols % unit != 0)
    return emitOpError("(C1) expected columns of q to be a multiple of ")
           << unit << ", but got " << cols;
  if (getOuts().empty())
    return success();
  return verifyResult(*this, "C1", 1, {n, cols / cache.getHeadDim() * 64},
                      f32(*this));
}

LogicalResult GateOp::verify() {
  int64_t n = dim(getGate(), 0), cols = dim(getGate(), 1);
  if (failed(verifyForms(*this, 1)) ||
      failed(verifyDim(*this, "C1", "rows of up", dim(getUp(), 0), n)) ||
      failed(verifyDim(*this, "C1", "columns of up", dim(getUp(), 1), cols)))
    return failure();
  return verifyResult(*this, "C1", 0, {n, cols}, f32(*this));
}

LogicalResult LinearOp::verify() {
  int64_t n = dim(getX(), 0), k = dim(getX(), 1), m = dim(getWeight(), 0);
  if (failed(verifyForms(*this, 1)) ||
      failed(verifyDim(*this, "C1", "columns of the weight",
                       dim(getWeight(), 1), k)) ||
      failed(verifyResult(*this, "C1", 0, {n, m}, f32(*this))))
    return failure();
  bool i8 = cast<ShapedType>(getWeight().getType()).getElementType().isInteger();
  if (i8 != bool(getRowScale()))
    return emitOpError("(C2) expected row scales exactly with an i8 weight");
  if (getRowScale())
    return verifyDim(*this, "C2", "the number of row scales",
                     dim(getRowScale(), 0), m);
  return success();
}

LogicalResult QuantizeOp::verify() {
  int64_t n = dim(getX(), 0), k = dim(getX(), 1);
  if (failed(verifyForms(*this, 3)))
    return failure();
  ShapedType quantized = getResultType(*this, 0);
  int64_t padded =
      quantized.getRank() == 2 ? quantized.getDimSize(1) : ShapedType::kDynamic;
  if (failed(verifyResult(*this, "C1", 0, {n, padded},
                          IntegerType::get(getContext(), 8))) ||
      failed(verifyResult(*this, "C1", 1, {n}, f32(*this))) ||
      failed(verifyResult(*this, "C1", 2, {n},
                          IntegerType::get(getContext(), 32))))
    return failure();
  if (padded < k)
    return emitOpError("(C1) expected at least ")
           << k << " columns, but got " << padded;
  return verifyNorm(*this, "C2", getNorm(), getEps().has_value(), k);
}

int64_t MatmulOp::getMatrixRows() {
  return getResultType(*this, 0).getDimSize(1);
}

int64_t MatmulOp::getMatrixCols() {
  return getCols() ? int64_t(*getCols()) : dim(getWeight(), 1);
}

LogicalResult MatmulOp::verify() {
  int64_t n = dim(getQ(), 0);
  auto weight = cast<ShapedType>(getWeight().getType());
  Type i32 = IntegerType::get(getContext(), 32);
  if (failed(verifyForms(*this, 1)))
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
  return verifyResult(*this, constraint, 0, {n, m}, i32);
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
  return verifySegments(*this, getSegments(), getScale(), m);
}

LogicalResult ThreadRangeOp::verify() {
  if (int64_t(getStep()) <= 0)
    return emitOpError("(C1) expected a positive step, but got ") << getStep();
  return success();
}
