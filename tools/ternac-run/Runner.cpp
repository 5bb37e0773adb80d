//===- Runner.cpp - One run of ternac-run ---------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runner.h"
#include "ternac/Support/Arguments.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>

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
/// Reports the speed of a step when it ends.
class Stopwatch {
public:
  void report(const char *step, size_t tokens) const {
    double seconds =
        std::chrono::duration<double>(Clock::now() - start).count();
    fprintf(stderr, "%s: %zu tokens in %.1f ms, %.1f tokens/s\n", step, tokens,
            seconds * 1e3, tokens / std::max(seconds, 1e-9));
  }

private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start = Clock::now();
};
} // namespace

Runner::Runner(const Options &options)
    : options(options), wantsLogits(!options.logitsFile.empty()) {}

bool Runner::run() {
  // The logits' file gets its name last, when nothing can fail any more.
  if (!prepare() || !feedPrompt() || !generate() || !printTokens())
    return false;
  return !wantsLogits || writer.commit() || writeError(options.logitsFile);
}

bool Runner::prepare() {
  library.reset(ternac_open(options.library.c_str()));
  if (!library)
    return runtimeError();
  model = ternac_model_of(library.get());
  if (options.check(*model))
    return false;
  sampler.reset(ternac_sampler_create(options.temperature, options.topK,
                                      options.topP, options.seed));
  if (!sampler)
    return runtimeError();

  TernacSessionOptions wanted = {};
  wanted.struct_size = sizeof(wanted);
  wanted.threads = options.threads;
  wanted.no_pinning = options.noPinning;
  wanted.huge_pages = options.hugePages;
  // The rest of the context will not be used.
  size_t positions = options.tokens.size() + options.maxNewTokens;
  wanted.cache_blocks =
      static_cast<uint32_t>((positions + TERNAC_CACHE_BLOCK_POSITIONS - 1) /
                            TERNAC_CACHE_BLOCK_POSITIONS);
  session.reset(ternac_session_create(library.get(), &wanted));
  if (!session)
    return runtimeError();

  chunk = std::min<size_t>(options.chunk ? options.chunk : model->max_rows,
                           options.tokens.size());
  size_t rows = wantsLogits ? chunk : 1;
  logits.reset(new (std::nothrow) float[rows * model->vocab_size]);
  if (!logits) {
    Arguments::error("not enough memory for the logits of %zu tokens; give a "
                     "smaller --chunk",
                     rows);
    return false;
  }
  return !wantsLogits ||
         writer.open(options.logitsFile, options.tokens.size(),
                     model->vocab_size) ||
         writeError(options.logitsFile);
}

bool Runner::feedPrompt() {
  Stopwatch stopwatch;
  const std::vector<int32_t> &tokens = options.tokens;
  for (size_t start = 0; start < tokens.size(); start += chunk) {
    size_t count = std::min(chunk, tokens.size() - start);
    bool isLast = start + count == tokens.size();
    size_t rows = wantsLogits ? count : isLast ? 1 : 0;
    if (ternac_feed(session.get(), 0, tokens.data() + start, count,
                    logits.get(), rows))
      return runtimeError();
    if (wantsLogits && !writer.append(logits.get(), rows * model->vocab_size))
      return writeError(options.logitsFile);
    if (isLast)
      lastLogits = logits.get() + (rows - 1) * model->vocab_size;
  }
  stopwatch.report("prompt", tokens.size());
  return true;
}

bool Runner::generate() {
  Stopwatch stopwatch;
  while (generated.size() < options.maxNewTokens) {
    if (!generated.empty()) {
      if (ternac_feed(session.get(), 0, &generated.back(), 1, logits.get(), 1))
        return runtimeError();
      lastLogits = logits.get();
    }
    int32_t token = ternac_sample(sampler.get(), lastLogits, model->vocab_size);
    if (token < 0)
      return runtimeError();
    generated.push_back(token);
    if (!options.ignoreEndTokens && ternac_is_end_token(library.get(), token))
      break;
  }
  if (!generated.empty())
    stopwatch.report("generated", generated.size());
  return true;
}

bool Runner::printTokens() const {
  const char *separator = "";
  for (int32_t token : generated) {
    printf("%s%d", separator, token);
    separator = " ";
  }
  printf("\n");
  return fflush(stdout) == 0 || writeError("standard output");
}
