//===- Measure.cpp - Speeds of a model ------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Measure.h"
#include "Machine.h"
#include "ternac/Runtime/DeviceText.h"
#include "ternac/Runtime/Facts.h"
#include "ternac/Support/Arguments.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <numeric>

#include <sys/resource.h>
#include <unistd.h>

using namespace ternac;
using namespace ternac::bench;
using Clock = std::chrono::steady_clock;

/// A sample shorter than this is repeated until it is that long.
static constexpr double shortestSample = 0.02;

/// Weights below this may stay in a cache between two tokens.
static constexpr uint64_t fewestBytes = uint64_t(256) << 20;

double ternac::bench::median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle]
                           : (values[middle - 1] + values[middle]) / 2;
}

namespace {

/// A session, and what to feed to it.
class Subject {
public:
  bool create(TernacLibrary *library, const TernacDevice *device,
              const Options &options, uint32_t threads);

  struct Sample {
    double tokensPerSecond; ///< of all sequences together
    std::optional<double> deviceSecondsPerToken;
  };
  /// Nullopt after an error.
  std::optional<Sample> sample(const Result &wanted, double shortest);

private:
  std::optional<double> time(const Result &wanted);
  double deviceSeconds() const;
  bool feed(const Result &wanted, uint32_t position, uint32_t count);
  bool setLengths(const Result &wanted);

  struct Destroy {
    void operator()(TernacSession *session) const {
      ternac_session_destroy(session);
    }
  };
  std::unique_ptr<TernacSession, Destroy> session;
  const TernacDevice *timed = nullptr; ///< the device, if it measures time
  uint32_t sequenceCount = 0;
  std::vector<int32_t> tokens; ///< a prompt as long as the context
  std::vector<float> logits;
};

} // namespace

/// Whether the model consists of kernels, so that the device computes.
static bool hasKernels(const TernacModel &model) {
  return model.struct_size >=
             offsetof(TernacModel, kernels) + sizeof(TernacModel::kernels) &&
         model.kernels;
}

static bool measuresTime(const TernacDevice *device) {
  return device &&
         device->struct_size >=
             offsetof(TernacDevice, busy) + sizeof(TernacDevice::busy) &&
         device->busy;
}

static uint32_t largest(const std::vector<int32_t> &values) {
  auto position = std::max_element(values.begin(), values.end());
  return position == values.end() ? 0 : static_cast<uint32_t>(*position);
}

bool Subject::create(TernacLibrary *library, const TernacDevice *device,
                     const Options &options, uint32_t threads) {
  const TernacModel &model = *ternac_model_of(library);
  TernacSessionOptions wanted = {};
  wanted.struct_size = sizeof(wanted);
  wanted.threads = threads;
  wanted.no_pinning = options.noPinning;
  wanted.huge_pages = options.hugePages;
  wanted.device = device;
  uint32_t prompts =
      options.prompts.empty() ? 1 : largest(options.prefillSequences);
  wanted.sequences = std::max(prompts, largest(options.sequences));
  auto blocksFor = [](uint32_t positions) {
    return (positions + TERNAC_CACHE_BLOCK_POSITIONS - 1) /
           TERNAC_CACHE_BLOCK_POSITIONS;
  };
  wanted.cache_blocks = std::max(
      prompts * blocksFor(largest(options.prompts)),
      largest(options.sequences) *
          blocksFor(largest(options.contexts) + largest(options.decodes)));
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
  sequenceCount = wanted.sequences;
  if (measuresTime(device))
    timed = device;
  logits.resize(size_t(sequenceCount) * model.vocab_size);
  return true;
}

/// Gives the first sequences the context that is wanted, and empties the rest.
bool Subject::setLengths(const Result &wanted) {
  // Those first, whose blocks the others may need.
  for (uint32_t i = 0; i < sequenceCount; ++i) {
    uint32_t most = i < wanted.sequences ? wanted.context : 0;
    if (ternac_length(session.get(), i) > most &&
        ternac_truncate(session.get(), i, most))
      return false;
  }
  for (uint32_t i = 0; i < wanted.sequences; ++i) {
    uint32_t length = static_cast<uint32_t>(ternac_length(session.get(), i));
    // How fast attention reads a cache does not depend on what is in it.
    if (length < wanted.context &&
        ternac_fill(session.get(), i, wanted.context - length))
      return false;
  }
  return true;
}

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Feeds `count` tokens to each sequence, in one batch.
bool Subject::feed(const Result &wanted, uint32_t position, uint32_t count) {
  std::vector<uint32_t> sequences(wanted.sequences);
  std::iota(sequences.begin(), sequences.end(), 0);
  std::vector<size_t> counts(wanted.sequences, count);
  std::vector<int32_t> next;
  for (uint32_t sequence : sequences)
    for (uint32_t i = 0; i < count; ++i)
      next.push_back(tokens[(position + sequence + i) % tokens.size()]);
  return ternac_feed_batch(session.get(), wanted.sequences, sequences.data(),
                           counts.data(), next.data(), logits.data()) == 0;
}

/// What the device says; 0 if it says nothing, which `sample` does not use.
double Subject::deviceSeconds() const {
  double seconds = 0;
  if (timed && timed->busy(timed->context, &seconds))
    return 0;
  return seconds;
}

std::optional<double> Subject::time(const Result &wanted) {
  bool isPrefill = wanted.kind == Kind::Prefill;
  uint32_t steps = isPrefill ? 1 : wanted.tokens;
  Clock::time_point start = Clock::now();
  for (uint32_t step = 0; step < steps; ++step)
    if (!feed(wanted, wanted.context + step, isPrefill ? wanted.tokens : 1))
      return std::nullopt;
  return secondsSince(start);
}

std::optional<Subject::Sample> Subject::sample(const Result &wanted,
                                               double shortest) {
  double seconds = 0, deviceTime = 0, fed = 0;
  do {
    std::optional<double> once;
    if (setLengths(wanted)) {
      double before = deviceSeconds();
      once = time(wanted);
      deviceTime += deviceSeconds() - before;
    }
    if (!once) {
      Arguments::error("%s", ternac_last_error());
      return std::nullopt;
    }
    seconds += *once;
    fed += double(wanted.tokens) * wanted.sequences;
  } while (seconds < shortest);
  Sample sample = {fed / seconds, std::nullopt};
  if (timed)
    sample.deviceSecondsPerToken = deviceTime / fed;
  return sample;
}

/// Everything to measure with `threads`.
static std::vector<Result> listWanted(const Options &options,
                                      uint32_t threads) {
  std::vector<Result> wanted;
  for (uint32_t prompt : options.prompts)
    for (uint32_t sequences : options.prefillSequences)
      wanted.push_back({Kind::Prefill, threads, prompt, 0, sequences});
  for (uint32_t decode : options.decodes)
    for (uint32_t context : options.contexts)
      for (uint32_t sequences : options.sequences)
        wanted.push_back({Kind::Decode, threads, decode, context, sequences});
  return wanted;
}

/// A number of the model's facts.
static std::optional<double>
findFact(const TernacModel &model,
         std::initializer_list<std::string_view> path) {
  return runtime::findNumber(model.facts ? model.facts : "", path);
}

/// Fills in what the model's facts say of `result`.
static void addBytes(const TernacModel &model, Result &result) {
  // How often body and head are read for each token fed: the body in each call
  // of the model, the head in those that a sequence ends in.
  uint32_t tokens = result.kind == Kind::Prefill ? result.tokens : 1;
  uint64_t rows = uint64_t(result.sequences) * tokens;
  auto callOf = [&](uint64_t row) { return row / model.max_rows; };
  uint64_t heads = 0;
  for (uint64_t end = tokens; end <= rows; end += tokens)
    heads += end == tokens || callOf(end - 1) != callOf(end - 1 - tokens);
  double bodiesPerToken = double(callOf(rows - 1) + 1) / double(rows);
  double headsPerToken = double(heads) / double(rows);
  BytesPerToken &bytes = result.bytes;
  if ((bytes.body = findFact(model, {"bytes_per_token", "body"})))
    *bytes.body *= bodiesPerToken;
  if ((bytes.head = findFact(model, {"bytes_per_token", "head"})))
    *bytes.head *= headsPerToken;
  if (result.kind == Kind::Decode) {
    if ((bytes.cache = findFact(model, {"cache_bytes_per_position"})))
      *bytes.cache *= result.context + (result.tokens + 1) / 2.0;
    else
      bytes.cache = findFact(model, {"bytes_per_token", "cache"});
  }
}

/// Compares each sample of `result` with the `bandwidths` before and after it
/// and with its own of `peaks`, if they were measured.
static void addFractions(const TernacModel &model,
                         const std::vector<double> &bandwidths,
                         const std::vector<double> &peaks, Result &result) {
  const BytesPerToken &bytes = result.bytes;
  std::optional<double> body = findFact(model, {"macs_per_token", "body"});
  std::optional<double> head = findFact(model, {"macs_per_token", "head"});
  double heads = result.kind == Kind::Prefill ? 1.0 / result.tokens : 1.0;
  std::vector<double> roof, peak;
  for (size_t i = 0; i < result.samples.size(); ++i) {
    double bandwidth = (bandwidths[i] + bandwidths[i + 1]) / 2;
    if (bytes.body && bytes.head)
      roof.push_back(result.samples[i] *
                     (*bytes.body + *bytes.head + bytes.cache.value_or(0)) /
                     bandwidth);
    if (body && head && !peaks.empty())
      peak.push_back(result.samples[i] * (*body + heads * *head) / peaks[i]);
  }
  result.bytesPerSecond = median(bandwidths);
  if (!roof.empty())
    result.roofFraction = median(roof);
  if (!peak.empty())
    result.peakFraction = median(peak);
}

/// On a terminal, shows what is being measured; an empty line clears it.
static void showProgress(const Result *result) {
  if (!isatty(STDERR_FILENO))
    return;
  fprintf(stderr, "\r\033[K");
  if (result)
    fprintf(stderr, "measuring %s of %u tokens, %u sequences, %u threads",
            result->kind == Kind::Prefill ? "prefill" : "decode",
            result->tokens, result->sequences, result->threads);
  fflush(stderr);
}

/// Runs everything once with the most threads: pages get loaded and the memory
/// is known before this program's own buffers add to it.
static bool warmUp(TernacLibrary *library, const TernacDevice *device,
                   const Options &options, Clock::time_point started,
                   Measurements &all) {
  uint32_t threads = largest(options.threads);
  Subject subject;
  if (!subject.create(library, device, options, threads)) {
    Arguments::error("%s", ternac_last_error());
    return false;
  }
  if (!subject.sample({Kind::Prefill, threads, 1, 0, 1}, 0))
    return false;
  all.firstTokenSeconds = secondsSince(started);
  for (Result &wanted : listWanted(options, threads)) {
    showProgress(&wanted);
    if (wanted.kind == Kind::Decode)
      wanted.tokens = std::min<uint32_t>(wanted.tokens, 2);
    if (!subject.sample(wanted, 0))
      return false;
  }
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  all.peakRSSBytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  return true;
}

/// Lets `reader` read what each token reads of the weights; false if that is
/// so little that caches may hold it.
static bool useWeights(TernacLibrary *library, MemoryReader &reader) {
  const TernacModel &model = *ternac_model_of(library);
  auto weights = static_cast<const char *>(ternac_weights_of(library));
  double begin = findFact(model, {"weights_read_whole", "begin"}).value_or(0);
  double end = findFact(model, {"weights_read_whole", "end"})
                   .value_or(double(model.weights_bytes));
  if (!weights || end - begin < double(fewestBytes))
    return false;
  reader.use(weights + static_cast<uint64_t>(begin),
             static_cast<uint64_t>(end - begin));
  return true;
}

namespace {
/// Samples the memory of what computes.
class MemorySampler {
public:
  /// False after an error, which has been printed.
  bool create(TernacLibrary *library, const TernacDevice *on);
  /// Adds a sample to `bandwidths`; false after an error, which has been
  /// printed.
  bool sample(runtime::ThreadPool &pool, MachineSamples &machine,
              std::vector<double> &bandwidths);

  Memory memory = Memory::HugePages;

private:
  bool failOnDevice() const;

  MemoryReader huge, weights;
  DeviceCopier copier;
  const TernacDevice *device = nullptr;
};
} // namespace

bool MemorySampler::failOnDevice() const {
  Arguments::error(
      "cannot measure the device's memory: %s",
      runtime::deviceText(device->last_error, device->context).c_str());
  return false;
}

bool MemorySampler::create(TernacLibrary *library, const TernacDevice *on) {
  if (hasKernels(*ternac_model_of(library))) {
    device = on;
    memory = Memory::Device;
    return copier.allocate(device) || failOnDevice();
  }
  if (!huge.allocate()) {
    Arguments::error("not enough memory to measure its bandwidth");
    return false;
  }
  if (useWeights(library, weights))
    memory = Memory::Weights;
  return true;
}

bool MemorySampler::sample(runtime::ThreadPool &pool, MachineSamples &machine,
                           std::vector<double> &bandwidths) {
  if (memory == Memory::Device) {
    std::optional<double> sample = copier.sample();
    if (!sample)
      return failOnDevice();
    bandwidths.push_back(*sample);
    return true;
  }
  double ofHuge = huge.sample(pool);
  bandwidths.push_back(memory == Memory::Weights ? weights.sample(pool)
                                                 : ofHuge);
  machine.hugeBytesPerSecond.push_back(ofHuge);
  return true;
}

/// Takes the samples of one result, in turns with those of the machine.
static bool takeSamples(const TernacModel &model, uint32_t repetitions,
                        Subject &subject, runtime::ThreadPool &pool,
                        MemorySampler &sampler, MachineSamples &machine,
                        Result &result) {
  std::vector<double> bandwidths, peaks, deviceSeconds;
  // The first token of a kind touches pages for the first time.
  Result first = result;
  first.tokens = std::min<uint32_t>(first.tokens, 2);
  if (!subject.sample(first, 0) || !sampler.sample(pool, machine, bandwidths))
    return false;
  for (uint32_t i = 0; i < repetitions; ++i) {
    if (sampler.memory != Memory::Device)
      if (std::optional<double> peak = sampleInt8Peak(pool))
        peaks.push_back(*peak);
    std::optional<Subject::Sample> sample =
        subject.sample(result, shortestSample);
    if (!sample)
      return false;
    result.samples.push_back(sample->tokensPerSecond);
    if (sample->deviceSecondsPerToken)
      deviceSeconds.push_back(*sample->deviceSecondsPerToken);
    if (!sampler.sample(pool, machine, bandwidths))
      return false;
  }
  result.tokensPerSecond = median(result.samples);
  if (!deviceSeconds.empty())
    result.deviceSecondsPerToken = median(deviceSeconds);
  addBytes(model, result);
  addFractions(model, bandwidths, peaks, result);
  machine.bytesPerSecond.insert(machine.bytesPerSecond.end(),
                                bandwidths.begin(), bandwidths.end());
  machine.productsPerSecond.insert(machine.productsPerSecond.end(),
                                   peaks.begin(), peaks.end());
  return true;
}

std::optional<Measurements> ternac::bench::measure(TernacLibrary *library,
                                                   const TernacDevice *device,
                                                   const Options &options,
                                                   Clock::time_point started) {
  const TernacModel &model = *ternac_model_of(library);
  Measurements all;
  if (!warmUp(library, device, options, started, all))
    return std::nullopt;
  MemorySampler sampler;
  if (!sampler.create(library, device))
    return std::nullopt;
  all.memory = sampler.memory;
  for (uint32_t threads : options.threads) {
    Subject subject;
    std::unique_ptr<runtime::ThreadPool> pool;
    if (subject.create(library, device, options, threads))
      pool = runtime::ThreadPool::create(threads, !options.noPinning);
    if (!pool) {
      Arguments::error("%s", ternac_last_error());
      return std::nullopt;
    }
    for (Result &result : listWanted(options, threads)) {
      showProgress(&result);
      if (!takeSamples(model, options.repetitions, subject, *pool, sampler,
                       all.machine[threads], result))
        return std::nullopt;
      all.results.push_back(std::move(result));
    }
  }
  showProgress(nullptr);
  return all;
}
