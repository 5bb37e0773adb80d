//===- Int8Peak.cpp - Peak of int8 products -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each kernel runs the processor's int8 dot product on registers, with enough
// independent sums to hide its latency. Empty asm statements keep the compiler
// from seeing that nothing new is computed.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"
#include "ternac/Runtime/HostFeatures.h"

#include <chrono>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace ternac;
using namespace ternac::bench;

/// How long one sample takes.
static constexpr std::chrono::milliseconds sampleTime(10);

/// Steps of one kernel call: short enough to look at the clock in between.
static constexpr int steps = 4096;

namespace {
struct Kernel {
  const char *feature;
  void (*run)();
  double products; ///< of one run
};
} // namespace

static void runPortable() {
  constexpr int lanes = 64;
  int8_t a[lanes] = {}, b[lanes] = {};
  int32_t sums[lanes] = {};
  for (int step = 0; step < steps; ++step) {
    __asm__ volatile("" : : "r"(a), "r"(b) : "memory");
    for (int lane = 0; lane < lanes; ++lane)
      sums[lane] += int32_t(a[lane]) * b[lane];
  }
  __asm__ volatile("" : : "r"(sums) : "memory");
}

#if defined(__x86_64__)
[[gnu::target("ssse3")]] static void runSSSE3() {
  constexpr int chains = 8;
  __m128i a = _mm_set1_epi8(1), b = _mm_set1_epi8(-1);
  const __m128i ones = _mm_set1_epi16(1);
  __m128i sums[chains] = {};
  for (int step = 0; step < steps; ++step) {
    for (__m128i &sum : sums) {
      __asm__ volatile("" : "+x"(a), "+x"(b));
      __m128i pairs = _mm_maddubs_epi16(a, b);
      sum = _mm_add_epi32(sum, _mm_madd_epi16(pairs, ones));
    }
  }
  for (__m128i &sum : sums)
    __asm__ volatile("" : : "x"(sum));
}

[[gnu::target("avx2,avxvnni")]] static void runAVXVNNI() {
  constexpr int chains = 12;
  __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(-1);
  __m256i sums[chains] = {};
  for (int step = 0; step < steps; ++step) {
    __asm__ volatile("" : "+x"(a), "+x"(b));
    for (__m256i &sum : sums)
      sum = _mm256_dpbusd_avx_epi32(sum, a, b);
  }
  for (__m256i &sum : sums)
    __asm__ volatile("" : : "x"(sum));
}

[[gnu::target("avx2")]] static void runAVX2() {
  constexpr int chains = 8;
  __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(-1);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[chains] = {};
  for (int step = 0; step < steps; ++step) {
    for (__m256i &sum : sums) {
      __asm__ volatile("" : "+x"(a), "+x"(b));
      __m256i pairs = _mm256_maddubs_epi16(a, b);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
  }
  for (__m256i &sum : sums)
    __asm__ volatile("" : : "x"(sum));
}

[[gnu::target("avx512f,avx512vnni")]] static void runAVX512VNNI() {
  constexpr int chains = 12;
  __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(-1);
  __m512i sums[chains] = {};
  for (int step = 0; step < steps; ++step) {
    __asm__ volatile("" : "+v"(a), "+v"(b));
    for (__m512i &sum : sums)
      sum = _mm512_dpbusd_epi32(sum, a, b);
  }
  for (__m512i &sum : sums)
    __asm__ volatile("" : : "v"(sum));
}

/// Six sums of 16 x 16 in tiles 0 to 5, operands in tiles 6 and 7.
[[gnu::target("amx-tile,amx-int8")]] static void runAMX() {
  struct alignas(64) {
    uint8_t palette = 1, startRow = 0, reserved[14] = {};
    uint16_t bytesPerRow[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } configuration;
  static_assert(sizeof(configuration) == 64);
  _tile_loadconfig(&configuration);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int step = 0; step < steps; ++step) {
    _tile_dpbssd(0, 6, 7);
    _tile_dpbssd(1, 6, 7);
    _tile_dpbssd(2, 6, 7);
    _tile_dpbssd(3, 6, 7);
    _tile_dpbssd(4, 6, 7);
    _tile_dpbssd(5, 6, 7);
  }
  _tile_release();
}
#endif

/// The best kernel for this host.
static const Kernel &chooseKernel() {
  static const Kernel kernels[] = {
#if defined(__x86_64__)
      {"amx-int8", runAMX, steps * 6.0 * 16 * 16 * 64},
      {"avx512vnni", runAVX512VNNI, steps * 12.0 * 64},
      {"avxvnni", runAVXVNNI, steps * 12.0 * 32},
      {"avx2", runAVX2, steps * 8.0 * 32},
      {"ssse3", runSSSE3, steps * 8.0 * 16},
#endif
      {"portable", runPortable, steps * 64.0},
  };
  for (const Kernel &kernel : kernels)
    if (runtime::hostHasFeature(kernel.feature).value_or(false))
      return kernel;
  return std::end(kernels)[-1];
}

const char *ternac::bench::int8PeakFeature() { return chooseKernel().feature; }

double ternac::bench::sampleInt8Peak(runtime::ThreadPool &pool) {
  using Clock = std::chrono::steady_clock;
  struct Job {
    const Kernel &kernel;
    std::vector<double> rates; ///< of each thread
  } job = {chooseKernel(), std::vector<double>(pool.size())};
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
