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

/// The kernels of a module.
struct KernelFacts {
  llvm::SmallVector<std::string> names; ///< empty for no kernels
  std::string format;
  int64_t bytes = 0;
  std::string processor; ///< that there is an object for; "" for none
  int64_t objectBytes = 0;
  int64_t constantsBytes = 0;
};

/// What the model table says.
struct ModelFacts {
  int64_t vocabSize, hiddenSize, layers, contextLength, maxRows, maxSequences;
  int64_t beginToken;
  llvm::SmallVector<int32_t> endTokens;
  int64_t weightsBytes, cacheBlockBytes;
  std::string device; ///< "" for none
  KernelFacts kernels;
  std::string json; ///< tern.model as JSON, with the bytes that a token reads
};

/// What it says of the code for one machine.
struct VersionFacts {
  std::string name, target, cpuFeatures;
  int64_t workspaceBytesPerRow, workspaceBytesFixed;
};

/// Reads `tern.model` and `tern.weights`. Emits an error if one is missing.
llvm::FailureOr<ModelFacts> readModelFacts(mlir::ModuleOp module);
/// Reads `tern.kernels`, which need not be there. Emits an error if it is, but
/// makes no sense.
llvm::FailureOr<KernelFacts> readKernelFacts(mlir::ModuleOp module);
/// Reads what tern-plan-workspace left on `forward`, the code for `machine`.
/// Emits an error if it is missing.
llvm::FailureOr<VersionFacts> readVersionFacts(mlir::Operation *forward,
                                               tern::TargetAttr machine);

} // namespace ternac

#endif // TERNAC_CONVERSION_MODELFACTS_H
