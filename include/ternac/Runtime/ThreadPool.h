//===- ThreadPool.h - Threads that run one region together ------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A forward call is one parallel region with some hundred barriers inside, a
// few tens of microseconds apart. That wants few threads that all run at once,
// barriers that spin before they sleep, and no thread that the scheduler moves.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_RUNTIME_THREADPOOL_H
#define TERNAC_RUNTIME_THREADPOOL_H

#include "ternac/Runtime/ModelABI.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <pthread.h>

namespace ternac::runtime {

/// The number of processors that the calling thread may run on.
uint32_t processorCount();

/// A fixed set of threads, one of which is whoever calls `parallel`. A pool
/// belongs to one caller at a time. Pools that run at the same time pin their
/// threads to the same processors; give all but one `pin = false`.
class ThreadPool {
public:
  /// `threads` (at least 1) counts the caller. With `pin`, each thread is kept
  /// on its own processor: workers for life, the caller during `parallel`. A
  /// single thread is never pinned, nor are more threads than processors.
  /// Null, with the runtime's last error set, if a thread cannot be started.
  static std::unique_ptr<ThreadPool> create(uint32_t threads, bool pin);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  uint32_t size() const { return threads; }

  /// Runs body(argument, i, size()) for each i at the same time, and returns
  /// when all have. Must not be called inside a body.
  void parallel(TernacBody body, void *argument);

  /// Inside a body: returns when all threads have called.
  void barrier();

  /// The two above as a model library calls them. The pool must outlive every
  /// use of the environment.
  TernacEnvironment environment(uint64_t grantedFeatures);

private:
  struct Worker {
    ThreadPool *pool;
    uint32_t index;
    pthread_t thread;
  };

  ThreadPool(uint32_t threads, bool pin);
  bool start();
  void run(uint32_t index);
  void waitForChange(const std::atomic<uint32_t> &word, uint32_t value) const;

  const uint32_t threads;
  bool spins;
  std::vector<uint32_t> processors; ///< of each thread; empty: not pinned
  std::vector<Worker> workers;

  // Written between regions by the caller, read by workers after `region`.
  TernacBody body = nullptr;
  void *argument = nullptr;
  bool stopping = false;

  // Each on its own cache line: all threads write `arrived` while those that
  // wait read the others.
  alignas(64) std::atomic<uint32_t> region{0};
  alignas(64) std::atomic<uint32_t> arrived{0};
  alignas(64) std::atomic<uint32_t> generation{0};
};

} // namespace ternac::runtime

#endif // TERNAC_RUNTIME_THREADPOOL_H
