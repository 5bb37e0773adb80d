//===- ThreadPoolTest.cpp -------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Runtime/ThreadPool.h"
#include "gtest/gtest.h"

#include <numeric>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

using namespace ternac::runtime;

namespace {

TEST(ThreadPool, EveryThreadRunsOnce) {
  for (uint32_t threads = 1; threads <= 4; ++threads) {
    std::unique_ptr<ThreadPool> pool = ThreadPool::create(threads, true);
    ASSERT_TRUE(pool);
    EXPECT_EQ(pool->size(), threads);
    std::vector<int> runs(threads);
    for (int i = 0; i < 1000; ++i)
      pool->parallel([](void *argument, uint32_t thread,
                        uint32_t) { ++static_cast<int *>(argument)[thread]; },
                     runs.data());
    EXPECT_EQ(runs, std::vector<int>(threads, 1000));
  }
}

/// Threads write their own place, and after a barrier read everybody's. Plain
/// variables: the barrier alone must order them.
struct Exchange {
  ThreadPool *pool;
  int rounds;
  std::vector<int> places;
  std::vector<int> mistakes;

  static void body(void *argument, uint32_t thread, uint32_t threads) {
    auto &exchange = *static_cast<Exchange *>(argument);
    for (int round = 0; round < exchange.rounds; ++round) {
      exchange.places[thread] = round;
      exchange.pool->barrier();
      for (uint32_t i = 0; i < threads; ++i)
        exchange.mistakes[thread] += exchange.places[i] != round;
      exchange.pool->barrier();
    }
  }
};

TEST(ThreadPool, BarriersOrderWrites) {
  for (uint32_t threads = 1; threads <= 4; ++threads) {
    std::unique_ptr<ThreadPool> pool = ThreadPool::create(threads, true);
    ASSERT_TRUE(pool);
    Exchange exchange = {pool.get(), 2000, std::vector<int>(threads),
                         std::vector<int>(threads)};
    for (int region = 0; region < 5; ++region)
      pool->parallel(Exchange::body, &exchange);
    EXPECT_EQ(exchange.mistakes, std::vector<int>(threads));
  }
}

TEST(ThreadPool, Environment) {
  std::unique_ptr<ThreadPool> pool = ThreadPool::create(2, false);
  ASSERT_TRUE(pool);
  TernacEnvironment environment = pool->environment(TERNAC_FEATURE_TILES);
  EXPECT_EQ(environment.struct_size, sizeof(TernacEnvironment));
  EXPECT_EQ(environment.threads, 2u);
  EXPECT_EQ(environment.granted_features, uint64_t(TERNAC_FEATURE_TILES));
  struct Sum {
    TernacEnvironment *environment;
    uint32_t parts[2];
    uint32_t totals[2];
  } sum = {&environment, {}, {}};
  environment.parallel(
      environment.context,
      [](void *argument, uint32_t thread, uint32_t) {
        Sum &sum = *static_cast<Sum *>(argument);
        sum.parts[thread] = thread + 1;
        sum.environment->barrier(sum.environment->context, thread);
        sum.totals[thread] = sum.parts[0] + sum.parts[1];
      },
      &sum);
  EXPECT_EQ(sum.totals[0], 3u);
  EXPECT_EQ(sum.totals[1], 3u);
}

#ifdef __linux__
TEST(ThreadPool, PinsInsideARegionOnly) {
  if (processorCount() < 2)
    GTEST_SKIP() << "needs two processors";
  cpu_set_t before, after;
  sched_getaffinity(0, sizeof(before), &before);
  std::unique_ptr<ThreadPool> pool = ThreadPool::create(2, true);
  ASSERT_TRUE(pool);
  cpu_set_t inside[2];
  pool->parallel(
      [](void *argument, uint32_t thread, uint32_t) {
        auto *masks = static_cast<cpu_set_t *>(argument);
        sched_getaffinity(0, sizeof(cpu_set_t), masks + thread);
      },
      inside);
  sched_getaffinity(0, sizeof(after), &after);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
  EXPECT_EQ(CPU_COUNT(&inside[0]), 1);
  EXPECT_EQ(CPU_COUNT(&inside[1]), 1);
  EXPECT_FALSE(CPU_EQUAL(&inside[0], &inside[1]));
}

TEST(ThreadPool, PinningIsOptional) {
  std::unique_ptr<ThreadPool> pool = ThreadPool::create(2, false);
  ASSERT_TRUE(pool);
  cpu_set_t outside, inside[2];
  sched_getaffinity(0, sizeof(outside), &outside);
  pool->parallel(
      [](void *argument, uint32_t thread, uint32_t) {
        auto *masks = static_cast<cpu_set_t *>(argument);
        sched_getaffinity(0, sizeof(cpu_set_t), masks + thread);
      },
      inside);
  EXPECT_TRUE(CPU_EQUAL(&outside, &inside[0]));
  EXPECT_TRUE(CPU_EQUAL(&outside, &inside[1]));
}
#endif

} // namespace
