//===- Measure.h - Speeds of a model ----------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Samples of the model alternate with samples of the machine, so that both see
// the same neighbours; a fraction compares a sample with those of the machine
// just before and after it. All figures are medians.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_BENCH_MEASURE_H
#define TERNAC_TOOLS_BENCH_MEASURE_H

#include "Options.h"
#include "ternac/Runtime/Session.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace ternac::bench {

enum class Kind { Prefill, Decode };

/// Bytes that one token makes the machine read. In prefill and batches, a
/// token's share of what a call reads once.
struct BytesPerToken {
  std::optional<double> body, head, cache;
};

struct Result {
  Kind kind;
  uint32_t threads;
  uint32_t tokens;                  ///< fed to each sequence
  uint32_t context;                 ///< fed before
  uint32_t sequences;               ///< at the same time
  std::vector<double> samples = {}; ///< tokens per second, of all sequences
  double tokensPerSecond = 0;       ///< their median
  BytesPerToken bytes = {};
  double bytesPerSecond = 0; ///< of the machine's memory meanwhile
  std::optional<double> deviceSecondsPerToken = {}; ///< that it worked
  std::optional<double> roofFraction = {};          ///< of the read bandwidth
  std::optional<double> peakFraction = {};          ///< of the int8 peak
};

/// What the bandwidth is that of.
enum class Memory {
  Weights,   ///< that are mapped, read
  HugePages, ///< read: caches may hold the weights, which say nothing then
  Device,    ///< its own, copied, where it computes: bytes read and written
};

/// What the machine did with one number of threads. Samples, in the units of
/// their names; the last two only where the processor computes.
struct MachineSamples {
  std::vector<double> bytesPerSecond;     ///< of `Measurements::memory`
  std::vector<double> hugeBytesPerSecond; ///< over anonymous huge pages
  std::vector<double> productsPerSecond;  ///< int8, operands in registers
};

double median(std::vector<double> values);

struct Measurements {
  std::map<uint32_t, MachineSamples> machine; ///< by number of threads
  std::vector<Result> results;
  Memory memory = Memory::HugePages;
  uint64_t peakRSSBytes = 0;    ///< of the model, without the buffers measured
  double firstTokenSeconds = 0; ///< from opening the library to first logits
};

/// Does what `options` asks for, with `device` if it is not null; `started` is
/// when the library was about to be opened. Nullopt after an error, which has
/// been printed.
std::optional<Measurements>
measure(TernacLibrary *library, const TernacDevice *device,
        const Options &options, std::chrono::steady_clock::time_point started);

} // namespace ternac::bench

#endif // TERNAC_TOOLS_BENCH_MEASURE_H
