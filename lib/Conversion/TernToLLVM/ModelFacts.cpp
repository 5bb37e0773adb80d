//===- ModelFacts.cpp - The facts of a model, from its module -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/ModelFacts.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// An attribute of `tern.model` as JSON.
llvm::json::Value toJson(Attribute attribute) {
  if (auto string = dyn_cast<StringAttr>(attribute))
    return string.getValue();
  if (auto integer = dyn_cast<IntegerAttr>(attribute))
    return integer.getInt();
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return number.getValueAsDouble();
  llvm::json::Array values;
  if (auto array = dyn_cast<DenseI64ArrayAttr>(attribute))
    for (int64_t value : array.asArrayRef())
      values.push_back(value);
  return values;
}

/// The bytes of weights that one token reads, by part.
llvm::json::Object bytesPerToken(WeightsAttr weights, StringRef head) {
  int64_t bodyBytes = 0, headBytes = 0;
  for (EntryAttr entry : weights.getEntries()) {
    int64_t bytes = entry.getLayerBytes() * entry.getLayers();
    StoredKind kind = entry.getStored().getKind();
    if (entry.getName() == head)
      headBytes += bytes;
    else if (entry.getName().starts_with("layers") && kind != StoredKind::Rope)
      bodyBytes += bytes;
  }
  return llvm::json::Object{{"body", bodyBytes}, {"head", headBytes}};
}

} // namespace

FailureOr<ModelFacts> ternac::readModelFacts(ModuleOp module,
                                             Operation *forward) {
  auto model = module->getAttrOfType<DictionaryAttr>(TernDialect::kModelAttr);
  auto weights = module->getAttrOfType<WeightsAttr>(TernDialect::kWeightsAttr);
  auto target = module->getAttrOfType<TargetAttr>(TernDialect::kTargetAttr);
  auto workspace =
      forward->getAttrOfType<IntegerAttr>("tern.workspace_bytes_per_row");
  if (!model || !weights || !target || !workspace) {
    module.emitError("expected the attributes tern.model, tern.weights and "
                     "tern.target, and tern.workspace_bytes_per_row on "
                     "'forward'");
    return failure();
  }
  bool complete = true;
  auto number = [&](StringRef key) -> int64_t {
    if (auto attribute = model.getAs<IntegerAttr>(key))
      return attribute.getInt();
    module.emitError("expected an integer '") << key << "' in tern.model";
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
  facts.beginToken = number("begin_token");
  facts.cacheBlockBytes = number("cache_block_bytes");
  auto ends = model.getAs<DenseI64ArrayAttr>("end_tokens");
  auto head = model.getAs<StringAttr>("head_weight");
  if (!complete || !ends || !head) {
    if (complete)
      module.emitError("expected 'end_tokens' and 'head_weight' in tern.model");
    return failure();
  }
  facts.endTokens.assign(ends.asArrayRef().begin(), ends.asArrayRef().end());
  facts.weightsBytes = weights.getTotalBytes();
  facts.workspaceBytesPerRow = workspace.getInt();
  {
    llvm::raw_string_ostream stream(facts.target);
    stream << target;
  }
  if (StringAttr required = target.getRequiredFeatures())
    facts.cpuFeatures = required.str();

  llvm::json::Object json;
  for (NamedAttribute entry : model)
    json[entry.getName().getValue()] = toJson(entry.getValue());
  json["bytes_per_token"] = bytesPerToken(weights, head.getValue());
  json["cache_bytes_per_position"] = facts.cacheBlockBytes / 64;
  llvm::raw_string_ostream(facts.json) << llvm::json::Value(std::move(json));
  return facts;
}
