//===- Facts.cpp - What the keys of a GGUF file say of a model ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Keys in the name space of the architecture are what a program computes by, so
// each of them is understood, or known not to matter, or an error. Other keys
// describe the file.
//
//===----------------------------------------------------------------------===//

#include "Facts.h"

#include "../Common/ContextLength.h"
#include "../Common/Limits.h"
#include "../Common/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVectorExtras.h"

#include <cmath>
#include <limits>

using namespace llvm;
using ternac::packing::Rope;
using ternac::packing::RopeScaling;

namespace ternac::import::gguf {

namespace {
struct Architecture {
  StringLiteral name;
  bool isBitNet;
  Activation activation;
};
} // namespace

/// The activations are those of the graphs that bitnet.cpp builds: the first
/// name belongs to 1bitLLM's models, the next two to BitNet b1.58 2B4T.
static constexpr Architecture architectures[] = {
    {"bitnet", true, Activation::Silu},
    {"bitnet-25", true, Activation::Relu2},
    {"bitnet-b1.58", true, Activation::Relu2},
    {"llama", false, Activation::Silu},
};

static const Architecture &readArchitecture(Keys &keys) {
  auto names = map_to_vector(architectures, [](const Architecture &known) {
    return StringRef(known.name);
  });
  std::string name = keys.oneOf("general.architecture", names);
  return *find_if(architectures, [&](const Architecture &known) {
    return known.name == name;
  });
}

static void checkKind(Keys &keys) {
  keys.oneOf("general.type", {"model"}, "model");
  if (keys.integer("split.count", 0, 65535, 0) > 1)
    keys.expected("split.count",
                  "1 or absent (merge the parts with llama-gguf-split)");
}

static void readSizes(Keys &keys, const std::string &prefix, Facts &result) {
  Checkpoint &facts = result.facts;
  result.layers = keys.integer(prefix + "block_count", 1, maxLayers);
  facts.hiddenSize = keys.integer(prefix + "embedding_length", 1, maxWidth);
  facts.intermediateSize =
      keys.integer(prefix + "feed_forward_length", 1, maxWidth);
  facts.contextLength = keys.integer(prefix + "context_length", 1, maxContext);
  std::string heads = prefix + "attention.head_count";
  facts.heads = keys.integer(heads, 1, maxHeads);
  facts.kvHeads = keys.integer(heads + "_kv", 1, maxHeads, facts.heads);
  facts.normEps = keys.number(prefix + "attention.layer_norm_rms_epsilon",
                              std::numeric_limits<float>::min());
  std::string length = prefix + "attention.key_length";
  bool hasLength = keys.find(length);
  facts.headDim =
      keys.integer(length, 1, maxHeadDim, facts.hiddenSize / facts.heads);
  if (keys.failed())
    return;
  if (facts.heads % facts.kvHeads != 0)
    keys.fail("key " + quoted(heads) + " must be a multiple of " +
              quoted(heads + "_kv") + ", but " + Twine(facts.heads) +
              " is none of " + Twine(facts.kvHeads));
  if (!hasLength && facts.hiddenSize % facts.heads != 0)
    keys.fail("without key " + quoted(length) +
              ", the embedding_length must "
              "be a multiple of the head_count, but " +
              Twine(facts.hiddenSize) + " is none of " + Twine(facts.heads));
  if (facts.headDim % 2 != 0)
    keys.fail("the size of a head must be even for rotary embeddings, but is " +
              Twine(facts.headDim));
  if (facts.heads * facts.headDim > maxWidth)
    keys.fail("key " + quoted(heads) +
              " times the size of a head must be at "
              "most " +
              Twine(maxWidth) + ", but is " +
              Twine(facts.heads * facts.headDim));
  for (StringRef same : {"attention.value_length", "rope.dimension_count"})
    if (keys.integer(prefix + same.str(), 1, maxWidth, facts.headDim) !=
        facts.headDim)
      keys.expected(prefix + same.str(),
                    "the size of a head, " + Twine(facts.headDim));
}

/// Frequencies of the training, those of a linear scaling or those of yarn.
/// Where there is a factor but no type, programs take it for linear.
static void readRope(Keys &keys, const std::string &prefix, Checkpoint &facts) {
  Rope &rope = facts.rope;
  rope.theta = keys.number(prefix + "rope.freq_base",
                           std::numeric_limits<float>::min(), 10000.0);
  std::string scaling = prefix + "rope.scaling.";
  std::string type =
      keys.oneOf(scaling + "type", {"none", "linear", "yarn"}, "linear");
  keys.find(scaling + "finetuned"); // A remark about the training.
  double factor = keys.number(scaling + "factor", 1.0, 1.0);
  if (type == "yarn") {
    rope.scaling = RopeScaling::Yarn;
    rope.factor = factor;
    rope.originalLength = keys.integer(scaling + "original_context_length", 1,
                                       maxContext, facts.contextLength);
    rope.low = keys.number(scaling + "yarn_beta_slow", 0x1p-126, 1.0);
    rope.high = keys.number(scaling + "yarn_beta_fast", 0x1p-126, 32.0);
    rope.attentionFactor = keys.number(scaling + "attn_factor", 0x1p-126, 1.0) *
                           (0.1 * std::log(factor) + 1.0);
    if (rope.low >= rope.high)
      keys.fail("key " + quoted(scaling + "yarn_beta_slow") +
                " must be less than " + quoted(scaling + "yarn_beta_fast"));
  } else {
    // Converters write the length even if nothing is scaled.
    keys.find(scaling + "original_context_length");
    if (type == "linear" && factor != 1.0) {
      rope.scaling = RopeScaling::Linear;
      rope.factor = factor;
    }
  }
  if (auto reason = rope.invalid(facts.headDim); reason && !keys.failed())
    keys.fail("in the rope, " + *reason);
}

static void readTokens(Keys &keys, const std::string &prefix,
                       Checkpoint &facts) {
  constexpr int64_t none = -1;
  std::string size = prefix + "vocab_size";
  if (keys.integer(size, 1, maxVocab, facts.vocabSize) != facts.vocabSize)
    keys.expected(size, "the number of rows of 'token_embd.weight', " +
                            Twine(facts.vocabSize));
  constexpr StringLiteral list = "tokenizer.ggml.tokens";
  if (auto length = keys.arrayLength(list);
      length && *length != facts.vocabSize)
    keys.fail("key " + quoted(list) +
              " must have as many tokens as "
              "'token_embd.weight' has rows, " +
              Twine(facts.vocabSize) + ", but has " + Twine(*length));
  auto token = [&](StringRef name) {
    return keys.integer(("tokenizer.ggml." + name + "_token_id").str(), 0,
                        facts.vocabSize - 1, none);
  };
  facts.beginToken = token("bos");
  for (StringRef end : {"eos", "eot", "eom"})
    if (int64_t number = token(end);
        number != none && !is_contained(facts.endTokens, number))
      facts.endTokens.push_back(number);
}

/// Keys of the architecture that must have the value that changes nothing, or
/// that do not matter.
static void checkRest(Keys &keys, const std::string &prefix) {
  if (!keys.boolean(prefix + "attention.causal", true))
    keys.expected(prefix + "attention.causal", "true or absent");
  for (StringRef count : {"expert_count", "expert_used_count"})
    keys.integer(prefix + count.str(), 0, 0, 0);
  keys.find(prefix + "tensor_data_layout"); // Where the weights came from.
  for (const std::string &key : keys.unknownKeys(prefix))
    keys.fail("key " + quoted(key) +
              " is not known, and what it changes is "
              "not supported; remove it if it does not matter");
}

Expected<Facts> readFacts(Keys &keys, int64_t vocabSize,
                          std::optional<int64_t> contextLength) {
  Facts result;
  Checkpoint &facts = result.facts;
  checkKind(keys);
  const Architecture &architecture = readArchitecture(keys);
  // Everything else depends on the architecture.
  if (Error error = keys.takeError())
    return std::move(error);
  std::string prefix = architecture.name.str() + ".";
  result.isBitNet = architecture.isBitNet;
  facts.modelType = result.isBitNet ? "bitnet" : "llama";
  facts.architecture = architecture.name.str();
  facts.activation = architecture.activation;
  facts.vocabSize = vocabSize;
  readSizes(keys, prefix, result);
  if (Error error = keys.takeError())
    return std::move(error);
  readRope(keys, prefix, facts);
  readTokens(keys, prefix, facts);
  if (auto reason = setContextLength(contextLength, "context_length", facts))
    keys.fail(*reason);
  checkRest(keys, prefix);
  if (Error error = keys.takeError())
    return std::move(error);
  return result;
}

} // namespace ternac::import::gguf
