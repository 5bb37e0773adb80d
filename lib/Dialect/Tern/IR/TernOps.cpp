//===- TernOps.cpp - Verifiers and folders of the tern ops ----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "VerifyDim.h"

#include "ternac/Packing/Int4.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

#include "ternac/Dialect/Tern/IR/TernInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "ternac/Dialect/Tern/IR/TernOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Globals
//===----------------------------------------------------------------------===//

int64_t GlobalOp::getLayers() {
  RankedTensorType type = getTensorType();
  bool vector = (getStored().getKind() == StoredKind::Scales &&
                 getStored().getGroup() == 0) ||
                getStored().getKind() == StoredKind::GroupInt4 ||
                bool(getStored().getPacking()) ||
                (!getStored().getSources().empty() &&
                 getStored().getSources().front().getRows() == 1 &&
                 getStored().getKind() == StoredKind::Dense);
  int64_t layerRank = vector ? 1 : 2;
  return type.getRank() > layerRank ? type.getDimSize(0) : 1;
}

/// What a stored scale means, and of which columns it is.
static LogicalResult verifySense(GlobalOp op) {
  StoredAttr stored = op.getStored();
  bool isScales = stored.getKind() == StoredKind::Scales;
  bool isMagnitude = stored.getSense() == ScaleSense::Magnitude;
  bool mayBeTrits = isMagnitude && stored.getKind() == StoredKind::Trits;
  if (stored.getSense() != ScaleSense::Direct && !isScales && !mayBeTrits)
    return op.emitOpError("(C5) expected 'sense' only with kind 'scales'");
  if (stored.getGroup() < 0)
    return op.emitOpError("(C5) expected 'group' from 0, but got ")
           << stored.getGroup();
  if (stored.getGroup() != 0 && !(isScales && isMagnitude))
    return op.emitOpError("(C5) expected 'group' only with scales of the sense "
                          "'magnitude'");
  return success();
}

/// The shape of scales is that of their sources.
static LogicalResult verifyScales(GlobalOp op) {
  StoredAttr stored = op.getStored();
  ArrayRef<int64_t> shape = op.getTensorType().getShape();
  ArrayRef<SourceAttr> sources = stored.getSources();
  if (stored.getGroup() == 0 && shape.back() != int64_t(sources.size()))
    return op.emitOpError("(C3) expected one value for each of the ")
           << sources.size() << " sources, but got " << shape.back();
  if (stored.getGroup() == 0)
    return success();
  if (shape.size() < 2 || sources.empty())
    return op.emitOpError("(C3) expected scales of groups to have sources and "
                          "two dimensions or more, but got ")
           << op.getTensorType();
  int64_t rows = 0, cols = sources.front().getCols();
  for (SourceAttr source : sources) {
    rows += source.getRows();
    if (source.getCols() != cols)
      return op.emitOpError("(C3) expected equal columns in all sources");
  }
  if (failed(verifyDim(op, "C3", "groups of scales", shape.drop_back().back(),
                       llvm::divideCeil(cols, stored.getGroup()))))
    return failure();
  return verifyDim(op, "C3", "scales of a group", shape.back(), rows);
}

LogicalResult GlobalOp::verify() {
  RankedTensorType type = getTensorType();
  StoredAttr stored = getStored();
  if (!type.hasStaticShape() || type.getRank() == 0 ||
      type.getNumElements() == 0)
    return emitOpError("(C1) expected a static shape with elements, but got ")
           << type;

  bool isRope = stored.getKind() == StoredKind::Rope;
  if (isRope != bool(stored.getTheta()))
    return emitOpError("(C5) expected 'theta' exactly with kind 'rope'");
  if (stored.getScaling() && !isRope)
    return emitOpError("(C5) expected 'scaling' only with kind 'rope'");
  if (isRope)
    if (auto reason = stored.getRope().invalid(type.getShape().back()))
      return emitOpError("(C6) ") << *reason;
  if (failed(verifySense(*this)))
    return failure();
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
  case StoredKind::GroupInt4:
    elementFits = element.isInteger(8);
    break;
  }
  if (!elementFits)
    return emitOpError("(C2) expected the element type of kind '")
           << stringifyStoredKind(stored.getKind()) << "', but got " << element;

  if (stored.getKind() == StoredKind::Scales && failed(verifyScales(*this)))
    return failure();
  if (stored.getKind() != StoredKind::Scales &&
      stored.getKind() != StoredKind::Rope) {
    int64_t rows = 0;
    for (SourceAttr source : stored.getSources()) {
      rows += source.getRows();
      if (source.getCols() != stored.getSources().front().getCols())
        return emitOpError("(C3) expected equal columns in all sources");
    }
    if (stored.getKind() == StoredKind::GroupInt4) {
      int64_t cols =
          stored.getSources().empty() ? 0 : stored.getSources()[0].getCols();
      if (failed(verifyDim(*this, "C3", "the number of bytes",
                           type.getShape().back(),
                           packing::Int4::bytes(rows, cols))))
        return failure();
    } else if (!packed) {
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
           << stringifyStoredKind(global.getStored().getKind()) << "', but got "
           << getNumResults();
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
  return verifyDim(
      op, "C1", "the number of bytes", packed.getDimSize(0),
      packing.getLayout().bytes(matrix.getDimSize(0), matrix.getDimSize(1)));
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
  static const StringRef names[] = {"q_proj",   "k_proj",    "v_proj",
                                    "o_proj",   "gate_proj", "up_proj",
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
  auto cache = cast<KVCacheType>(getCache().getType());
  int64_t kvHeads = cache.getHeads();
  if (int64_t(getHeads()) <= 0 || int64_t(getHeads()) % kvHeads != 0)
    return emitOpError("(C3) expected heads to be a multiple of ")
           << kvHeads << ", but got " << getHeads();
  return verifyWindows(*this, "C6", getWindows(), cache.getLayers());
}

/// The shape of the scales of a linear layer in all layers of a run: those of
/// groups must be those of the matrix, which `tern.bitlinear` checks.
static SmallVector<int64_t> scaleShape(GlobalOp scale) {
  if (scale.getStored().getGroup() == 0)
    return {ShapedType::kDynamic, 1};
  return SmallVector<int64_t>(3, ShapedType::kDynamic);
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
    auto global = symbol
                      ? symbols.lookupNearestSymbolFrom<GlobalOp>(*this, symbol)
                      : GlobalOp();
    if (!global)
      return emitOpError("(C2) expected a tern.global named '")
             << (symbol ? symbol.getValue() : StringRef()) << "'";
    SmallVector<int64_t> shape = scaleShape(global);
    for (const auto &expectation : expectations)
      if (expectation.first == name)
        shape = expectation.second;
    RankedTensorType type = global.getTensorType();
    Type element = type.getElementType();
    bool fits = succeeded(verifyCompatibleShape(type.getShape(), shape));
    if (llvm::is_contained(layerProjections(), name))
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
             << layers << " layers from " << first << " to be in a cache of "
             << cache.getLayers();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

template <typename OpTy> static LogicalResult verifyStep(OpTy op) {
  if (int64_t(op.getStep()) <= 0)
    return op.emitOpError("(C1) expected a positive step, but got ")
           << op.getStep();
  return success();
}

LogicalResult ThreadRangeOp::verify() { return verifyStep(*this); }
LogicalResult ClaimOp::verify() { return verifyStep(*this); }

bool tern::isThreadOp(Operation *op) {
  return isa<BarrierOp, ThreadRangeOp, ClaimOp, GrantedOp, SubmitOp, LaunchOp,
             Dot4Op, DotTileOp>(op);
}

LogicalResult GrantedOp::verify() {
  if (llvm::popcount(getFeature()) == 1)
    return success();
  return emitOpError("(C1) expected a feature of one bit, but got ")
         << int64_t(getFeature());
}

LogicalResult SubmitOp::verify() {
  if (getDevice().empty())
    return emitOpError("(C1) expected the name of a device");
  for (Value buffer : getBuffers()) {
    auto type = cast<MemRefType>(buffer.getType());
    if (!type.areTrailingDimsContiguous(1))
      return emitOpError("(C3) expected contiguous buffers, but got ") << type;
    // The size of others in bytes is the host's business.
    Type element = type.getElementType();
    if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8 != 0)
      return emitOpError("(C4) expected buffers of integers or floats of whole "
                         "bytes, but got ")
             << type;
  }
  return success();
}

LogicalResult LaunchOp::verify() {
  if (getDevice().empty())
    return emitOpError("(C1) expected the name of a device");
  if (getDimensions().size() != 6)
    return emitOpError("(C2) expected six dimensions, but got ")
           << getDimensions().size();
  return success();
}

LogicalResult DotTileOp::verify() {
  int64_t codes = getCodes().getType().getNumElements();
  int64_t words = getQ().getType().getNumElements();
  if (codes == 2 * words)
    return success();
  return emitOpError("(C1) expected twice as many words of codes as of q, but "
                     "got ")
         << codes << " and " << words;
}

LogicalResult SubmitOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (symbols.lookupNearestSymbolFrom(*this, getCommandsAttr()))
    return success();
  return emitOpError("(C2) expected commands in the module, but got ")
         << getCommandsAttr();
}
