//===- BlockTable.h - Which cache blocks hold which positions ---*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sequences of very different lengths share one cache: it is a pool of blocks,
// and a table says which block holds which 64 positions of which sequence.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_BLOCKTABLE_H
#define TERNAC_LIB_RUNTIME_BLOCKTABLE_H

#include "ternac/Runtime/ModelABI.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ternac::runtime {

class BlockTable {
public:
  /// A table of `sequences` x `columns` entries over a pool of `blocks`.
  BlockTable(uint32_t sequences, uint32_t columns, uint32_t blocks);

  /// Gives `sequence` exactly the blocks that its first `length` positions
  /// need (at most 64 * columns). False, and nothing changes, if the pool has
  /// too few. Blocks that stay in use keep their place.
  bool resize(uint32_t sequence, uint32_t length);

  /// What TernacCall.block_table wants; entries not in use are -1.
  const int32_t *data() const { return entries.data(); }
  uint32_t rows() const { return static_cast<uint32_t>(used.size()); }
  uint32_t columns() const { return columnCount; }
  uint32_t blocks() const { return blockCount; }
  uint32_t freeBlocks() const { return static_cast<uint32_t>(free.size()); }

  /// Blocks that hold `length` positions.
  static uint32_t blocksFor(uint32_t length) {
    return length / TERNAC_CACHE_BLOCK_POSITIONS +
           (length % TERNAC_CACHE_BLOCK_POSITIONS != 0);
  }

private:
  uint32_t columnCount;
  uint32_t blockCount;
  std::vector<int32_t> entries; ///< [sequences][columns]
  std::vector<uint32_t> used;   ///< blocks of each sequence
  std::vector<int32_t> free;    ///< the next one to use is the last
};

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_BLOCKTABLE_H
