//===- ModelFacts.h - The facts of a model, from its module -----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_MODELFACTS_H
#define TERNAC_CONVERSION_MODELFACTS_H

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace ternac {

/// The symbol of the weight segment in object code. Code reaches it
/// through a 64-bit slot; `--emit=lib` fills it, whoever links objects provides
/// it.
inline constexpr llvm::StringLiteral kWeightsSymbol = "ternac_weights";

/// What the model table says.
struct ModelFacts {
  int64_t vocabSize, hiddenSize, layers, contextLength, maxRows, maxSequences;
  int64_t beginToken;
  llvm::SmallVector<int32_t> endTokens;
  int64_t weightsBytes, cacheBlockBytes;
  int64_t workspaceBytesPerRow, workspaceBytesFixed;
  std::string target;
  std::string cpuFeatures;
  std::string device; ///< "" for none
  std::string json; ///< tern.model as JSON, with the bytes that a token reads
};

/// Reads `tern.model`, `tern.weights` and `tern.target`, and the attributes
/// that tern-plan-workspace left on `forward`. Emits an error if one is
/// missing.
llvm::FailureOr<ModelFacts> readModelFacts(mlir::ModuleOp module,
                                           mlir::Operation *forward);

} // namespace ternac

#endif // TERNAC_CONVERSION_MODELFACTS_H
