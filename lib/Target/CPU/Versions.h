//===- Versions.h - Several processors in one description -------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_VERSIONS_H
#define TERNAC_LIB_TARGET_CPU_VERSIONS_H

#include "Family.h"

#include <set>

namespace ternac::cpu {

/// A processor that there is code for.
struct Version {
  std::string name; ///< as the user says it
  tern::TargetAttr target;
  /// Every feature that a processor has which runs the code, those that others
  /// imply among them: it runs the code of all whose features are a part.
  std::set<std::string> features;
};

/// One description of all: the first is the baseline, the others its versions,
/// those that need more behind those that need less: a host takes the last that
/// it can run. What is there twice is there once. Fails on a version that lacks
/// what the baseline has, and on two of which only one would ever run.
llvm::Expected<tern::TargetAttr> combine(llvm::ArrayRef<Version> machines);

} // namespace ternac::cpu

#endif // TERNAC_LIB_TARGET_CPU_VERSIONS_H
