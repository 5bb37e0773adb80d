//===- Encoding.cpp - How a checkpoint stores a tensor --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/Encoding.h"

#include "llvm/Support/ErrorHandling.h"

namespace ternac::packing {

namespace {
/// The sizes of an encoding: a stored row is a header and blocks.
struct Sizes {
  int64_t blockCols;
  int64_t blockBytes;
  int64_t rowHeaderBytes = 0;
  int64_t trailerBytes = 0; ///< behind all rows
  int64_t sharingRows = 1;  ///< rows of the matrix in one stored row
};
} // namespace

static Sizes sizesOf(Encoding encoding) {
  // The one scale of a tensor of I2_S has 32 bytes to itself.
  constexpr int64_t trailer = 32;
  switch (encoding) {
  case Encoding::F32:
    return {1, 4};
  case Encoding::F16:
  case Encoding::BF16:
    return {1, 2};
  case Encoding::PackedRows:
    return {1, 1, 0, 0, 4};
  case Encoding::I2S:
    return {128, 32, 0, trailer};
  case Encoding::I2S64:
    return {64, 16, 0, trailer};
  case Encoding::I2SRows:
    return {1, 1, 0, trailer, 4};
  case Encoding::TQ1_0:
    return {256, 54};
  case Encoding::TQ2_0:
    return {256, 66};
  case Encoding::IQ1BN:
    return {64, 13, 2};
  case Encoding::IQ2BN:
    return {64, 16, 4};
  case Encoding::Q8_0:
    return {32, 34};
  case Encoding::Q6_K:
    return {256, 210};
  }
  llvm_unreachable("unknown encoding");
}

bool isFloat(Encoding encoding) {
  return encoding == Encoding::F32 || encoding == Encoding::F16 ||
         encoding == Encoding::BF16;
}

bool hasScales(Encoding encoding) {
  return encoding >= Encoding::I2S && encoding <= Encoding::IQ2BN;
}

bool isTernary(Encoding encoding) {
  return encoding == Encoding::PackedRows || hasScales(encoding);
}

int64_t rowBytes(Encoding encoding, int64_t cols) {
  const Sizes sizes = sizesOf(encoding);
  return sizes.rowHeaderBytes + cols * sizes.blockBytes / sizes.blockCols;
}

int64_t matrixBytes(Encoding encoding, int64_t rows, int64_t cols) {
  const Sizes sizes = sizesOf(encoding);
  return rows / sizes.sharingRows * rowBytes(encoding, cols) +
         sizes.trailerBytes;
}

std::optional<std::string> invalidShape(Encoding encoding, int64_t rows,
                                        int64_t cols) {
  const Sizes sizes = sizesOf(encoding);
  if (rows % sizes.sharingRows != 0)
    return "expected a multiple of " + std::to_string(sizes.sharingRows) +
           " rows, but got " + std::to_string(rows);
  if (cols % sizes.blockCols != 0)
    return "expected a multiple of " + std::to_string(sizes.blockCols) +
           " columns, but got " + std::to_string(cols);
  return std::nullopt;
}

} // namespace ternac::packing
