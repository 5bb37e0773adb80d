//===- MasterWeights.cpp - What absmean needs to know beforehand ----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The sum of a tensor is that of its rows in ascending order, whatever the
// number of threads: a tensor is measured by one of them.
//
//===----------------------------------------------------------------------===//

#include "MasterWeights.h"

#include "Quantize.h"

#include <algorithm>

using llvm::Error;

namespace ternac::packing {

/// Whether the sources of `entry` are quantised by absmean.
static bool isMaster(const Entry &entry, const Source &source) {
  if (entry.kind == EntryKind::Scales)
    return entry.scaleSense == ScaleSense::Absmean;
  return entry.kind == EntryKind::Trits &&
         entry.scaleSense != ScaleSense::Magnitude &&
         !isTernary(source.encoding);
}

MasterWeights::Key MasterWeights::keyOf(const Source &source, int64_t layer) {
  // Synthetic tensors lie in no file.
  bool isStored = !source.files.empty();
  return {source.nameOf(layer),
          isStored ? source.files[layer] : -1,
          isStored ? source.offsets[layer] : 0,
          source.rows,
          source.cols,
          source.encoding};
}

MasterWeights::MasterWeights(const Plan &plan) {
  for (const Entry &entry : plan.entries)
    for (const Source &source : entry.sources)
      for (int64_t layer = 0; layer < entry.layers; ++layer)
        if (isMaster(entry, source) &&
            indices.try_emplace(keyOf(source, layer), tensors.size()).second)
          tensors.push_back({&source, layer, 0.0f});
}

Error MasterWeights::measure(size_t index, TensorReader &reader) {
  Tensor &tensor = tensors[index];
  const Source &source = *tensor.source;
  double sum = 0.0;
  auto addRow = [&](int64_t, const float *weights) {
    sum += absSum(weights, source.cols);
    return Error::success();
  };
  if (Error error = reader.forEachRow(source, tensor.layer, addRow))
    return error;
  const double count = static_cast<double>(source.rows * source.cols);
  tensor.multiplier = absmeanMultiplier(static_cast<float>(sum / count));
  return Error::success();
}

float MasterWeights::multiplier(const Source &source, int64_t layer) const {
  return tensors[indices.at(keyOf(source, layer))].multiplier;
}

} // namespace ternac::packing
