//===- CodeVersions.cpp - Which code of a library to run ------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeVersions.h"
#include "Error.h"
#include "ternac/Runtime/HostFeatures.h"

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

using namespace ternac::runtime;

/// Whether the table is new enough to have versions.
static bool hasVersions(const TernacModel *model) {
  return model->struct_size >= offsetof(TernacModel, reserved);
}

static const TernacVersion *versionAt(const TernacModel *model,
                                      uint32_t number) {
  // Later versions of the ABI may add fields to each.
  const char *first = reinterpret_cast<const char *>(model->versions);
  return reinterpret_cast<const TernacVersion *>(
      first + size_t(number) * model->versions->struct_size);
}

/// Whether versions are of a size with which each can be found from the first.
static bool hasSoundSize(const TernacVersion &first) {
  // Far more than any later version of the ABI adds; without a limit damage
  // would lead anywhere.
  constexpr uint32_t mostBytes = 4096;
  return first.struct_size >= sizeof(TernacVersion) &&
         first.struct_size <= mostBytes &&
         first.struct_size % alignof(TernacVersion) == 0;
}

static bool isWhole(const TernacVersion &version) {
  return version.abi_version >= 1 &&
         version.abi_version <= TERNAC_ABI_VERSION && version.name &&
         version.target && version.cpu_features && version.workspace_bytes &&
         version.forward;
}

bool ternac::runtime::hasWholeVersions(const TernacModel *model) {
  constexpr uint32_t mostVersions = 64;
  if (!hasVersions(model))
    return true;
  if (!model->versions || !model->version_count ||
      model->version_count > mostVersions || !hasSoundSize(*model->versions))
    return false;
  for (uint32_t i = 0; i < model->version_count; ++i) {
    const TernacVersion *version = versionAt(model, i);
    if (version->struct_size != model->versions->struct_size ||
        !isWhole(*version))
      return false;
  }
  return model->versions->forward == model->forward;
}

std::vector<TernacVersion>
ternac::runtime::versionsOf(const TernacModel *model) {
  std::vector<TernacVersion> versions;
  if (!hasVersions(model) || !model->forward)
    return {{sizeof(TernacVersion), model->abi_version, "baseline",
             model->target ? model->target : "",
             model->cpu_features ? model->cpu_features : "",
             model->workspace_bytes, model->forward}};
  for (uint32_t i = 0; i < model->version_count; ++i)
    versions.push_back(*versionAt(model, i));
  return versions;
}

static std::optional<uint32_t>
findVersion(const char *path, const std::vector<TernacVersion> &versions,
            std::string_view wanted) {
  uint32_t number = 0;
  auto [end, code] =
      std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  if (code == std::errc() && end == wanted.data() + wanted.size() &&
      number < versions.size())
    return number;
  std::string names;
  for (const TernacVersion &version : versions) {
    if (wanted == version.name)
      return static_cast<uint32_t>(&version - versions.data());
    names += (names.empty() ? "'" : ", '") + std::string(version.name) + "'";
  }
  setError(
      "'%s' has no code version '%.*s'; expected a number below %zu or one "
      "of: %s",
      path, static_cast<int>(wanted.size()), wanted.data(), versions.size(),
      names.c_str());
  return std::nullopt;
}

std::optional<uint32_t>
ternac::runtime::chooseVersion(const char *path,
                               const std::vector<TernacVersion> &versions,
                               const char *wanted) {
  if (!wanted) {
    // What the host cannot be asked for is not there: there is the baseline.
    for (size_t i = versions.size() - 1; i > 0; --i)
      if (missingFeatures(versions[i].cpu_features).empty())
        return static_cast<uint32_t>(i);
    return 0;
  }
  std::optional<uint32_t> number = findVersion(path, versions, wanted);
  if (!number)
    return std::nullopt;
  std::string missing = missingFeatures(versions[*number].cpu_features);
  if (missing.empty())
    return number;
  setError("code version '%s' of '%s' needs processor features that this "
           "machine does not have: %s; leave the choice to the machine",
           versions[*number].name, path, missing.c_str());
  return std::nullopt;
}
