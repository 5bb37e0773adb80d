//===- GGUF.cpp - Reading GGUF files --------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds for every weight of the model the tensor that holds it, and checks that
// the tensor is what the keys say. The names are those of llama.cpp.
//
//===----------------------------------------------------------------------===//

#include "ternac/Import/GGUF.h"

#include "../Common/Limits.h"
#include "../Common/Text.h"
#include "Facts.h"
#include "File.h"

#include "ternac/Packing/Samples.h"
#include "ternac/Packing/TernaryValues.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace ternac::import::gguf {

namespace {
/// How a tensor of the model may be stored.
enum class Form {
  Float, ///< F32, F16 or BF16
  Dense, ///< the same, Q8_0 or Q6_K
  Any,   ///< the same or ternary
};

/// Maps the weights of a model to tensors.
class Mapper {
public:
  Mapper(const File &file, const std::string &path) : path(path) {
    for (const StoredTensor &tensor : file.tensors())
      tensors[tensor.name] = &tensor;
  }

  Expected<int64_t> vocabSize() const;
  Error map(const Facts &facts, Checkpoint &checkpoint);

  /// Where blocks of a matrix have different scales, keeps these: the weights
  /// are values then, of a magnitude for each group of columns. Reads all
  /// weights of encodings with such scales. `checkpoint` has the file.
  Error findScales(Checkpoint &checkpoint) const;

private:
  Error mapTensor(Tensor &tensor, const std::string &name, Form form,
                  std::vector<int64_t> shape);
  Error mapLinear(Linear &linear, const std::string &name, int64_t rows,
                  int64_t cols, int64_t interleaved = 0);
  Error mapLayer(Layer &layer, const std::string &prefix, const Facts &facts);
  Error mapHead(const Facts &facts, Checkpoint &checkpoint);
  Error checkAllRead(const Facts &facts) const;
  Error missing(StringRef name) const;

  const std::string &path;
  StringMap<const StoredTensor *> tensors;
  StringSet<> read;
  std::vector<packing::Source> ternary;
};
} // namespace

static constexpr StringLiteral embeddingName = "token_embd.weight";
static constexpr StringLiteral headName = "output.weight";

Error Mapper::missing(StringRef name) const {
  return createStringError(path + ": expected tensor " + quoted(name) +
                           ", but the file does not hold it");
}

/// The vocabulary is as large as the embedding; keys only repeat it.
Expected<int64_t> Mapper::vocabSize() const {
  const StoredTensor *embedding = tensors.lookup(embeddingName);
  if (!embedding)
    return missing(embeddingName);
  int64_t rows = embedding->shape.front();
  if (embedding->shape.size() == 2 && rows <= maxVocab)
    return rows;
  return createStringError(path + ": tensor " + quoted(embeddingName) +
                           " must have a row for each of at most " +
                           Twine(maxVocab) + " tokens, but has the shape " +
                           shownShape(embedding->shape));
}

static StringRef describe(Form form) {
  switch (form) {
  case Form::Float:
    return "F32, F16 or BF16";
  case Form::Dense:
    return "F32, F16, BF16, Q8_0 or Q6_K";
  case Form::Any:
    return "of a known type";
  }
  llvm_unreachable("all forms handled");
}

static bool fits(packing::Encoding encoding, Form form) {
  switch (form) {
  case Form::Float:
    return packing::isFloat(encoding);
  case Form::Dense:
    return !packing::isTernary(encoding);
  case Form::Any:
    return true;
  }
  llvm_unreachable("all forms handled");
}

Error Mapper::mapTensor(Tensor &tensor, const std::string &name, Form form,
                        std::vector<int64_t> shape) {
  const StoredTensor *stored = tensors.lookup(name);
  if (!stored)
    return missing(name);
  read.insert(name);
  if (!fits(stored->encoding, form))
    return createStringError(path + ": tensor " + quoted(name) + " must be " +
                             describe(form) + ", but is " + stored->type);
  if (stored->shape != shape)
    return createStringError(path + ": tensor " + quoted(name) +
                             " must have the shape " + shownShape(shape) +
                             ", but has " + shownShape(stored->shape));
  tensor.name = name;
  tensor.encoding = stored->encoding;
  tensor.rows = shape.size() == 2 ? shape.front() : 1;
  tensor.cols = shape.back();
  tensor.offset = stored->offset;
  return Error::success();
}

Error Mapper::mapLinear(Linear &linear, const std::string &name, int64_t rows,
                        int64_t cols, int64_t interleaved) {
  if (Error error = mapTensor(linear.weight, name, Form::Any, {rows, cols}))
    return error;
  linear.weight.interleaved = interleaved;
  linear.ternary = packing::isTernary(linear.weight.encoding);
  if (!linear.ternary)
    return Error::success();
  // Every ternary encoding of these files has scales.
  linear.scale = linear.weight;
  packing::Source &source = ternary.emplace_back();
  source.name = name;
  source.encoding = linear.weight.encoding;
  source.rows = rows;
  source.cols = cols;
  source.files = {0};
  source.offsets = {linear.weight.offset};
  return Error::success();
}

Error Mapper::mapLayer(Layer &layer, const std::string &prefix,
                       const Facts &facts) {
  const Checkpoint &model = facts.facts;
  const int64_t hidden = model.hiddenSize, inner = model.intermediateSize;
  const int64_t queries = model.heads * model.headDim;
  const int64_t keys = model.kvHeads * model.headDim;
  const int64_t interleaved = facts.isBitNet ? 0 : model.headDim;
  struct Projection {
    Linear &linear;
    StringLiteral name;
    int64_t rows, cols, interleaved;
  };
  const Projection projections[] = {
      {layer.q, "attn_q", queries, hidden, interleaved},
      {layer.k, "attn_k", keys, hidden, interleaved},
      {layer.v, "attn_v", keys, hidden, 0},
      {layer.o, "attn_output", hidden, queries, 0},
      {layer.gate, "ffn_gate", inner, hidden, 0},
      {layer.up, "ffn_up", inner, hidden, 0},
      {layer.down, "ffn_down", hidden, inner, 0}};
  for (const Projection &part : projections)
    if (Error error =
            mapLinear(part.linear, prefix + part.name.str() + ".weight",
                      part.rows, part.cols, part.interleaved))
      return error;
  auto norm = [&](Tensor &tensor, StringRef name, int64_t size) {
    return mapTensor(tensor, prefix + name.str() + ".weight", Form::Float,
                     {size});
  };
  if (Error error = norm(layer.inputNorm, "attn_norm", hidden))
    return error;
  if (Error error = norm(layer.postAttentionNorm, "ffn_norm", hidden))
    return error;
  if (!facts.isBitNet)
    return Error::success();
  if (Error error =
          norm(layer.attentionSubNorm.emplace(), "attn_sub_norm", queries))
    return error;
  return norm(layer.feedForwardSubNorm.emplace(), "ffn_sub_norm", inner);
}

Error Mapper::mapHead(const Facts &facts, Checkpoint &checkpoint) {
  if (!tensors.contains(headName))
    return Error::success();
  if (facts.isBitNet)
    return createStringError(
        path + ": expected no tensor " + quoted(headName) +
        ", which programs that run the architecture " +
        quoted(checkpoint.architecture, '"') +
        " do not read: their head is the embedding; remove the tensor");
  return mapTensor(checkpoint.head.emplace(), headName.str(), Form::Dense,
                   {checkpoint.vocabSize, checkpoint.hiddenSize});
}

Error Mapper::checkAllRead(const Facts &facts) const {
  std::vector<StringRef> unread;
  for (StringRef name : tensors.keys())
    if (!read.contains(name))
      unread.push_back(name);
  if (unread.empty())
    return Error::success();
  sort(unread);
  std::string others;
  if (unread.size() > 1)
    others = " (nor " + std::to_string(unread.size() - 1) + " more)";
  return createStringError(
      path + ": nothing in the architecture " +
      quoted(facts.facts.architecture, '"') +
      " as it is compiled reads tensor " + quoted(unread.front()) + others +
      "; the result without it would be wrong, so the file is refused");
}

Error Mapper::map(const Facts &facts, Checkpoint &checkpoint) {
  const int64_t hidden = checkpoint.hiddenSize;
  if (Error error = mapTensor(checkpoint.embedding, embeddingName.str(),
                              Form::Dense, {checkpoint.vocabSize, hidden}))
    return error;
  checkpoint.layers.resize(facts.layers);
  for (auto [i, layer] : enumerate(checkpoint.layers))
    if (Error error = mapLayer(layer, "blk." + std::to_string(i) + ".", facts))
      return error;
  if (Error error = mapTensor(checkpoint.finalNorm, "output_norm.weight",
                              Form::Float, {hidden}))
    return error;
  if (Error error = mapHead(facts, checkpoint))
    return error;
  if (ternary.empty())
    return createStringError(
        path + ": expected ternary weights in a linear layer, but no layer is "
               "of a ternary type; if the model was trained to be ternary, "
               "convert it to TQ2_0 or I2_S, or compile its Hugging Face "
               "directory");
  return checkAllRead(facts);
}

/// Whether one scale is all that the encoding has room for.
static bool hasOneScale(packing::Encoding encoding) {
  return encoding == packing::Encoding::I2S ||
         encoding == packing::Encoding::I2S64 ||
         encoding == packing::Encoding::I2SRows;
}

Error Mapper::findScales(Checkpoint &checkpoint) const {
  packing::Plan plan;
  plan.files = checkpoint.files;
  packing::Entry &entry = plan.entries.emplace_back();
  for (const packing::Source &source : ternary)
    if (!hasOneScale(source.encoding))
      entry.sources.push_back(source);
  if (entry.sources.empty())
    return packing::checkSamples(path, ternary);
  Expected<packing::ScaleSpan> span =
      packing::findScaleSpan(plan, sys::path::parent_path(path).str());
  // Trits with scales are no ternary values only if all of them are 0.
  if (Error error = handleErrors(span.takeError(),
                                 [](const packing::NotTernaryError &) {}))
    return error;
  if (!span || *span == packing::ScaleSpan::Matrix)
    return packing::checkSamples(path, ternary);
  for (Layer &layer : checkpoint.layers)
    for (Linear *linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate,
                           &layer.up, &layer.down})
      if (linear->ternary && !hasOneScale(linear->weight.encoding)) {
        linear->scaleSense = packing::ScaleSense::Magnitude;
        linear->scaleColumns = packing::columnsOf(*span, linear->weight.cols);
      }
  return Error::success();
}

} // namespace ternac::import::gguf

using namespace ternac::import;

Expected<Checkpoint>
ternac::import::readGGUF(const std::string &path, I2SLayout layout,
                         std::optional<int64_t> contextLength) {
  Expected<gguf::File> file = gguf::File::open(path, layout);
  if (!file)
    return file.takeError();
  gguf::Mapper mapper(*file, path);
  Expected<int64_t> vocabSize = mapper.vocabSize();
  if (!vocabSize)
    return vocabSize.takeError();
  gguf::Keys keys(*file, path);
  Expected<gguf::Facts> facts =
      gguf::readFacts(keys, *vocabSize, contextLength);
  if (!facts)
    return facts.takeError();
  Checkpoint checkpoint = facts->facts;
  if (Error error = mapper.map(*facts, checkpoint))
    return std::move(error);
  Expected<uint64_t> fingerprint = packing::fingerprintFile(path);
  if (!fingerprint)
    return fingerprint.takeError();
  checkpoint.files.push_back(
      {sys::path::filename(path).str(), file->size(), *fingerprint});
  if (Error error = mapper.findScales(checkpoint))
    return std::move(error);
  if (!facts->isBitNet)
    checkpoint.finding =
        "activations are rounded to int8 before ternary layers; the file does "
        "not say whether the model was trained so (--activations)";
  return checkpoint;
}
