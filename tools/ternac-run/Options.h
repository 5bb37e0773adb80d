//===- Options.h - The command line of ternac-run ---------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the user asks for, and the checks of it that need the model's facts.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_RUN_OPTIONS_H
#define TERNAC_TOOLS_RUN_OPTIONS_H

#include "ternac/Runtime/ModelABI.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ternac::run {

struct Options {
  std::string library;
  std::vector<std::vector<int32_t>> prompts;
  uint32_t sequences = 0; ///< prompts at a time; 0: as many as there can be
  uint32_t maxNewTokens = 0;
  bool ignoreEndTokens = false;
  std::string logitsFile; ///< empty: not wanted
  uint32_t threads = 0;   ///< 0: all processors
  bool noPinning = false;
  bool hugePages = false;
  std::string device;      ///< a name or a driver library; empty: none
  std::string codeVersion; ///< empty: the last that this machine can run
  float temperature = 0;
  uint32_t topK = 0;
  float topP = 1;
  uint64_t seed = 0;
  uint32_t chunk = 0; ///< 0: as large as the model takes

  /// Fills this from the command line; the result is the exit status if the
  /// process shall end here.
  std::optional<int> parse(int argc, char **argv);

  /// Checks the prompts against the model; the result is 1, after an error.
  std::optional<int> check(const TernacModel &model) const;

  /// "prompt 2: ", before an error; "" if there is but one.
  std::string nameOf(size_t prompt) const;
};

} // namespace ternac::run

#endif // TERNAC_TOOLS_RUN_OPTIONS_H
