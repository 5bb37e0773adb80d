//===- Affinity.h - Which processors a thread may use -----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Schedulers of virtual machines often stack two busy threads on one processor
// and leave another idle, so the thread pool pins its threads.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_AFFINITY_H
#define TERNAC_LIB_RUNTIME_AFFINITY_H

#include <cstdint>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace ternac::runtime {

/// The processors that the calling thread may run on: one of each core first,
/// then the other hardware threads of those cores. Empty if unknown.
std::vector<uint32_t> allowedProcessors();

/// Keeps the calling thread on `processor`. Pinning only makes things faster:
/// where it is impossible nothing happens.
void pinThread(uint32_t processor);

/// Pins the calling thread while this object lives.
class PinnedScope {
public:
  explicit PinnedScope(uint32_t processor);
  ~PinnedScope();
  PinnedScope(const PinnedScope &) = delete;
  PinnedScope &operator=(const PinnedScope &) = delete;

#ifdef __linux__
private:
  cpu_set_t previous;
  bool restore;
#endif
};

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_AFFINITY_H
