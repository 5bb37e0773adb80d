//===- FuzzGGUF.cpp - Any bytes as a GGUF file ----------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The answer is a message, or a checkpoint of which every tensor lies within
// the file.
//
//===----------------------------------------------------------------------===//

#include "MemoryFile.h"

#include "ternac/Import/GGUF.h"

#include <cstdlib>

using namespace ternac;
using namespace ternac::import;

static void require(bool condition) {
  if (!condition)
    std::abort();
}

static void checkInside(const Tensor &tensor, size_t size) {
  require(!packing::invalidShape(tensor.encoding, tensor.rows, tensor.cols));
  int64_t bytes =
      packing::matrixBytes(tensor.encoding, tensor.rows, tensor.cols);
  require(tensor.offset >= 0 && bytes > 0);
  require(uint64_t(tensor.offset) <= size &&
          uint64_t(bytes) <= size - uint64_t(tensor.offset));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MemoryFile file(data, size);
  llvm::Expected<Checkpoint> checkpoint =
      readGGUF(file.path(), I2SLayout::Blocks128, std::nullopt);
  if (!checkpoint) {
    require(!llvm::toString(checkpoint.takeError()).empty());
    return 0;
  }
  checkInside(checkpoint->embedding, size);
  checkInside(checkpoint->finalNorm, size);
  for (const Layer &layer : checkpoint->layers)
    for (const Linear *linear : {&layer.q, &layer.k, &layer.v, &layer.o,
                                 &layer.gate, &layer.up, &layer.down})
      checkInside(linear->weight, size);
  return 0;
}
