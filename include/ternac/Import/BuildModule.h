//===- BuildModule.h - A checkpoint as a tern module ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_IMPORT_BUILDMODULE_H
#define TERNAC_IMPORT_BUILDMODULE_H

#include "ternac/Dialect/Tern/IR/Tern.h"
#include "ternac/Import/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace ternac::import {

/// How the model will be used; the first value of each is the default.
struct ModelOptions {
  enum class Head { Int8, Int4, AsStored } head = Head::Int8;
  enum class Cache { F16, F32, I8 } cache = Cache::F16;
  enum class Attention { Auto, F32 } attention = Attention::Auto;
  /// Of ternary layers; Auto: as the model was trained.
  enum class Activations { Auto, Int8, F32 } activations = Activations::Auto;
  int64_t maxRows = 512;
  int64_t maxSequences = 64;
};

/// The module at phase `imported`: a function @forward over rows of tokens,
///   (tokens, positions, sequences: [rows] i32; logit_rows: [m] i32; cache)
///   -> ([m, vocab] f32, cache),
/// in which each run of layers of equal signature is one loop, and a global for
/// each weight. Nothing in it depends on the number of layers but the lists of
/// file offsets.
mlir::OwningOpRef<mlir::ModuleOp> buildModule(mlir::MLIRContext *context,
                                              const Checkpoint &checkpoint,
                                              const ModelOptions &options,
                                              tern::TargetAttr target);

} // namespace ternac::import

#endif // TERNAC_IMPORT_BUILDMODULE_H
