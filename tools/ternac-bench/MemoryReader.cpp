//===- MemoryReader.cpp - Read bandwidth ----------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Machine.h"
#include "Processor/Processor.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>

using namespace ternac;
using namespace ternac::bench;

/// What one sample reads: more than the share that one process gets of any
/// last-level cache.
static constexpr uint64_t sampleBytes = uint64_t(512) << 20;
/// The unit in which memory is shared out.
static constexpr uint64_t unitBytes = uint64_t(1) << 20;

void MemoryReader::use(const char *begin, uint64_t bytes) {
  // Full vectors need whole lines.
  uintptr_t address = reinterpret_cast<uintptr_t>(begin);
  uintptr_t skipped = -address % sizeof(Line);
  start = begin + skipped;
  units = (bytes - skipped) / unitBytes;
}

bool MemoryReader::allocate() {
  memory = runtime::MappedMemory::allocate(sampleBytes);
  if (!memory.data())
    return false;
  // Pages that were never written may all be the one page of zeros.
  memset(memory.data(), 1, sampleBytes);
  use(static_cast<const char *>(memory.data()), sampleBytes);
  return true;
}

double MemoryReader::sample(runtime::ThreadPool &pool) {
  struct Job {
    const char *start;
    uint64_t units;
    Sum sum;
  };
  uint64_t count = std::min(units, sampleBytes / unitBytes);
  if (next + count > units)
    next = 0;
  Job job = {start + next * unitBytes, count, chooseSum()};
  next += count;
  auto body = [](void *argument, uint32_t thread, uint32_t threads) {
    const Job &job = *static_cast<const Job *>(argument);
    const char *begin = job.start + job.units * thread / threads * unitBytes;
    const char *end =
        job.start + job.units * (thread + 1) / threads * unitBytes;
    uint64_t sum = job.sum(begin, end);
    // Makes the sum, and so the reading, a result that somebody needs.
    __asm__ volatile("" : : "r"(sum));
  };
  auto start = std::chrono::steady_clock::now();
  pool.parallel(body, &job);
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  return double(count * unitBytes) / seconds.count();
}
