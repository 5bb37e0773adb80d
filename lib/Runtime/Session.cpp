//===- Session.cpp - Sequences of tokens fed to a model -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The library trusts its caller. A session is the caller it can trust: all
// that comes from outside is checked here, before anything is changed.
//
//===----------------------------------------------------------------------===//

#include "ternac/Runtime/Session.h"
#include "BlockTable.h"
#include "Error.h"
#include "HugePages.h"
#include "Library.h"
#include "ternac/Runtime/HostFeatures.h"
#include "ternac/Runtime/MappedMemory.h"
#include "ternac/Runtime/ThreadPool.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

using namespace ternac::runtime;

namespace {
/// Tokens that one sequence gets in one call.
struct Chunk {
  uint32_t sequence;
  size_t count;
};
} // namespace

struct TernacSession {
  TernacSession(TernacLibrary *library, std::unique_ptr<ThreadPool> pool,
                MappedMemory workspace, MappedMemory cache, BlockTable blocks)
      : library(library), model(library->model), pool(std::move(pool)),
        environment(this->pool->environment(grantedFeatures())),
        workspace(std::move(workspace)), cache(std::move(cache)),
        blocks(std::move(blocks)), lengths(this->blocks.rows(), 0) {}

  bool checkSequence(uint32_t sequence) const;
  bool checkTokens(const int32_t *tokens, size_t count) const;
  bool reserve(uint32_t sequence, size_t count);
  void forget(uint32_t sequence);
  bool forward(const int32_t *tokens, const std::vector<Chunk> &chunks,
               float *logits);
  bool feed(uint32_t sequence, const int32_t *tokens, size_t count,
            float *logits, size_t logitCount);

  TernacLibrary *library;
  const TernacModel *model;
  std::unique_ptr<ThreadPool> pool;
  TernacEnvironment environment;
  MappedMemory workspace, cache;
  BlockTable blocks;
  std::vector<uint32_t> lengths; ///< tokens fed to each sequence

  // The rows of the next call, kept between calls to spare the allocations.
  std::vector<int32_t> positions, sequences, logitRows;
};

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

/// The options with every default filled in; false if they cannot be met.
static bool resolveOptions(const TernacModel *model,
                           const TernacSessionOptions *given,
                           TernacSessionOptions &options) {
  options = {};
  if (given) {
    if (given->struct_size < sizeof(given->struct_size)) {
      setError("struct_size of the session options is not set");
      return false;
    }
    memcpy(&options, given,
           std::min<size_t>(given->struct_size, sizeof(options)));
  }
  if (!options.threads)
    options.threads = std::min(processorCount(), model->max_threads);
  if (options.threads > model->max_threads) {
    setError("expected at most %u threads, which the model was compiled for, "
             "but got %u",
             model->max_threads, options.threads);
    return false;
  }
  if (!options.sequences)
    options.sequences = 1;
  if (options.sequences > model->max_sequences) {
    setError("expected at most %u sequences, which the model was compiled for, "
             "but got %u",
             model->max_sequences, options.sequences);
    return false;
  }
  // More blocks than all sequences together can fill would never be used.
  uint64_t usable = uint64_t(options.sequences) *
                    BlockTable::blocksFor(model->context_length);
  if (!options.cache_blocks || options.cache_blocks > usable)
    options.cache_blocks =
        static_cast<uint32_t>(std::min<uint64_t>(usable, INT32_MAX));
  return true;
}

/// The most that a call of any size needs: one row may take another path than
/// many and so need more.
static uint64_t workspaceBytes(const TernacModel *model, uint32_t threads) {
  uint64_t bytes = 0;
  for (uint32_t rows = 1; rows <= model->max_rows; ++rows)
    bytes = std::max(bytes, model->workspace_bytes(rows, threads));
  return bytes;
}

static MappedMemory allocate(const char *purpose, uint64_t bytes) {
  MappedMemory memory = MappedMemory::allocate(bytes);
  if (!memory.data())
    setError("not enough memory: the %s needs %.1f MB", purpose, bytes / 1e6);
  return memory;
}

/// Moves the weights, once for all sessions of the library.
static bool useHugePages(TernacLibrary &library, ThreadPool &pool) {
  std::lock_guard lock(library.mutex);
  if (library.usesHugePages)
    return true;
  auto [weights, bytes] = library.weightsReadWhole();
  if (weights && !moveToHugePages(weights, bytes, pool))
    return false;
  library.usesHugePages = true;
  return true;
}

TernacSession *ternac_session_create(TernacLibrary *library,
                                     const TernacSessionOptions *given) {
  const TernacModel *model = library->model;
  TernacSessionOptions options;
  if (!resolveOptions(model, given, options))
    return nullptr;
  MappedMemory workspace =
      allocate("workspace", workspaceBytes(model, options.threads));
  if (!workspace.data())
    return nullptr;
  MappedMemory cache =
      allocate("cache", model->cache_bytes(options.cache_blocks));
  if (!cache.data())
    return nullptr;
  std::unique_ptr<ThreadPool> pool =
      ThreadPool::create(options.threads, !options.no_pinning);
  if (!pool || (options.huge_pages && !useHugePages(*library, *pool)))
    return nullptr;
  BlockTable blocks(options.sequences,
                    BlockTable::blocksFor(model->context_length),
                    options.cache_blocks);
  return new TernacSession(library, std::move(pool), std::move(workspace),
                           std::move(cache), std::move(blocks));
}

void ternac_session_destroy(TernacSession *session) { delete session; }

uint32_t ternac_session_threads(const TernacSession *session) {
  return session->pool->size();
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

bool TernacSession::checkSequence(uint32_t sequence) const {
  if (sequence < lengths.size())
    return true;
  setError("expected a sequence below %zu, but got %u", lengths.size(),
           sequence);
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

/// Gets the cache blocks for `count` more tokens.
bool TernacSession::reserve(uint32_t sequence, size_t count) {
  uint32_t length = lengths[sequence];
  if (count > model->context_length - length) {
    setError("%zu tokens after %u do not fit the context of %u tokens", count,
             length, model->context_length);
    return false;
  }
  if (blocks.resize(sequence, length + static_cast<uint32_t>(count)))
    return true;
  setError("the cache is full: %zu more tokens need more than the %u free "
           "blocks (of %u) of %u tokens",
           count, blocks.freeBlocks(), blocks.blocks(),
           TERNAC_CACHE_BLOCK_POSITIONS);
  return false;
}

/// Gives back what `reserve` got and was not used.
void TernacSession::forget(uint32_t sequence) {
  blocks.resize(sequence, lengths[sequence]);
}

//===----------------------------------------------------------------------===//
// Feeding
//===----------------------------------------------------------------------===//

static const char *describe(int32_t code) {
  switch (code) {
  case TERNAC_ERROR_VERSION:
    return "it was built for another version of the model ABI";
  case TERNAC_ERROR_LIMIT:
    return "a call had more rows or threads than it was compiled for";
  case TERNAC_ERROR_WEIGHTS:
    return "its weights are missing";
  default:
    return "it gave an unknown error code";
  }
}

/// Runs the model over the rows of `chunks`, whose tokens follow one another.
/// `logitRows` says which rows want logits. Lengths are not changed.
bool TernacSession::forward(const int32_t *tokens,
                            const std::vector<Chunk> &chunks, float *logits) {
  positions.clear();
  sequences.clear();
  for (const Chunk &chunk : chunks) {
    for (size_t i = 0; i < chunk.count; ++i) {
      positions.push_back(static_cast<int32_t>(lengths[chunk.sequence] + i));
      sequences.push_back(static_cast<int32_t>(chunk.sequence));
    }
  }
  TernacCall call = {};
  call.struct_size = sizeof(call);
  call.abi_version = TERNAC_ABI_VERSION;
  call.rows = static_cast<uint32_t>(positions.size());
  call.logit_count = static_cast<uint32_t>(logitRows.size());
  call.tokens = tokens;
  call.positions = positions.data();
  call.sequences = sequences.data();
  call.logit_rows = logitRows.data();
  call.logits = logits;
  call.block_table = blocks.data();
  call.block_table_rows = blocks.rows();
  call.block_table_columns = blocks.columns();
  call.cache = cache.data();
  call.cache_blocks = blocks.blocks();
  call.workspace = workspace.data();
  call.weights = library->weights.data();
  int32_t code = model->forward(&environment, &call);
  if (code == TERNAC_OK)
    return true;
  setError("the model library refused a call: %s (code %d)", describe(code),
           code);
  return false;
}

/// Appends tokens whose blocks are reserved, and counts those that were fed.
bool TernacSession::feed(uint32_t sequence, const int32_t *tokens, size_t count,
                         float *logits, size_t logitCount) {
  size_t firstLogit = count - logitCount;
  for (size_t start = 0; start < count;) {
    size_t rows = std::min<size_t>(count - start, model->max_rows);
    logitRows.clear();
    for (size_t row = 0; row < rows; ++row)
      if (start + row >= firstLogit)
        logitRows.push_back(static_cast<int32_t>(row));
    if (!forward(tokens + start, {{sequence, rows}}, logits))
      return false;
    if (logits)
      logits += logitRows.size() * size_t(model->vocab_size);
    lengths[sequence] += static_cast<uint32_t>(rows);
    start += rows;
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
  if (!session->checkSequence(sequence) ||
      !session->checkTokens(tokens, count) ||
      !session->reserve(sequence, count))
    return -1;
  uint32_t before = session->lengths[sequence];
  if (session->feed(sequence, tokens, count, logits, logit_rows))
    return 0;
  session->lengths[sequence] = before;
  session->forget(sequence);
  return -1;
}

/// The chunks of a batch, checked against one another.
static bool collectChunks(const TernacSession &session, size_t count,
                          const uint32_t *sequences, const size_t *counts,
                          std::vector<Chunk> &chunks, size_t &rows) {
  std::vector<bool> seen(session.lengths.size());
  for (size_t i = 0; i < count; ++i) {
    if (!session.checkSequence(sequences[i]))
      return false;
    if (seen[sequences[i]]) {
      setError("sequence %u is twice in one batch", sequences[i]);
      return false;
    }
    seen[sequences[i]] = true;
    if (counts[i] == 0) {
      setError("expected at least one token for sequence %u", sequences[i]);
      return false;
    }
    if (counts[i] > session.model->max_rows - rows) {
      setError("expected at most %u tokens in one batch, but got more",
               session.model->max_rows);
      return false;
    }
    rows += counts[i];
    chunks.push_back({sequences[i], counts[i]});
  }
  return true;
}

int32_t ternac_feed_batch(TernacSession *session, size_t chunks,
                          const uint32_t *sequences, const size_t *counts,
                          const int32_t *tokens, float *logits) {
  std::vector<Chunk> list;
  size_t rows = 0;
  if (!collectChunks(*session, chunks, sequences, counts, list, rows) ||
      !session->checkTokens(tokens, rows))
    return -1;
  if (list.empty())
    return 0;
  bool fed = true;
  size_t end = 0;
  session->logitRows.clear();
  for (const Chunk &chunk : list) {
    fed = fed && session->reserve(chunk.sequence, chunk.count);
    end += chunk.count;
    if (logits)
      session->logitRows.push_back(static_cast<int32_t>(end - 1));
  }
  fed = fed && session->forward(tokens, list, logits);
  for (const Chunk &chunk : list) {
    if (fed)
      session->lengths[chunk.sequence] += static_cast<uint32_t>(chunk.count);
    else
      session->forget(chunk.sequence);
  }
  return fed ? 0 : -1;
}

//===----------------------------------------------------------------------===//
// Lengths
//===----------------------------------------------------------------------===//

int64_t ternac_length(const TernacSession *session, uint32_t sequence) {
  if (!session->checkSequence(sequence))
    return -1;
  return session->lengths[sequence];
}

int32_t ternac_fill(TernacSession *session, uint32_t sequence, uint32_t count) {
  if (!session->checkSequence(sequence) || !session->reserve(sequence, count))
    return -1;
  // Small positive numbers in f16, f32 and i8 alike.
  constexpr unsigned char filler = 0x2A;
  uint64_t blockBytes = session->model->cache_bytes(1);
  uint32_t before = session->lengths[sequence];
  uint32_t first = BlockTable::blocksFor(before);
  uint32_t end = BlockTable::blocksFor(before + count);
  const int32_t *row =
      session->blocks.data() + size_t(sequence) * session->blocks.columns();
  for (uint32_t block = first; block < end; ++block)
    memset(static_cast<char *>(session->cache.data()) +
               static_cast<uint32_t>(row[block]) * blockBytes,
           filler, blockBytes);
  session->lengths[sequence] = before + count;
  return 0;
}

int32_t ternac_truncate(TernacSession *session, uint32_t sequence,
                        uint32_t length) {
  if (!session->checkSequence(sequence))
    return -1;
  if (length > session->lengths[sequence]) {
    setError("cannot truncate sequence %u of %u tokens to %u", sequence,
             session->lengths[sequence], length);
    return -1;
  }
  session->lengths[sequence] = length;
  session->forget(sequence);
  return 0;
}
