//===- Limits.h - Bounds on what models say ------------------- -*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Far beyond any model, they keep products of two sizes within 64 bits and sums
// over one of them (int8 times trit) within the int32 accumulators.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_COMMON_LIMITS_H
#define TERNAC_LIB_IMPORT_COMMON_LIMITS_H

#include <cstdint>

namespace ternac::import {

constexpr int64_t maxWidth = 1 << 20;
constexpr int64_t maxVocab = 1 << 24;
constexpr int64_t maxLayers = 4096;
constexpr int64_t maxHeads = 65536;
constexpr int64_t maxHeadDim = 4096;
constexpr int64_t maxContext = 1 << 24;

} // namespace ternac::import

#endif // TERNAC_LIB_IMPORT_COMMON_LIMITS_H
