//===- MasterWeights.h - What absmean needs to know beforehand --*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Internal to the packer. The absmean rule needs the mean of a whole tensor
// before the first of its trits, so master weights are read twice; this is the
// first time.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_PACKING_MASTERWEIGHTS_H
#define TERNAC_LIB_PACKING_MASTERWEIGHTS_H

#include "TensorReader.h"

#include "ternac/Packing/Plan.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace ternac::packing {

/// The multipliers of all tensors of a plan that are quantised by absmean.
class MasterWeights {
public:
  /// Collects the tensors of `plan`, each once: one may be the source of
  /// several entries (its trits, its scale).
  explicit MasterWeights(const Plan &plan);

  size_t size() const { return tensors.size(); }

  /// Reads tensor `index`; distinct ones from distinct threads if need be.
  llvm::Error measure(size_t index, TensorReader &reader);

  /// See absmeanMultiplier; all tensors have been measured.
  float multiplier(const Source &source, int64_t layer) const;

private:
  struct Tensor {
    const Source *source;
    int64_t layer;
    float multiplier;
  };
  using Key =
      std::tuple<std::string, int64_t, int64_t, int64_t, int64_t, Encoding>;
  static Key keyOf(const Source &source, int64_t layer);

  std::map<Key, size_t> indices;
  std::vector<Tensor> tensors;
};

} // namespace ternac::packing

#endif // TERNAC_LIB_PACKING_MASTERWEIGHTS_H
