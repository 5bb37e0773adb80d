//===- ThreadPool.cpp - Threads that run one region together --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Runtime/ThreadPool.h"
#include "Affinity.h"
#include "Error.h"
#include "Processor/Processor.h"

#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

using namespace ternac::runtime;

/// How long a thread spins before it sleeps. Longer than the uneven end of a
/// kernel or the drawing of a token, far shorter than the time a core idles
/// between two requests.
static constexpr std::chrono::microseconds spinTime(50);

uint32_t ternac::runtime::processorCount() {
  size_t allowed = allowedProcessors().size();
  if (allowed == 0)
    allowed = std::thread::hardware_concurrency();
  return allowed ? static_cast<uint32_t>(allowed) : 1;
}

std::unique_ptr<ThreadPool> ThreadPool::create(uint32_t threads, bool pin) {
  std::unique_ptr<ThreadPool> pool(new ThreadPool(threads, pin));
  if (!pool->start())
    return nullptr;
  return pool;
}

ThreadPool::ThreadPool(uint32_t threads, bool pin) : threads(threads) {
  std::vector<uint32_t> allowed = allowedProcessors();
  // A thread that spins keeps the one it waits for off a shared processor.
  spins = threads <= processorCount();
  if (pin && threads > 1 && threads <= allowed.size()) {
    allowed.resize(threads);
    processors = std::move(allowed);
  }
  // Workers hold pointers into this vector; it must not grow later.
  workers.reserve(threads - 1);
}

bool ThreadPool::start() {
  for (uint32_t index = 1; index < threads; ++index) {
    Worker &worker = workers.emplace_back(Worker{this, index, {}});
    auto entry = [](void *argument) -> void * {
      auto *worker = static_cast<Worker *>(argument);
      worker->pool->run(worker->index);
      return nullptr;
    };
    if (int error = pthread_create(&worker.thread, nullptr, entry, &worker)) {
      workers.pop_back();
      setError("cannot start thread %u of %u: %s", index + 1, threads,
               strerror(error));
      return false;
    }
  }
  return true;
}

ThreadPool::~ThreadPool() {
  stopping = true;
  region.fetch_add(1);
  region.notify_all();
  for (Worker &worker : workers)
    pthread_join(worker.thread, nullptr);
}

void ThreadPool::run(uint32_t index) {
  if (!processors.empty())
    pinThread(processors[index]);
  for (uint32_t last = 0;; ++last) {
    waitForChange(region, last);
    if (stopping)
      return;
    body(argument, index, threads);
    barrier();
  }
}

void ThreadPool::parallel(TernacBody newBody, void *newArgument) {
  if (threads == 1) {
    newBody(newArgument, 0, 1);
    return;
  }
  std::optional<PinnedScope> pinned;
  if (!processors.empty())
    pinned.emplace(processors[0]);
  body = newBody;
  argument = newArgument;
  region.fetch_add(1);
  region.notify_all();
  newBody(newArgument, 0, threads);
  barrier();
}

void ThreadPool::barrier() {
  if (threads == 1)
    return;
  // Nobody can start the next generation before this thread has arrived, so
  // this reads the current one.
  uint32_t current = generation.load(std::memory_order_relaxed);
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 < threads) {
    waitForChange(generation, current);
    return;
  }
  arrived.store(0, std::memory_order_relaxed);
  // Sequentially consistent, unlike a release store: the notification below
  // looks for sleepers, and must not do so before the change can be seen.
  generation.fetch_add(1);
  generation.notify_all();
}

void ThreadPool::waitForChange(const std::atomic<uint32_t> &word,
                               uint32_t value) const {
  using Clock = std::chrono::steady_clock;
  auto changed = [&] { return word.load(std::memory_order_acquire) != value; };
  Clock::time_point deadline = spins ? Clock::now() + spinTime : Clock::now();
  do {
    for (int i = 0; i < 64; ++i) {
      if (changed())
        return;
      processor::relax();
    }
  } while (Clock::now() < deadline);
  while (!changed())
    word.wait(value, std::memory_order_acquire);
}

TernacEnvironment ThreadPool::environment(uint64_t grantedFeatures) {
  TernacEnvironment result = {};
  result.struct_size = sizeof(result);
  result.abi_version = TERNAC_ABI_VERSION;
  result.threads = threads;
  result.granted_features = grantedFeatures;
  result.context = this;
  result.parallel = [](void *context, TernacBody body, void *argument) {
    static_cast<ThreadPool *>(context)->parallel(body, argument);
  };
  result.barrier = [](void *context, uint32_t) {
    static_cast<ThreadPool *>(context)->barrier();
  };
  return result;
}
