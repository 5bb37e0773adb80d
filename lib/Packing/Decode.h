//===- Decode.h - Stored elements to values and back ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Internal to the packer: conversions between the encodings of checkpoints and
// f32 or trits. Every conversion is exact or rounds half to even.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_PACKING_DECODE_H
#define TERNAC_LIB_PACKING_DECODE_H

#include "ternac/Packing/Plan.h"

#include <cstdint>

namespace ternac::packing {

/// Widens `count` stored F32, F16 or BF16 elements to f32, exactly.
void decodeFloats(Encoding encoding, const uint8_t *stored, int64_t count,
                  float *out);

/// Rounds `count` values to F32, F16 or BF16, half to even; what is too large
/// becomes infinity and NaN stays NaN.
void encodeFloats(Encoding encoding, const float *values, int64_t count,
                  uint8_t *out);

/// Extracts field `field` (0 to 3) of `count` PackedRows bytes as trits.
/// Returns false when one of the codes is 3, which no trit has.
bool decodeField(const uint8_t *stored, int64_t field, int64_t count,
                 int8_t *trits);

} // namespace ternac::packing

#endif // TERNAC_LIB_PACKING_DECODE_H
