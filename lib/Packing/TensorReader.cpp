//===- TensorReader.cpp - Rows of a plan's tensors ------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A synthetic tensor is rounded to the encoding it claims to have, so that a
// plan means the same as if a checkpoint held what the seed gives.
//
//===----------------------------------------------------------------------===//

#include "TensorReader.h"

#include "Blocks.h"
#include "Decode.h"
#include "Quantize.h"
#include "Synthetic.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdio>

using llvm::Error;
using llvm::Twine;

namespace ternac::packing {

std::string shown(float value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", value);
  return text;
}

Error TensorReader::error(const Source &source, int64_t layer,
                          const Twine &message) const {
  std::string file =
      plan.syntheticSeed ? "synthetic" : files[source.files[layer]].path();
  return llvm::createStringError(file + ": tensor '" + source.nameOf(layer) +
                                 "': " + message);
}

Error TensorReader::readBytes(const Source &source, int64_t layer,
                              int64_t offset,
                              llvm::MutableArrayRef<uint8_t> out) const {
  uint64_t start = static_cast<uint64_t>(source.offsets[layer]) + offset;
  if (Error failure = files[source.files[layer]].read(start, out))
    return error(source, layer, llvm::toString(std::move(failure)));
  return Error::success();
}

/// Calls body(stored, count, first) for runs of rows that are stored one behind
/// the other: rows [stored, stored + count) of the file are those of
/// [row, row + rows) from `first` on.
static Error
forEachRun(const Source &source, int64_t row, int64_t rows,
           llvm::function_ref<Error(int64_t, int64_t, int64_t)> body) {
  const int64_t count = source.interleaved == 0 ? rows : 1;
  for (int64_t first = 0; first < rows; first += count)
    if (Error failure = body(source.storedRow(row + first), count, first))
      return failure;
  return Error::success();
}

Error TensorReader::readStored(const Source &source, int64_t layer, int64_t row,
                               int64_t rows, uint8_t *out) {
  assert(!isTernary(source.encoding) && "rows of trits may share bytes");
  const int64_t bytes = rowBytes(source.encoding, source.cols);
  if (!plan.syntheticSeed)
    return forEachRun(source, row, rows,
                      [&](int64_t from, int64_t count, int64_t first) {
                        return readBytes(source, layer, from * bytes,
                                         {out + first * bytes,
                                          static_cast<size_t>(count * bytes)});
                      });
  const int64_t count = rows * source.cols;
  floats.resize(count);
  makeFloats(*plan.syntheticSeed, source.nameOf(layer), row, rows, source.cols,
             floats.data());
  encodeFloats(source.encoding, floats.data(), count, out);
  return Error::success();
}

/// Whether one scale, that of the whole matrix, lies behind the trits.
static bool hasTrailingScale(Encoding encoding) {
  return encoding == Encoding::I2S || encoding == Encoding::I2S64 ||
         encoding == Encoding::I2SRows;
}

Error TensorReader::readFloats(const Source &source, int64_t layer, int64_t row,
                               int64_t rows, float *out) {
  const int64_t count = rows * source.cols;
  if (hasScales(source.encoding) && !hasTrailingScale(source.encoding))
    return readScaledFloats(source, layer, row, rows, out);
  if (isTernary(source.encoding)) {
    trits.resize(count);
    if (Error failure = readTrits(source, layer, row, rows, trits.data()))
      return failure;
    std::copy_n(trits.data(), count, out);
    return Error::success();
  }
  stored.resize(rows * rowBytes(source.encoding, source.cols));
  if (Error failure = readStored(source, layer, row, rows, stored.data()))
    return failure;
  if (isFloat(source.encoding))
    decodeFloats(source.encoding, stored.data(), count, out);
  else
    decodeBlocks(source.encoding, stored.data(), count, out);
  return Error::success();
}

/// Checks elements of the source's rows from `row` on.
Error TensorReader::checkFinite(const Source &source, int64_t layer,
                                int64_t row, const float *values,
                                int64_t count) const {
  auto index = findNonFinite(values, count);
  if (!index)
    return Error::success();
  return error(source, layer,
               Twine("expected finite weights, but found ") +
                   (std::isnan(values[*index]) ? "NaN" : "infinity") +
                   " at row " + Twine(row + *index / source.cols) +
                   ", column " + Twine(*index % source.cols));
}

Error TensorReader::readFiniteAs(Encoding element, const Source &source,
                                 int64_t layer, int64_t row, int64_t rows,
                                 uint8_t *out) {
  const int64_t count = rows * source.cols;
  wide.resize(count);
  if (source.encoding == element) {
    if (Error failure = readStored(source, layer, row, rows, out))
      return failure;
    decodeFloats(element, out, count, wide.data());
    return checkFinite(source, layer, row, wide.data(), count);
  }
  if (Error failure = readFiniteFloats(source, layer, row, rows, wide.data()))
    return failure;
  encodeFloats(element, wide.data(), count, out);
  decodeFloats(element, out, count, wide.data());
  if (auto index = findNonFinite(wide.data(), count))
    return error(source, layer,
                 Twine("expected weights that ") +
                     (element == Encoding::F16 ? "f16" : "bf16") +
                     " can hold, but found one that is too large at row " +
                     Twine(row + *index / source.cols) + ", column " +
                     Twine(*index % source.cols));
  return Error::success();
}

Error TensorReader::readFiniteFloats(const Source &source, int64_t layer,
                                     int64_t row, int64_t rows, float *out) {
  if (Error failure = readFloats(source, layer, row, rows, out))
    return failure;
  return checkFinite(source, layer, row, out, rows * source.cols);
}

Error TensorReader::forEachRow(
    const Source &source, int64_t layer,
    llvm::function_ref<Error(int64_t row, const float *)> body) {
  const int64_t step = std::max<int64_t>(1, chunkElements / source.cols);
  std::vector<float> chunk(std::min(step, source.rows) * source.cols);
  for (int64_t row = 0; row < source.rows; row += step) {
    const int64_t rows = std::min(step, source.rows - row);
    if (Error failure =
            readFiniteFloats(source, layer, row, rows, chunk.data()))
      return failure;
    for (int64_t i = 0; i < rows; ++i)
      if (Error failure = body(row + i, chunk.data() + i * source.cols))
        return failure;
  }
  return Error::success();
}

Error TensorReader::readTrits(const Source &source, int64_t layer, int64_t row,
                              int64_t rows, int8_t *out) {
  assert(isTernary(source.encoding) && "not stored as trits");
  if (plan.syntheticSeed) {
    makeTrits(*plan.syntheticSeed, source.nameOf(layer), row, rows, source.cols,
              out);
    return Error::success();
  }
  return forEachRun(
      source, row, rows, [&](int64_t from, int64_t count, int64_t first) {
        int8_t *place = out + first * source.cols;
        switch (source.encoding) {
        case Encoding::PackedRows:
          return readQuarters(source, layer, from, count, place);
        case Encoding::I2SRows:
          return readSharedRows(source, layer, from, count, place);
        default:
          return readScaledRows(source, layer, from, count, place);
        }
      });
}

/// Code 3 was decoded as 2.
Error TensorReader::code3(const Source &source, int64_t layer, int64_t row,
                          llvm::ArrayRef<int8_t> decoded) const {
  const int64_t index = llvm::find(decoded, 2) - decoded.begin();
  return error(source, layer,
               "expected ternary codes 0, 1, 2, but found code 3 at row " +
                   Twine(row + index / source.cols) + ", column " +
                   Twine(index % source.cols));
}

Error TensorReader::readQuarters(const Source &source, int64_t layer,
                                 int64_t row, int64_t rows, int8_t *out) {
  // Rows of one quarter of the matrix lie in one field of successive bytes.
  const int64_t quarter = source.rows / 4, end = row + rows;
  while (row < end) {
    const int64_t count = std::min(quarter - row % quarter, end - row);
    if (Error failure = readField(source, layer, row, count, out))
      return failure;
    row += count;
    out += count * source.cols;
  }
  return Error::success();
}

/// Reads trits of rows that lie in one quarter.
Error TensorReader::readField(const Source &source, int64_t layer, int64_t row,
                              int64_t rows, int8_t *out) {
  const int64_t quarter = source.rows / 4, count = rows * source.cols;
  stored.resize(count);
  if (Error failure =
          readBytes(source, layer, row % quarter * source.cols, stored))
    return failure;
  if (decodeField(stored.data(), row / quarter, count, out))
    return Error::success();
  return code3(source, layer, row, {out, static_cast<size_t>(count)});
}

/// Reads rows of which four share bytes, the first in the highest bits.
Error TensorReader::readSharedRows(const Source &source, int64_t layer,
                                   int64_t row, int64_t rows, int8_t *out) {
  const int64_t cols = source.cols;
  stored.resize(cols);
  for (int64_t i = 0; i < rows; ++i, out += cols) {
    const int64_t from = row + i;
    if (Error failure = readBytes(source, layer, from / 4 * cols, stored))
      return failure;
    if (!decodeField(stored.data(), 3 - from % 4, cols, out))
      return code3(source, layer, from, {out, static_cast<size_t>(cols)});
  }
  return Error::success();
}

Error TensorReader::readScaledRows(const Source &source, int64_t layer,
                                   int64_t row, int64_t rows, int8_t *out) {
  // The scale of the whole matrix has to be known before any row is read.
  llvm::Expected<float> scale = readScale(source, layer);
  if (!scale)
    return scale.takeError();
  const int64_t cols = source.cols, bytes = rowBytes(source.encoding, cols);
  stored.resize(rows * bytes);
  if (Error failure = readBytes(source, layer, row * bytes, stored))
    return failure;
  for (int64_t i = 0; i < rows; ++i) {
    int8_t *place = out + i * cols;
    const uint8_t *from = stored.data() + i * bytes;
    if (!decodeTritRow(source.encoding, from, cols, place))
      return code3(source, layer, row + i, {place, static_cast<size_t>(cols)});
    if (Error failure =
            applyScales(source, layer, row + i, from, *scale, place))
      return failure;
  }
  return Error::success();
}

/// The trits of rows times the scales that lie among them.
Error TensorReader::readScaledFloats(const Source &source, int64_t layer,
                                     int64_t row, int64_t rows, float *out) {
  const int64_t cols = source.cols, bytes = rowBytes(source.encoding, cols);
  const int64_t step = columnsOfScale(source.encoding, cols);
  stored.resize(bytes);
  trits.resize(cols);
  return forEachRun(source, row, rows,
                    [&](int64_t from, int64_t count, int64_t first) -> Error {
                      for (int64_t i = 0; i < count; ++i) {
                        if (Error failure = readBytes(
                                source, layer, (from + i) * bytes, stored))
                          return failure;
                        if (!decodeTritRow(source.encoding, stored.data(), cols,
                                           trits.data()))
                          return code3(source, layer, from + i, trits);
                        float *values = out + (first + i) * cols;
                        for (int64_t col = 0; col < cols; ++col)
                          values[col] = float(trits[col]) *
                                        scaleOfRow(source.encoding,
                                                   stored.data(), col / step);
                      }
                      return Error::success();
                    });
}

/// Makes the trits of stored row `row` such that all of them have the scale
/// `common`, or complains that they do not. A scale of 0 makes its weights 0;
/// the scale of weights that are 0 does not matter.
Error TensorReader::applyScales(const Source &source, int64_t layer,
                                int64_t row, const uint8_t *stored,
                                float common, int8_t *out) const {
  if (hasTrailingScale(source.encoding))
    return Error::success();
  const int64_t step = columnsOfScale(source.encoding, source.cols);
  for (int64_t col = 0; col < source.cols; col += step) {
    const float scale = scaleOfRow(source.encoding, stored, col / step);
    llvm::MutableArrayRef<int8_t> group(out + col, step);
    if (scale == common)
      continue;
    if (scale == 0.0f) {
      llvm::fill(group, 0);
      continue;
    }
    if (!std::isfinite(scale))
      return error(source, layer,
                   "expected finite scales, but found " + shown(scale) +
                       " at row " + Twine(row) + ", column " + Twine(col));
    if (!llvm::all_of(group, [](int8_t trit) { return trit == 0; }))
      return error(source, layer,
                   "expected one scale for the whole matrix, but found " +
                       shown(common) + " and, at row " + Twine(row) +
                       ", column " + Twine(col) + ", " + shown(scale));
  }
  return Error::success();
}

llvm::Expected<float> TensorReader::readScale(const Source &source,
                                              int64_t layer) {
  const std::pair key(source.files[layer], source.offsets[layer]);
  if (lastScale && lastScale->first == key)
    return lastScale->second;
  llvm::Expected<float> scale = hasTrailingScale(source.encoding)
                                    ? readTrailingScale(source, layer)
                                    : findScale(source, layer);
  if (scale)
    lastScale = {key, *scale};
  return scale;
}

llvm::Expected<float> TensorReader::readTrailingScale(const Source &source,
                                                      int64_t layer) {
  const int64_t end = matrixBytes(source.encoding, source.rows, source.cols);
  uint8_t bytes[sizeof(float)];
  if (Error failure = readBytes(
          source, layer, end - matrixBytes(source.encoding, 0, 0), bytes))
    return failure;
  float scale;
  decodeFloats(Encoding::F32, bytes, 1, &scale);
  return scale;
}

/// The scale of the first weight that is not 0; 1 if all are.
llvm::Expected<float> TensorReader::findScale(const Source &source,
                                              int64_t layer) {
  const int64_t cols = source.cols;
  const int64_t step = columnsOfScale(source.encoding, cols);
  std::vector<uint8_t> bytes(rowBytes(source.encoding, cols));
  std::vector<int8_t> row(cols);
  for (int64_t i = 0; i < source.rows; ++i) {
    if (Error failure = readBytes(source, layer, i * bytes.size(), bytes))
      return failure;
    decodeTritRow(source.encoding, bytes.data(), cols, row.data());
    for (int64_t col = 0; col < cols; col += step) {
      const float scale = scaleOfRow(source.encoding, bytes.data(), col / step);
      llvm::ArrayRef<int8_t> group(row.data() + col, step);
      if (scale != 0.0f &&
          llvm::any_of(group, [](int8_t trit) { return trit != 0; }))
        return scale;
    }
  }
  return 1.0f;
}

} // namespace ternac::packing
