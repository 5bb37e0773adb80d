//===- HuggingFace.cpp - Checkpoint directories ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds for every weight of the model the tensor that holds it, and checks that
// the tensor is what the config says. The names are those of the transformers
// library.
//
//===----------------------------------------------------------------------===//

#include "Config.h"
#include "TensorStore.h"

#include "ternac/Packing/TernaryValues.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace ternac::import::hf {

static std::optional<packing::Encoding> floatEncoding(StringRef dtype) {
  return StringSwitch<std::optional<packing::Encoding>>(dtype)
      .Case("F32", packing::Encoding::F32)
      .Case("F16", packing::Encoding::F16)
      .Case("BF16", packing::Encoding::BF16)
      .Default(std::nullopt);
}

namespace {
/// How a tensor of the model may be stored.
enum class Form {
  Float,  ///< F32, F16 or BF16
  Scale,  ///< the same, of one element with or without a dimension
  Packed, ///< U8, four rows to a byte
};

/// Maps the modules of a model to tensors. Synthetic checkpoints have no store:
/// their tensors are as they should be.
class Mapper {
public:
  Mapper(const std::string &directory, const Config &config, TensorStore *store)
      : directory(directory), config(config), store(store) {}

  Error map(Checkpoint &checkpoint);

private:
  Error mapTensor(Tensor &tensor, const std::string &name, Form form,
                  std::vector<int64_t> shape, const Twine &reason = "");
  Error mapNorm(Tensor &tensor, const std::string &module, int64_t size);
  Error mapLinear(Linear &linear, const std::string &module, int64_t rows,
                  int64_t cols);
  Error mapAttention(Layer &layer, const std::string &module);
  Error mapFeedForward(Layer &layer, const std::string &module);
  Error mapHead(Checkpoint &checkpoint);
  std::string subNorm(const std::string &module, StringRef transformers,
                      StringRef oneBit) const;

  const std::string &directory;
  const Config &config;
  TensorStore *store;
};
} // namespace

/// Maps the tensor `name`, stored in `form` with `shape`; `reason` says in
/// errors why it has to be so.
Error Mapper::mapTensor(Tensor &tensor, const std::string &name, Form form,
                        std::vector<int64_t> shape, const Twine &reason) {
  bool packed = form == Form::Packed;
  int64_t storedRows = shape.size() == 2 ? shape.front() : 1;
  tensor.name = name;
  tensor.encoding =
      packed ? packing::Encoding::PackedRows : packing::Encoding::BF16;
  tensor.rows = packed ? 4 * storedRows : storedRows;
  tensor.cols = shape.back();
  if (!store)
    return Error::success();

  const TensorStore::Entry *entry = store->find(name);
  if (!entry)
    return createStringError(directory + ": expected tensor " + quoted(name) +
                             ", but no file of the checkpoint holds it" +
                             reason);
  const StoredTensor &stored = entry->tensor;
  auto fail = [&](const Twine &message) {
    return createStringError(store->pathOf(*entry) + ": tensor " +
                             quoted(name) + " " + message + reason);
  };
  std::optional<packing::Encoding> encoding = floatEncoding(stored.dtype);
  if (packed && stored.dtype != "U8")
    return fail("must be U8, but is " + stored.dtype);
  if (!packed && !encoding)
    return fail("must be F32, F16 or BF16, but is " + stored.dtype);
  bool isScalar = form == Form::Scale && stored.shape.empty();
  if (stored.shape != shape && !isScalar)
    return fail("must have the shape " + shownShape(shape) + ", but has " +
                shownShape(stored.shape));
  if (!packed)
    tensor.encoding = *encoding;
  tensor.file = entry->file;
  tensor.offset = stored.offset;
  return Error::success();
}

Error Mapper::mapNorm(Tensor &tensor, const std::string &module, int64_t size) {
  return mapTensor(tensor, module + ".weight", Form::Float, {size});
}

Error Mapper::mapLinear(Linear &linear, const std::string &module, int64_t rows,
                        int64_t cols) {
  const Quantization &quantization = config.quantization;
  linear.ternary = quantization.isTernary(module);
  std::string weight = module + ".weight";
  if (!linear.ternary)
    return mapTensor(linear.weight, weight, Form::Float, {rows, cols},
                     " (modules_to_not_convert keeps it dense)");

  using packing::ScaleSense;
  linear.scaleSense = quantization.scaleSense();
  if (linear.scaleSense == ScaleSense::Absmean) {
    if (store) {
      if (Error error = mapTensor(
              linear.weight, weight, Form::Float, {rows, cols},
              " (master weights, since " + quantization.reason() + ")"))
        return error;
      linear.scale = linear.weight;
      return Error::success();
    }
    // Synthetic weights are those that quantising a master would give.
    linear.scaleSense = ScaleSense::Direct;
  }
  if (rows % 4 != 0)
    return createStringError(
        directory + ": " + module + " has " + Twine(rows) +
        " rows, but packed ternary weights need a multiple of 4");
  if (Error error = mapTensor(
          linear.weight, weight, Form::Packed, {rows / 4, cols},
          " (packed ternary weights, since " + quantization.reason() + ")"))
    return error;
  return mapTensor(linear.scale, module + ".weight_scale", Form::Scale, {1},
                   " (of packed ternary weights, since " +
                       quantization.reason() + ")");
}

/// The name of a sub norm: that of transformers or that of 1bitLLM's code,
/// whichever is stored; the family's own where none is.
std::string Mapper::subNorm(const std::string &module, StringRef transformers,
                            StringRef oneBit) const {
  bool isOneBit = config.family == Family::OneBit;
  std::string own = module + "." + (isOneBit ? oneBit : transformers).str();
  std::string other = module + "." + (isOneBit ? transformers : oneBit).str();
  bool useOther = store && !store->contains(own + ".weight") &&
                  store->contains(other + ".weight");
  return useOther ? other : own;
}

Error Mapper::mapAttention(Layer &layer, const std::string &module) {
  const Checkpoint &facts = config.facts;
  int64_t hidden = facts.hiddenSize;
  int64_t queries = facts.heads * facts.headDim;
  int64_t keys = facts.kvHeads * facts.headDim;
  if (Error error = mapLinear(layer.q, module + ".q_proj", queries, hidden))
    return error;
  if (Error error = mapLinear(layer.k, module + ".k_proj", keys, hidden))
    return error;
  if (Error error = mapLinear(layer.v, module + ".v_proj", keys, hidden))
    return error;
  if (Error error = mapLinear(layer.o, module + ".o_proj", hidden, queries))
    return error;
  if (config.family == Family::Llama)
    return Error::success();
  return mapNorm(layer.attentionSubNorm.emplace(),
                 subNorm(module, "attn_sub_norm", "inner_attn_ln"), queries);
}

Error Mapper::mapFeedForward(Layer &layer, const std::string &module) {
  int64_t hidden = config.facts.hiddenSize;
  int64_t inner = config.facts.intermediateSize;
  if (Error error = mapLinear(layer.gate, module + ".gate_proj", inner, hidden))
    return error;
  if (Error error = mapLinear(layer.up, module + ".up_proj", inner, hidden))
    return error;
  if (Error error = mapLinear(layer.down, module + ".down_proj", hidden, inner))
    return error;
  if (config.family == Family::Llama)
    return Error::success();
  return mapNorm(layer.feedForwardSubNorm.emplace(),
                 subNorm(module, "ffn_sub_norm", "ffn_layernorm"), inner);
}

Error Mapper::mapHead(Checkpoint &checkpoint) {
  constexpr StringLiteral name = "lm_head.weight";
  if (!config.tieWordEmbeddings)
    return mapTensor(checkpoint.head.emplace(), name.str(), Form::Float,
                     {checkpoint.vocabSize, checkpoint.hiddenSize},
                     " (the head, since tie_word_embeddings is not true)");
  // Versions of transformers differ in whether such a head is used.
  if (store && store->contains(name))
    return createStringError(
        directory + ": tie_word_embeddings is true in config.json, but there "
                    "is a tensor 'lm_head.weight'; set the key to false to use "
                    "it, or remove the tensor to use the embedding");
  return Error::success();
}

Error Mapper::map(Checkpoint &checkpoint) {
  int64_t hidden = checkpoint.hiddenSize;
  if (Error error = mapTensor(checkpoint.embedding, "model.embed_tokens.weight",
                              Form::Float, {checkpoint.vocabSize, hidden}))
    return error;
  checkpoint.layers.resize(config.layers);
  for (auto [i, layer] : enumerate(checkpoint.layers)) {
    std::string module = "model.layers." + std::to_string(i);
    if (Error error =
            mapNorm(layer.inputNorm, module + ".input_layernorm", hidden))
      return error;
    if (Error error = mapAttention(layer, module + ".self_attn"))
      return error;
    if (Error error = mapNorm(layer.postAttentionNorm,
                              module + ".post_attention_layernorm", hidden))
      return error;
    if (Error error = mapFeedForward(layer, module + ".mlp"))
      return error;
  }
  if (Error error = mapNorm(checkpoint.finalNorm, "model.norm", hidden))
    return error;
  return mapHead(checkpoint);
}

/// All ternary layers of a checkpoint.
static std::vector<Linear *> ternaryLayers(Checkpoint &checkpoint) {
  std::vector<Linear *> result;
  for (Layer &layer : checkpoint.layers)
    for (Linear *linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate,
                           &layer.up, &layer.down})
      if (linear->ternary)
        result.push_back(linear);
  return result;
}

static std::string describe(packing::ScaleSpan span) {
  switch (span) {
  case packing::ScaleSpan::Matrix:
    return "matrix";
  case packing::ScaleSpan::Row:
    return "row";
  default:
    return "row and " + std::to_string(packing::columnsOf(span, 0)) +
           " columns";
  }
}

/// Without a quantization_config weights may be ternary as they are stored. A
/// llama has to be, and was trained without rounding activations; what families
/// that quantise by themselves store else is master weights.
static Error readTernaryValues(const std::string &directory,
                               const Config &config, Checkpoint &checkpoint) {
  std::vector<Linear *> layers = ternaryLayers(checkpoint);
  packing::Plan plan;
  plan.files = checkpoint.files;
  packing::Entry &entry = plan.entries.emplace_back();
  for (const Linear *linear : layers) {
    const Tensor &weight = linear->weight;
    packing::Source &source = entry.sources.emplace_back();
    source.name = weight.name;
    source.encoding = weight.encoding;
    source.rows = weight.rows;
    source.cols = weight.cols;
    source.files = {weight.file};
    source.offsets = {weight.offset};
  }
  bool isLlama = config.family == Family::Llama;
  Expected<packing::ScaleSpan> span = packing::findScaleSpan(plan, directory);
  if (!span) {
    std::string notTernary;
    Error other = handleErrors(span.takeError(),
                               [&](const packing::NotTernaryError &error) {
                                 notTernary = error.message();
                               });
    if (other || !isLlama)
      return other;
    return createStringError(
        directory +
        ": expected a 'quantization_config' in config.json, or "
        "weights that are ternary without it, but they are not (" +
        notTernary + "); making a dense model ternary is not supported");
  }
  for (Linear *linear : layers) {
    linear->scaleSense = packing::ScaleSense::Magnitude;
    linear->scaleColumns = packing::columnsOf(*span, linear->weight.cols);
  }
  checkpoint.weightOnly = isLlama;
  checkpoint.finding =
      "the weights are ternary as they are stored, with one scale for each " +
      describe(*span) + "; activations are " +
      (isLlama ? "not rounded" : "rounded to int8") +
      ", as in models of its kind (--activations)";
  return Error::success();
}

} // namespace ternac::import::hf

using namespace ternac::import;

Expected<Checkpoint>
ternac::import::readHuggingFace(const std::string &directory,
                                std::optional<uint64_t> syntheticSeed,
                                std::optional<int64_t> contextLength) {
  Expected<hf::Config> config = hf::readConfig(directory, contextLength);
  if (!config)
    return config.takeError();
  Checkpoint checkpoint = config->facts;
  if (syntheticSeed && !config->hasQuantization &&
      config->family == hf::Family::Llama)
    return createStringError(
        directory +
        ": expected a 'quantization_config' in config.json; without "
        "it the weights of a " +
        checkpoint.modelType +
        " say how they are ternary, and there are only synthetic ones");
  if (syntheticSeed) {
    checkpoint.syntheticSeed = syntheticSeed;
    if (Error error = hf::Mapper(directory, *config, nullptr).map(checkpoint))
      return std::move(error);
    return checkpoint;
  }
  Expected<hf::TensorStore> store = hf::TensorStore::open(directory);
  if (!store)
    return store.takeError();
  if (Error error = hf::Mapper(directory, *config, &*store).map(checkpoint))
    return std::move(error);
  if (Error error = store->checkAllRead())
    return std::move(error);
  checkpoint.files = store->files();
  if (!config->hasQuantization)
    if (Error error = hf::readTernaryValues(directory, *config, checkpoint))
      return std::move(error);
  return checkpoint;
}
