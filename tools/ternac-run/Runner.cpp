//===- Runner.cpp - One run of ternac-run ---------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runner.h"
#include "../common/Model.h"
#include "ternac/Support/Arguments.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <new>
#include <numeric>

using namespace ternac;
using namespace ternac::run;

static bool runtimeError() {
  Arguments::error("%s", ternac_last_error());
  return false;
}

static bool writeError(const std::string &path) {
  Arguments::error("cannot write '%s': %s", path.c_str(), strerror(errno));
  return false;
}

namespace {
/// Adds the time of its life to a sum.
class Stopwatch {
public:
  explicit Stopwatch(double &seconds) : seconds(seconds) {}
  ~Stopwatch() {
    seconds += std::chrono::duration<double>(Clock::now() - start).count();
  }

private:
  using Clock = std::chrono::steady_clock;
  double &seconds;
  Clock::time_point start = Clock::now();
};
} // namespace

Runner::Runner(const Options &options)
    : options(options), wantsLogits(!options.logitsFile.empty()),
      generated(options.prompts.size()) {}

bool Runner::run() {
  // The logits' file gets its name last, when nothing can fail any more.
  if (!prepare() || !generate())
    return false;
  report();
  if (!printTokens())
    return false;
  return !wantsLogits || writer.commit() || writeError(options.logitsFile);
}

//===----------------------------------------------------------------------===//
// Preparing
//===----------------------------------------------------------------------===//

bool Runner::prepare() {
  library.reset(tool::openModel(options.library, options.codeVersion));
  if (!library)
    return false;
  model = ternac_model_of(library.get());
  // The first sampler only checks its options.
  if (options.check(*model))
    return false;
  if (!createSampler())
    return runtimeError();
  if (!device.open(options.device, *model, options.library) ||
      !createSession() || !allocateLogits())
    return false;
  size_t rows = 0;
  for (const std::vector<int32_t> &prompt : options.prompts)
    rows += prompt.size();
  return !wantsLogits ||
         writer.open(options.logitsFile, rows, model->vocab_size) ||
         writeError(options.logitsFile);
}

/// Every prompt has one of its own, so that its tokens do not depend on others.
Runner::Sampler Runner::createSampler() const {
  return Sampler(ternac_sampler_create(options.temperature, options.topK,
                                       options.topP, options.seed));
}

bool Runner::createSession() {
  size_t most = options.sequences ? options.sequences : model->max_sequences;
  sequences =
      static_cast<uint32_t>(std::min<size_t>(most, options.prompts.size()));
  // The rest of the contexts will not be used.
  std::vector<uint64_t> blocks;
  for (const std::vector<int32_t> &prompt : options.prompts)
    blocks.push_back((prompt.size() + options.maxNewTokens +
                      TERNAC_CACHE_BLOCK_POSITIONS - 1) /
                     TERNAC_CACHE_BLOCK_POSITIONS);
  std::partial_sort(blocks.begin(), blocks.begin() + sequences, blocks.end(),
                    std::greater<>());
  uint64_t sum =
      std::accumulate(blocks.begin(), blocks.begin() + sequences, uint64_t(0));

  TernacSessionOptions wanted = {};
  wanted.struct_size = sizeof(wanted);
  wanted.threads = options.threads;
  wanted.no_pinning = options.noPinning;
  wanted.huge_pages = options.hugePages;
  wanted.sequences = sequences;
  wanted.cache_blocks =
      static_cast<uint32_t>(std::min<uint64_t>(sum, UINT32_MAX));
  wanted.device = device.table();
  session.reset(ternac_session_create(library.get(), &wanted));
  if (!session)
    return runtimeError();
  for (uint32_t i = sequences; i > 0; --i)
    freeSequences.push_back(i - 1);
  return true;
}

bool Runner::allocateLogits() {
  logits.reset(new (std::nothrow) float[size_t(sequences) * model->vocab_size]);
  if (!logits) {
    Arguments::error("not enough memory for the logits of %u prompts; give a "
                     "smaller --sequences",
                     sequences);
    return false;
  }
  size_t longest = 0;
  for (const std::vector<int32_t> &prompt : options.prompts)
    longest = std::max(longest, prompt.size());
  chunk = std::min<size_t>(options.chunk ? options.chunk : model->max_rows,
                           longest);
  if (!wantsLogits)
    return true;
  promptLogits.reset(new (std::nothrow) float[chunk * model->vocab_size]);
  if (promptLogits)
    return true;
  Arguments::error("not enough memory for the logits of %zu tokens; give a "
                   "smaller --chunk",
                   chunk);
  return false;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

bool Runner::generate() {
  while (true) {
    if (!admit())
      return false;
    if (live.empty())
      return true;
    Stopwatch stopwatch(tokenSeconds);
    if (!drawTokens() || !feedTokens())
      return false;
  }
}

/// Lets prompts in while there are sequences for them.
bool Runner::admit() {
  Stopwatch stopwatch(promptSeconds);
  for (; admitted < options.prompts.size() && !freeSequences.empty();
       ++admitted) {
    uint32_t sequence = freeSequences.back();
    live.push_back({admitted, sequence, createSampler()});
    if (!live.back().sampler)
      return runtimeError();
    if (!feedPrompt(admitted, sequence))
      return false;
    freeSequences.pop_back();
  }
  return true;
}

/// Feeds what no other prompt has fed already; all, if all logits are wanted.
bool Runner::feedPrompt(size_t prompt, uint32_t sequence) {
  const std::vector<int32_t> &tokens = options.prompts[prompt];
  auto error = [&] {
    Arguments::error("%s%s", options.nameOf(prompt).c_str(),
                     ternac_last_error());
    return false;
  };
  size_t start = 0;
  if (!wantsLogits) {
    int64_t shared =
        ternac_prefix(session.get(), sequence, tokens.data(), tokens.size());
    if (shared < 0)
      return error();
    start = static_cast<size_t>(shared);
  }
  tokensShared += start;
  tokensFed += tokens.size() - start;
  float *last = logitsOf(live.size() - 1);
  for (; start < tokens.size(); start += chunk) {
    size_t count = std::min(chunk, tokens.size() - start);
    bool isLast = start + count == tokens.size();
    float *rows = wantsLogits ? promptLogits.get() : isLast ? last : nullptr;
    if (ternac_feed(session.get(), sequence, tokens.data() + start, count, rows,
                    wantsLogits ? count : isLast))
      return error();
    if (!wantsLogits)
      continue;
    if (!writer.append(rows, count * model->vocab_size))
      return writeError(options.logitsFile);
    std::copy_n(rows + (count - 1) * model->vocab_size, model->vocab_size,
                last);
  }
  return true;
}

/// Draws a token for each live prompt; those that are done leave.
bool Runner::drawTokens() {
  std::vector<Live> going;
  for (size_t i = 0; i < live.size(); ++i) {
    std::vector<int32_t> &tokens = generated[live[i].prompt];
    bool isDone = options.maxNewTokens == 0;
    if (!isDone) {
      int32_t token =
          ternac_sample(live[i].sampler.get(), logitsOf(i), model->vocab_size);
      if (token < 0)
        return runtimeError();
      tokens.push_back(token);
      isDone = tokens.size() == options.maxNewTokens ||
               (!options.ignoreEndTokens &&
                ternac_is_end_token(library.get(), token));
    }
    if (!isDone) {
      going.push_back(std::move(live[i]));
      continue;
    }
    if (ternac_free(session.get(), live[i].sequence))
      return runtimeError();
    freeSequences.push_back(live[i].sequence);
  }
  live = std::move(going);
  return true;
}

/// Feeds the new token of each live prompt, all together.
bool Runner::feedTokens() {
  std::vector<uint32_t> numbers;
  std::vector<int32_t> tokens;
  for (const Live &one : live) {
    numbers.push_back(one.sequence);
    tokens.push_back(generated[one.prompt].back());
  }
  std::vector<size_t> counts(live.size(), 1);
  return ternac_feed_batch(session.get(), live.size(), numbers.data(),
                           counts.data(), tokens.data(), logits.get()) == 0 ||
         runtimeError();
}

//===----------------------------------------------------------------------===//
// Reporting
//===----------------------------------------------------------------------===//

static void reportSpeed(const char *step, size_t tokens, double seconds) {
  fprintf(stderr, "%s: %zu tokens in %.1f ms, %.1f tokens/s", step, tokens,
          seconds * 1e3, tokens / std::max(seconds, 1e-9));
}

/// Which version of the code ran, if there are several.
void Runner::reportVersion() const {
  if (!ternac_version_at(library.get(), 1))
    return;
  uint32_t number = ternac_version_of(library.get());
  fprintf(stderr, "code version: %u, %s\n", number,
          ternac_version_at(library.get(), number)->name);
}

void Runner::report() const {
  reportVersion();
  bool isOne = options.prompts.size() == 1;
  reportSpeed(isOne ? "prompt" : "prompts", tokensFed, promptSeconds);
  if (tokensShared)
    fprintf(stderr, "; %zu more were there already", tokensShared);
  fputc('\n', stderr);
  size_t tokens = 0;
  for (const std::vector<int32_t> &text : generated)
    tokens += text.size();
  if (tokens > 0) {
    reportSpeed("generated", tokens, tokenSeconds);
    if (!isOne)
      fprintf(stderr, ", %u prompts at a time", sequences);
    fputc('\n', stderr);
  }
  fputs(device.report().c_str(), stderr);
}

bool Runner::printTokens() const {
  for (const std::vector<int32_t> &tokens : generated) {
    const char *separator = "";
    for (int32_t token : tokens) {
      printf("%s%d", separator, token);
      separator = " ";
    }
    printf("\n");
  }
  return fflush(stdout) == 0 || writeError("standard output");
}
