//===- TernDialect.cpp - The tern dialect, its types and attributes -------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

#include "ternac/Dialect/Tern/IR/TernDialect.cpp.inc"
#include "ternac/Dialect/Tern/IR/TernEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "ternac/Dialect/Tern/IR/TernTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "ternac/Dialect/Tern/IR/TernAttributes.cpp.inc"

// The enumerations of the dialect and of the packing library are one; the
// latter is free of MLIR.
static_assert(int(tern::Code::Planes) == int(packing::Code::Planes));
static_assert(int(tern::Encoding::Q6_K) == int(packing::Encoding::Q6_K));
static_assert(int(tern::StoredKind::Rope) == int(packing::EntryKind::Rope));
static_assert(int(tern::ScaleSense::Magnitude) ==
              int(packing::ScaleSense::Magnitude));
static_assert(int(tern::RopeScaling::Yarn) == int(packing::RopeScaling::Yarn));

void TernDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "ternac/Dialect/Tern/IR/TernTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ternac/Dialect/Tern/IR/TernAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ternac/Dialect/Tern/IR/TernOps.cpp.inc"
      >();
}

Operation *TernDialect::materializeConstant(OpBuilder &builder, Attribute value,
                                            Type type, Location loc) {
  if (auto trits = dyn_cast<TritsAttr>(value))
    return tern::ConstantOp::create(builder, loc, type, trits);
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

Type KVCacheType::parse(AsmParser &parser) {
  SmallVector<int64_t, 3> dims;
  Type element;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(dims, /*allowDynamic=*/false) ||
      parser.parseType(element) || parser.parseGreater())
    return {};
  if (dims.size() != 3) {
    parser.emitError(loc, "expected layers x heads x head_dim, but got ")
        << dims.size() << " dimensions";
    return {};
  }
  return parser.getChecked<KVCacheType>(loc, parser.getContext(), dims[0],
                                        dims[1], dims[2], element);
}

void KVCacheType::print(AsmPrinter &printer) const {
  printer << '<' << getLayers() << 'x' << getHeads() << 'x' << getHeadDim()
          << 'x' << getElement() << '>';
}

LogicalResult KVCacheType::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t layers, int64_t heads,
                                  int64_t headDim, Type element) {
  constexpr int64_t most = int64_t(1) << 16;
  if (layers <= 0 || heads <= 0 || headDim <= 0 || layers > most ||
      heads > most || headDim > most)
    return emitError() << "(C1) expected dimensions from 1 to " << most
                       << ", but got " << layers << 'x' << heads << 'x'
                       << headDim;
  if (!element.isF16() && !element.isF32() && !element.isInteger(8))
    return emitError() << "(C2) expected f16, f32 or i8 elements, but got "
                       << element;
  return success();
}

int64_t KVCacheType::getHeadBlockElements() const {
  int64_t scales = getElement().isInteger(8) ? 64 * sizeof(float) : 0;
  return getHeadDim() * 64 + scales;
}

int64_t KVCacheType::getLayerBlockElements() const {
  return 2 * getHeads() * getHeadBlockElements();
}

int64_t KVCacheType::getBlockBytes() const {
  return getLayers() * getLayerBlockElements() *
         (getElement().getIntOrFloatBitWidth() / 8);
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

LogicalResult TritsAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                StringRef digits) {
  size_t bad = digits.find_first_not_of("+0-");
  if (bad != StringRef::npos)
    return emitError() << "(C1) expected only '+', '0' and '-', but got '"
                       << digits.substr(bad, 1) << "' at position " << bad;
  return success();
}

SmallVector<int8_t> TritsAttr::getValues() const {
  return llvm::map_to_vector(getDigits(), [](char c) {
    return int8_t(c == '+' ? 1 : c == '-' ? -1 : 0);
  });
}

LogicalResult PackingAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  Code code, int64_t rows, int64_t group,
                                  int64_t blocks) {
  packing::Layout layout{packing::Code(code), rows, group, blocks};
  if (std::optional<std::string> reason = layout.invalid())
    return emitError() << "(C1) " << *reason;
  return success();
}

packing::Layout PackingAttr::getLayout() const {
  return {packing::Code(getCode()), getRows(), getGroup(), getBlocks()};
}

PackingAttr PackingAttr::get(MLIRContext *context,
                             const packing::Layout &layout) {
  return get(context, Code(layout.code), layout.rows, layout.group,
             layout.blocks);
}

LogicalResult
LoweringConfigAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                           Strategy strategy, Strategy few, Strategy many) {
  bool isLut = strategy == Strategy::Lut;
  if ((few == Strategy::Lut) == isLut && (many == Strategy::Lut) == isLut)
    return success();
  return emitError() << "(C1) expected 'lut' for all numbers of rows or none, "
                        "but got "
                     << stringifyStrategy(strategy) << ", "
                     << stringifyStrategy(few) << ", "
                     << stringifyStrategy(many);
}

void LoweringConfigAttr::print(AsmPrinter &printer) const {
  printer << "<strategy = " << stringifyStrategy(getStrategy());
  if (getFew() != getStrategy())
    printer << ", few = " << stringifyStrategy(getFew());
  if (getMany() != getStrategy())
    printer << ", many = " << stringifyStrategy(getMany());
  printer << '>';
}

Attribute LoweringConfigAttr::parse(AsmParser &parser, Type) {
  auto parseStrategy = [&](StringRef key) -> FailureOr<Strategy> {
    if (parser.parseKeyword(key) || parser.parseEqual())
      return failure();
    return FieldParser<Strategy>::parse(parser);
  };
  SMLoc place = parser.getCurrentLocation();
  if (parser.parseLess())
    return {};
  FailureOr<Strategy> strategy = parseStrategy("strategy");
  if (failed(strategy))
    return {};
  FailureOr<Strategy> few = strategy, many = strategy;
  bool isMore = succeeded(parser.parseOptionalComma());
  if (isMore && succeeded(parser.parseOptionalKeyword("few"))) {
    if (parser.parseEqual() ||
        failed(few = FieldParser<Strategy>::parse(parser)))
      return {};
    isMore = succeeded(parser.parseOptionalComma());
  }
  if (isMore && failed(many = parseStrategy("many")))
    return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<LoweringConfigAttr>(place, parser.getContext(),
                                               *strategy, *few, *many);
}

/// Of the versions of the machine `baseline`.
static LogicalResult
verifyVersions(function_ref<InFlightDiagnostic()> emitError,
               TargetAttr baseline, ArrayAttr versions) {
  if (versions.empty())
    return emitError() << "(C4) expected one version or more, but got []";
  llvm::SmallDenseSet<Attribute> seen;
  seen.insert(baseline);
  for (Attribute element : versions) {
    auto version = dyn_cast<TargetAttr>(element);
    if (!version || version.getVersions() ||
        version.getName() != baseline.getName() ||
        version.getTriple() != baseline.getTriple())
      return emitError() << "(C4) expected versions to be targets with the "
                            "name and the triple of the baseline and without "
                            "versions, but got "
                         << element;
    if (!seen.insert(version).second)
      return emitError() << "(C5) expected no version twice, but got "
                         << version;
  }
  return success();
}

LogicalResult TargetAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 StringRef name, StringAttr triple,
                                 StringAttr cpu, StringAttr features,
                                 StringAttr requiredFeatures,
                                 ArrayAttr capabilities, int64_t vectorBits,
                                 int64_t l2, int64_t bandwidth, int64_t peak,
                                 ArrayAttr versions) {
  if (vectorBits <= 0 || vectorBits % 8 != 0 || vectorBits > 65536)
    return emitError() << "(C1) expected vector_bits to be a multiple of 8 "
                          "from 8 to 65536, but got "
                       << vectorBits;
  if (l2 < 0 || bandwidth < 0 || peak < 0)
    return emitError() << "(C2) expected no negative number";
  if (capabilities && !llvm::all_of(capabilities, llvm::IsaPred<StringAttr>))
    return emitError() << "(C3) expected capabilities to be strings, but got "
                       << capabilities;
  if (!versions)
    return success();
  return verifyVersions(emitError,
                        TargetAttr::get(versions.getContext(), name, triple,
                                        cpu, features, requiredFeatures,
                                        capabilities, vectorBits, l2, bandwidth,
                                        peak),
                        versions);
}

TargetAttr tern::getTarget(Operation *op) {
  for (; op; op = op->getParentOp())
    if (auto target = op->getAttrOfType<TargetAttr>(TernDialect::kTargetAttr))
      return target;
  return {};
}

unsigned tern::getCodeVersion(Operation *op) {
  TargetAttr target = getTarget(op);
  auto module = op->getParentOfType<ModuleOp>();
  TargetAttr whole = module ? getTarget(module) : target;
  if (!target || target == whole)
    return 0;
  std::vector<TargetAttr> machines = whole.getMachines();
  auto place = llvm::find(machines, target);
  return place == machines.end() ? 0 : place - machines.begin();
}

std::string tern::nameOfVersion(StringRef name, unsigned version) {
  return version == 0 ? name.str() : (name + "_version" + Twine(version)).str();
}

std::string tern::nameOfSizes(StringRef name) {
  return (name + ".sizes").str();
}

bool TargetAttr::hasCapability(StringRef capability) const {
  return getCapabilities() &&
         llvm::any_of(getCapabilities().getAsRange<StringAttr>(),
                      [&](StringAttr a) { return a == capability; });
}

static StringRef orEmpty(StringAttr attr) {
  return attr ? attr.getValue() : StringRef();
}
StringRef TargetAttr::getTripleOrEmpty() const { return orEmpty(getTriple()); }
StringRef TargetAttr::getCpuOrEmpty() const { return orEmpty(getCpu()); }
StringRef TargetAttr::getFeaturesOrEmpty() const {
  return orEmpty(getFeatures());
}
StringRef TargetAttr::getRequiredFeaturesOrEmpty() const {
  return orEmpty(getRequiredFeatures());
}

std::string TargetAttr::getMachineName() const {
  StringRef features = getFeaturesOrEmpty();
  StringRef cpu = getCpu() ? getCpuOrEmpty() : getName();
  return (cpu + (features.empty() ? "" : ",") + features).str();
}

std::vector<TargetAttr> TargetAttr::getMachines() const {
  std::vector<TargetAttr> machines = {withVersions({})};
  if (ArrayAttr versions = getVersions())
    llvm::append_range(machines, versions.getAsRange<TargetAttr>());
  return machines;
}

TargetAttr TargetAttr::withVersions(ArrayRef<TargetAttr> versions) const {
  SmallVector<Attribute> list(versions.begin(), versions.end());
  return get(getContext(), getName(), getTriple(), getCpu(), getFeatures(),
             getRequiredFeatures(), getCapabilities(), getVectorBits(), getL2(),
             getBandwidth(), getPeak(),
             list.empty() ? ArrayAttr() : ArrayAttr::get(getContext(), list));
}

LogicalResult FileAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               StringRef path, uint64_t,
                               StringRef fingerprint) {
  if (fingerprint.size() != 16 || !llvm::all_of(fingerprint, llvm::isHexDigit))
    return emitError() << "(C1) expected a fingerprint of 16 hexadecimal "
                          "digits for '"
                       << path << "', but got '" << fingerprint << "'";
  return success();
}

LogicalResult SourceAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 StringRef name, Encoding encoding,
                                 int64_t interleaved, int64_t rows,
                                 int64_t cols, int64_t, ArrayRef<int64_t> files,
                                 ArrayRef<int64_t> offsets) {
  if (rows <= 0 || cols <= 0)
    return emitError() << "(C1) expected positive rows and cols, but got "
                       << rows << " x " << cols;
  if (files.empty() != offsets.empty() ||
      (files.size() > 1 && files.size() != offsets.size()))
    return emitError() << "(C2) expected one file, or one for each of the "
                       << offsets.size() << " offsets, but got "
                       << files.size();
  if (auto reason =
          packing::invalidShape(packing::Encoding(encoding), rows, cols))
    return emitError() << "(C3) for " << stringifyEncoding(encoding) << ", "
                       << *reason;
  if (interleaved < 0 || interleaved % 2 != 0 ||
      (interleaved != 0 && rows % interleaved != 0))
    return emitError() << "(C4) expected interleaved heads of an even number "
                          "of rows that divides "
                       << rows << ", but got " << interleaved;
  return success();
}

LogicalResult
RopeScalingAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        RopeScaling kind, FloatAttr, int64_t originalLength,
                        FloatAttr low, FloatAttr high,
                        FloatAttr attentionFactor, bool truncate) {
  bool isYarn = kind == RopeScaling::Yarn;
  bool hasTurns = isYarn || kind == RopeScaling::Llama3;
  bool hasLength = hasTurns || kind == RopeScaling::Dynamic;
  if ((originalLength != 0) != hasLength || bool(low) != hasTurns ||
      bool(high) != hasTurns || bool(attentionFactor) != isYarn ||
      (!truncate && !isYarn))
    return emitError() << "(C1) expected the parameters of kind '"
                       << stringifyRopeScaling(kind) << "': factor"
                       << (hasLength ? ", original_length" : "")
                       << (hasTurns ? ", low, high" : "")
                       << (isYarn ? ", attention_factor and optionally truncate"
                                  : "");
  return success();
}

packing::Rope StoredAttr::getRope() const {
  packing::Rope rope;
  rope.theta = getTheta().getValueAsDouble();
  RopeScalingAttr scaling = getScaling();
  if (!scaling)
    return rope;
  auto take = [](double &value, FloatAttr attribute) {
    if (attribute)
      value = attribute.getValueAsDouble();
  };
  rope.scaling = packing::RopeScaling(scaling.getKind());
  rope.originalLength = scaling.getOriginalLength();
  rope.truncate = scaling.getTruncate();
  take(rope.factor, scaling.getFactor());
  take(rope.low, scaling.getLow());
  take(rope.high, scaling.getHigh());
  take(rope.attentionFactor, scaling.getAttentionFactor());
  return rope;
}

/// Parses `key = value` pairs, separated by commas, up to '>'. `parseValue`
/// parses the value of a key and reports keys that it does not know.
static ParseResult
parseKeyValues(AsmParser &parser, bool commaFirst,
               function_ref<ParseResult(StringRef key)> parseValue) {
  llvm::SmallDenseSet<StringRef> seen;
  bool first = !commaFirst;
  while (failed(parser.parseOptionalGreater())) {
    StringRef key;
    SMLoc loc;
    if ((!first && parser.parseComma()) ||
        (loc = parser.getCurrentLocation(), parser.parseKeyword(&key)) ||
        parser.parseEqual())
      return failure();
    if (!seen.insert(key).second)
      return parser.emitError(loc, "'") << key << "' appears twice";
    if (parseValue(key))
      return failure();
    first = false;
  }
  return success();
}

static ParseResult unknownKey(AsmParser &parser, StringRef key,
                              StringRef expected) {
  return parser.emitError(parser.getCurrentLocation(), "unknown key '")
         << key << "'; expected one of: " << expected;
}

/// Parses `[a, b, ...]`.
template <typename T>
static ParseResult parseList(AsmParser &parser, SmallVectorImpl<T> &list) {
  return parser.parseCommaSeparatedList(
      AsmParser::Delimiter::Square, [&]() -> ParseResult {
        return parser.parseCustomAttributeWithFallback(list.emplace_back());
      });
}

/// Prints `, key = [a, b, ...]` unless the list is empty.
template <typename T>
static void printList(AsmPrinter &printer, StringRef separator, StringRef key,
                      ArrayRef<T> list) {
  if (list.empty())
    return;
  printer << separator << key << " = [";
  llvm::interleaveComma(list, printer,
                        [&](T attr) { printer.printStrippedAttrOrType(attr); });
  printer << ']';
}

Attribute StoredAttr::parse(AsmParser &parser, Type) {
  PackingAttr packing;
  ScaleSense sense = ScaleSense::Direct;
  int64_t group = 0;
  FloatAttr theta;
  RopeScalingAttr scaling;
  SmallVector<SourceAttr> sources;
  if (parser.parseLess())
    return {};
  FailureOr<StoredKind> kind = FieldParser<StoredKind>::parse(parser);
  if (failed(kind))
    return {};
  auto parseValue = [&](StringRef key) -> ParseResult {
    if (key == "packing")
      return parser.parseCustomAttributeWithFallback(packing);
    if (key == "group")
      return parser.parseInteger(group);
    if (key == "theta")
      return parser.parseAttribute(theta);
    if (key == "scaling")
      return parser.parseCustomAttributeWithFallback(scaling);
    if (key == "sources")
      return parseList(parser, sources);
    if (key != "sense")
      return unknownKey(parser, key,
                        "packing, sense, group, theta, scaling, sources");
    FailureOr<ScaleSense> parsed = FieldParser<ScaleSense>::parse(parser);
    if (failed(parsed))
      return failure();
    sense = *parsed;
    return success();
  };
  if (parseKeyValues(parser, /*commaFirst=*/true, parseValue))
    return {};
  return get(parser.getContext(), *kind, packing, sense, group, theta, scaling,
             sources);
}

void StoredAttr::print(AsmPrinter &printer) const {
  printer << '<' << stringifyStoredKind(getKind());
  if (getPacking()) {
    printer << ", packing = ";
    printer.printStrippedAttrOrType(getPacking());
  }
  if (getSense() != ScaleSense::Direct)
    printer << ", sense = " << stringifyScaleSense(getSense());
  if (getGroup() != 0)
    printer << ", group = " << getGroup();
  if (getTheta())
    printer << ", theta = " << getTheta();
  if (getScaling()) {
    printer << ", scaling = ";
    printer.printStrippedAttrOrType(getScaling());
  }
  printList(printer, ", ", "sources", getSources());
  printer << '>';
}

Attribute WeightsAttr::parse(AsmParser &parser, Type) {
  SmallVector<FileAttr> files;
  IntegerAttr seed;
  SmallVector<EntryAttr> entries;
  auto parseValue = [&](StringRef key) -> ParseResult {
    if (key == "files")
      return parseList(parser, files);
    if (key == "synthetic_seed")
      return parser.parseAttribute(seed);
    if (key == "entries")
      return parseList(parser, entries);
    return unknownKey(parser, key, "files, synthetic_seed, entries");
  };
  if (parser.parseLess() ||
      parseKeyValues(parser, /*commaFirst=*/false, parseValue))
    return {};
  return get(parser.getContext(), files, seed, entries);
}

void WeightsAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printList(printer, "", "files", getFiles());
  StringRef separator = getFiles().empty() ? "" : ", ";
  if (getSyntheticSeed()) {
    printer << separator << "synthetic_seed = " << getSyntheticSeed();
    separator = ", ";
  }
  printList(printer, separator, "entries", getEntries());
  printer << '>';
}

EntryAttr WeightsAttr::lookup(StringRef name) const {
  for (EntryAttr entry : getEntries())
    if (entry.getName() == name)
      return entry;
  return {};
}

uint64_t WeightsAttr::getTotalBytes() const {
  if (getEntries().empty())
    return 0;
  EntryAttr last = getEntries().back();
  return last.getOffset() + last.getLayerBytes() * last.getLayers();
}

packing::Plan tern::toPackingPlan(WeightsAttr weights) {
  packing::Plan plan;
  for (FileAttr file : weights.getFiles()) {
    uint64_t fingerprint = 0;
    (void)llvm::to_integer(file.getFingerprint(), fingerprint, 16);
    plan.files.push_back({file.getPath().str(), file.getSize(), fingerprint});
  }
  if (IntegerAttr seed = weights.getSyntheticSeed())
    plan.syntheticSeed = uint64_t(seed.getInt());
  for (EntryAttr attr : weights.getEntries()) {
    StoredAttr stored = attr.getStored();
    packing::Entry entry;
    entry.name = attr.getName().str();
    entry.kind = packing::EntryKind(stored.getKind());
    entry.layers = attr.getLayers();
    entry.offset = attr.getOffset();
    entry.layerBytes = attr.getLayerBytes();
    if (PackingAttr packing = stored.getPacking())
      entry.layout = packing.getLayout();
    entry.element = packing::Encoding(attr.getElement());
    entry.scaleSense = packing::ScaleSense(stored.getSense());
    entry.group = stored.getGroup();
    if (stored.getTheta())
      entry.rope = stored.getRope();
    entry.rows = attr.getRows();
    entry.cols = attr.getCols();
    for (SourceAttr source : stored.getSources()) {
      packing::Source &out = entry.sources.emplace_back();
      out.name = source.getName().str();
      out.firstLayer = source.getFirstLayer();
      out.encoding = packing::Encoding(source.getEncoding());
      out.interleaved = source.getInterleaved();
      out.rows = source.getRows();
      out.cols = source.getCols();
      out.offsets.assign(source.getOffsets().begin(),
                         source.getOffsets().end());
      out.files.assign(source.getFiles().begin(), source.getFiles().end());
      if (out.files.size() == 1)
        out.files.resize(out.offsets.size(), out.files.front());
    }
    plan.entries.push_back(std::move(entry));
  }
  return plan;
}
