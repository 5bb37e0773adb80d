//===- Library.cpp - Opening model libraries ------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Library.h"
#include "CodeVersions.h"
#include "Error.h"
#include "FunctionTable.h"
#include "ternac/Runtime/Facts.h"
#include "ternac/Runtime/HostFeatures.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

using namespace ternac::runtime;

/// Null in tables that end before it.
static const TernacKernels *kernelsOf(const TernacModel *model) {
  constexpr size_t size =
      offsetof(TernacModel, kernels) + sizeof(TernacModel::kernels);
  return model->struct_size >= size ? model->kernels : nullptr;
}

/// Whether what there is to know of kernels is there; true if there are none.
static bool hasWholeKernels(const TernacModel *model) {
  const TernacKernels *kernels = kernelsOf(model);
  if (!kernels)
    return true;
  // Fields behind this one came later.
  constexpr size_t least =
      offsetof(TernacKernels, count) + sizeof(TernacKernels::count);
  return kernels->struct_size >= least && kernels->format && kernels->code &&
         kernels->bytes && kernels->names && kernels->count &&
         std::all_of(kernels->names, kernels->names + kernels->count,
                     [](const char *name) { return name; }) &&
         model->device && *model->device;
}

/// Whether the fields of a model have values, or all that is there is
/// functions.
static bool isFilled(const TernacModel *model) {
  if (!model->forward && hasFunctions(model))
    return true;
  return model->vocab_size && model->context_length && model->max_rows &&
         model->max_sequences && model->max_threads && model->workspace_bytes &&
         model->cache_bytes && model->forward &&
         (!model->end_token_count || model->end_tokens) &&
         hasWholeKernels(model);
}

/// Checks what a library says of itself. Fields are read only after the check
/// that they are there.
static bool checkModel(const char *path, const TernacModel *model) {
  constexpr size_t headerSize =
      offsetof(TernacModel, abi_version) + sizeof(TernacModel::abi_version);
  if (!model || model->struct_size < headerSize || model->abi_version == 0) {
    setError("'%s' is no Ternac model library: its model table is damaged",
             path);
    return false;
  }
  if (model->abi_version > TERNAC_ABI_VERSION) {
    setError("'%s' was built for version %u of the model ABI, but this runtime "
             "knows versions up to %u; use a newer runtime",
             path, model->abi_version, TERNAC_ABI_VERSION);
    return false;
  }
  // Fields behind this one came later.
  constexpr size_t leastSize =
      offsetof(TernacModel, forward) + sizeof(TernacModel::forward);
  if (model->struct_size < leastSize) {
    setError("'%s' is damaged: expected a model table of %zu bytes, but got %u",
             path, leastSize, model->struct_size);
    return false;
  }
  if (!isFilled(model)) {
    setError("'%s' is damaged: its model table has empty fields", path);
    return false;
  }
  if (!hasWholeFunctions(model)) {
    setError("'%s' is damaged: its list of functions is not whole", path);
    return false;
  }
  if (model->forward && !hasWholeVersions(model)) {
    setError("'%s' is damaged: its list of code versions is not whole", path);
    return false;
  }
  const char *features = model->cpu_features ? model->cpu_features : "";
  std::string missing = missingFeatures(features);
  if (!missing.empty()) {
    setError("'%s' needs processor features that this machine does not have: "
             "%s; compile the model for this machine",
             path, missing.c_str());
    return false;
  }
  return true;
}

/// The weights of `model.so` that does not embed them are in `model.weights`.
static bool mapWeights(const std::string &path, TernacLibrary &library) {
  if (library.model->weights_embedded)
    return true;
  std::string weightsPath = path;
  size_t dot = path.rfind('.');
  if (dot != std::string::npos && dot > path.rfind('/') + 1)
    weightsPath.resize(dot);
  weightsPath += ".weights";
  std::error_code none;
  if (std::filesystem::exists(weightsPath, none) &&
      !std::filesystem::is_regular_file(weightsPath, none)) {
    setError("cannot read the weights '%s' of '%s': it is not a regular file",
             weightsPath.c_str(), path.c_str());
    return false;
  }
  library.weights = MappedMemory::mapFile(weightsPath);
  if (!library.weights.data()) {
    setError("cannot read the weights '%s' of '%s': %s", weightsPath.c_str(),
             path.c_str(), strerror(errno));
    return false;
  }
  if (library.weights.size() < library.model->weights_bytes) {
    setError("'%s' does not fit '%s': expected %llu bytes, but got %llu",
             weightsPath.c_str(), path.c_str(),
             static_cast<unsigned long long>(library.model->weights_bytes),
             static_cast<unsigned long long>(library.weights.size()));
    return false;
  }
  return true;
}

const char *TernacLibrary::device() const {
  constexpr size_t size =
      offsetof(TernacModel, device) + sizeof(TernacModel::device);
  return model->struct_size >= size && model->device ? model->device : "";
}

const TernacKernels *TernacLibrary::kernels() const { return kernelsOf(model); }

std::pair<const char *, uint64_t> TernacLibrary::weightsReadWhole() const {
  auto start = static_cast<const char *>(ternac_weights_of(this));
  const char *facts = model->facts ? model->facts : "";
  double all = static_cast<double>(model->weights_bytes);
  double begin = findNumber(facts, {"weights_read_whole", "begin"}).value_or(0);
  double end = findNumber(facts, {"weights_read_whole", "end"}).value_or(all);
  if (!start || begin < 0 || begin > end || end > all)
    return {start, model->weights_bytes};
  return {start + static_cast<uint64_t>(begin),
          static_cast<uint64_t>(end - begin)};
}

#ifdef MADV_HUGEPAGE
/// Advises the system on the whole pages of [begin, end).
static void advise(const char *begin, const char *end, int advice) {
  uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page;
  uintptr_t last = reinterpret_cast<uintptr_t>(end) / page;
  if (first < last)
    madvise(reinterpret_cast<void *>(first * page), (last - first) * page,
            advice);
}
#endif

/// Asks that what every token reads be read into huge pages if it is not in the
/// file cache yet, which takes a third of the time and lets them be mapped as
/// such, and that rows of tables not make 2 MiB resident each.
static void adviseHugePages(const TernacLibrary &library) {
#ifdef MADV_HUGEPAGE
  auto [whole, bytes] = library.weightsReadWhole();
  if (!whole)
    return;
  auto start = static_cast<const char *>(ternac_weights_of(&library));
  advise(start, whole, MADV_NOHUGEPAGE);
  advise(whole, whole + bytes, MADV_HUGEPAGE);
  advise(whole + bytes, start + library.model->weights_bytes, MADV_NOHUGEPAGE);
#else
  (void)library;
#endif
}

TernacLibrary *ternac_open(const char *path) {
  return ternac_open_version(path, nullptr);
}

TernacLibrary *ternac_open_version(const char *path, const char *version) {
  auto library = std::make_unique<TernacLibrary>();
  library->shared =
      SharedLibrary::open(path, "Ternac model library", TERNAC_MODEL_SYMBOL);
  if (!library->shared.symbol())
    return nullptr;
  library->model = reinterpret_cast<TernacModelFn>(library->shared.symbol())();
  if (!checkModel(path, library->model))
    return nullptr;
  library->versions = versionsOf(library->model);
  std::optional<uint32_t> number =
      chooseVersion(path, library->versions, version);
  if (!number || !mapWeights(library->shared.path(), *library))
    return nullptr;
  library->version = *number;
  adviseHugePages(*library);
  return library.release();
}

void ternac_close(TernacLibrary *library) { delete library; }

const TernacModel *ternac_model_of(const TernacLibrary *library) {
  return library->model;
}

uint32_t ternac_version_of(const TernacLibrary *library) {
  return library->version;
}

const TernacVersion *ternac_version_at(const TernacLibrary *library,
                                       uint32_t number) {
  return number < library->versions.size() ? &library->versions[number]
                                           : nullptr;
}

const void *ternac_weights_of(const TernacLibrary *library) {
  return library->model->weights_embedded ? library->model->weights
                                          : library->weights.data();
}

int32_t ternac_is_end_token(const TernacLibrary *library, int32_t token) {
  const TernacModel *model = library->model;
  const int32_t *end = model->end_tokens + model->end_token_count;
  return std::find(model->end_tokens, end, token) != end;
}
