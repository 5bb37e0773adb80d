//===- Compiler.h - From a model to the output asked for --------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DRIVER_COMPILER_H
#define TERNAC_DRIVER_COMPILER_H

#include "ternac/Import/BuildModule.h"
#include "ternac/Import/GGUF.h"
#include "ternac/Pipeline/Phases.h"
#include "ternac/Target/Target.h"

#include "llvm/Support/Error.h"

#include <functional>
#include <optional>
#include <string>

namespace ternac {

/// What to write.
struct Output {
  enum class Kind {
    Library,
    Object,
    Assembly,
    LLVMIR,
    Kernels,
    Header, ///< of C, for a library of functions
    PhaseIR
  };
  Kind kind = Kind::Library;
  Phase phase = Phase::Imported; ///< PhaseIR; Header: the last that it needs

  /// From the word after --emit=: lib, obj, asm, llvm, kernels, header, or a
  /// phase.
  static llvm::Expected<Output> parse(llvm::StringRef word);
};

struct CompileOptions {
  /// A Hugging Face directory, or a .gguf, .mlir or .mlirbc file.
  std::string model;
  /// A path, or "" for a default: MODEL.so for a library, else stdout.
  std::string output;
  Output emit;
  /// The --target text; absent: what the module says, or this host.
  std::optional<std::string> target;
  /// The phase that an .mlir file is at.
  Phase compileFrom = Phase::Imported;
  std::string dumpPhasesTo; ///< a folder, or ""
  std::string weightsRoot;  ///< where an .mlir file's weights lie, or ""
  LoweringChoice lowering;
  bool remarks = false; ///< print why each matmul is lowered as it is
  import::ModelOptions modelOptions;
  std::optional<int64_t> contextLength;
  /// Names of the options given that only the import of a checkpoint reads; an
  /// error with an .mlir file.
  std::vector<std::string> importOptions;
  std::optional<uint64_t> syntheticSeed;
  std::optional<import::I2SLayout> i2sLayout; ///< of a .gguf file
  std::function<void(uint64_t, uint64_t)> progress;
};

/// Compiles. On failure nothing is left at the output; every error has been
/// printed as one line "error: ..." or is in the result.
llvm::Error compile(const CompileOptions &options);

/// The resolved description of a --target text, as MLIR prints it.
llvm::Expected<std::string> describeTarget(llvm::StringRef target);

} // namespace ternac

#endif // TERNAC_DRIVER_COMPILER_H
