//===- Phases.h - The phases of a compilation -------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one list of phases. `--list-phases`, `--emit`, `--compile-from`,
// `--dump-phases-to`, the pipelines of ternac-opt, the contracts and the table
// in the documentation all come from it.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PIPELINE_PHASES_H
#define TERNAC_PIPELINE_PHASES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace ternac {

enum class Phase {
  Imported,
  Normalized,
  Quantized,
  Packed,
  Bufferized,
  Vectorized,
  LLVM,
};

struct PhaseInfo {
  Phase phase;
  llvm::StringLiteral name;
  llvm::StringLiteral summary;
};

/// All phases in order.
llvm::ArrayRef<PhaseInfo> phases();
llvm::StringRef phaseName(Phase phase);
std::optional<Phase> phaseByName(llvm::StringRef name);
/// "imported, normalized, ...", for messages.
std::string phaseNames();

} // namespace ternac

#endif // TERNAC_PIPELINE_PHASES_H
