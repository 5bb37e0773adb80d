//===- AttentionChunk.h - Attention to one chunk of positions ---*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The positions of a sequence are cut into chunks of 256, wherever a row is. A
// block computes what one chunk adds to the query heads that share a head of
// the cache, so that keys and values are read once for all of them: the largest
// score, the sum of the weights and the weighted sum of the values. Chunks are
// merged in ascending order by one formula, in whichever kernel, and so a row's
// bits depend on nothing but its sequence (Milakov and Gimelshein, "Online
// normalizer calculation for softmax", 2018).
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOGPU_ATTENTIONCHUNK_H
#define TERNAC_LIB_CONVERSION_TERNTOGPU_ATTENTIONCHUNK_H

#include "GpuBuilder.h"

#include "ternac/Conversion/KVCache.h"

namespace ternac {

/// Who does what of a chunk, by the facts of the op and the target.
struct ChunkShape {
  static constexpr int64_t kPositions = 256, kThreads = 128;
  static constexpr int64_t kBlocks = kPositions / CachePlaces::kBlock;
  /// Query heads of a block at most.
  static constexpr int64_t kMostHeads = 8;
  /// Bytes of memory of a block at most, without and with subgroups.
  static constexpr int64_t kMostBytes = 12 << 10, kMostWithSubgroups = 40 << 10;

  ChunkShape(tern::AttentionOp op, bool subgroups);

  int64_t headDim;
  int64_t heads;        ///< of the query, that a block computes
  int64_t weigh;        ///< threads that share the weights of a head
  int64_t width;        ///< positions whose keys a thread reads at once
  int64_t places;       ///< threads that have all positions
  int64_t slices;       ///< of the columns of keys
  int64_t valueWidth;   ///< columns that a thread reads at once
  int64_t valueThreads; ///< of one position
  int64_t valueSlices;  ///< positions whose values are read at once
  int64_t memory;       ///< f32 of the memory of scores, weights and sums

  /// Successive positions whose weights one thread has.
  int64_t weighed() const { return kPositions / weigh; }
  /// Numbers of the scores of all slices, or of the sums of all slices.
  int64_t numbers() const {
    return heads * std::max(slices * kPositions, valueSlices * headDim);
  }
  int64_t columns() const { return heads * headDim; }
  /// The columns that a thread has the sums of.
  int64_t columnsOfThread() const {
    return llvm::divideCeil(columns(), kThreads);
  }
};

/// The largest power of two up to `most`, one itself, that divides `size`.
int64_t widest(int64_t size, int64_t most);

/// A running result: chunks are added one after the other.
struct Partial {
  mlir::Value most, sum, value;
};

/// What the numbers of two results are multiplied by before they are added.
struct Factors {
  mlir::Value most, ofOld, ofChunk;
};

/// The formula by which chunks are merged; values are numbers or vectors.
Factors factorsOf(VectorBuilder &v, mlir::Value oldMost, mlir::Value chunkMost);
mlir::Value mix(VectorBuilder &v, const Factors &factors, mlir::Value old,
                mlir::Value chunk);
Partial merge(VectorBuilder &v, const Partial &old, const Partial &chunk);

/// The positions that a row sees.
struct Seen {
  mlir::Value first, end;
};

/// Of `row` of the op; `window` is the number of positions that count, null if
/// all do.
Seen seenBy(GpuBuilder &v, tern::AttentionOp op, mlir::Value row,
            mlir::Value window);

/// In a kernel with blocks of ChunkShape::kThreads threads.
class ChunkAttention {
public:
  ChunkAttention(tern::AttentionOp op, GpuBuilder &v, const CachePlaces &places,
                 const ChunkShape &shape, mlir::Value window)
      : op(op), v(v), shape(shape), places(places), window(window) {}

  /// Goes to block number `part` of the heads of `row`, or to the row only.
  void begin(mlir::Value row, mlir::Value part);
  void locate(mlir::Value row);
  /// The positions of the row, and the chunks that they are in.
  mlir::Value firstPosition, endPosition, firstChunk, endChunk;
  /// The first of this block's columns of the row.
  mlir::Value firstColumn;

  /// Computes one chunk that has positions of the row. The threads then share
  /// the results until they `release` them.
  void compute(mlir::Value chunk);
  void release() { v.synchronize(); }
  /// Of a column and head of this block.
  Partial result(mlir::Value column);
  mlir::Value most(mlir::Value head);
  mlir::Value sum(mlir::Value head);

private:
  using Values = llvm::SmallVector<mlir::Value>;

  void loadQueries();
  void computeScores();
  Values productsOf(mlir::Value keys, mlir::Value slice);
  void computeWeights(mlir::Value head);
  mlir::Value scoreOf(mlir::Value head, mlir::Value place, mlir::Value isSeen,
                      mlir::Value position);
  mlir::Value scaleOf(mlir::Value position, bool ofKey);
  void addValues();
  Values addBlock(mlir::Value block, mlir::Value column, mlir::Value slice,
                  mlir::ValueRange sums);
  Values addPositions(mlir::Value values, mlir::Value inChunk,
                      llvm::ArrayRef<mlir::Value> slots, mlir::Value end,
                      mlir::ValueRange carried);
  mlir::Value cell(mlir::Value major, int64_t size, mlir::Value minor);
  mlir::Value numberOf(mlir::Value first, int64_t i);
  mlir::Value loadScalar(mlir::Value memory, mlir::Value place);

  tern::AttentionOp op;
  GpuBuilder &v;
  ChunkShape shape;
  CachePlaces places;
  mlir::Value window;
  // Of the block: queries; scores, weights and sums; the largest score and the
  // sum of the weights of each head.
  mlir::Value queries, memory, statistics;
  mlir::Value row, sequence, cacheHead, chunk;
};

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOGPU_ATTENTIONCHUNK_H
