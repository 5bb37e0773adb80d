//===- TensorStore.cpp - The tensors of a checkpoint directory ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorStore.h"

#include "Json.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <map>

using namespace llvm;

namespace ternac::import::hf {

static constexpr StringLiteral singleFile = "model.safetensors";
static constexpr StringLiteral indexFile = "model.safetensors.index.json";

std::string TensorStore::pathOf(StringRef fileName) const {
  SmallString<128> path(directory);
  sys::path::append(path, fileName);
  return path.str().str();
}

std::string TensorStore::pathOf(const Entry &entry) const {
  return pathOf(fileList[entry.file].path);
}

Expected<TensorStore> TensorStore::open(const std::string &directory) {
  TensorStore store(directory);
  std::string single = store.pathOf(singleFile);
  std::string index = store.pathOf(indexFile);
  // The order is that of the transformers library.
  if (sys::fs::exists(single)) {
    if (Error error = store.addFile(singleFile.str(), nullptr))
      return std::move(error);
  } else if (sys::fs::exists(index)) {
    if (Error error = store.addShards(index))
      return std::move(error);
  } else {
    return createStringError(
        directory + ": expected weights in " + singleFile + " or " + indexFile +
        ", but there is neither; other formats are not read");
  }
  return store;
}

Error TensorStore::addFile(const std::string &name,
                           const std::set<std::string> *listed) {
  std::string path = pathOf(name);
  Expected<SafetensorsFile> contents = readSafetensors(path);
  if (!contents)
    return contents.takeError();
  Expected<uint64_t> fingerprint = packing::fingerprintFile(path);
  if (!fingerprint)
    return fingerprint.takeError();
  int64_t file = int64_t(fileList.size());
  fileList.push_back({name, contents->size, *fingerprint});
  for (StoredTensor &tensor : contents->tensors) {
    std::string key = tensor.name;
    if (listed && !listed->contains(key))
      return createStringError(path + ": holds tensor " + quoted(key) +
                               ", which " + indexFile +
                               " does not list for this file");
    entries[key] = Entry{std::move(tensor), file};
  }
  if (listed)
    for (const std::string &key : *listed)
      if (!entries.contains(key))
        return createStringError(path + ": expected tensor " + quoted(key) +
                                 ", as " + indexFile +
                                 " says, but it is not there");
  return Error::success();
}

/// Anything else than a plain file name could lead out of the directory.
static bool isPlainFileName(StringRef name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(StringRef("/\\\0", 3)) == StringRef::npos;
}

Error TensorStore::addShards(const std::string &indexPath) {
  Expected<json::Object> index = readJsonFile(indexPath);
  if (!index)
    return index.takeError();
  const json::Object *weightMap = index->getObject("weight_map");
  if (!weightMap)
    return createStringError(
        indexPath + ": 'weight_map' must map tensor names to file names");

  // Shards in the order of their names, so that the same checkpoint always
  // gives the same plan.
  std::map<std::string, std::set<std::string>> shards;
  for (const auto &[name, value] : *weightMap) {
    std::optional<StringRef> shard = value.getAsString();
    if (!shard || !isPlainFileName(*shard))
      return createStringError(
          indexPath + ": the shard of tensor " + quoted(StringRef(name)) +
          " must be a file name without directories, but is " + shown(value));
    shards[shard->str()].insert(StringRef(name).str());
  }

  for (const auto &[shard, names] : shards)
    if (Error error = addFile(shard, &names))
      return error;
  return Error::success();
}

const TensorStore::Entry *TensorStore::find(StringRef name) {
  auto it = entries.find(name);
  if (it == entries.end())
    return nullptr;
  read.insert(name);
  return &it->second;
}

Error TensorStore::checkAllRead() const {
  std::map<StringRef, const Entry *> unread;
  for (const auto &entry : entries) {
    // Frequencies of the rotary embedding, which old versions of transformers
    // stored although they follow from the config.
    bool isCache = entry.first().ends_with(".rotary_emb.inv_freq");
    if (!isCache && !read.contains(entry.first()))
      unread[entry.first()] = &entry.second;
  }
  if (unread.empty())
    return Error::success();
  auto [name, entry] = *unread.begin();
  std::string others;
  if (unread.size() > 1)
    others = " (nor " + std::to_string(unread.size() - 1) + " more)";
  return createStringError(
      pathOf(*entry) + ": nothing in this kind of model reads tensor " +
      quoted(name) + others +
      "; the result without it would be wrong, so the checkpoint is refused");
}

} // namespace ternac::import::hf
