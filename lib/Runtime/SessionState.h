//===- SessionState.h - What a session holds --------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The library trusts its caller. A session is the caller it can trust: all
// that comes from outside is checked before anything is changed, and a call
// that fails later takes its changes back.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_SESSIONSTATE_H
#define TERNAC_LIB_RUNTIME_SESSIONSTATE_H

#include "BlockTable.h"
#include "ModelMemory.h"
#include "ternac/Runtime/Session.h"
#include "ternac/Runtime/ThreadPool.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace ternac::runtime {

/// Tokens to append to one sequence.
struct Chunk {
  uint32_t sequence;
  size_t count;
  size_t logitRows;             ///< how many of the last rows want logits
  BlockTable::Copy copied = {}; ///< what `reserve` did
};

} // namespace ternac::runtime

struct TernacSession {
  using Chunk = ternac::runtime::Chunk;

  TernacSession(TernacLibrary *library, const TernacDevice *device,
                std::unique_ptr<ternac::runtime::ThreadPool> pool,
                std::unique_ptr<ternac::runtime::ModelMemory> memory,
                ternac::runtime::BlockTable blocks);

  uint32_t lengthOf(uint32_t sequence) const {
    return static_cast<uint32_t>(histories[sequence].size());
  }

  // Each sets the error and returns false.
  bool checkSequence(uint32_t sequence) const;
  bool checkEmpty(uint32_t sequence) const;
  bool checkTokens(const int32_t *tokens, size_t count) const;
  bool checkContext(uint32_t sequence, size_t count) const;

  /// Gets the cache blocks for all `chunks`, or for none of them.
  bool reserve(std::vector<Chunk> &chunks);
  /// Gives back what `reserve` got for the first `count` chunks; `wrote` says
  /// whether a call may have written to it.
  void release(const std::vector<Chunk> &chunks, size_t count, bool wrote);
  /// Runs the model over the checked tokens of `chunks`, which follow one
  /// another, and appends them; or changes nothing.
  bool append(std::vector<Chunk> chunks, const int32_t *tokens, float *logits);

  TernacLibrary *library;
  const TernacModel *model;
  std::unique_ptr<ternac::runtime::ThreadPool> pool;
  TernacEnvironment environment;
  std::unique_ptr<ternac::runtime::ModelMemory> memory;
  ternac::runtime::BlockTable blocks;
  /// The tokens fed to each sequence; negative where it was only filled.
  std::vector<std::vector<int32_t>> histories;

private:
  bool reserve(Chunk &chunk);
  void restoreCopied(const std::vector<Chunk> &chunks);
  bool forward(const std::vector<Chunk> &chunks, const int32_t *tokens,
               float *logits);
  size_t endOfCall(size_t begin, const std::vector<size_t> &chunkEnds) const;
  bool call(const int32_t *tokens, size_t begin, size_t rows,
            const int32_t *logitRows, size_t logitCount, float *logits);

  // The rows of an `append`, kept between calls to spare the allocations.
  std::vector<int32_t> positions, sequences, logitRows;
};

#endif // TERNAC_LIB_RUNTIME_SESSIONSTATE_H
