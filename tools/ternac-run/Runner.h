//===- Runner.h - One run of ternac-run -------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Feeds the prompts, writes their logits if they are wanted, generates. Several
// prompts are continued together, one token of each in a call; a prompt enters
// when there is a free sequence. Nothing is left behind if any step fails.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_RUN_RUNNER_H
#define TERNAC_TOOLS_RUN_RUNNER_H

#include "../common/Device.h"
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
  using Sampler =
      std::unique_ptr<TernacSampler, Deleter<ternac_sampler_destroy>>;

  /// A prompt that has a sequence. Its next token is drawn from the row of
  /// logits of its place in `live`.
  struct Live {
    size_t prompt;
    uint32_t sequence;
    Sampler sampler;
  };

  bool prepare();
  bool createSession();
  bool allocateLogits();
  Sampler createSampler() const;
  bool generate();
  bool admit();
  bool feedPrompt(size_t prompt, uint32_t sequence);
  bool drawTokens();
  bool feedTokens();
  float *logitsOf(size_t place) const {
    return logits.get() + place * model->vocab_size;
  }
  void reportVersion() const;
  void report() const;
  bool printTokens() const;

  const Options &options;
  const bool wantsLogits;
  // The session must go before the library it runs and the device it uses.
  tool::Device device;
  std::unique_ptr<TernacLibrary, Deleter<ternac_close>> library;
  std::unique_ptr<TernacSession, Deleter<ternac_session_destroy>> session;
  const TernacModel *model = nullptr;
  uint32_t sequences = 0;              ///< prompts at a time
  std::vector<uint32_t> freeSequences; ///< the next one to use is the last
  std::vector<Live> live;
  size_t admitted = 0;                   ///< prompts that are live or done
  size_t chunk = 0;                      ///< tokens of a prompt fed at a time
  std::unique_ptr<float[]> logits;       ///< [sequences][vocab_size]
  std::unique_ptr<float[]> promptLogits; ///< [chunk][vocab_size], if wanted
  NpyWriter writer;
  std::vector<std::vector<int32_t>> generated; ///< of each prompt
  size_t tokensFed = 0, tokensShared = 0;      ///< of all prompts
  double promptSeconds = 0, tokenSeconds = 0;
};

} // namespace ternac::run

#endif // TERNAC_TOOLS_RUN_RUNNER_H
