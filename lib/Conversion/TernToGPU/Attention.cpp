//===- Attention.cpp - Kernels of attention -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// If rows are few, a block has a row, a head of the cache and a chunk of the
// positions, and leaves its result in the scratch; a block of a second kernel
// merges those of a row. Otherwise a block has all chunks of a tile of rows, if
// they are of one sequence, or of a row, and of a head. Which of the two is for
// the number of rows, never for the positions: calls with the same rows launch
// the same.
//
//===----------------------------------------------------------------------===//

#include "AttentionTile.h"
#include "Lowering.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

class AttentionKernels {
public:
  AttentionKernels(AttentionOp op, GpuBuilder &v, const CacheBuffers &cache)
      : op(op), v(v), shape(op, v.options.subgroups),
        tile(shape, v.options.subgroups),
        places(v, cast<KVCacheType>(op.getCache().getType()), cache),
        window(windowLength()) {
    // Memory of the same size is the same one where drivers add up what all
    // kernels of a module have.
    if (tile.rows > 0 && !v.options.subgroups)
      shape.memory = tile.memory = std::max(shape.memory, tile.memory);
  }

  LogicalResult write() {
    if (shape.valueThreads > ChunkShape::kThreads)
      return op.emitOpError("has no lowering to kernels for heads of ")
             << shape.headDim << " columns";
    rows = memref::DimOp::create(v.b, op.getQ(), 0);
    Value columns = memref::DimOp::create(v.b, places.table, 1);
    chunks = v.div(v.add(columns, v.index(ChunkShape::kBlocks - 1)),
                   ChunkShape::kBlocks);
    Value numbers =
        v.mul(v.mul(rows, chunks), v.index(op.getHeads() * entrySize()));
    Value isFew = arith::AndIOp::create(
        v.b, v.isBelow(rows, v.index(kFewRows + 1)),
        v.isBelow(numbers, v.index(op.getSharedScratch() + 1)));
    v.ifThenElse(
        isFew, [&] { writeChunks(); },
        [&] {
          writeRows();
          if (tile.rows > 0)
            writeTiles();
        });
    writeMerge(arith::SelectOp::create(v.b, isFew, v.index(1), v.index(0)));
    return success();
  }

private:
  using Values = SmallVector<Value>;

  /// Rows that have too few heads of the cache to keep a device busy.
  static constexpr int64_t kFewRows = 32;
  /// The scratch has an entry for each row, chunk and head: the sums, the
  /// largest score, the sum of the weights, and two numbers that align it.
  int64_t entrySize() const { return shape.headDim + 4; }
  Value scratch() { return op.getOuts()[2]; }
  /// Where the entry begins.
  Value entry(Value row, Value chunk, Value head) {
    Value at = v.add(v.mul(row, chunks), chunk);
    at = v.add(v.mul(at, v.index(op.getHeads())), head);
    return v.mul(at, v.index(entrySize()));
  }

  /// The positions that count in this layer, as a value of the host; null if
  /// all do.
  Value windowLength() {
    auto windows = op.getWindows();
    if (!windows || llvm::all_of(*windows, [](int64_t w) { return w == 0; }))
      return {};
    auto length = [&](int64_t w) { return v.index(w ? w : INT64_MAX / 2); };
    Value chosen = length(windows->front());
    for (size_t layer = 1; layer < windows->size(); ++layer) {
      Value isBehind =
          arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, op.getLayer(),
                                v.index(int64_t(layer)));
      chosen = arith::SelectOp::create(v.b, isBehind, length((*windows)[layer]),
                                       chosen);
    }
    return chosen;
  }

  /// Blocks of heads of a row.
  int64_t parts() { return op.getHeads() / shape.heads; }

  /// What a block with one chunk does.
  void writeChunks() {
    v.nameKernel("tern_attention_chunk");
    Value count = v.mul(v.mul(rows, v.index(parts())), chunks);
    v.forBlocks(count, ChunkShape::kThreads, [&](Value number) {
      Value chunk = arith::RemUIOp::create(v.b, number, chunks);
      Value pair = arith::DivUIOp::create(v.b, number, chunks);
      Value row = v.div(pair, parts()), part = v.rem(pair, parts());
      ChunkAttention block(op, v, places, shape, window);
      block.begin(row, part);
      Value hasPositions = arith::AndIOp::create(
          v.b, v.isBelow(chunk, block.endChunk),
          v.isBelow(block.firstChunk, v.add(chunk, v.index(1))));
      v.ifThen(hasPositions, [&] {
        block.compute(chunk);
        storeEntries(block, row, chunk, v.mul(part, v.index(shape.heads)));
        block.release();
      });
    });
  }

  void storeEntries(ChunkAttention &block, Value row, Value chunk,
                    Value firstHead) {
    v.forRange(v.thread(), v.index(shape.columns()), v.threads(),
               [&](Value column) {
                 Value head = v.div(column, shape.headDim);
                 Value at = v.add(entry(row, chunk, v.add(firstHead, head)),
                                  v.rem(column, shape.headDim));
                 memref::StoreOp::create(v.b, block.result(column).value,
                                         scratch(), at);
               });
    v.ifThen(v.isBelow(v.thread(), v.index(shape.heads)), [&] {
      Value at = v.add(entry(row, chunk, v.add(firstHead, v.thread())),
                       v.index(shape.headDim));
      memref::StoreOp::create(v.b, block.most(v.thread()), scratch(), at);
      memref::StoreOp::create(v.b, block.sum(v.thread()), scratch(),
                              v.add(at, v.index(1)));
    });
  }

  /// The rows of the results of chunks, if there are such results: 1 or 0.
  void writeMerge(Value hasChunks) {
    v.nameKernel("tern_attention_merge");
    v.forThreadRows(rows, [&](Value row) {
      v.ifThen(v.isBelow(v.index(0), hasChunks), [&] {
        ChunkAttention block(op, v, places, shape, window);
        block.locate(row);
        // Columns of one head, so that they have one factor.
        int64_t lanes = v.options.lanes;
        int64_t width = shape.headDim % lanes == 0 ? lanes : 1;
        v.forRange(
            v.mul(v.thread(), v.index(width)),
            v.index(op.getHeads() * shape.headDim), v.threads() * width,
            [&](Value column) { mergeColumns(block, row, column, width); });
      });
    });
  }

  void mergeColumns(ChunkAttention &block, Value row, Value column,
                    int64_t width) {
    Value head = v.div(column, shape.headDim);
    Value inHead = v.rem(column, shape.headDim);
    Values sums = v.forRange(
        block.firstChunk, block.endChunk, 1, initial(width),
        [&](Value chunk, ValueRange old) {
          Value at = entry(row, chunk, head);
          Value most = v.add(at, v.index(shape.headDim));
          Value sum = v.add(most, v.index(1));
          Partial part = {memref::LoadOp::create(v.b, scratch(), most),
                          memref::LoadOp::create(v.b, scratch(), sum),
                          v.load(scratch(), v.add(at, inHead), width)};
          return valuesOf(merge(v, {old[0], old[1], old[2]}, part));
        });
    Value y = v.divF(sums[2], v.broadcast(sums[1], width));
    v.store(y, op.getOuts().front(), {row, column});
  }

  /// What a block with all chunks of some heads of a row does.
  void writeRows() {
    v.nameKernel("tern_attention_rows");
    Value count = v.mul(rows, v.index(parts()));
    v.forBlocks(count, ChunkShape::kThreads, [&](Value pair) {
      Value row = v.div(pair, parts()), part = v.rem(pair, parts());
      if (tile.rows == 0)
        return writeRow(row, part);
      Value first = v.mul(v.div(row, tile.rows), v.index(tile.rows));
      v.ifThen(v.isBelow(v.index(0), differences(first)),
               [&] { writeRow(row, part); });
    });
  }

  void writeRow(Value row, Value part) {
    ChunkAttention block(op, v, places, shape, window);
    block.begin(row, part);
    Values init;
    for (int64_t i = 0; i < shape.columnsOfThread(); ++i)
      llvm::append_range(init, initial(0));
    Values sums = v.forRange(
        block.firstChunk, block.endChunk, 1, init,
        [&](Value chunk, ValueRange old) {
          block.compute(chunk);
          Values next;
          for (int64_t i = 0; i < shape.columnsOfThread(); ++i) {
            ValueRange mine = old.slice(3 * i, 3);
            llvm::append_range(
                next, valuesOf(merge(v, {mine[0], mine[1], mine[2]},
                                     block.result(columnOfThread(i)))));
          }
          block.release();
          return next;
        });
    storeColumns(block, row, sums);
  }

  /// Not 0 if the rows of the tile from `first` on are of several sequences.
  /// Then each is for itself.
  Value differences(Value first) {
    Value end = v.add(first, v.index(tile.rows));
    end = arith::MinUIOp::create(v.b, end, rows);
    Value sequence = v.loadIndex(op.getSequences(), first);
    auto found =
        v.forRange(v.add(first, v.index(1)), end, 1, v.index(0),
                   [&](Value row, ValueRange found) -> Values {
                     Value own = v.loadIndex(op.getSequences(), row);
                     Value bits = arith::XOrIOp::create(v.b, own, sequence);
                     return {arith::OrIOp::create(v.b, found.front(), bits)};
                   });
    return found.front();
  }

  /// What a block with all chunks of a tile of rows does. The last tiles of a
  /// prompt, which have the most to do, start first.
  void writeTiles() {
    v.nameKernel("tern_attention_tile");
    Value tiles = v.div(v.add(rows, v.index(tile.rows - 1)), tile.rows);
    Value count = v.mul(tiles, v.index(parts()));
    v.forBlocks(count, tile.threads, [&](Value number) {
      Value behind = v.add(v.div(number, parts()), v.index(1));
      Value first = v.mul(v.minus(tiles, behind), v.index(tile.rows));
      v.ifThen(v.isBelow(differences(first), v.index(1)), [&] {
        TileAttention block(op, v, places, shape, tile, window, rows);
        block.compute(first, v.rem(number, parts()));
      });
    });
  }

  /// The column number i of this thread, or the last.
  Value columnOfThread(int64_t i) {
    Value column = v.add(v.thread(), v.index(i * ChunkShape::kThreads));
    return arith::MinUIOp::create(v.b, column, v.index(shape.columns() - 1));
  }

  void storeColumns(ChunkAttention &block, Value row, ArrayRef<Value> sums) {
    for (int64_t i = 0; i < shape.columnsOfThread(); ++i) {
      Value column = v.add(v.thread(), v.index(i * ChunkShape::kThreads));
      v.ifThen(v.isBelow(column, v.index(shape.columns())), [&] {
        Value y = v.divF(sums[3 * i + 2], sums[3 * i + 1]);
        memref::StoreOp::create(
            v.b, y, op.getOuts().front(),
            ValueRange{row, v.add(block.firstColumn, column)});
      });
    }
  }

  /// Of no chunk; a number, or `width` of them.
  Values initial(int64_t width) {
    return {v.f32(-INFINITY), v.f32(0.0),
            width == 0 ? v.f32(0.0) : v.splat(0.0, width)};
  }
  static Values valuesOf(const Partial &part) {
    return {part.most, part.sum, part.value};
  }

  AttentionOp op;
  GpuBuilder &v;
  ChunkShape shape;
  TileShape tile;
  CachePlaces places;
  Value window;
  // Of the host: rows, and chunks of the longest sequence.
  Value rows, chunks;
};

} // namespace

LogicalResult gpulowering::lowerAttention(AttentionOp op, GpuBuilder &v,
                                          const CacheBuffers &cache) {
  return AttentionKernels(op, v, cache).write();
}
