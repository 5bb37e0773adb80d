//===- Generated.h - Code with registers that LLVM allocates ----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_UNIT_EMULATION_GENERATED_H
#define TERNAC_TEST_UNIT_EMULATION_GENERATED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Rows, columns and depth of functions that multiply tiles.
#define EACH_SHAPE(DO)                                                         \
  DO(16, 16, 64) DO(1, 1, 4) DO(5, 7, 12) DO(16, 3, 64) DO(9, 16, 32)

/// c[rows][columns] += a[rows][steps * depth] * b, by tdpbusd. Row k of b has
/// bytes 4k to 4k+3 of each column.
#define DECLARE(ROWS, COLUMNS, DEPTH)                                          \
  void multiply##ROWS##x##COLUMNS##x##DEPTH(int steps, const uint8_t *a,       \
                                            const int8_t *b, int32_t *c);
EACH_SHAPE(DECLARE)

/// Sums of 12 products of [16 x 64] and [64 x 16]: more tiles than there are.
void multiplyMany(const int8_t *a, const int8_t *b, int32_t *c);

/// The same of a pair of bf16 per lane.
void multiplyPairs(const uint32_t *a, const uint32_t *b, float *c);

/// The sum of a * b, by vpdpbusd; `count` is a multiple of 128.
int32_t dotBytes(int count, const uint8_t *a, const int8_t *b);

#ifdef __cplusplus
}
#endif

#endif // TERNAC_TEST_UNIT_EMULATION_GENERATED_H
