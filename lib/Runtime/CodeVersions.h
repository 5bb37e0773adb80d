//===- CodeVersions.h - Which code of a library to run ----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A library may have code for several kinds of processors. The choice is made
// once, when it is opened, by what this processor says that it has.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_CODEVERSIONS_H
#define TERNAC_LIB_RUNTIME_CODEVERSIONS_H

#include "ternac/Runtime/ModelABI.h"

#include <optional>
#include <vector>

namespace ternac::runtime {

/// Whether all versions of the table, if it has them, are of one size, of a
/// version that this runtime knows, and have all fields, the first those of the
/// table.
bool hasWholeVersions(const TernacModel *model);

/// The versions of the table; of one without them, its own fields.
std::vector<TernacVersion> versionsOf(const TernacModel *model);

/// The number of the version to run: the one that `wanted` names by number or
/// name, or, if it is null, the last that this host can run, the baseline being
/// the first. Nullopt, with the error set, if there is none of that name or
/// this host cannot run it.
std::optional<uint32_t>
chooseVersion(const char *path, const std::vector<TernacVersion> &versions,
              const char *wanted);

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_CODEVERSIONS_H
