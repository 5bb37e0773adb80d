//===- BlockTableTest.cpp -------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BlockTable.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <set>
#include <vector>

using namespace ternac::runtime;

namespace {

TEST(BlockTable, BlocksFor) {
  EXPECT_EQ(BlockTable::blocksFor(0), 0u);
  EXPECT_EQ(BlockTable::blocksFor(1), 1u);
  EXPECT_EQ(BlockTable::blocksFor(64), 1u);
  EXPECT_EQ(BlockTable::blocksFor(65), 2u);
  EXPECT_EQ(BlockTable::blocksFor(UINT32_MAX), 67108864u);
}

using Entries = std::vector<int32_t>;

/// All entries of a table.
Entries entriesOf(const BlockTable &table) {
  return Entries(table.data(),
                 table.data() + size_t(table.rows()) * table.columns());
}

TEST(BlockTable, LowBlocksFirst) {
  BlockTable table(2, 3, 6);
  EXPECT_EQ(table.needed(1, 0, 65), 2u);
  table.extend(1, 0, 65);
  table.extend(0, 0, 1);
  EXPECT_EQ(entriesOf(table), (Entries{2, -1, -1, 0, 1, -1}));
  EXPECT_EQ(table.freeBlocks(), 3u);
}

TEST(BlockTable, PartlyFilledBlockIsExtended) {
  BlockTable table(1, 4, 4);
  table.extend(0, 0, 10);
  EXPECT_EQ(table.needed(0, 10, 64), 0u);
  EXPECT_EQ(table.needed(0, 10, 65), 1u);
  EXPECT_LT(table.extend(0, 10, 64).from, 0);
  EXPECT_EQ(entriesOf(table), (Entries{0, -1, -1, -1}));
}

TEST(BlockTable, SharedFullBlocksAreNotCopied) {
  BlockTable table(2, 3, 6);
  table.extend(0, 0, 128);
  table.share(0, 1, 128);
  EXPECT_EQ(table.freeBlocks(), 4u);
  EXPECT_EQ(table.needed(1, 128, 129), 1u);
  EXPECT_LT(table.extend(1, 128, 129).from, 0);
  EXPECT_EQ(entriesOf(table), (Entries{0, 1, -1, 0, 1, 2}));
  // They are free when the last one has given them back.
  table.truncate(0, 0);
  EXPECT_EQ(table.freeBlocks(), 3u);
  table.truncate(1, 0);
  EXPECT_EQ(table.freeBlocks(), 6u);
}

TEST(BlockTable, SharedPartlyFilledBlockIsCopiedByTheFirstToAppend) {
  BlockTable table(2, 3, 6);
  table.extend(0, 0, 100);
  table.share(0, 1, 100);
  EXPECT_EQ(table.needed(0, 100, 100), 0u);
  EXPECT_EQ(table.needed(0, 100, 101), 1u);
  EXPECT_EQ(table.needed(0, 100, 129), 2u);
  BlockTable::Copy copy = table.extend(0, 100, 101);
  EXPECT_EQ(copy.from, 1);
  EXPECT_EQ(copy.to, 2);
  EXPECT_EQ(entriesOf(table), (Entries{0, 2, -1, 0, 1, -1}));
  // The other one has it alone now.
  EXPECT_EQ(table.needed(1, 100, 101), 0u);
  EXPECT_LT(table.extend(1, 100, 101).from, 0);
}

TEST(BlockTable, TruncatedIntoASharedBlock) {
  BlockTable table(2, 3, 6);
  table.extend(0, 0, 128);
  table.share(0, 1, 128);
  table.truncate(1, 70);
  EXPECT_EQ(table.freeBlocks(), 4u);
  EXPECT_EQ(table.extend(1, 70, 71).from, 1);
  EXPECT_EQ(entriesOf(table), (Entries{0, 1, -1, 0, 2, -1}));
  // At a boundary there is nothing to copy.
  table.truncate(1, 64);
  EXPECT_LT(table.extend(1, 64, 65).from, 0);
}

TEST(BlockTable, SharesTheBeginning) {
  BlockTable table(2, 3, 6);
  table.extend(0, 0, 192);
  table.share(0, 1, 65);
  EXPECT_EQ(entriesOf(table), (Entries{0, 1, 2, 0, 1, -1}));
}

TEST(BlockTable, Undo) {
  BlockTable table(2, 3, 6);
  table.extend(0, 0, 100);
  table.share(0, 1, 100);
  Entries before = entriesOf(table);
  BlockTable::Copy copy = table.extend(1, 100, 150);
  EXPECT_EQ(table.freeBlocks(), 2u);
  table.undo(1, 100, copy);
  EXPECT_EQ(entriesOf(table), before);
  EXPECT_EQ(table.freeBlocks(), 4u);
  // Shared as it was: it would be copied again.
  EXPECT_EQ(table.needed(0, 100, 101), 1u);
}

TEST(BlockTable, RandomOperationsKeepTheCounts) {
  constexpr uint32_t sequences = 4, columns = 4, blocks = 9;
  BlockTable table(sequences, columns, blocks);
  std::vector<uint32_t> lengths(sequences);
  uint32_t state = 1;
  auto random = [&](uint32_t bound) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % bound;
  };
  for (int step = 0; step < 4000; ++step) {
    uint32_t sequence = random(sequences), &length = lengths[sequence];
    Entries before = entriesOf(table);
    switch (random(4)) {
    case 0:
      length = random(length + 1);
      table.truncate(sequence, length);
      break;
    case 1: {
      uint32_t from = random(sequences);
      if (from == sequence || length > 0)
        break;
      length = random(lengths[from] + 1);
      table.share(from, sequence, length);
      break;
    }
    default: {
      uint32_t longer = length + random(columns * 64 + 1 - length);
      uint32_t needed = table.needed(sequence, length, longer);
      uint32_t free = table.freeBlocks();
      if (needed > free)
        break;
      BlockTable::Copy copy = table.extend(sequence, length, longer);
      EXPECT_EQ(table.freeBlocks(), free - needed);
      if (random(3) == 0) {
        table.undo(sequence, length, copy);
        EXPECT_EQ(entriesOf(table), before);
        break;
      }
      // All that was written belongs to this sequence alone.
      Entries entries = entriesOf(table);
      for (uint32_t i = length / 64; i * 64 < longer && longer > length; ++i)
        EXPECT_EQ(std::count(entries.begin(), entries.end(),
                             entries[sequence * columns + i]),
                  1);
      length = longer;
    }
    }
    // Every sequence has the blocks of its length, and a block is free if no
    // sequence has it.
    Entries entries = entriesOf(table);
    std::set<int32_t> used(entries.begin(), entries.end());
    used.erase(-1);
    EXPECT_EQ(used.size() + table.freeBlocks(), blocks);
    for (uint32_t i = 0; i < sequences * columns; ++i)
      EXPECT_EQ(entries[i] >= 0, i % columns * 64 < lengths[i / columns]);
  }
}

} // namespace
