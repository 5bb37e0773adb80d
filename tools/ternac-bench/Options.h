//===- Options.h - The command line of ternac-bench -------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What to measure, and the defaults and checks that need the model's facts.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_BENCH_OPTIONS_H
#define TERNAC_TOOLS_BENCH_OPTIONS_H

#include "ternac/Runtime/ModelABI.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ternac::bench {

struct Options {
  std::string library;
  std::vector<int32_t> prompts;                ///< tokens of each prefill
  std::vector<int32_t> prefillSequences = {1}; ///< prompts in one batch
  std::vector<int32_t> decodes;                ///< tokens of each decode
  std::vector<int32_t> contexts = {0};         ///< tokens before each decode
  std::vector<int32_t> sequences = {1};        ///< decoded at the same time
  std::vector<int32_t> threads;
  uint32_t repetitions = 3;
  bool noPinning = false;
  bool hugePages = false;
  std::string device;      ///< a driver library; empty: none
  std::string codeVersion; ///< empty: the last that this machine can run
  /// The file for JSON, "" for standard output, nullopt for none.
  std::optional<std::string> json;

  /// Fills this from the command line; the result is the exit status if the
  /// process shall end here.
  std::optional<int> parse(int argc, char **argv);

  /// Fills in the defaults that suit the model and checks the rest; the result
  /// is 1, after an error.
  std::optional<int> resolve(const TernacModel &model);

private:
  std::optional<int> checkSequences(const TernacModel &model) const;
};

} // namespace ternac::bench

#endif // TERNAC_TOOLS_BENCH_OPTIONS_H
