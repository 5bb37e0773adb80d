//===- FuzzSafetensors.cpp - Any bytes as safetensors ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The answer is a message, or tensors that tile the data of the file.
//
//===----------------------------------------------------------------------===//

#include "MemoryFile.h"

#include "Import/HuggingFace/Safetensors.h"

#include <cstdlib>

using namespace ternac::import::hf;

static void require(bool condition) {
  if (!condition)
    std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MemoryFile file(data, size);
  llvm::Expected<SafetensorsFile> contents = readSafetensors(file.path());
  if (!contents) {
    require(!llvm::toString(contents.takeError()).empty());
    return 0;
  }
  require(contents->size == size);
  for (const StoredTensor &tensor : contents->tensors) {
    require(tensor.offset >= 8 && tensor.bytes >= 0);
    require(uint64_t(tensor.offset) + uint64_t(tensor.bytes) <= size);
  }
  return 0;
}
