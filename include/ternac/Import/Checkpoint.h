//===- Checkpoint.h - A decoder checkpoint, read and checked ----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a reader of checkpoints hands to the IR builder: the facts of the model
// and, for each tensor, where it lies and how it is stored. Everything here has
// been checked; building IR from it cannot fail. It has no weight bytes.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_IMPORT_CHECKPOINT_H
#define TERNAC_IMPORT_CHECKPOINT_H

#include "ternac/Packing/Plan.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ternac::import {

/// The function between gate and up projection.
enum class Activation { Relu2, Silu };

/// One stored tensor of one layer (or of none).
struct Tensor {
  std::string name; ///< full checkpoint name, with the layer's number
  packing::Encoding encoding = packing::Encoding::F32;
  int64_t rows = 1;        ///< logical rows M
  int64_t cols = 1;        ///< logical columns K; a vector is 1 x K
  int64_t interleaved = 0; ///< see packing::Source
  int64_t file = 0;        ///< index into Checkpoint::files
  int64_t offset = 0;
};

/// A linear layer: ternary or dense.
struct Linear {
  bool ternary = true;
  Tensor weight;
  /// Ternary only. With ScaleSense::Absmean there is no stored scale, and in
  /// some encodings it lies in the weight; then `scale` repeats `weight`. So it
  /// is with ScaleSense::Magnitude, where the weights are -s, 0 or +s.
  packing::ScaleSense scaleSense = packing::ScaleSense::Direct;
  Tensor scale;
  /// The columns of a row that share a scale; 0: one scale for all.
  int64_t scaleColumns = 0;
};

struct Layer {
  Tensor inputNorm, postAttentionNorm;
  Linear q, k, v, o, gate, up, down;
  std::optional<Tensor> attentionSubNorm;   ///< before o
  std::optional<Tensor> feedForwardSubNorm; ///< before down
};

struct Checkpoint {
  std::string modelType;    ///< config's model_type
  std::string architecture; ///< first of config's architectures, or ""
  int64_t hiddenSize = 0, intermediateSize = 0, vocabSize = 0;
  int64_t heads = 0, kvHeads = 0, headDim = 0;
  int64_t contextLength = 0; ///< max_position_embeddings
  packing::Rope rope;
  /// The last positions that a row sees, its own included: one number for all
  /// layers or one for each, 0 for all positions. Empty: all, in all layers.
  std::vector<int64_t> windows;
  double normEps = 1e-5;
  Activation activation = Activation::Silu;
  int64_t beginToken = -1;
  std::vector<int64_t> endTokens;

  Tensor embedding; ///< vocab x hidden
  Tensor finalNorm;
  std::optional<Tensor> head; ///< absent: tied to the embedding
  std::vector<Layer> layers;

  /// The model was trained without rounding the activations of ternary layers.
  bool weightOnly = false;
  /// What had to be found out about the checkpoint, for people; or "".
  std::string finding;

  std::vector<packing::File> files; ///< paths relative to the directory
  std::optional<uint64_t> syntheticSeed;
};

/// Reads a Hugging Face checkpoint directory: config.json and either
/// model.safetensors or the shards of model.safetensors.index.json. With
/// `syntheticSeed`, config.json is enough: no tensor file is opened, and the
/// shapes and encodings are those that such a checkpoint would have (ternary
/// weights packed, scales bf16, everything else bf16).
///
/// `contextLength` overrides the config's: at most max_position_embeddings, or
/// what a scaled rope makes of the positions of the training if that is more.
/// Errors name the file and say what was expected and what was found.
llvm::Expected<Checkpoint>
readHuggingFace(const std::string &directory,
                std::optional<uint64_t> syntheticSeed,
                std::optional<int64_t> contextLength);

} // namespace ternac::import

#endif // TERNAC_IMPORT_CHECKPOINT_H
