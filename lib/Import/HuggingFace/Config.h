//===- Config.h - The config.json of a checkpoint ---------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A config describes a model by what differs from the code that it was written
// for. Every key is therefore either understood, or known not to matter, or an
// error: a key that is passed over in silence is a wrong result.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_HUGGINGFACE_CONFIG_H
#define TERNAC_LIB_IMPORT_HUGGINGFACE_CONFIG_H

#include "Quantization.h"

#include "../Common/Limits.h"

#include "ternac/Import/Checkpoint.h"

namespace ternac::import::hf {

/// The code that a config is written for.
enum class Family {
  BitNet, ///< BitNet b1.58 2B4T and its like: BitNetForCausalLM
  OneBit, ///< 1bitLLM's reproduction: BitnetForCausalLM, with a small n
  /// LlamaForCausalLM with linear modules replaced, or MistralForCausalLM or
  /// MinistralForCausalLM, which differ from it by their windows.
  Llama,
};

struct Config {
  Family family = Family::BitNet;
  /// Filled in but for tensors, layers and files.
  Checkpoint facts;
  int64_t layers = 0;
  bool tieWordEmbeddings = false;
  Quantization quantization;
  /// There is a quantization_config. Without it the values of the weights say
  /// whether they are ternary already.
  bool hasQuantization = false;
};

/// Reads config.json of `directory`, and the token numbers of
/// generation_config.json if there is one.
llvm::Expected<Config> readConfig(const std::string &directory,
                                  std::optional<int64_t> contextLength);

/// Reads how positions are encoded, where `facts` has the sizes of the config.
void readRope(ObjectReader &reader, double defaultTheta, Checkpoint &facts);

/// Reads which positions each layer sees, once `facts` has the context length.
void readWindows(ObjectReader &reader, int64_t layers, Checkpoint &facts);

/// Complains about keys whose value is not supported, and about unread keys
/// that are not known to be harmless.
void checkRemainingKeys(ObjectReader &reader);

} // namespace ternac::import::hf

#endif // TERNAC_LIB_IMPORT_HUGGINGFACE_CONFIG_H
