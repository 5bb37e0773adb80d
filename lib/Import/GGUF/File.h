//===- File.h - The header of a GGUF file --------------------- -*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A GGUF file is a magic and a version, keys with values, descriptions of
// tensors, and aligned data. Whoever reads a tensor later trusts the offsets
// found here, so every one of them is checked against the file.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_GGUF_FILE_H
#define TERNAC_LIB_IMPORT_GGUF_FILE_H

#include "ternac/Import/GGUF.h"
#include "ternac/Packing/Encoding.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ternac::import::gguf {

enum class ValueType : uint32_t {
  UInt8 = 0,
  Int8 = 1,
  UInt16 = 2,
  Int16 = 3,
  UInt32 = 4,
  Int32 = 5,
  Float32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  UInt64 = 10,
  Int64 = 11,
  Float64 = 12,
};

/// The value of a key, as it lies in the file.
struct Value {
  ValueType type = ValueType::UInt8;
  /// Of a number its bytes, of a string its characters, of an array nothing.
  llvm::StringRef bytes;
  uint64_t count = 0; ///< elements of an array
};

struct StoredTensor {
  std::string name;
  std::string type; ///< as GGUF calls it, e.g. "TQ2_0"
  packing::Encoding encoding = packing::Encoding::F32;
  /// Rows first, as everywhere else; a vector has one extent.
  std::vector<int64_t> shape;
  int64_t offset = 0; ///< of the first byte, from the beginning of the file
  int64_t bytes = 0;
};

/// A file that has been read; the data is not touched.
class File {
public:
  static llvm::Expected<File> open(const std::string &path, I2SLayout layout);

  /// The same for `contents`, which `path` names in messages.
  static llvm::Expected<File> read(std::unique_ptr<llvm::MemoryBuffer> contents,
                                   const std::string &path, I2SLayout layout);

  uint64_t size() const { return contents->getBufferSize(); }
  const llvm::StringMap<Value> &keys() const { return keyMap; }
  /// In the order of the data.
  const std::vector<StoredTensor> &tensors() const { return tensorList; }

private:
  friend class Parser;
  explicit File(std::unique_ptr<llvm::MemoryBuffer> contents)
      : contents(std::move(contents)) {}

  std::unique_ptr<llvm::MemoryBuffer> contents;
  llvm::StringMap<Value> keyMap;
  std::vector<StoredTensor> tensorList;
};

} // namespace ternac::import::gguf

#endif // TERNAC_LIB_IMPORT_GGUF_FILE_H
