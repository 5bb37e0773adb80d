//===- MemoryReader.cpp - Read bandwidth ----------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Machine.h"
#include "ternac/Runtime/HostFeatures.h"

#include <chrono>
#include <cstddef>
#include <cstring>

using namespace ternac;
using namespace ternac::bench;

/// More than the share that one process gets of any last-level cache.
static constexpr uint64_t bufferBytes = uint64_t(512) << 20;
/// The unit in which the buffer is shared out.
static constexpr uint64_t pageBytes = uint64_t(2) << 20;
/// How far ahead of the reads to prefetch, which hides what the hardware's own
/// prefetching leaves of the latency.
static constexpr ptrdiff_t prefetchBytes = 2048;

namespace {
/// 64 bytes: a cache line, and the widest vector of any processor at hand.
/// Compilers split it where there is no such register.
using Line [[gnu::vector_size(64)]] = uint64_t;
} // namespace

/// Adds up [begin, end), a multiple of four lines.
[[gnu::always_inline]] static inline uint64_t sumLines(const char *begin,
                                                       const char *end) {
  Line sums[4] = {};
  for (; begin != end; begin += sizeof(sums)) {
    for (size_t i = 0; i < 4; ++i) {
      const char *line = begin + i * sizeof(Line);
      __builtin_prefetch(line + prefetchBytes);
      sums[i] += *reinterpret_cast<const Line *>(line);
    }
  }
  Line total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  uint64_t sum = 0;
  for (size_t i = 0; i < 8; ++i)
    sum += total[i];
  return sum;
}

static uint64_t sumPortable(const char *begin, const char *end) {
  return sumLines(begin, end);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] static uint64_t sumAVX2(const char *begin,
                                                const char *end) {
  return sumLines(begin, end);
}

[[gnu::target("avx512f")]] static uint64_t sumAVX512(const char *begin,
                                                     const char *end) {
  return sumLines(begin, end);
}
#endif

using Sum = uint64_t (*)(const char *begin, const char *end);

static Sum chooseSum() {
#if defined(__x86_64__)
  if (runtime::hostHasFeature("avx512f").value_or(false))
    return sumAVX512;
  if (runtime::hostHasFeature("avx2").value_or(false))
    return sumAVX2;
#endif
  return sumPortable;
}

bool MemoryReader::allocate() {
  memory = runtime::MappedMemory::allocate(bufferBytes);
  if (!memory.data())
    return false;
  // Pages that were never written may all be the one page of zeros.
  memset(memory.data(), 1, bufferBytes);
  return true;
}

double MemoryReader::sample(runtime::ThreadPool &pool) const {
  struct Job {
    const char *data;
    Sum sum;
  } job = {static_cast<const char *>(memory.data()), chooseSum()};
  auto body = [](void *argument, uint32_t thread, uint32_t threads) {
    const Job &job = *static_cast<const Job *>(argument);
    constexpr uint64_t pages = bufferBytes / pageBytes;
    const char *begin = job.data + pages * thread / threads * pageBytes;
    const char *end = job.data + pages * (thread + 1) / threads * pageBytes;
    uint64_t sum = job.sum(begin, end);
    // Makes the sum, and so the reading, a result that somebody needs.
    __asm__ volatile("" : : "r"(sum));
  };
  auto start = std::chrono::steady_clock::now();
  pool.parallel(body, &job);
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  return bufferBytes / seconds.count();
}
