//===- HostFeatures.cpp - What this processor can do ----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Runtime/HostFeatures.h"
#include "Processor/Processor.h"

std::optional<bool> ternac::runtime::hostHasFeature(std::string_view name) {
  return processor::hasFeature(name);
}

std::string ternac::runtime::missingFeatures(std::string_view features) {
  std::string missing;
  while (!features.empty()) {
    size_t comma = features.find(',');
    std::string_view name = features.substr(0, comma);
    features.remove_prefix(comma == name.npos ? features.size() : comma + 1);
    if (name.empty() || name.front() == '-')
      continue;
    if (name.front() == '+')
      name.remove_prefix(1);
    if (hostHasFeature(name).value_or(false))
      continue;
    missing.append(missing.empty() ? "" : ", ").append(name);
  }
  return missing;
}

uint64_t ternac::runtime::grantedFeatures() { return processor::grants(); }
