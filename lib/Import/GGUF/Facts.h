//===- Facts.h - What the keys of a GGUF file say of a model -- -*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_GGUF_FACTS_H
#define TERNAC_LIB_IMPORT_GGUF_FACTS_H

#include "Keys.h"

#include "ternac/Import/Checkpoint.h"

namespace ternac::import::gguf {

struct Facts {
  /// Filled in but for tensors, layers and files.
  Checkpoint facts;
  int64_t layers = 0;
  /// Of the BitNet family: norms inside the layer, and the head is the
  /// embedding. Else rows of q and k are stored interleaved.
  bool isBitNet = false;
};

/// Reads the keys of a model whose embedding has `vocabSize` rows.
llvm::Expected<Facts> readFacts(Keys &keys, int64_t vocabSize,
                                std::optional<int64_t> contextLength);

} // namespace ternac::import::gguf

#endif // TERNAC_LIB_IMPORT_GGUF_FACTS_H
