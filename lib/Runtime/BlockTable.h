//===- BlockTable.h - Which cache blocks hold which positions ---*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sequences of very different lengths share one cache: it is a pool of blocks,
// and a table says which block holds which 64 positions of which sequence.
// Sequences with a common beginning share its blocks too, which are counted.
// A block is written only by a sequence that alone has it: who appends to one
// that others have gets a copy first.
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

  /// A block, and the free one that has taken its place in a sequence; what it
  /// holds is still to be copied. Negative: nothing is.
  struct Copy {
    int32_t from = -1, to = -1;
  };

  /// Free blocks that `extend` takes.
  uint32_t needed(uint32_t sequence, uint32_t length, uint32_t newLength) const;

  /// Lets `sequence`, of `length` positions, write the next up to `newLength`
  /// (at most 64 * columns). As many blocks as are `needed` must be free.
  Copy extend(uint32_t sequence, uint32_t length, uint32_t newLength);

  /// Takes back an `extend` from `length`, the last one of `sequence`.
  void undo(uint32_t sequence, uint32_t length, const Copy &copy);

  /// Gives back all blocks behind the first `length` positions.
  void truncate(uint32_t sequence, uint32_t length);

  /// Lets `to`, which has no blocks, share those of the first `length`
  /// positions of `from`.
  void share(uint32_t from, uint32_t to, uint32_t length);

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
  bool isCopied(uint32_t sequence, uint32_t length, uint32_t newLength) const;
  int32_t take();
  void giveBack(int32_t block);
  int32_t *row(uint32_t sequence) {
    return entries.data() + size_t(sequence) * columnCount;
  }

  uint32_t columnCount;
  uint32_t blockCount;
  std::vector<int32_t> entries; ///< [sequences][columns]
  std::vector<uint32_t> used;   ///< blocks of each sequence
  std::vector<uint32_t> owners; ///< sequences that have each block
  std::vector<int32_t> free;    ///< the next one to use is the last
};

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_BLOCKTABLE_H
