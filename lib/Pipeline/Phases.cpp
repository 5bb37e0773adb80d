//===- Phases.cpp - The list of phases ------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Pipeline/Phases.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace ternac;

llvm::ArrayRef<PhaseInfo> ternac::phases() {
  static const PhaseInfo list[] = {
      {Phase::Imported, "imported",
       "the model as the checkpoint has it, one layer op per run of layers"},
      {Phase::Normalized, "normalized",
       "layers written out; projections of the same rows and norms fused"},
      {Phase::Quantized, "quantized",
       "integer arithmetic explicit: quantize, exact matmul, rescale"},
      {Phase::Packed, "packed",
       "packing and strategy chosen; weights are bytes with a place"},
      {Phase::Bufferized, "bufferized",
       "memrefs in one planned workspace; nothing allocates"},
      {Phase::Vectorized, "vectorized",
       "loops over vectors, one function per matmul kernel"},
      {Phase::LLVM, "llvm", "the LLVM dialect, with the model table"},
  };
  return list;
}

llvm::StringRef ternac::phaseName(Phase phase) {
  return phases()[size_t(phase)].name;
}

std::optional<Phase> ternac::phaseByName(llvm::StringRef name) {
  for (const PhaseInfo &info : phases())
    if (info.name == name)
      return info.phase;
  return std::nullopt;
}

std::string ternac::phaseNames() {
  return llvm::join(
      llvm::map_range(phases(),
                      [](const PhaseInfo &info) { return info.name.str(); }),
      ", ");
}
