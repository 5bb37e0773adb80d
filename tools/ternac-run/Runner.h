//===- Runner.h - One run of ternac-run -------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Feeds the prompt, writes its logits if they are wanted, generates. Nothing is
// left behind if any step fails.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_RUN_RUNNER_H
#define TERNAC_TOOLS_RUN_RUNNER_H

#include "NpyWriter.h"
#include "Options.h"
#include "ternac/Runtime/Session.h"

#include <memory>
#include <vector>

namespace ternac::run {

class Runner {
public:
  explicit Runner(const Options &options);

  /// Does all of it. False after an error, which has been printed.
  bool run();

private:
  template <auto destroy> struct Deleter {
    template <typename T> void operator()(T *object) const { destroy(object); }
  };

  bool prepare();
  bool feedPrompt();
  bool generate();
  bool printTokens() const;

  const Options &options;
  const bool wantsLogits;
  // The session must go before the library it runs.
  std::unique_ptr<TernacLibrary, Deleter<ternac_close>> library;
  std::unique_ptr<TernacSession, Deleter<ternac_session_destroy>> session;
  std::unique_ptr<TernacSampler, Deleter<ternac_sampler_destroy>> sampler;
  const TernacModel *model = nullptr;
  size_t chunk = 0; ///< tokens of the prompt fed at a time
  std::unique_ptr<float[]> logits;
  const float *lastLogits = nullptr; ///< the row that the next token is from
  NpyWriter writer;
  std::vector<int32_t> generated;
};

} // namespace ternac::run

#endif // TERNAC_TOOLS_RUN_RUNNER_H
