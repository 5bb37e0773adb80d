//===- BlockTableTest.cpp -------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BlockTable.h"
#include "gtest/gtest.h"

#include <set>

using namespace ternac::runtime;

namespace {

TEST(BlockTable, BlocksFor) {
  EXPECT_EQ(BlockTable::blocksFor(0), 0u);
  EXPECT_EQ(BlockTable::blocksFor(1), 1u);
  EXPECT_EQ(BlockTable::blocksFor(64), 1u);
  EXPECT_EQ(BlockTable::blocksFor(65), 2u);
  EXPECT_EQ(BlockTable::blocksFor(UINT32_MAX), 67108864u);
}

TEST(BlockTable, LowBlocksFirst) {
  BlockTable table(2, 3, 6);
  EXPECT_TRUE(table.resize(1, 65));
  EXPECT_TRUE(table.resize(0, 1));
  const std::vector<int32_t> expected = {2, -1, -1, 0, 1, -1};
  EXPECT_EQ(std::vector<int32_t>(table.data(), table.data() + 6), expected);
}

TEST(BlockTable, FullPoolChangesNothing) {
  BlockTable table(2, 4, 3);
  EXPECT_TRUE(table.resize(0, 128));
  EXPECT_FALSE(table.resize(1, 65));
  EXPECT_EQ(table.data()[4], -1);
  EXPECT_EQ(table.freeBlocks(), 1u);
  EXPECT_TRUE(table.resize(1, 64));
  EXPECT_FALSE(table.resize(0, 129));
  EXPECT_TRUE(table.resize(0, 128));
}

TEST(BlockTable, NoBlockTwice) {
  constexpr uint32_t sequences = 3, columns = 4, blocks = 9;
  BlockTable table(sequences, columns, blocks);
  uint32_t state = 1;
  for (int step = 0; step < 2000; ++step) {
    state = state * 1664525 + 1013904223;
    uint32_t sequence = (state >> 8) % sequences;
    std::vector<int32_t> before(table.data(), table.data() + 12);
    table.resize(sequence, (state >> 16) % (columns * 64 + 1));
    std::set<int32_t> used;
    uint32_t count = 0;
    for (uint32_t i = 0; i < sequences * columns; ++i) {
      int32_t now = table.data()[i];
      // What stays in use stays where it is.
      if (now >= 0 && before[i] >= 0)
        EXPECT_EQ(now, before[i]);
      if (now < 0)
        continue;
      EXPECT_LT(now, int32_t(blocks));
      used.insert(now);
      ++count;
    }
    EXPECT_EQ(used.size(), count);
    EXPECT_EQ(count + table.freeBlocks(), blocks);
  }
}

} // namespace
