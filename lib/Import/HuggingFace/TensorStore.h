//===- TensorStore.h - The tensors of a checkpoint directory ----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One file or many shards: to the reader of a model a checkpoint is a map from
// names to tensors. The store also remembers which of them were asked for,
// since a tensor that nobody reads means that the model was misunderstood.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_HUGGINGFACE_TENSORSTORE_H
#define TERNAC_LIB_IMPORT_HUGGINGFACE_TENSORSTORE_H

#include "Safetensors.h"

#include "ternac/Packing/Plan.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <set>
#include <string>
#include <vector>

namespace ternac::import::hf {

class TensorStore {
public:
  struct Entry {
    StoredTensor tensor;
    int64_t file = 0; ///< index into files()
  };

  /// Opens model.safetensors of `directory`, or the shards that
  /// model.safetensors.index.json lists.
  static llvm::Expected<TensorStore> open(const std::string &directory);

  /// The tensor, or nullptr. Marks it as read.
  const Entry *find(llvm::StringRef name);
  bool contains(llvm::StringRef name) const { return entries.contains(name); }

  /// An error if there is a tensor that was not asked for and that is not known
  /// to be a mere cache of something computed.
  llvm::Error checkAllRead() const;

  const std::vector<packing::File> &files() const { return fileList; }
  /// Where the tensor lies, for messages.
  std::string pathOf(const Entry &entry) const;

private:
  explicit TensorStore(std::string directory)
      : directory(std::move(directory)) {}

  /// Adds a file of the directory, whose tensors must be those `listed`, if
  /// there is such a list.
  llvm::Error addFile(const std::string &name,
                      const std::set<std::string> *listed);
  llvm::Error addShards(const std::string &indexPath);
  std::string pathOf(llvm::StringRef fileName) const;

  std::string directory;
  std::vector<packing::File> fileList;
  llvm::StringMap<Entry> entries;
  llvm::StringSet<> read;
};

} // namespace ternac::import::hf

#endif // TERNAC_LIB_IMPORT_HUGGINGFACE_TENSORSTORE_H
