//===- Jobs.cpp - Work shared out to threads ------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plain std::thread: LLVM's thread pools cannot stop taking jobs, and which of
// several errors they report depends on timing.
//
//===----------------------------------------------------------------------===//

#include "Jobs.h"

#include <mutex>
#include <thread>
#include <utility>
#include <vector>

using llvm::Error;

namespace ternac::packing {

Error runJobs(size_t count, size_t threads,
              llvm::function_ref<Error(size_t, size_t)> body) {
  std::mutex mutex;
  size_t next = 0;
  size_t failedJob = count; // None.
  Error failure = Error::success();

  auto takeJob = [&] {
    std::lock_guard<std::mutex> lock(mutex);
    return failedJob == count && next < count ? next++ : count;
  };
  auto reportFailure = [&](size_t job, Error error) {
    std::lock_guard<std::mutex> lock(mutex);
    // Of two errors the one to drop is marked as seen.
    if (job < failedJob) {
      std::swap(failure, error);
      failedJob = job;
    }
    llvm::consumeError(std::move(error));
  };
  auto work = [&](size_t thread) {
    for (size_t job; (job = takeJob()) != count;)
      if (Error error = body(thread, job))
        reportFailure(job, std::move(error));
  };

  std::vector<std::thread> helpers;
  for (size_t thread = 1; thread < threads && thread < count; ++thread)
    helpers.emplace_back(work, thread);
  work(0);
  for (std::thread &helper : helpers)
    helper.join();
  return failure;
}

} // namespace ternac::packing
