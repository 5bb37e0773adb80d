//===- Safetensors.h - The header of a safetensors file ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A safetensors file is a little-endian u64, that many bytes of JSON, and data.
// Whoever reads a tensor later trusts the offsets found here, so every one of
// them is checked against the file.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_HUGGINGFACE_SAFETENSORS_H
#define TERNAC_LIB_IMPORT_HUGGINGFACE_SAFETENSORS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ternac::import::hf {

struct StoredTensor {
  std::string name;
  std::string dtype; ///< as the file says it, e.g. "BF16"
  std::vector<int64_t> shape;
  int64_t offset = 0; ///< of the first byte, from the beginning of the file
  int64_t bytes = 0;
};

struct SafetensorsFile {
  uint64_t size = 0;
  std::vector<StoredTensor> tensors; ///< in the order of the data
};

/// Reads the header of the file at `path`; the data is not touched.
llvm::Expected<SafetensorsFile> readSafetensors(const std::string &path);

} // namespace ternac::import::hf

#endif // TERNAC_LIB_IMPORT_HUGGINGFACE_SAFETENSORS_H
