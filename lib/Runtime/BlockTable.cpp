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
      entries(size_t(sequences) * columns, -1), used(sequences), owners(blocks),
      free(blocks) {
  // Low blocks first, so that short sequences touch little of the cache.
  std::iota(free.rbegin(), free.rend(), 0);
}

int32_t BlockTable::take() {
  int32_t block = free.back();
  free.pop_back();
  owners[static_cast<uint32_t>(block)] = 1;
  return block;
}

void BlockTable::giveBack(int32_t block) {
  if (--owners[static_cast<uint32_t>(block)] == 0)
    free.push_back(block);
}

/// Whether the block that position `length` goes to is there and shared.
bool BlockTable::isCopied(uint32_t sequence, uint32_t length,
                          uint32_t newLength) const {
  if (newLength == length || length % TERNAC_CACHE_BLOCK_POSITIONS == 0)
    return false;
  int32_t block = entries[size_t(sequence) * columnCount +
                          length / TERNAC_CACHE_BLOCK_POSITIONS];
  return owners[static_cast<uint32_t>(block)] > 1;
}

uint32_t BlockTable::needed(uint32_t sequence, uint32_t length,
                            uint32_t newLength) const {
  return blocksFor(newLength) - used[sequence] +
         isCopied(sequence, length, newLength);
}

BlockTable::Copy BlockTable::extend(uint32_t sequence, uint32_t length,
                                    uint32_t newLength) {
  Copy copy;
  if (isCopied(sequence, length, newLength)) {
    int32_t &entry = row(sequence)[length / TERNAC_CACHE_BLOCK_POSITIONS];
    copy = {entry, take()};
    giveBack(entry);
    entry = copy.to;
  }
  for (uint32_t &have = used[sequence]; have < blocksFor(newLength); ++have)
    row(sequence)[have] = take();
  return copy;
}

void BlockTable::undo(uint32_t sequence, uint32_t length, const Copy &copy) {
  truncate(sequence, length);
  if (copy.from < 0)
    return;
  giveBack(copy.to);
  ++owners[static_cast<uint32_t>(copy.from)];
  row(sequence)[length / TERNAC_CACHE_BLOCK_POSITIONS] = copy.from;
}

void BlockTable::truncate(uint32_t sequence, uint32_t length) {
  for (uint32_t &have = used[sequence]; have > blocksFor(length); --have) {
    int32_t &entry = row(sequence)[have - 1];
    giveBack(entry);
    entry = -1;
  }
}

void BlockTable::share(uint32_t from, uint32_t to, uint32_t length) {
  for (uint32_t &have = used[to]; have < blocksFor(length); ++have) {
    int32_t block = row(from)[have];
    ++owners[static_cast<uint32_t>(block)];
    row(to)[have] = block;
  }
}
