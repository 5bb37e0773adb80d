//===- Keys.h - Typed access to the keys of a GGUF file ------- -*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_GGUF_KEYS_H
#define TERNAC_LIB_IMPORT_GGUF_KEYS_H

#include "File.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"

#include <optional>
#include <string>
#include <vector>

namespace ternac::import::gguf {

/// Typed access to the keys of a file. The first complaint is kept, later ones
/// are dropped and the getters go on with a harmless value, so a caller reads
/// everything and asks once.
class Keys {
public:
  /// `path` begins every message. The file must outlive this.
  Keys(const File &file, std::string path)
      : file(file), path(std::move(path)) {}

  /// The value of `key`, or nullptr. Marks the key as known.
  const Value *find(llvm::StringRef key);

  /// The getters fail when the key is absent and there is no fallback.
  int64_t integer(llvm::StringRef key, int64_t min, int64_t max,
                  std::optional<int64_t> fallback = std::nullopt);
  double number(llvm::StringRef key, double min,
                std::optional<double> fallback = std::nullopt);
  bool boolean(llvm::StringRef key, bool fallback);
  std::string oneOf(llvm::StringRef key, llvm::ArrayRef<llvm::StringRef> valid,
                    std::optional<llvm::StringRef> fallback = std::nullopt);
  /// The number of elements of an array, if there is one.
  std::optional<int64_t> arrayLength(llvm::StringRef key);

  /// Complains that the value of `key` (or its absence) is not `expected`.
  void expected(llvm::StringRef key, const llvm::Twine &expected);
  /// Complains.
  void fail(const llvm::Twine &message);

  /// Keys that begin with `prefix` and that nobody asked for, sorted.
  std::vector<std::string> unknownKeys(llvm::StringRef prefix) const;

  bool failed() const { return complaint.has_value(); }
  llvm::Error takeError();

private:
  const File &file;
  std::string path;
  llvm::StringSet<> known;
  std::optional<std::string> complaint;
};

} // namespace ternac::import::gguf

#endif // TERNAC_LIB_IMPORT_GGUF_KEYS_H
