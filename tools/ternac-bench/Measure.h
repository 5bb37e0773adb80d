//===- Measure.h - Speeds of a model ----------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Samples of the model alternate with samples of the machine, so that both see
// the same neighbours, and all figures are medians.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_BENCH_MEASURE_H
#define TERNAC_TOOLS_BENCH_MEASURE_H

#include "Options.h"
#include "ternac/Runtime/Session.h"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace ternac::bench {

enum class Kind { Prefill, Decode };

/// Bytes that one token makes the machine read. In prefill and batches, a
/// token's share.
struct BytesPerToken {
  std::optional<double> body, head, cache;
};

struct Result {
  Kind kind;
  uint32_t threads;
  uint32_t tokens;                  ///< fed to each sequence
  uint32_t context;                 ///< fed before
  uint32_t sequences;               ///< at the same time
  std::vector<double> samples = {}; ///< tokens per second
  double tokensPerSecond = 0;       ///< their median
  BytesPerToken bytes = {};
  std::optional<double> roofFraction = {}; ///< of the read bandwidth
  std::optional<double> peakFraction = {}; ///< of the int8 peak
};

struct Measurements {
  std::map<uint32_t, double> bytesPerSecond;    ///< by number of threads
  std::map<uint32_t, double> productsPerSecond; ///< by number of threads
  std::vector<Result> results;
  uint64_t peakRSSBytes = 0; ///< of the model, without the buffers measured
};

/// Does what `options` asks for. Nullopt after an error, which has been
/// printed.
std::optional<Measurements> measure(TernacLibrary *library,
                                    const Options &options);

} // namespace ternac::bench

#endif // TERNAC_TOOLS_BENCH_MEASURE_H
