//===- TensorReader.h - Rows of a plan's tensors ----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Internal to the packer: the rows of a source, wherever they come from (a
// checkpoint or a seed) and however they are stored.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_PACKING_TENSORREADER_H
#define TERNAC_LIB_PACKING_TENSORREADER_H

#include "Files.h"

#include "ternac/Packing/Plan.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ternac::packing {

/// Elements that are read at a time, unless a single row has more.
constexpr int64_t chunkElements = int64_t(1) << 18;

/// Reads rows [row, row + rows) of a source. Each thread has its own reader,
/// for the sake of the buffer. The plan has been checked.
class TensorReader {
public:
  /// `files` are those of the plan; empty when it is synthetic.
  TensorReader(const Plan &plan, llvm::ArrayRef<InputFile> files)
      : plan(plan), files(files) {}

  /// As the checkpoint stores them; not for trits.
  llvm::Error readStored(const Source &source, int64_t layer, int64_t row,
                         int64_t rows, uint8_t *out);

  /// Converted to F32, F16 or BF16. NaN and infinity are errors, and so is a
  /// number that becomes infinity.
  llvm::Error readFiniteAs(Encoding element, const Source &source,
                           int64_t layer, int64_t row, int64_t rows,
                           uint8_t *out);

  /// Widened to f32.
  llvm::Error readFloats(const Source &source, int64_t layer, int64_t row,
                         int64_t rows, float *out);

  /// Widened to f32, and NaN or infinity is an error.
  llvm::Error readFiniteFloats(const Source &source, int64_t layer, int64_t row,
                               int64_t rows, float *out);

  /// Calls body(row, weights) for each row of a layer of the source, in order;
  /// NaN or infinity is an error. A chunk of rows is read at a time.
  llvm::Error
  forEachRow(const Source &source, int64_t layer,
             llvm::function_ref<llvm::Error(int64_t row, const float *)> body);

  /// As trits; for encodings of trits only.
  llvm::Error readTrits(const Source &source, int64_t layer, int64_t row,
                        int64_t rows, int8_t *out);

  /// The one scale of a matrix whose encoding has scales. Whether there is but
  /// one shows when its trits are read.
  llvm::Expected<float> readScale(const Source &source, int64_t layer);

  /// An error about the tensor: "<file>: tensor '<name>': <message>".
  llvm::Error error(const Source &source, int64_t layer,
                    const llvm::Twine &message) const;

private:
  llvm::Error readBytes(const Source &source, int64_t layer, int64_t offset,
                        llvm::MutableArrayRef<uint8_t> out) const;
  llvm::Error checkFinite(const Source &source, int64_t layer, int64_t row,
                          const float *values, int64_t count) const;
  llvm::Error readQuarters(const Source &source, int64_t layer, int64_t row,
                           int64_t rows, int8_t *out);
  llvm::Error readField(const Source &source, int64_t layer, int64_t row,
                        int64_t rows, int8_t *out);
  llvm::Error readSharedRows(const Source &source, int64_t layer, int64_t row,
                             int64_t rows, int8_t *out);
  llvm::Error readScaledFloats(const Source &source, int64_t layer, int64_t row,
                               int64_t rows, float *out);
  llvm::Error readScaledRows(const Source &source, int64_t layer, int64_t row,
                             int64_t rows, int8_t *out);
  llvm::Error applyScales(const Source &source, int64_t layer, int64_t row,
                          const uint8_t *stored, float common,
                          int8_t *out) const;
  llvm::Error code3(const Source &source, int64_t layer, int64_t row,
                    llvm::ArrayRef<int8_t> decoded) const;
  llvm::Expected<float> readTrailingScale(const Source &source, int64_t layer);
  llvm::Expected<float> findScale(const Source &source, int64_t layer);

  const Plan &plan;
  llvm::ArrayRef<InputFile> files;
  std::vector<uint8_t> stored;
  std::vector<float> floats;
  std::vector<float> wide;
  std::vector<int8_t> trits;
  /// The scale that was read last, and the file and offset of its matrix.
  std::optional<std::pair<std::pair<int64_t, int64_t>, float>> lastScale;
};

/// A number as messages show it.
std::string shown(float value);

} // namespace ternac::packing

#endif // TERNAC_LIB_PACKING_TENSORREADER_H
