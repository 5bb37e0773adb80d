//===- TokenTables.h - Table look-up for many tokens at once ----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a byte of weights selects is here a vector: the sums of kBlockTokens
// rows of q, side by side. So one load and one addition stand for as many
// products as a byte has trits, times kBlockTokens, and nothing is asked of the
// machine but vectors in memory.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOVECTOR_TOKENTABLES_H
#define TERNAC_LIB_CONVERSION_TERNTOVECTOR_TOKENTABLES_H

#include "ternac/Conversion/VectorBuilder.h"

namespace ternac {

/// Writes this thread's share of the products of rows [0, count) of q, which
/// ends with the call of `tern_matmul_lut_<packing>_<M>x<K>_many`. A barrier
/// must follow.
void callTokenTables(tern::MatmulOp op, VectorBuilder &v, mlir::Value count);

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOVECTOR_TOKENTABLES_H
