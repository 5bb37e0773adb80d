//===- Int8Peak.cpp - Peak of int8 products -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Machine.h"
#include "Processor/Processor.h"
#include "ternac/Runtime/HostFeatures.h"

#include <chrono>
#include <optional>
#include <vector>

using namespace ternac;
using namespace ternac::bench;

/// How long one sample takes.
static constexpr std::chrono::milliseconds sampleTime(10);

/// The best kernel for this host, if there is one.
static const std::optional<Int8Kernel> &chooseKernel() {
  static const std::optional<Int8Kernel> best =
      []() -> std::optional<Int8Kernel> {
    for (const Int8Kernel &kernel : int8Kernels())
      if (runtime::hostHasFeature(kernel.feature).value_or(false))
        return kernel;
    return std::nullopt;
  }();
  return best;
}

const char *ternac::bench::int8PeakFeature() {
  return chooseKernel() ? chooseKernel()->feature : nullptr;
}

std::optional<double> ternac::bench::sampleInt8Peak(runtime::ThreadPool &pool) {
  if (!chooseKernel())
    return std::nullopt;
  using Clock = std::chrono::steady_clock;
  struct Job {
    const Int8Kernel &kernel;
    std::vector<double> rates; ///< of each thread
  } job = {*chooseKernel(), std::vector<double>(pool.size())};
  auto body = [](void *argument, uint32_t thread, uint32_t) {
    Job &job = *static_cast<Job *>(argument);
    Clock::time_point start = Clock::now(), now;
    double products = 0;
    do {
      job.kernel.run();
      products += job.kernel.products;
      now = Clock::now();
    } while (now - start < sampleTime);
    job.rates[thread] =
        products / std::chrono::duration<double>(now - start).count();
  };
  pool.parallel(body, &job);
  double total = 0;
  for (double rate : job.rates)
    total += rate;
  return total;
}
