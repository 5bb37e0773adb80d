//===- Files.h - The checkpoint files of a plan -----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Internal to the packer: the files of a plan, checked to be those that the
// plan was made from, and positioned reads from them by any thread.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_PACKING_FILES_H
#define TERNAC_LIB_PACKING_FILES_H

#include "ternac/Packing/Plan.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ternac::packing {

/// A file that is open for reading.
class InputFile {
public:
  static llvm::Expected<InputFile> open(std::string path);
  InputFile(InputFile &&other);
  InputFile(const InputFile &) = delete;
  InputFile &operator=(const InputFile &) = delete;
  ~InputFile();

  const std::string &path() const { return filePath; }
  uint64_t size() const { return fileSize; }

  /// Fills `out` from byte `offset` on. The message of an error lacks the
  /// path, which the caller puts before what it read.
  llvm::Error read(uint64_t offset, llvm::MutableArrayRef<uint8_t> out) const;

  /// See fingerprintFile.
  llvm::Expected<uint64_t> fingerprint() const;

private:
  InputFile(std::string path, int descriptor, uint64_t size)
      : filePath(std::move(path)), descriptor(descriptor), fileSize(size) {}

  std::string filePath;
  int descriptor;
  uint64_t fileSize;
};

/// Opens the files of `plan` and checks their sizes and fingerprints.
llvm::Expected<std::vector<InputFile>> openFiles(const Plan &plan,
                                                 llvm::StringRef root);

} // namespace ternac::packing

#endif // TERNAC_LIB_PACKING_FILES_H
