//===- TernaryValues.cpp - Floats that are ternary already ----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row is reduced to the magnitudes of its narrowest groups, one number for 32
// weights; what wider spans ask is asked of these.
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/TernaryValues.h"

#include "Files.h"
#include "Jobs.h"
#include "Quantize.h"
#include "TensorReader.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/ErrorHandling.h"

#include <algorithm>

using llvm::Error;
using llvm::Twine;

namespace ternac::packing {

char NotTernaryError::ID = 0;

static constexpr int64_t narrowest = 32;

int64_t columnsOf(ScaleSpan span, int64_t cols) {
  switch (span) {
  case ScaleSpan::Matrix:
    return 0;
  case ScaleSpan::Row:
    return cols;
  case ScaleSpan::Columns128:
    return 128;
  case ScaleSpan::Columns64:
    return 64;
  case ScaleSpan::Columns32:
    return narrowest;
  }
  llvm_unreachable("unknown span");
}

namespace {

/// Finds the span of one matrix, row by row.
class SpanFinder {
public:
  /// The column of a weight of another magnitude than its group's, if there is
  /// one.
  std::optional<int64_t> addRow(const float *weights, int64_t cols) {
    magnitudes.assign((cols + narrowest - 1) / narrowest, 0.0f);
    for (size_t group = 0; group < magnitudes.size(); ++group) {
      const int64_t first = group * narrowest;
      if (auto bad = findOtherMagnitude(weights + first,
                                        std::min(narrowest, cols - first),
                                        magnitudes[group]))
        return first + *bad;
    }
    float ofRow = 0.0f;
    const bool isRow = isShared(magnitudes, ofRow);
    isAny |= !isRow || ofRow != 0.0f;
    if (span == ScaleSpan::Matrix && !(isRow && isShared(ofRow, ofMatrix)))
      span = ScaleSpan::Row;
    if (span == ScaleSpan::Row && !isRow)
      span = ScaleSpan::Columns128;
    if (span == ScaleSpan::Columns128 && !areGroups(128))
      span = ScaleSpan::Columns64;
    if (span == ScaleSpan::Columns64 && !areGroups(64))
      span = ScaleSpan::Columns32;
    return std::nullopt;
  }

  ScaleSpan span = ScaleSpan::Matrix;
  /// Any weight is not 0.
  bool isAny = false;

private:
  static bool isShared(llvm::ArrayRef<float> part, float &magnitude) {
    return !findOtherMagnitude(part.data(), part.size(), magnitude);
  }

  /// Whether groups of `columns` share a magnitude each.
  bool areGroups(int64_t columns) const {
    llvm::ArrayRef<float> rest(magnitudes);
    const size_t count = columns / narrowest;
    for (; !rest.empty();
         rest = rest.drop_front(std::min(count, rest.size()))) {
      float magnitude = 0.0f;
      if (!isShared(rest.take_front(count), magnitude))
        return false;
    }
    return true;
  }

  float ofMatrix = 0.0f;
  std::vector<float> magnitudes; ///< of the groups of the row
};

} // namespace

/// Adds the rows of one layer of a source.
static Error addRows(SpanFinder &finder, TensorReader &reader,
                     const Source &source, int64_t layer) {
  auto addRow = [&](int64_t row, const float *weights) -> Error {
    std::optional<int64_t> column = finder.addRow(weights, source.cols);
    if (!column)
      return Error::success();
    return llvm::make_error<NotTernaryError>(llvm::toString(reader.error(
        source, layer,
        "the value at row " + Twine(row) + ", column " + Twine(*column) +
            " is neither 0 nor of the magnitude of those beside it")));
  };
  return reader.forEachRow(source, layer, addRow);
}

llvm::Expected<ScaleSpan>
findScaleSpan(const Plan &plan, const std::string &root, unsigned threads) {
  auto files = openFiles(plan, root);
  if (!files)
    return files.takeError();
  struct Tensor {
    const Source *source;
    int64_t layer;
  };
  std::vector<Tensor> tensors;
  for (const Entry &entry : plan.entries)
    for (const Source &source : entry.sources)
      for (int64_t layer = 0; layer < entry.layers; ++layer)
        tensors.push_back({&source, layer});
  std::vector<SpanFinder> finders(tensors.size());
  std::vector<TensorReader> readers(std::max(1u, threads),
                                    TensorReader(plan, *files));
  auto find = [&](size_t thread, size_t index) {
    return addRows(finders[index], readers[thread], *tensors[index].source,
                   tensors[index].layer);
  };
  if (Error error = runJobs(tensors.size(), readers.size(), find))
    return std::move(error);
  SpanFinder all;
  for (const SpanFinder &finder : finders) {
    all.span = std::max(all.span, finder.span);
    all.isAny |= finder.isAny;
  }
  if (!all.isAny)
    return llvm::make_error<NotTernaryError>("all of them are 0");
  return all.span;
}

} // namespace ternac::packing
