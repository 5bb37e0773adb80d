//===- TestCheckpoint.h - Small checkpoints for tests -----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes checkpoints of two tiny layers, of any kind that is read, with any
// mistake that a test wants to see reported.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_UNIT_IMPORT_TESTCHECKPOINT_H
#define TERNAC_TEST_UNIT_IMPORT_TESTCHECKPOINT_H

#include "ternac/Import/Checkpoint.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ternac::import::test {

/// A directory that is removed with the object.
class Directory {
public:
  Directory();
  ~Directory();
  Directory(const Directory &) = delete;
  Directory &operator=(const Directory &) = delete;

  const std::string &path() const { return root; }
  void write(llvm::StringRef name, llvm::StringRef bytes) const;

private:
  std::string root;
};

/// The size of an element is the last number of `dtype` divided by 8.
struct RawTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
};

/// A safetensors file: the length of `header`, `header`, and `dataBytes` zeros.
std::string rawSafetensors(llvm::StringRef header, uint64_t dataBytes);
/// A valid one.
std::string safetensors(llvm::ArrayRef<RawTensor> tensors);

/// The kinds of checkpoints; see docs/formats.md.
enum class Kind {
  BitNetOffline, ///< bitnet, autobitlinear, offline: packed, direct scales
  BitNetOnline,  ///< bitnet, autobitlinear, online: master weights
  OneBit,        ///< 1bitLLM: master weights, tied
  Llama,         ///< llama, bitlinear: packed, reciprocal scales
};

/// hidden 8, inner 12, 2 heads of 4, 1 key/value head, 16 tokens, 2 layers.
llvm::json::Object configOf(Kind kind);
std::vector<RawTensor> tensorsOf(Kind kind);
void writeConfig(const Directory &directory, llvm::json::Object config);
/// Both of the above.
void writeCheckpoint(const Directory &directory, Kind kind);

/// The tensor of this name.
RawTensor &named(std::vector<RawTensor> &tensors, llvm::StringRef name);

/// What readHuggingFace complains of, with DIR for the directory; "" if it
/// succeeds.
std::string errorOf(const Directory &directory,
                    std::optional<uint64_t> syntheticSeed = std::nullopt,
                    std::optional<int64_t> contextLength = std::nullopt);

/// What is said about a checkpoint of `kind` after `change`.
std::string errorAfter(
    Kind kind,
    llvm::function_ref<void(llvm::json::Object &, std::vector<RawTensor> &)>
        change);

/// A synthetic checkpoint of `config`; it is a failure if there is none.
Checkpoint mustRead(llvm::json::Object config,
                    std::optional<int64_t> contextLength = std::nullopt);
/// What is said about a synthetic checkpoint of `config`.
std::string errorOfConfig(llvm::json::Object config,
                          std::optional<int64_t> contextLength = std::nullopt);
/// What is said when `key` of the config of `kind` is the JSON `value`.
std::string errorWith(Kind kind, llvm::StringRef key, llvm::StringRef value);

struct KeyCase {
  llvm::StringRef key;
  llvm::StringRef value; ///< JSON
  std::string message;   ///< without the file
};
/// Checks errorWith for each of `cases`.
void expectErrors(Kind kind, llvm::ArrayRef<KeyCase> cases);

/// Checks all but the offset of a tensor of a single file.
void expectTensor(const Tensor &tensor, llvm::StringRef name,
                  packing::Encoding encoding, int64_t rows, int64_t cols);

} // namespace ternac::import::test

#endif // TERNAC_TEST_UNIT_IMPORT_TESTCHECKPOINT_H
