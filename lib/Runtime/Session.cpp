//===- Session.cpp - Tokens fed to a model --------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Creating a session, and all that runs the model. What only moves cache blocks
// about is in Sequences.cpp.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"
#include "Error.h"
#include "HugePages.h"
#include "Library.h"
#include "SessionState.h"
#include "ternac/Runtime/DeviceText.h"
#include "ternac/Runtime/HostFeatures.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

using namespace ternac::runtime;

TernacSession::TernacSession(TernacLibrary *library, const TernacDevice *device,
                             std::unique_ptr<ThreadPool> pool,
                             MappedMemory workspace, MappedMemory cache,
                             BlockTable blocks)
    : library(library), model(library->model), pool(std::move(pool)),
      environment(this->pool->environment(grantedFeatures())),
      workspace(std::move(workspace)), cache(std::move(cache)),
      blockBytes(model->cache_bytes(1)), blocks(std::move(blocks)),
      histories(this->blocks.rows()) {
  environment.device = device;
}

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
             "but got %u; compile it with --max-sequences=%u",
             model->max_sequences, options.sequences, options.sequences);
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

/// Whether `device`, which may be null, is the one that the library needs.
static bool checkNeed(const TernacLibrary &library,
                      const TernacDevice *device) {
  const char *needed = library.device();
  if (!*needed || (device && strcmp(device->name, needed) == 0))
    return true;
  if (!device)
    setError("the model needs the device '%s'; bring a driver for it "
             "(--device=DRIVER.so of the tools)",
             needed);
  else
    setError("the model needs the device '%s', but got a driver for '%s'",
             needed, device->name);
  return false;
}

/// The most that a call of any size needs: one row may take another path than
/// many and so need more.
static uint64_t workspaceBytes(const TernacLibrary &library, uint32_t threads) {
  uint64_t bytes = 0;
  for (uint32_t rows = 1; rows <= library.model->max_rows; ++rows)
    bytes = std::max(bytes, library.code().workspace_bytes(rows, threads));
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
  if (!resolveOptions(model, given, options) ||
      (options.device && !checkDevice("the device given", options.device)) ||
      !checkNeed(*library, options.device))
    return nullptr;
  MappedMemory workspace =
      allocate("workspace", workspaceBytes(*library, options.threads));
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
  return new TernacSession(library, options.device, std::move(pool),
                           std::move(workspace), std::move(cache),
                           std::move(blocks));
}

void ternac_session_destroy(TernacSession *session) { delete session; }

uint32_t ternac_session_threads(const TernacSession *session) {
  return session->pool->size();
}

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
  if (chunk.copied.from >= 0)
    copyBlock(chunk.copied.from, chunk.copied.to);
  return true;
}

void TernacSession::copyBlock(int32_t from, int32_t to) {
  char *pool = static_cast<char *>(cache.data());
  memcpy(pool + static_cast<uint32_t>(to) * blockBytes,
         pool + static_cast<uint32_t>(from) * blockBytes, blockBytes);
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
    if (longest != &writer)
      copyBlock(longest->copied.to, block);
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

static const char *describe(int32_t code) {
  switch (code) {
  case TERNAC_ERROR_VERSION:
    return "it was built for another version of the model ABI";
  case TERNAC_ERROR_LIMIT:
    return "a call had more rows or threads than it was compiled for";
  case TERNAC_ERROR_WEIGHTS:
    return "its weights are missing";
  case TERNAC_ERROR_DEVICE:
    return "its device is missing or failed";
  default:
    return "it gave an unknown error code";
  }
}

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
  call.cache = cache.data();
  call.cache_blocks = blocks.blocks();
  call.workspace = workspace.data();
  call.weights = library->weights.data();
  int32_t code = library->code().forward(&environment, &call);
  if (code == TERNAC_OK)
    return true;
  const TernacDevice *device = environment.device;
  std::string reason;
  if (code == TERNAC_ERROR_DEVICE && device)
    reason = deviceText(device->last_error, device->context);
  if (!reason.empty())
    setError("the device '%s' failed: %s", device->name, reason.c_str());
  else
    setError("the model library refused a call: %s (code %d)", describe(code),
             code);
  return false;
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
