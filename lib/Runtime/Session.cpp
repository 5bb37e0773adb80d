//===- Session.cpp - Tokens fed to a model --------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All that runs the model. What only moves cache blocks about is in
// Sequences.cpp.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "SessionState.h"

#include <algorithm>
#include <bit>
#include <utility>

using namespace ternac::runtime;

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

bool TernacSession::checkSequence(uint32_t sequence) const {
  if (sequence < histories.size())
    return true;
  setError("expected a sequence below %zu, but got %u", histories.size(),
           sequence);
  return false;
}

bool TernacSession::checkEmpty(uint32_t sequence) const {
  if (histories[sequence].empty())
    return true;
  setError("expected sequence %u to be empty, but it has %u tokens; free it "
           "first",
           sequence, lengthOf(sequence));
  return false;
}

bool TernacSession::checkTokens(const int32_t *tokens, size_t count) const {
  for (size_t i = 0; i < count; ++i) {
    // A negative id is a very large one here.
    if (static_cast<uint32_t>(tokens[i]) < model->vocab_size)
      continue;
    setError("token %d is outside the vocabulary of %u tokens", tokens[i],
             model->vocab_size);
    return false;
  }
  return true;
}

bool TernacSession::checkContext(uint32_t sequence, size_t count) const {
  uint32_t length = lengthOf(sequence);
  if (count <= model->context_length - length)
    return true;
  setError("sequence %u: %zu tokens after %u do not fit the context of %u "
           "tokens",
           sequence, count, length, model->context_length);
  return false;
}

//===----------------------------------------------------------------------===//
// Cache blocks
//===----------------------------------------------------------------------===//

bool TernacSession::reserve(Chunk &chunk) {
  uint32_t length = lengthOf(chunk.sequence);
  uint32_t newLength = length + static_cast<uint32_t>(chunk.count);
  uint32_t needed = blocks.needed(chunk.sequence, length, newLength);
  if (needed > blocks.freeBlocks()) {
    setError("the cache is full: expected %u free blocks (of %u tokens) for "
             "%zu more tokens of sequence %u, but found %u of %u; free or "
             "truncate a sequence, or create the session with more "
             "cache_blocks",
             needed, TERNAC_CACHE_BLOCK_POSITIONS, chunk.count, chunk.sequence,
             blocks.freeBlocks(), blocks.blocks());
    return false;
  }
  chunk.copied = blocks.extend(chunk.sequence, length, newLength);
  if (chunk.copied.from < 0 ||
      memory->copyBlock(chunk.copied.from, chunk.copied.to))
    return true;
  blocks.undo(chunk.sequence, length, chunk.copied);
  return false;
}

bool TernacSession::reserve(std::vector<Chunk> &chunks) {
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (reserve(chunks[i]))
      continue;
    release(chunks, i, /*wrote=*/false);
    return false;
  }
  return true;
}

/// Once all others of its owners have copies of a block, the last writes to the
/// block itself, perhaps over positions that only they know. Of their copies
/// that of the longest sequence has them all.
void TernacSession::restoreCopied(const std::vector<Chunk> &chunks) {
  for (const Chunk &writer : chunks) {
    uint32_t written = lengthOf(writer.sequence);
    if (written % TERNAC_CACHE_BLOCK_POSITIONS == 0)
      continue;
    int32_t block = blocks.data()[size_t(writer.sequence) * blocks.columns() +
                                  written / TERNAC_CACHE_BLOCK_POSITIONS];
    const Chunk *longest = &writer;
    for (const Chunk &other : chunks)
      if (other.copied.from == block &&
          lengthOf(other.sequence) > lengthOf(longest->sequence))
        longest = &other;
    // A device that fails in this has failed before, which is the error.
    if (longest != &writer)
      memory->copyBlock(longest->copied.to, block);
  }
}

void TernacSession::release(const std::vector<Chunk> &chunks, size_t count,
                            bool wrote) {
  if (wrote)
    restoreCopied(chunks);
  for (size_t i = 0; i < count; ++i)
    blocks.undo(chunks[i].sequence, lengthOf(chunks[i].sequence),
                chunks[i].copied);
}

//===----------------------------------------------------------------------===//
// Feeding
//===----------------------------------------------------------------------===//

/// Runs the model over `count` rows from `begin`. `logitRows` are counted from
/// there.
bool TernacSession::call(const int32_t *tokens, size_t begin, size_t count,
                         const int32_t *logitRows, size_t logitCount,
                         float *logits) {
  TernacCall call = {};
  call.struct_size = sizeof(call);
  call.abi_version = TERNAC_ABI_VERSION;
  call.rows = static_cast<uint32_t>(count);
  call.logit_count = static_cast<uint32_t>(logitCount);
  call.tokens = tokens + begin;
  call.positions = positions.data() + begin;
  call.sequences = sequences.data() + begin;
  call.logit_rows = logitRows;
  call.logits = logits;
  call.block_table = blocks.data();
  call.block_table_rows = blocks.rows();
  call.block_table_columns = blocks.columns();
  call.cache_blocks = blocks.blocks();
  return memory->call(environment, call);
}

/// The row behind the last of a call that begins with row `begin`. Chunks are
/// cut only at multiples of as many positions as a model may compute together,
/// whatever other chunks there are: then the numbers of a sequence do not
/// depend on them.
size_t TernacSession::endOfCall(size_t begin,
                                const std::vector<size_t> &chunkEnds) const {
  constexpr uint32_t together = TERNAC_CACHE_BLOCK_POSITIONS;
  size_t unit = std::bit_floor(std::min(together, model->max_rows));
  size_t end = begin;
  for (size_t chunkEnd : chunkEnds) {
    if (chunkEnd <= end)
      continue;
    size_t room = model->max_rows - (end - begin);
    if (chunkEnd - end > room) {
      size_t position = static_cast<size_t>(positions[end]);
      size_t last = (position + room) / unit * unit;
      return end + (std::max(last, position) - position);
    }
    end = chunkEnd;
  }
  return end;
}

/// Runs the model over the rows of all `chunks`, in as many calls as they need.
bool TernacSession::forward(const std::vector<Chunk> &chunks,
                            const int32_t *tokens, float *logits) {
  positions.clear();
  sequences.clear();
  logitRows.clear();
  std::vector<size_t> chunkEnds;
  for (const Chunk &chunk : chunks) {
    chunkEnds.push_back(positions.size() + chunk.count);
    for (size_t i = 0; i < chunk.count; ++i) {
      if (chunk.count - i <= chunk.logitRows)
        logitRows.push_back(static_cast<int32_t>(positions.size()));
      positions.push_back(static_cast<int32_t>(lengthOf(chunk.sequence) + i));
      sequences.push_back(static_cast<int32_t>(chunk.sequence));
    }
  }
  size_t firstLogit = 0;
  for (size_t begin = 0, end; begin < positions.size(); begin = end) {
    end = endOfCall(begin, chunkEnds);
    size_t count = end - begin;
    size_t endLogit = firstLogit;
    for (; endLogit < logitRows.size(); ++endLogit) {
      if (static_cast<size_t>(logitRows[endLogit]) >= begin + count)
        break;
      logitRows[endLogit] -= static_cast<int32_t>(begin);
    }
    size_t logitCount = endLogit - firstLogit;
    if (!call(tokens, begin, count, logitRows.data() + firstLogit, logitCount,
              logits))
      return false;
    if (logits)
      logits += logitCount * model->vocab_size;
    firstLogit = endLogit;
  }
  return true;
}

bool TernacSession::append(std::vector<Chunk> chunks, const int32_t *tokens,
                           float *logits) {
  if (!reserve(chunks))
    return false;
  if (!forward(chunks, tokens, logits)) {
    // A call that failed may have written, too.
    release(chunks, chunks.size(), /*wrote=*/true);
    return false;
  }
  for (const Chunk &chunk : chunks) {
    std::vector<int32_t> &history = histories[chunk.sequence];
    history.insert(history.end(), tokens, tokens + chunk.count);
    tokens += chunk.count;
  }
  return true;
}

int32_t ternac_feed(TernacSession *session, uint32_t sequence,
                    const int32_t *tokens, size_t count, float *logits,
                    size_t logit_rows) {
  if (!logits)
    logit_rows = 0;
  if (logit_rows > count) {
    setError("expected logits of at most the %zu tokens fed, but got %zu",
             count, logit_rows);
    return -1;
  }
  bool fed = session->checkSequence(sequence) &&
             session->checkContext(sequence, count) &&
             session->checkTokens(tokens, count) &&
             session->append({{sequence, count, logit_rows}}, tokens, logits);
  return fed ? 0 : -1;
}

int32_t ternac_feed_batch(TernacSession *session, size_t chunks,
                          const uint32_t *sequences, const size_t *counts,
                          const int32_t *tokens, float *logits) {
  std::vector<Chunk> list;
  std::vector<bool> seen(session->histories.size());
  size_t rows = 0;
  for (size_t i = 0; i < chunks; ++i) {
    if (!session->checkSequence(sequences[i]) ||
        !session->checkContext(sequences[i], counts[i]))
      return -1;
    if (seen[sequences[i]]) {
      setError("sequence %u is twice in one batch", sequences[i]);
      return -1;
    }
    seen[sequences[i]] = true;
    if (counts[i] == 0) {
      setError("expected at least one token for sequence %u", sequences[i]);
      return -1;
    }
    list.push_back({sequences[i], counts[i], logits ? size_t(1) : size_t(0)});
    rows += counts[i];
  }
  bool fed = session->checkTokens(tokens, rows) &&
             session->append(std::move(list), tokens, logits);
  return fed ? 0 : -1;
}
