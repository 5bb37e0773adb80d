//===- Blocks.h - Elements that are stored in blocks ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Internal to the packer: the blocks of GGUF files. Every conversion is exact.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_PACKING_BLOCKS_H
#define TERNAC_LIB_PACKING_BLOCKS_H

#include "ternac/Packing/Encoding.h"

#include <cstdint>

namespace ternac::packing {

/// Widens `count` elements of whole Q8_0 or Q6_K blocks to f32.
void decodeBlocks(Encoding encoding, const uint8_t *stored, int64_t count,
                  float *out);

/// Decodes a row of an encoding with scales, other than I2SRows. Returns false
/// when one of the codes is 3, which no trit has; it is decoded as 2.
bool decodeTritRow(Encoding encoding, const uint8_t *row, int64_t cols,
                   int8_t *trits);

/// The columns that share a scale in rows of TQ1_0, TQ2_0, IQ1BN or IQ2BN.
int64_t columnsOfScale(Encoding encoding, int64_t cols);

/// Scale `index` of such a row.
float scaleOfRow(Encoding encoding, const uint8_t *row, int64_t index);

} // namespace ternac::packing

#endif // TERNAC_LIB_PACKING_BLOCKS_H
