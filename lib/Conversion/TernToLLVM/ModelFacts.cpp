//===- ModelFacts.cpp - The facts of a model, from its module -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/ModelFacts.h"

#include "ternac/Conversion/Kernels.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// An attribute of `tern.model` as JSON.
llvm::json::Value toJson(Attribute attribute) {
  if (auto string = dyn_cast<StringAttr>(attribute))
    return llvm::json::fixUTF8(string.getValue());
  if (auto integer = dyn_cast<IntegerAttr>(attribute))
    return integer.getValue().getSExtValue();
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return number.getValueAsDouble();
  llvm::json::Array values;
  if (auto array = dyn_cast<DenseI64ArrayAttr>(attribute))
    for (int64_t value : array.asArrayRef())
      values.push_back(value);
  return values;
}

/// What one token costs, by part: bytes of weights read, and multiply-
/// accumulates (additions, for strategies that have no products). The bytes lie
/// between `begin` and `end`.
struct TokenCost {
  int64_t bodyBytes = 0, headBytes = 0, bodyMacs = 0, headMacs = 0;
  int64_t begin = 0, end = 0;
};

TokenCost costOf(WeightsAttr weights, StringRef head) {
  TokenCost cost;
  for (EntryAttr entry : weights.getEntries()) {
    StoredKind kind = entry.getStored().getKind();
    int64_t bytes = entry.getLayerBytes() * entry.getLayers();
    bool isMatrix = kind == StoredKind::Trits || kind == StoredKind::RowInt8 ||
                    kind == StoredKind::GroupInt4 ||
                    (kind == StoredKind::Dense && entry.getRows() > 1);
    int64_t macs =
        isMatrix ? entry.getLayers() * entry.getRows() * entry.getCols() : 0;
    bool isHead = entry.getName() == head;
    if (!isHead && !entry.getName().starts_with("layers"))
      continue;
    if (cost.end == 0)
      cost.begin = entry.getOffset();
    cost.begin = std::min<int64_t>(cost.begin, entry.getOffset());
    cost.end = std::max<int64_t>(cost.end, entry.getOffset() + bytes);
    if (isHead) {
      cost.headBytes += bytes;
      cost.headMacs += macs;
    } else {
      cost.bodyBytes += bytes;
      cost.bodyMacs += macs;
    }
  }
  return cost;
}

} // namespace

FailureOr<VersionFacts> ternac::readVersionFacts(Operation *forward,
                                                 TargetAttr machine) {
  auto perRow =
      forward->getAttrOfType<IntegerAttr>("tern.workspace_bytes_per_row");
  auto fixed =
      forward->getAttrOfType<IntegerAttr>("tern.workspace_bytes_fixed");
  if (!perRow || !fixed)
    return forward->emitError("expected the attributes "
                              "tern.workspace_bytes_per_row and "
                              "tern.workspace_bytes_fixed");
  VersionFacts facts;
  facts.name = machine.getMachineName();
  llvm::raw_string_ostream(facts.target) << machine;
  facts.cpuFeatures = machine.getRequiredFeaturesOrEmpty().str();
  facts.workspaceBytesPerRow = perRow.getInt();
  facts.workspaceBytesFixed = fixed.getInt();
  return facts;
}

FailureOr<KernelFacts> ternac::readKernelFacts(ModuleOp module) {
  KernelFacts facts;
  Attribute attribute = module->getAttr(TernDialect::kKernelsAttr);
  if (!attribute)
    return facts;
  auto kernels = dyn_cast<DictionaryAttr>(attribute);
  auto format = kernels ? kernels.getAs<StringAttr>("format") : StringAttr();
  auto names = kernels ? kernels.getAs<ArrayAttr>("names") : ArrayAttr();
  auto bytesOf = [&](StringRef name) {
    auto global = module.lookupSymbol<LLVM::GlobalOp>(name);
    return global ? dyn_cast<LLVM::LLVMArrayType>(global.getGlobalType())
                  : LLVM::LLVMArrayType();
  };
  LLVM::LLVMArrayType bytes = bytesOf(kKernelCode);
  bool areNames = names && llvm::all_of(names, llvm::IsaPred<StringAttr>);
  auto device = module->getAttrOfType<StringAttr>(TernDialect::kDeviceAttr);
  if (!format || !areNames || names.empty() || !bytes || !device)
    return module.emitError("expected '")
           << TernDialect::kKernelsAttr
           << "' to have a format and names, beside '"
           << TernDialect::kDeviceAttr << "' and a global '" << kKernelCode
           << "' of bytes";
  facts.format = format.str();
  for (auto name : names.getAsRange<StringAttr>())
    facts.names.push_back(name.str());
  facts.bytes = int64_t(bytes.getNumElements());
  if (LLVM::LLVMArrayType constants = bytesOf(kKernelConstants))
    facts.constantsBytes = int64_t(constants.getNumElements());
  if (auto processor = kernels.getAs<StringAttr>("processor")) {
    LLVM::LLVMArrayType object = bytesOf(kKernelObject);
    if (!object)
      return module.emitError("expected a global '")
             << kKernelObject << "' of bytes for the processor '"
             << processor.getValue() << "' of '" << TernDialect::kKernelsAttr
             << "'";
    facts.processor = processor.str();
    facts.objectBytes = int64_t(object.getNumElements());
  }
  return facts;
}

FailureOr<ModelFacts> ternac::readModelFacts(ModuleOp module) {
  auto model = module->getAttrOfType<DictionaryAttr>(TernDialect::kModelAttr);
  auto weights = module->getAttrOfType<WeightsAttr>(TernDialect::kWeightsAttr);
  if (!model || !weights) {
    module.emitError("expected the attributes tern.model and tern.weights");
    return failure();
  }
  bool complete = true;
  auto number = [&](StringRef key, int64_t least = 1) -> int64_t {
    auto attribute = model.getAs<IntegerAttr>(key);
    if (attribute && attribute.getValue().isSignedIntN(32) &&
        attribute.getInt() >= least)
      return attribute.getInt();
    module.emitError("expected an integer '")
        << key << "' from " << least << " to 2147483647 in tern.model";
    complete = false;
    return 0;
  };
  ModelFacts facts;
  facts.vocabSize = number("vocab_size");
  facts.hiddenSize = number("hidden_size");
  facts.layers = number("layers");
  facts.contextLength = number("context_length");
  facts.maxRows = number("max_rows");
  facts.maxSequences = number("max_sequences");
  facts.beginToken = number("begin_token", /*least=*/-1);
  auto blockBytes = model.getAs<IntegerAttr>("cache_block_bytes");
  if (!blockBytes || !blockBytes.getValue().isSignedIntN(64) ||
      blockBytes.getInt() < 1)
    return module.emitError("expected a positive 'cache_block_bytes' in "
                            "tern.model");
  facts.cacheBlockBytes = blockBytes.getInt();
  auto ends = model.getAs<DenseI64ArrayAttr>("end_tokens");
  auto head = model.getAs<StringAttr>("head_weight");
  if (!complete || !ends || !head) {
    if (complete)
      module.emitError("expected 'end_tokens' and 'head_weight' in tern.model");
    return failure();
  }
  facts.endTokens.assign(ends.asArrayRef().begin(), ends.asArrayRef().end());
  facts.weightsBytes = weights.getTotalBytes();
  if (auto device = module->getAttrOfType<StringAttr>(TernDialect::kDeviceAttr))
    facts.device = device.str();
  FailureOr<KernelFacts> kernels = readKernelFacts(module);
  if (failed(kernels))
    return failure();
  facts.kernels = *kernels;

  llvm::json::Object json;
  for (NamedAttribute entry : model)
    json[entry.getName().getValue()] = toJson(entry.getValue());
  TokenCost cost = costOf(weights, head.getValue());
  json["bytes_per_token"] =
      llvm::json::Object{{"body", cost.bodyBytes}, {"head", cost.headBytes}};
  json["macs_per_token"] =
      llvm::json::Object{{"body", cost.bodyMacs}, {"head", cost.headMacs}};
  json["weights_read_whole"] =
      llvm::json::Object{{"begin", cost.begin}, {"end", cost.end}};
  json["cache_bytes_per_position"] = facts.cacheBlockBytes / 64;
  llvm::raw_string_ostream(facts.json) << llvm::json::Value(std::move(json));
  return facts;
}
