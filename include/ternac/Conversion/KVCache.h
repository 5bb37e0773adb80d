//===- KVCache.h - Where keys and values lie --------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block of the pool holds, for each layer and each of its heads, the keys of
// 64 positions and then their values, so that attention, head by head, reads
// one stream. Keys lie transposed, [head_dim][64], so that the scores of 16
// positions are one vector and need no horizontal sum; values lie as
// [64][head_dim]. In an i8 cache each head's keys, and values, are followed by
// the f32 scales of the 64 positions.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_KVCACHE_H
#define TERNAC_CONVERSION_KVCACHE_H

#include "ternac/Conversion/RowLowerings.h"

namespace ternac {

/// Addresses of a cache, in elements of its pool.
class CachePlaces {
public:
  static constexpr int64_t kBlock = 64; // positions of a block

  CachePlaces(VectorBuilder &v, tern::KVCacheType type,
              const CacheBuffers &cache);

  bool hasScales() const { return type.getElement().isInteger(8); }
  /// First element of `layer` in block number `column` of `sequence`.
  mlir::Value block(mlir::Value sequence, mlir::Value column,
                    mlir::Value layer);
  /// First key, and first value, of cache head `head` from the block's start.
  mlir::Value keys(mlir::Value start, mlir::Value head);
  mlir::Value values(mlir::Value start, mlir::Value head);
  /// The place in `scales` of the first scale of these keys or values.
  mlir::Value scalesOf(mlir::Value place);

  VectorBuilder &v;
  const tern::KVCacheType type;
  const mlir::Value pool, table;
  mlir::Value scales; ///< the pool as f32, if it has scales
};

} // namespace ternac

#endif // TERNAC_CONVERSION_KVCACHE_H
