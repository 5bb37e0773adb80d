//===- Generated.c - Code with registers that LLVM allocates --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Generated.h"

#include <immintrin.h>

/// LLVM wants to know all shapes of a function where it configures tiles, so
/// they are constants wherever this goes.
__attribute__((always_inline)) static inline void
multiplyTile(int rows, int columns, int depth, int steps, const uint8_t *a,
             const int8_t *b, int32_t *c) {
  __tile1024i sum = {rows, 4 * columns};
  __tile_loadd(&sum, c, 4 * columns);
  for (int k = 0; k < steps; ++k) {
    __tile1024i x = {rows, depth}, y = {depth / 4, 4 * columns};
    __tile_loadd(&x, a + k * depth, steps * depth);
    __tile_stream_loadd(&y, b + k * depth * columns, 4 * columns);
    __tile_dpbusd(&sum, x, y);
  }
  __tile_stored(c, 4 * columns, sum);
}

#define DEFINE(ROWS, COLUMNS, DEPTH)                                           \
  void multiply##ROWS##x##COLUMNS##x##DEPTH(int steps, const uint8_t *a,       \
                                            const int8_t *b, int32_t *c) {     \
    multiplyTile(ROWS, COLUMNS, DEPTH, steps, a, b, c);                        \
  }
EACH_SHAPE(DEFINE)

void multiplyMany(const int8_t *a, const int8_t *b, int32_t *c) {
#define EACH(DO)                                                               \
  DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define ZERO(I)                                                                \
  __tile1024i sum##I = {16, 64};                                               \
  __tile_zero(&sum##I);
#define ADD(I)                                                                 \
  __tile_loadd(&x, a + 1024 * ((I + round) % 12), 64);                         \
  __tile_dpbssd(&sum##I, x, y);
#define WRITE(I) __tile_stored(c + 256 * I, 64, sum##I);
  EACH(ZERO)
  for (int round = 0; round < 3; ++round) {
    __tile1024i x = {16, 64}, y = {16, 64};
    __tile_loadd(&y, b + 1024 * round, 64);
    EACH(ADD)
  }
  EACH(WRITE)
}

void multiplyPairs(const uint32_t *a, const uint32_t *b, float *c) {
  __tile1024i x = {16, 64}, y = {16, 64}, sum = {16, 64};
  __tile_zero(&sum);
  __tile_loadd(&x, a, 64);
  __tile_loadd(&y, b, 64);
  __tile_dpbf16ps(&sum, x, y);
  __tile_stored(c, 64, sum);
}

int32_t dotBytes(int count, const uint8_t *a, const int8_t *b) {
  __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(),
                     _mm256_setzero_si256(), _mm256_setzero_si256()};
  for (int i = 0; i < count; i += 128)
    for (int j = 0; j < 4; ++j)
      sums[j] = _mm256_dpbusd_avx_epi32(
          sums[j], _mm256_loadu_si256((const __m256i *)(a + i + 32 * j)),
          _mm256_loadu_si256((const __m256i *)(b + i + 32 * j)));
  __m256i sum = _mm256_add_epi32(_mm256_add_epi32(sums[0], sums[1]),
                                 _mm256_add_epi32(sums[2], sums[3]));
  int32_t lanes[8], total = 0;
  _mm256_storeu_si256((__m256i *)lanes, sum);
  for (int i = 0; i < 8; ++i)
    total += lanes[i];
  return total;
}
