//===- AttentionTile.h - Attention of a tile of rows ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block computes successive rows of one sequence, and the query heads that
// share a head of the cache, together: keys and values are read once for all of
// them. A query is one head of one row. Each sees the operations that it sees
// in a block of its own (AttentionChunk.h), in the same order, so that its bits
// are the same.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOGPU_ATTENTIONTILE_H
#define TERNAC_LIB_CONVERSION_TERNTOGPU_ATTENTIONTILE_H

#include "AttentionChunk.h"

namespace ternac {

/// Who does what of a tile, by the facts of the op and the target.
struct TileShape {
  /// Longer heads would take too many registers.
  static constexpr int64_t kMostColumns = 256;
  /// Queries of a block at most, with and without subgroups.
  static constexpr int64_t kMostWithSubgroups = 32, kMost = 16;
  /// Queries of a vector.
  static constexpr int64_t kQuad = 4;
  /// f32 of memory of a block at most where there are subgroups, so that a
  /// multiprocessor has room for several.
  static constexpr int64_t kMostNumbers = 6 << 10;
  /// Columns of keys, and positions of values, in that memory at most.
  static constexpr int64_t kMostStep = 16, kMostPiece = 32;

  /// In the place of the weight of a position that a query does not see, or of
  /// a chunk: what it would multiply must not be added, were it infinite.
  static constexpr double kUnseen = -1.0;

  TileShape(const ChunkShape &chunk, bool subgroups);

  int64_t queries = 0;
  int64_t rows = 0;  ///< that have these queries; 0 if there can be no tile
  int64_t threads;   ///< of a block
  int64_t groups;    ///< of threads that have all positions of a chunk
  int64_t step;      ///< columns of keys and queries in memory at a time
  int64_t piece;     ///< positions of values and weights there
  int64_t width;     ///< columns that a thread has sums of
  int64_t columns;   ///< threads that have all columns of a query's sums
  int64_t sumGroups; ///< of such threads
  int64_t memory;    ///< f32 of the memory

  /// Queries whose weights, and whose sums, a thread has.
  int64_t weighed() const { return queries / groups; }
  int64_t summed() const { return queries / sumGroups; }
  /// Numbers from the queries of one column, or the weights of one position, to
  /// the next: they begin in different banks.
  int64_t stride() const { return queries + 4; }

private:
  void choose(const ChunkShape &chunk, bool subgroups, int64_t most);
};

/// In a kernel with blocks of TileShape::threads threads.
class TileAttention {
public:
  /// `window` is the number of positions that count; null if all do. `rows` are
  /// those of the op.
  TileAttention(tern::AttentionOp op, GpuBuilder &v, const CachePlaces &places,
                const ChunkShape &chunk, const TileShape &shape,
                mlir::Value window, mlir::Value rows);

  /// Block number `part` of the heads of the rows from `first` on.
  void compute(mlir::Value first, mlir::Value part);

private:
  /// Of a thread's queries, the vectors of the first, then of the next, or one
  /// vector of four.
  using Values = llvm::SmallVector<mlir::Value>;
  using Combine = llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>;
  /// Of the queries that this thread weighs, four to a vector: the positions
  /// that each sees, as i32.
  struct Limits {
    Values first, end;
  };
  /// Positions of a chunk, in steps of the slices of values: those that some
  /// row sees, and among them those that all see.
  struct Range {
    mlir::Value begin, allBegin, allEnd, end;
  };

  void locate();
  mlir::Value rowOf(mlir::Value query);
  Values addChunk(mlir::Value chunk, mlir::ValueRange carried);
  void locateKeys();
  Values computeScores();
  Values addStep(mlir::Value column, mlir::ValueRange sums);
  void loadStep(mlir::Value column);
  Values productsOf(mlir::Value column, mlir::Value inStep,
                    mlir::ValueRange sums);
  Values keysOf(mlir::Value column, mlir::Value inStep);
  void scaleScores(Values &scores, const Values &seen);
  Values seenOf();
  Values weigh(Values &scores, const Values &seen, mlir::ValueRange state);
  Values mergeStatistics(mlir::ValueRange state,
                         llvm::ArrayRef<mlir::Value> most,
                         llvm::ArrayRef<mlir::Value> sums);
  Values scalesOfThread(bool ofKeys);
  Values reduceEach(Values values, Combine combine);
  void storeOfGroup(llvm::ArrayRef<mlir::Value> quads, mlir::Value at);
  Values addValues(llvm::ArrayRef<mlir::Value> weights);
  Range rangeOfChunk();
  Values addPiece(mlir::Value slice, mlir::Value piece, const Range &range,
                  llvm::ArrayRef<mlir::Value> weights, mlir::ValueRange sums);
  void loadPiece(mlir::Value slice, mlir::Value first, mlir::Value begin,
                 mlir::Value end);
  void storeWeights(llvm::ArrayRef<mlir::Value> weights, mlir::Value slice,
                    mlir::Value first);
  Values addPosition(mlir::Value inPiece, bool all, mlir::ValueRange sums);
  Values mixSums(mlir::ValueRange old, llvm::ArrayRef<mlir::Value> added);
  void storeRows(llvm::ArrayRef<mlir::Value> sums);

  // Helpers on vectors and memory.
  mlir::Value vectorOf(llvm::ArrayRef<mlir::Value> numbers);
  mlir::Value lane(mlir::Value vector, int64_t i);
  mlir::Value load(mlir::Value at, int64_t width);
  void store(mlir::Value vector, mlir::Value at);
  mlir::Value atLeast(mlir::Value a, mlir::Value c);
  mlir::Value atMost(mlir::Value a, mlir::Value c);
  mlir::Value toI32(mlir::Value index);

  /// Positions of a vector, and vectors of what a thread weighs of a query.
  int64_t lanes() const { return std::min<int64_t>(4, chunk.weighed()); }
  int64_t parts() const { return chunk.weighed() / lanes(); }

  tern::AttentionOp op;
  GpuBuilder &v;
  CachePlaces places;
  const ChunkShape &chunk;
  const TileShape &shape;
  mlir::Value window, rows;
  // Of the block.
  mlir::Value memory, firstRow, firstColumn, sequence, cacheHead;
  /// Positions that some row sees, and that all see.
  Seen some, all;
  // Of the thread: its place among those that have a chunk, and which of them;
  // its place among those that have columns, and which of them.
  mlir::Value place, group, column, sumGroup, hasSums;
  Limits limits;
  // Of the chunk: its first position, and the thread's keys.
  mlir::Value start, keys, isSeen;
};

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOGPU_ATTENTIONTILE_H
