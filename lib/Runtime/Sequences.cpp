//===- Sequences.cpp - Lengths, forks and common prefixes -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What can be done to sequences without running the model.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "SessionState.h"

#include <algorithm>

using namespace ternac::runtime;

int64_t ternac_length(const TernacSession *session, uint32_t sequence) {
  if (!session->checkSequence(sequence))
    return -1;
  return session->lengthOf(sequence);
}

uint32_t ternac_free_blocks(const TernacSession *session) {
  return session->blocks.freeBlocks();
}

int32_t ternac_fill(TernacSession *session, uint32_t sequence, uint32_t count) {
  std::vector<Chunk> chunks = {{sequence, count, 0}};
  if (!session->checkSequence(sequence) ||
      !session->checkContext(sequence, count) || !session->reserve(chunks))
    return -1;
  // Small positive numbers in f16, f32 and i8 alike.
  constexpr unsigned char filler = 0x2A;
  uint32_t before = session->lengthOf(sequence);
  uint32_t end = BlockTable::blocksFor(before + count);
  const int32_t *row =
      session->blocks.data() + size_t(sequence) * session->blocks.columns();
  for (uint32_t i = BlockTable::blocksFor(before); i < end; ++i) {
    if (session->memory->fillBlock(row[i], filler))
      continue;
    session->release(chunks, chunks.size(), /*wrote=*/false);
    return -1;
  }
  // No token, so that no prompt begins with it.
  session->histories[sequence].resize(before + count, -1);
  return 0;
}

int32_t ternac_truncate(TernacSession *session, uint32_t sequence,
                        uint32_t length) {
  if (!session->checkSequence(sequence))
    return -1;
  if (length > session->lengthOf(sequence)) {
    setError("cannot truncate sequence %u of %u tokens to %u", sequence,
             session->lengthOf(sequence), length);
    return -1;
  }
  session->histories[sequence].resize(length);
  session->blocks.truncate(sequence, length);
  return 0;
}

int32_t ternac_free(TernacSession *session, uint32_t sequence) {
  return ternac_truncate(session, sequence, 0);
}

/// Makes the empty sequence `to` the first `length` tokens of `from`.
static void share(TernacSession &session, uint32_t from, uint32_t to,
                  size_t length) {
  const std::vector<int32_t> &history = session.histories[from];
  session.histories[to].assign(history.data(), history.data() + length);
  session.blocks.share(from, to, static_cast<uint32_t>(length));
}

int32_t ternac_fork(TernacSession *session, uint32_t from, uint32_t to) {
  if (!session->checkSequence(from) || !session->checkSequence(to))
    return -1;
  if (from == to) {
    setError("cannot fork sequence %u to itself", from);
    return -1;
  }
  if (!session->checkEmpty(to))
    return -1;
  share(*session, from, to, session->lengthOf(from));
  return 0;
}

int64_t ternac_prefix(TernacSession *session, uint32_t sequence,
                      const int32_t *tokens, size_t count) {
  if (!session->checkSequence(sequence) || !session->checkEmpty(sequence) ||
      !session->checkContext(sequence, count) ||
      !session->checkTokens(tokens, count))
    return -1;
  uint32_t best = 0;
  size_t longest = 0;
  for (uint32_t i = 0; i < session->histories.size(); ++i) {
    const std::vector<int32_t> &history = session->histories[i];
    size_t most = std::min(history.size(), count ? count - 1 : 0);
    size_t common = static_cast<size_t>(
        std::mismatch(tokens, tokens + most, history.data()).first - tokens);
    if (common > longest) {
      best = i;
      longest = common;
    }
  }
  share(*session, best, sequence, longest);
  return static_cast<int64_t>(longest);
}
