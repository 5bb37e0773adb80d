//===- Options.h - The command line of ternac -------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_TERNAC_OPTIONS_H
#define TERNAC_TOOLS_TERNAC_OPTIONS_H

#include "ternac/Driver/Compiler.h"

#include <optional>
#include <string>

namespace ternac::tool {

/// What the user typed, checked.
struct Options {
  CompileOptions compile;
  std::vector<std::string> loadTargets;
  bool listPhases = false;
  bool listTargets = false;
  bool printTarget = false;

  /// Fills the options; the result is the exit status if the process ends
  /// here, after --help or an error that has been printed.
  std::optional<int> parse(int argc, char **argv);
};

} // namespace ternac::tool

#endif // TERNAC_TOOLS_TERNAC_OPTIONS_H
