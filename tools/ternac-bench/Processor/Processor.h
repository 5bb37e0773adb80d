//===- Processor.h - Code for one kind of processor -------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One file of this folder implements this, the one for the processor that the
// tool is compiled for; Other.cpp, where nobody has written one.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_BENCH_PROCESSOR_PROCESSOR_H
#define TERNAC_TOOLS_BENCH_PROCESSOR_PROCESSOR_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ternac::bench {

/// Steps of one call of an int8 kernel: short enough to look at the clock in
/// between.
inline constexpr int int8Steps = 4096;

/// Runs an int8 dot product on registers, with enough independent sums to hide
/// its latency. Empty asm statements keep the compiler from seeing that nothing
/// new is computed.
struct Int8Kernel {
  const char *feature; ///< that it needs
  void (*run)();
  double products; ///< of one run
};

/// The fastest first; none if nobody has written one for this processor.
std::vector<Int8Kernel> int8Kernels();

/// Adds up [begin, end), whole units of MemoryReader.
using Sum = uint64_t (*)(const char *begin, const char *end);

/// The fastest on this host.
Sum chooseSum();

/// How far ahead of the reads to prefetch, which hides what the hardware's own
/// prefetching leaves of the latency: into the next page, where it stops.
inline constexpr ptrdiff_t prefetchBytes = 4096;
/// Sums at a time, enough for the latency of an addition.
inline constexpr size_t sumCount = 8;

/// 64 bytes: a cache line, and the widest vector of any processor at hand.
/// Compilers split it where there is no such register.
using Line [[gnu::vector_size(64)]] = uint64_t;

/// Adds up [begin, end), whole units.
[[gnu::always_inline]] static inline uint64_t sumLines(const char *begin,
                                                       const char *end) {
  Line sums[sumCount] = {};
  for (; begin != end; begin += sizeof(sums)) {
    for (size_t i = 0; i < sumCount; ++i) {
      const char *line = begin + i * sizeof(Line);
      __builtin_prefetch(line + prefetchBytes);
      sums[i] += *reinterpret_cast<const Line *>(line);
    }
  }
  Line total = {};
  for (const Line &part : sums)
    total += part;
  uint64_t sum = 0;
  for (size_t i = 0; i < 8; ++i)
    sum += total[i];
  return sum;
}

} // namespace ternac::bench

#endif // TERNAC_TOOLS_BENCH_PROCESSOR_PROCESSOR_H
