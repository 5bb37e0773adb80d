//===- Quantize.h - Master weights to integers ------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Internal to the packer: the two quantisations of weights, absmean to trits
// and row-wise to int8. See docs/numerics.md.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_PACKING_QUANTIZE_H
#define TERNAC_LIB_PACKING_QUANTIZE_H

#include <cstdint>
#include <optional>

namespace ternac::packing {

/// The index of the first NaN or infinity.
std::optional<int64_t> findNonFinite(const float *values, int64_t count);

/// The sum of |values| in f64, by a fixed sequence of additions.
double absSum(const float *values, int64_t count);

/// What a master weight is multiplied with before it is rounded to a trit:
/// s = 1 / max(mean, 1e-5) in f32, where `mean` is that of |W|.
float absmeanMultiplier(float mean);

/// clamp(round(w * multiplier), -1, 1), half to even.
void quantizeTrits(const float *weights, int64_t count, float multiplier,
                   int8_t *trits);

/// The signs of `weights`, as trits.
void signsOf(const float *weights, int64_t count, int8_t *trits);

/// The index of the first weight that is neither 0 nor of `magnitude`, or of
/// the first magnitude among the weights where that is 0; none sets
/// `magnitude`. NaN and infinity are of no magnitude.
std::optional<int64_t> findOtherMagnitude(const float *weights, int64_t count,
                                          float &magnitude);

/// q = round(127 * w / absmax) in f64, half to even, for one row of finite
/// weights; returns the scale absmax / 127. A row of zeros gives zeros.
float quantizeRow(const float *weights, int64_t count, int8_t *out);

} // namespace ternac::packing

#endif // TERNAC_LIB_PACKING_QUANTIZE_H
