//===- HostFeatures.h - What this processor can do --------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A model library names the instruction sets its code needs. Asking the
// processor before the first call turns "illegal instruction" into a sentence.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_RUNTIME_HOSTFEATURES_H
#define TERNAC_RUNTIME_HOSTFEATURES_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ternac::runtime {

/// Whether processor and operating system support a feature, by its LLVM name
/// without a sign; nullopt if the name is not known. Asking for a feature whose
/// state the system saves only for processes that asked asks the system.
std::optional<bool> hostHasFeature(std::string_view name);

/// The names in `features` (comma separated, each with or without a plus; a
/// minus needs nothing) that this host lacks or that are not known, separated
/// by ", "; empty if it can run such code.
std::string missingFeatures(std::string_view features);

/// The TERNAC_FEATURE_* bits that this process may use.
uint64_t grantedFeatures();

} // namespace ternac::runtime

#endif // TERNAC_RUNTIME_HOSTFEATURES_H
