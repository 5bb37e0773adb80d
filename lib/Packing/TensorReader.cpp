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

#include "Decode.h"
#include "Quantize.h"
#include "Synthetic.h"

#include "llvm/ADT/Twine.h"

#include <algorithm>
#include <cassert>
#include <cmath>

using llvm::Error;
using llvm::Twine;

namespace ternac::packing {

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

Error TensorReader::readStored(const Source &source, int64_t layer, int64_t row,
                               int64_t rows, uint8_t *out) {
  assert(source.encoding != Encoding::PackedRows && "rows share bytes");
  const int64_t count = rows * source.cols;
  const int64_t elementBytes = storedBytes(source.encoding);
  if (!plan.syntheticSeed)
    return readBytes(source, layer, row * source.cols * elementBytes,
                     {out, static_cast<size_t>(count * elementBytes)});
  floats.resize(count);
  makeFloats(*plan.syntheticSeed, source.nameOf(layer), row, rows, source.cols,
             floats.data());
  encodeFloats(source.encoding, floats.data(), count, out);
  return Error::success();
}

Error TensorReader::readFloats(const Source &source, int64_t layer, int64_t row,
                               int64_t rows, float *out) {
  const int64_t count = rows * source.cols;
  if (source.encoding == Encoding::PackedRows) {
    trits.resize(count);
    if (Error failure = readTrits(source, layer, row, rows, trits.data()))
      return failure;
    std::copy_n(trits.data(), count, out);
    return Error::success();
  }
  stored.resize(count * storedBytes(source.encoding));
  if (Error failure = readStored(source, layer, row, rows, stored.data()))
    return failure;
  decodeFloats(source.encoding, stored.data(), count, out);
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

Error TensorReader::readFiniteStored(const Source &source, int64_t layer,
                                     int64_t row, int64_t rows, uint8_t *out) {
  if (Error failure = readStored(source, layer, row, rows, out))
    return failure;
  const int64_t count = rows * source.cols;
  floats.resize(count);
  decodeFloats(source.encoding, out, count, floats.data());
  return checkFinite(source, layer, row, floats.data(), count);
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
  assert(source.encoding == Encoding::PackedRows && "not stored as trits");
  if (plan.syntheticSeed) {
    makeTrits(*plan.syntheticSeed, source.nameOf(layer), row, rows, source.cols,
              out);
    return Error::success();
  }
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
  // Code 3 was decoded as 2.
  int64_t index = std::find(out, out + count, 2) - out;
  return error(source, layer,
               "expected ternary codes 0, 1, 2, but found code 3 at row " +
                   Twine(row + index / source.cols) + ", column " +
                   Twine(index % source.cols));
}

} // namespace ternac::packing
