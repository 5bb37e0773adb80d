//===- Json.h - JSON files with exact complaints ----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checkpoints describe themselves in JSON that anybody may have written. This
// adds to llvm::json what reading such files needs: a bound on the nesting (its
// parser recurses), an error on a key that appears twice (its parser keeps one
// of the values), and typed access that says what was expected and found.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_HUGGINGFACE_JSON_H
#define TERNAC_LIB_IMPORT_HUGGINGFACE_JSON_H

#include "../Common/Text.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ternac::import::hf {

/// No JSON text that a checkpoint needs comes near this; the reference
/// implementation of safetensors has the same bound.
constexpr uint64_t maxJsonBytes = 100'000'000;

/// `value` as it stands in the file, cut to the length of a message.
std::string shown(const llvm::json::Value &value);

/// The object that is the whole of `text`. Errors begin with `file`.
llvm::Expected<llvm::json::Object> parseJsonObject(llvm::StringRef text,
                                                   const llvm::Twine &file);

/// The object that is the whole of the file at `path`.
llvm::Expected<llvm::json::Object> readJsonFile(const std::string &path);

/// Typed access to the members of one object. A member that is null counts as
/// absent. The first complaint is kept, later ones are dropped and the getters
/// go on with a harmless value, so a caller reads everything and asks once.
class ObjectReader {
public:
  /// `place` begins every message. The object must outlive the reader.
  ObjectReader(const llvm::json::Object &object, std::string place)
      : object(object), place(std::move(place)) {}

  /// The value of `key`, or nullptr. Marks the key as known.
  const llvm::json::Value *find(llvm::StringRef key);
  /// Whether the key is there at all, null included.
  bool contains(llvm::StringRef key) const;

  /// The getters fail when the key is absent and there is no fallback.
  int64_t integer(llvm::StringRef key, int64_t min, int64_t max,
                  std::optional<int64_t> fallback = std::nullopt);
  double positive(llvm::StringRef key,
                  std::optional<double> fallback = std::nullopt);
  double atLeast(double min, llvm::StringRef key,
                 std::optional<double> fallback = std::nullopt);
  bool boolean(llvm::StringRef key, bool fallback);
  std::string oneOf(llvm::StringRef key, llvm::ArrayRef<llvm::StringRef> valid,
                    std::optional<llvm::StringRef> fallback = std::nullopt);
  std::vector<std::string> strings(llvm::StringRef key);

  /// Complains that the value of `key` (or its absence) is not `expected`.
  void expected(llvm::StringRef key, const llvm::Twine &expected);
  /// Complains.
  void fail(const llvm::Twine &message);

  /// Keys that nobody asked for, sorted.
  std::vector<std::string> unknownKeys() const;

  /// Takes over the complaint of a reader of a nested object.
  void absorb(ObjectReader &nested);
  bool failed() const { return complaint.has_value(); }
  llvm::Error takeError();

  const std::string &where() const { return place; }

private:
  const llvm::json::Object &object;
  std::string place;
  llvm::StringSet<> known;
  std::optional<std::string> complaint;
};

} // namespace ternac::import::hf

#endif // TERNAC_LIB_IMPORT_HUGGINGFACE_JSON_H
