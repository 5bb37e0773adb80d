//===- X86.cpp - Code for x86-64 processors -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Processor.h"
#include "ternac/Runtime/HostFeatures.h"

#include <immintrin.h>

using namespace ternac;
using namespace ternac::bench;

[[gnu::target("ssse3")]] static void runSSSE3() {
  constexpr int chains = 8;
  __m128i a = _mm_set1_epi8(1), b = _mm_set1_epi8(-1);
  const __m128i ones = _mm_set1_epi16(1);
  __m128i sums[chains] = {};
  for (int step = 0; step < int8Steps; ++step) {
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
  for (int step = 0; step < int8Steps; ++step) {
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
  for (int step = 0; step < int8Steps; ++step) {
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
  for (int step = 0; step < int8Steps; ++step) {
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
  for (int step = 0; step < int8Steps; ++step) {
    _tile_dpbssd(0, 6, 7);
    _tile_dpbssd(1, 6, 7);
    _tile_dpbssd(2, 6, 7);
    _tile_dpbssd(3, 6, 7);
    _tile_dpbssd(4, 6, 7);
    _tile_dpbssd(5, 6, 7);
  }
  _tile_release();
}

std::vector<Int8Kernel> ternac::bench::int8Kernels() {
  return {
      {"amx-int8", runAMX, int8Steps * 6.0 * 16 * 16 * 64},
      {"avx512vnni", runAVX512VNNI, int8Steps * 12.0 * 64},
      {"avxvnni", runAVXVNNI, int8Steps * 12.0 * 32},
      {"avx2", runAVX2, int8Steps * 8.0 * 32},
      {"ssse3", runSSSE3, int8Steps * 8.0 * 16},
  };
}

static uint64_t sumSSE2(const char *begin, const char *end) {
  return sumLines(begin, end);
}

[[gnu::target("avx2")]] static uint64_t sumAVX2(const char *begin,
                                                const char *end) {
  return sumLines(begin, end);
}

[[gnu::target("avx512f")]] static uint64_t sumAVX512(const char *begin,
                                                     const char *end) {
  return sumLines(begin, end);
}

Sum ternac::bench::chooseSum() {
  if (runtime::hostHasFeature("avx512f").value_or(false))
    return sumAVX512;
  if (runtime::hostHasFeature("avx2").value_or(false))
    return sumAVX2;
  return sumSSE2;
}
