//===- Measure.cpp - Speeds of a model ------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Measure.h"
#include "Facts.h"
#include "Machine.h"
#include "ternac/Support/Arguments.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include <sys/resource.h>
#include <unistd.h>

using namespace ternac;
using namespace ternac::bench;
using Clock = std::chrono::steady_clock;

/// A sample shorter than this is repeated until it is that long.
static constexpr double shortestSample = 0.02;

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle]
                           : (values[middle - 1] + values[middle]) / 2;
}

namespace {

/// A session, and what to feed to it.
class Subject {
public:
  bool create(TernacLibrary *library, const Options &options, uint32_t threads);

  /// One sample in tokens per second; nullopt after an error.
  std::optional<double> sample(const Result &wanted, double shortest);

private:
  std::optional<double> timePrefill(const Result &wanted);
  std::optional<double> timeDecode(const Result &wanted);
  bool setLengths(const Result &wanted);

  struct Destroy {
    void operator()(TernacSession *session) const {
      ternac_session_destroy(session);
    }
  };
  std::unique_ptr<TernacSession, Destroy> session;
  std::vector<int32_t> tokens; ///< a prompt as long as the context
  std::vector<float> logits;
};

} // namespace

static uint32_t largest(const std::vector<int32_t> &values) {
  auto position = std::max_element(values.begin(), values.end());
  return position == values.end() ? 0 : static_cast<uint32_t>(*position);
}

bool Subject::create(TernacLibrary *library, const Options &options,
                     uint32_t threads) {
  const TernacModel &model = *ternac_model_of(library);
  TernacSessionOptions wanted = {};
  wanted.struct_size = sizeof(wanted);
  wanted.threads = threads;
  wanted.no_pinning = options.noPinning;
  wanted.sequences = largest(options.sequences);
  auto blocksFor = [](uint32_t positions) {
    return (positions + TERNAC_CACHE_BLOCK_POSITIONS - 1) /
           TERNAC_CACHE_BLOCK_POSITIONS;
  };
  wanted.cache_blocks =
      std::max(blocksFor(largest(options.prompts)),
               wanted.sequences * blocksFor(largest(options.contexts) +
                                            largest(options.decodes)));
  session.reset(ternac_session_create(library, &wanted));
  if (!session)
    return false;
  // Ids all over the vocabulary: rows of the embedding must not stay cached.
  uint32_t state = 1;
  for (uint32_t i = 0; i < model.context_length; ++i) {
    state = state * 1664525 + 1013904223;
    tokens.push_back(
        static_cast<int32_t>((uint64_t(state) * model.vocab_size) >> 32));
  }
  logits.resize(size_t(wanted.sequences) * model.vocab_size);
  return true;
}

/// Gives the first sequences the context that is wanted, and empties the rest.
bool Subject::setLengths(const Result &wanted) {
  for (uint32_t i = wanted.sequences; ternac_length(session.get(), i) > 0; ++i)
    ternac_truncate(session.get(), i, 0);
  for (uint32_t i = 0; i < wanted.sequences; ++i) {
    uint32_t length = static_cast<uint32_t>(ternac_length(session.get(), i));
    if (length > wanted.context &&
        ternac_truncate(session.get(), i, wanted.context))
      return false;
    if (length < wanted.context &&
        ternac_feed(session.get(), i, tokens.data() + length,
                    wanted.context - length, nullptr, 0))
      return false;
  }
  return true;
}

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::optional<double> Subject::timePrefill(const Result &wanted) {
  Clock::time_point start = Clock::now();
  if (ternac_feed(session.get(), 0, tokens.data(), wanted.tokens, logits.data(),
                  1))
    return std::nullopt;
  return secondsSince(start);
}

std::optional<double> Subject::timeDecode(const Result &wanted) {
  std::vector<uint32_t> sequences(wanted.sequences);
  for (uint32_t i = 0; i < wanted.sequences; ++i)
    sequences[i] = i;
  std::vector<size_t> counts(wanted.sequences, 1);
  std::vector<int32_t> next(wanted.sequences);
  Clock::time_point start = Clock::now();
  for (uint32_t step = 0; step < wanted.tokens; ++step) {
    for (uint32_t i = 0; i < wanted.sequences; ++i)
      next[i] = tokens[(wanted.context + step + i) % tokens.size()];
    if (ternac_feed_batch(session.get(), wanted.sequences, sequences.data(),
                          counts.data(), next.data(), logits.data()))
      return std::nullopt;
  }
  return secondsSince(start);
}

std::optional<double> Subject::sample(const Result &wanted, double shortest) {
  double seconds = 0, fed = 0;
  do {
    std::optional<double> time;
    if (setLengths(wanted))
      time = wanted.kind == Kind::Prefill ? timePrefill(wanted)
                                          : timeDecode(wanted);
    if (!time) {
      Arguments::error("%s", ternac_last_error());
      return std::nullopt;
    }
    seconds += *time;
    fed += double(wanted.tokens) * wanted.sequences;
  } while (seconds < shortest);
  return fed / seconds;
}

/// Everything to measure with `threads`.
static std::vector<Result> listWanted(const Options &options,
                                      uint32_t threads) {
  std::vector<Result> wanted;
  for (uint32_t prompt : options.prompts)
    wanted.push_back({Kind::Prefill, threads, prompt, 0, 1});
  for (uint32_t decode : options.decodes)
    for (uint32_t context : options.contexts)
      for (uint32_t sequences : options.sequences)
        wanted.push_back({Kind::Decode, threads, decode, context, sequences});
  return wanted;
}

/// Fills in what the model's facts say of `result`.
static void addBytes(const TernacModel &model, Result &result) {
  auto fact = [&](std::initializer_list<std::string_view> path) {
    return findNumber(model.facts ? model.facts : "", path);
  };
  // How often body and head are read for each token fed.
  double bodies = 1.0 / result.sequences, heads = bodies;
  if (result.kind == Kind::Prefill) {
    uint32_t calls = (result.tokens + model.max_rows - 1) / model.max_rows;
    bodies = double(calls) / result.tokens;
    heads = 1.0 / result.tokens;
  }
  BytesPerToken &bytes = result.bytes;
  if ((bytes.body = fact({"bytes_per_token", "body"})))
    *bytes.body *= bodies;
  if ((bytes.head = fact({"bytes_per_token", "head"})))
    *bytes.head *= heads;
  if (result.kind == Kind::Decode) {
    if ((bytes.cache = fact({"cache_bytes_per_position"})))
      *bytes.cache *= result.context + (result.tokens + 1) / 2.0;
    else
      bytes.cache = fact({"bytes_per_token", "cache"});
  }
}

/// Compares `result` with what the machine did in the same run.
static void addFractions(const TernacModel &model, const Measurements &all,
                         Result &result) {
  const BytesPerToken &bytes = result.bytes;
  if (bytes.body && bytes.head)
    result.roofFraction =
        result.tokensPerSecond *
        (*bytes.body + *bytes.head + bytes.cache.value_or(0)) /
        all.bytesPerSecond.at(result.threads);
  const char *facts = model.facts ? model.facts : "";
  std::optional<double> body = findNumber(facts, {"macs_per_token", "body"});
  std::optional<double> head = findNumber(facts, {"macs_per_token", "head"});
  if (body && head) {
    double heads = result.kind == Kind::Prefill ? 1.0 / result.tokens : 1.0;
    result.peakFraction = result.tokensPerSecond * (*body + heads * *head) /
                          all.productsPerSecond.at(result.threads);
  }
}

/// On a terminal, shows what is being measured; an empty line clears it.
static void showProgress(const Result *result) {
  if (!isatty(STDERR_FILENO))
    return;
  fprintf(stderr, "\r\033[K");
  if (result)
    fprintf(stderr, "measuring %s of %u tokens, %u threads",
            result->kind == Kind::Prefill ? "prefill" : "decode",
            result->tokens, result->threads);
  fflush(stderr);
}

/// Runs everything once: pages get loaded and the memory is known before this
/// program's own buffers add to it.
static bool warmUp(TernacLibrary *library, const Options &options,
                   uint64_t &peakRSSBytes) {
  for (uint32_t threads : options.threads) {
    Subject subject;
    if (!subject.create(library, options, threads)) {
      Arguments::error("%s", ternac_last_error());
      return false;
    }
    for (const Result &wanted : listWanted(options, threads)) {
      showProgress(&wanted);
      if (!subject.sample(wanted, 0))
        return false;
    }
  }
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  peakRSSBytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  return true;
}

std::optional<Measurements> ternac::bench::measure(TernacLibrary *library,
                                                   const Options &options) {
  const TernacModel &model = *ternac_model_of(library);
  Measurements all;
  if (!warmUp(library, options, all.peakRSSBytes))
    return std::nullopt;
  MemoryReader reader;
  if (!reader.allocate()) {
    Arguments::error("not enough memory to measure its bandwidth");
    return std::nullopt;
  }
  for (uint32_t threads : options.threads) {
    Subject subject;
    std::unique_ptr<runtime::ThreadPool> pool;
    if (subject.create(library, options, threads))
      pool = runtime::ThreadPool::create(threads, !options.noPinning);
    if (!pool) {
      Arguments::error("%s", ternac_last_error());
      return std::nullopt;
    }
    std::vector<double> bandwidths, peaks;
    std::vector<Result> results = listWanted(options, threads);
    for (Result &result : results) {
      showProgress(&result);
      for (uint32_t i = 0; i < options.repetitions; ++i) {
        bandwidths.push_back(reader.sample(*pool));
        peaks.push_back(sampleInt8Peak(*pool));
        std::optional<double> sample = subject.sample(result, shortestSample);
        if (!sample)
          return std::nullopt;
        result.samples.push_back(*sample);
      }
      result.tokensPerSecond = median(result.samples);
    }
    if (results.empty())
      continue;
    all.bytesPerSecond[threads] = median(bandwidths);
    all.productsPerSecond[threads] = median(peaks);
    for (Result &result : results) {
      addBytes(model, result);
      addFractions(model, all, result);
      all.results.push_back(std::move(result));
    }
  }
  showProgress(nullptr);
  return all;
}
