//===- Quantization.h - Which modules are ternary, and how ------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// config.json's quantization_config decides three things that the tensors do
// not tell: which linear modules are ternary, whether their weights are stored
// packed or have to be quantised, and what a stored scale means.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_HUGGINGFACE_QUANTIZATION_H
#define TERNAC_LIB_IMPORT_HUGGINGFACE_QUANTIZATION_H

#include "Json.h"

#include "ternac/Packing/Plan.h"

namespace ternac::import::hf {

class Quantization {
public:
  /// Without a quantization_config: all linear modules but the head are
  /// ternary, with floats on disk: master weights, or ternary values, which
  /// only these floats can tell. (1bitLLM's code quantises by itself.
  /// That of transformers would run a bitnet dense, but such a model was
  /// trained to be ternary, and its key was lost in a conversion.)
  Quantization() = default;

  /// Reads a quantization_config; complaints go to `reader`.
  static Quantization read(ObjectReader &reader);

  /// Absmean: master weights are stored. Otherwise packed weights, with a scale
  /// in this sense.
  packing::ScaleSense scaleSense() const { return sense; }

  /// Why weights are stored as scaleSense() says, for messages.
  const std::string &reason() const { return why; }

  /// Whether the linear module of this full name ("lm_head",
  /// "model.layers.0.mlp.up_proj") is ternary. The head never is.
  bool isTernary(llvm::StringRef module) const;

private:
  packing::ScaleSense sense = packing::ScaleSense::Absmean;
  std::string why = "config.json has no quantization_config";
  /// modules_to_not_convert. Absent: the head alone.
  std::optional<std::vector<std::string>> kept;
};

} // namespace ternac::import::hf

#endif // TERNAC_LIB_IMPORT_HUGGINGFACE_QUANTIZATION_H
