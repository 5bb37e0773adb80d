//===- Config.cpp - The config.json of a checkpoint -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"

#include "../Common/ContextLength.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace ternac::import::hf {

namespace {
/// What the configuration classes of transformers fill in.
struct Defaults {
  double normEps;
  double ropeTheta;
  StringLiteral activation;
  int64_t beginToken;
  int64_t endToken;
};
} // namespace

static Defaults defaultsOf(Family family) {
  if (family == Family::BitNet)
    return {1e-5, 500000.0, "relu2", 128000, 128001};
  return {1e-6, 10000.0, "silu", 1, 2};
}

static void readFamily(ObjectReader &reader, Config &config) {
  config.facts.modelType =
      reader.oneOf("model_type", {"bitnet", "llama", "mistral", "ministral"});
  std::vector<std::string> architectures = reader.strings("architectures");
  if (reader.failed())
    return;
  StringRef type = config.facts.modelType;
  StringRef expected = StringSwitch<StringRef>(type)
                           .Case("bitnet", "BitNetForCausalLM")
                           .Case("llama", "LlamaForCausalLM")
                           .Case("mistral", "MistralForCausalLM")
                           .Default("MinistralForCausalLM");
  StringRef name = architectures.empty() ? expected : architectures.front();
  // Only the letter case tells the two BitNets apart. 1bitLLM's configs call
  // themselves llama.
  bool mayBeOneBit = type == "bitnet" || type == "llama";
  if (name == "BitnetForCausalLM" && mayBeOneBit)
    config.family = Family::OneBit;
  else if (name == expected)
    config.family = type == "bitnet" ? Family::BitNet : Family::Llama;
  else
    reader.fail("'architectures' must begin with \"" + expected +
                (mayBeOneBit ? "\" or \"BitnetForCausalLM" : "") +
                "\" for the model_type \"" + type + "\", but begins with " +
                quoted(name, '"'));
  if (!architectures.empty())
    config.facts.architecture = architectures.front();
}

static void readSizes(ObjectReader &reader, Config &config) {
  Checkpoint &facts = config.facts;
  facts.hiddenSize = reader.integer("hidden_size", 1, maxWidth);
  facts.intermediateSize = reader.integer("intermediate_size", 1, maxWidth);
  facts.vocabSize = reader.integer("vocab_size", 1, maxVocab);
  config.layers = reader.integer("num_hidden_layers", 1, maxLayers);
  facts.heads = reader.integer("num_attention_heads", 1, maxHeads);
  // The classes have defaults of their own, which fit only the first model.
  facts.kvHeads =
      reader.integer("num_key_value_heads", 1, maxHeads, facts.heads);
  facts.contextLength =
      reader.integer("max_position_embeddings", 1, maxContext);
  bool hasHeadDim = reader.find("head_dim");
  facts.headDim =
      reader.integer("head_dim", 1, maxHeadDim, facts.hiddenSize / facts.heads);
  if (reader.failed())
    return;

  if (facts.heads % facts.kvHeads != 0)
    reader.fail("'num_attention_heads' must be a multiple of "
                "'num_key_value_heads', but " +
                Twine(facts.heads) + " is none of " + Twine(facts.kvHeads));
  if (!hasHeadDim && facts.hiddenSize % facts.heads != 0)
    reader.fail("without 'head_dim', 'hidden_size' must be a multiple of "
                "'num_attention_heads', but " +
                Twine(facts.hiddenSize) + " is none of " + Twine(facts.heads));
  if (facts.headDim % 2 != 0)
    reader.fail("the size of a head must be even for rotary embeddings, but "
                "is " +
                Twine(facts.headDim));
  int64_t attention = facts.heads * facts.headDim;
  if (attention > maxWidth)
    reader.fail("'num_attention_heads' times the size of a head must be at "
                "most " +
                Twine(maxWidth) + ", but is " + Twine(attention));
}

/// One token number or, if `list`, several of them; nothing if `key` is absent.
static std::vector<int64_t> readTokenList(ObjectReader &reader, StringRef key,
                                          bool list, int64_t vocabSize) {
  std::vector<int64_t> tokens;
  const json::Value *value = reader.find(key);
  if (!value)
    return tokens;
  auto add = [&](const json::Value &element) {
    std::optional<int64_t> token = element.getAsInteger();
    if (!token || *token < 0 || *token >= vocabSize)
      reader.fail(quoted(key) + " must be a token number from 0 to " +
                  Twine(vocabSize - 1) + (list ? ", or a list of them" : "") +
                  ", but is or holds " + shown(element));
    else if (!is_contained(tokens, *token))
      tokens.push_back(*token);
  };
  if (const json::Array *array = value->getAsArray(); array && list)
    for_each(*array, add);
  else
    add(*value);
  return tokens;
}

static void readTokens(ObjectReader &reader, Checkpoint &facts) {
  std::vector<int64_t> begin =
      readTokenList(reader, "bos_token_id", false, facts.vocabSize);
  std::vector<int64_t> end =
      readTokenList(reader, "eos_token_id", true, facts.vocabSize);
  if (!begin.empty())
    facts.beginToken = begin.front();
  if (!end.empty())
    facts.endTokens = std::move(end);
}

/// Defaults of absent keys (null says that there is no such token). They belong
/// to the vocabulary of the first model of a family.
static void setDefaultTokens(const ObjectReader &reader,
                             const Defaults &defaults, Checkpoint &facts) {
  if (!reader.contains("bos_token_id") && defaults.beginToken < facts.vocabSize)
    facts.beginToken = defaults.beginToken;
  if (!reader.contains("eos_token_id") && defaults.endToken < facts.vocabSize)
    facts.endTokens = {defaults.endToken};
}

static void readQuantization(ObjectReader &reader, Config &config) {
  constexpr StringLiteral key = "quantization_config";
  const json::Value *value = reader.find(key);
  if (!value)
    return;
  config.hasQuantization = true;
  const json::Object *object = value->getAsObject();
  if (!object)
    return reader.expected(key, "an object or null");
  if (config.family == Family::OneBit)
    return reader.fail("'quantization_config' must be absent with the "
                       "architecture \"BitnetForCausalLM\", whose linear "
                       "modules quantise by themselves");
  ObjectReader nested(*object, (reader.where() + ": " + key).str());
  config.quantization = Quantization::read(nested);
  reader.absorb(nested);
}

/// generation_config.json speaks about much else that is none of a compiler's
/// business, so its keys are not checked.
static Error readGenerationConfig(const std::string &directory,
                                  Checkpoint &facts) {
  SmallString<128> path(directory);
  sys::path::append(path, "generation_config.json");
  if (!sys::fs::exists(path))
    return Error::success();
  Expected<json::Object> object = readJsonFile(path.str().str());
  if (!object)
    return object.takeError();
  ObjectReader reader(*object, path.str().str());
  readTokens(reader, facts);
  return reader.takeError();
}

Expected<Config> readConfig(const std::string &directory,
                            std::optional<int64_t> contextLength) {
  SmallString<128> path(directory);
  sys::path::append(path, "config.json");
  Expected<json::Object> object = readJsonFile(path.str().str());
  if (!object)
    return object.takeError();
  ObjectReader reader(*object, path.str().str());

  Config config;
  Checkpoint &facts = config.facts;
  readFamily(reader, config);
  // Everything else depends on the family.
  if (Error error = reader.takeError())
    return std::move(error);
  Defaults defaults = defaultsOf(config.family);
  readSizes(reader, config);
  facts.normEps = reader.positive("rms_norm_eps", defaults.normEps);
  readRope(reader, defaults.ropeTheta, facts);
  facts.activation =
      StringSwitch<Activation>(reader.oneOf("hidden_act", {"relu2", "silu"},
                                            StringRef(defaults.activation)))
          .Case("relu2", Activation::Relu2)
          .Default(Activation::Silu);
  config.tieWordEmbeddings = reader.boolean("tie_word_embeddings", false);
  setDefaultTokens(reader, defaults, facts);
  readTokens(reader, facts);
  readQuantization(reader, config);
  if (auto reason =
          setContextLength(contextLength, "max_position_embeddings", facts))
    reader.fail(*reason);
  readWindows(reader, config.layers, facts);
  checkRemainingKeys(reader);
  if (Error error = reader.takeError())
    return std::move(error);
  if (Error error = readGenerationConfig(directory, facts))
    return std::move(error);
  return config;
}

} // namespace ternac::import::hf
