//===- BlockTable.cpp - Which cache blocks hold which positions -----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BlockTable.h"

#include <numeric>

using namespace ternac::runtime;

BlockTable::BlockTable(uint32_t sequences, uint32_t columns, uint32_t blocks)
    : columnCount(columns), blockCount(blocks),
      entries(size_t(sequences) * columns, -1), used(sequences), free(blocks) {
  // Low blocks first, so that short sequences touch little of the cache.
  std::iota(free.rbegin(), free.rend(), 0);
}

bool BlockTable::resize(uint32_t sequence, uint32_t length) {
  uint32_t wanted = blocksFor(length);
  uint32_t &have = used[sequence];
  if (wanted > have && wanted - have > free.size())
    return false;
  int32_t *row = entries.data() + size_t(sequence) * columnCount;
  for (; have < wanted; ++have) {
    row[have] = free.back();
    free.pop_back();
  }
  for (; have > wanted; --have) {
    free.push_back(row[have - 1]);
    row[have - 1] = -1;
  }
  return true;
}
