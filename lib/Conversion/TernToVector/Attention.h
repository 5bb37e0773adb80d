//===- Attention.h - What few and many rows of attention share --*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOVECTOR_ATTENTION_H
#define TERNAC_LIB_CONVERSION_TERNTOVECTOR_ATTENTION_H

#include "ternac/Conversion/KVCache.h"

namespace ternac {

/// Places, windows and the reduction of a block, of one attention op.
class AttentionBuilder {
public:
  AttentionBuilder(tern::AttentionOp op, VectorBuilder &v,
                   const CacheBuffers &cache);

protected:
  static constexpr int64_t kBlock = CachePlaces::kBlock;
  // A slot of the scratch, for each head: the weights of a block's positions,
  // the maximum and the sum of the block, those of all blocks before.
  static constexpr int64_t kSlot = tern::AttentionOp::kSlot;
  static constexpr int64_t kBlockMax = kBlock, kBlockSum = kBlock + 1;
  static constexpr int64_t kRunningMax = kBlock + 2, kRunningSum = kBlock + 3;

  /// Where the slots of a cache head's query heads lie: in a row of the scratch
  /// of rows, or in the shared one, which has no rows.
  struct Slot {
    mlir::Value memref, row, column;

    llvm::SmallVector<mlir::Value> at(VectorBuilder &v, mlir::Value i) const {
      mlir::Value place = v.add(column, i);
      return row ? llvm::SmallVector<mlir::Value>{row, place}
                 : llvm::SmallVector<mlir::Value>{place};
    }
  };

  /// What is read for a row, a block and a head of the cache.
  struct Unit {
    mlir::Value row, sequence, cacheHead;
    mlir::Value keys, values; ///< places in the pool
    mlir::Value begin, end;   ///< positions of the block that the row sees
    mlir::Value nextKeys;     ///< keys to fetch ahead, if any
  };

  // Index arithmetic and scalars.
  mlir::Value minus(mlir::Value a, mlir::Value c) {
    return mlir::arith::SubIOp::create(v.b, a, c);
  }
  mlir::Value smaller(mlir::Value a, mlir::Value c) {
    return mlir::arith::MinUIOp::create(v.b, a, c);
  }
  mlir::Value quotient(mlir::Value a, int64_t c) {
    return c == 1
               ? a
               : mlir::arith::DivUIOp::create(v.b, a, v.index(c)).getResult();
  }
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value a,
                      mlir::Value c) {
    return mlir::arith::CmpIOp::create(v.b, predicate, a, c);
  }
  mlir::Value loadScalar(mlir::Value memref, mlir::ValueRange at) {
    return mlir::memref::LoadOp::create(v.b, memref, at);
  }
  void storeScalar(mlir::Value value, mlir::Value memref, mlir::ValueRange at) {
    mlir::memref::StoreOp::create(v.b, value, memref, at);
  }

  /// An index in every lane, as i32, and 0, 1, ... in the lanes.
  mlir::Value everywhere(mlir::Value number);
  mlir::Value laneNumbers();

  // What a row sees.
  mlir::Value position(mlir::Value row) {
    return v.loadIndex(op.getPositions(), row);
  }
  /// The first position that a row at `position` sees.
  mlir::Value firstPosition(mlir::Value position);
  /// The first block that it sees something of, and the one behind the last.
  mlir::Value firstBlock(mlir::Value position);
  mlir::Value endOfBlocks(mlir::Value position);
  /// The bounds of what it sees of the block that starts at `before`.
  mlir::Value beginInBlock(mlir::Value position, mlir::Value before);
  mlir::Value endInBlock(mlir::Value position, mlir::Value before);
  Unit unitOf(mlir::Value row, mlir::Value position, mlir::Value block,
              mlir::Value cacheHead);

  // Reducing a block.
  llvm::SmallVector<mlir::Value> inSlot(const Slot &slot, int64_t head,
                                        int64_t i) {
    return slot.at(v, v.index(head * kSlot + i));
  }
  /// Scores of the block's positions to the slots, not yet scaled.
  void scores(const Unit &unit, const Slot &slot);
  /// Turns the scores in the slots into weights, whose maximum and sum of each
  /// head go to the slot too.
  void weigh(const Unit &unit, const Slot &slot);
  /// Turns one head's scores of a block into weights, in place, and returns
  /// their maximum and their sum. `at` gives the place of score i.
  std::pair<mlir::Value, mlir::Value>
  weigh(const Unit &unit, mlir::Value memref,
        llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value)> at);
  /// Gives `sink` the sums of weight * value of each head and vector of
  /// columns. Only positions that the row sees are read: the rest holds
  /// anything.
  void weighValues(
      const Unit &unit, const Slot &slot,
      llvm::function_ref<void(int64_t head, int64_t column, mlir::Value sum)>
          sink);
  /// before * old + block * fresh, of vectors of `width`, or of values of one
  /// type if 0.
  mlir::Value merge(mlir::Value before, mlir::Value old, mlir::Value block,
                    mlir::Value fresh, int64_t width);

  /// Where a fetched line shall wait.
  enum Locality : uint32_t { SecondLevel = 2, FirstLevel = 3 };
  /// Fetches the lines of `count` elements. The machine itself does not look
  /// beyond a page. Harmless beyond the end: a prefetch does not fault.
  void prefetch(mlir::Value place, int64_t count, Locality locality);

  tern::AttentionOp op;
  VectorBuilder &v;
  tern::KVCacheType type;
  CachePlaces places;
  mlir::Value out, rowScratch, shared;
  int64_t lanes, chunks, headDim, heads, cacheHeads, group;
  mlir::Value window; ///< positions that a row sees, or null: all

private:
  /// Sizes of parts that keep their sums in half of the registers: heads that
  /// share a loaded vector, and vectors.
  struct Part {
    int64_t heads, vectors;
  };
  Part part(int64_t vectors) const;
  mlir::Value layerWindow();
  mlir::Value queryColumn(const Unit &unit, int64_t head);
  /// Fetches `count` elements at `far`, which are read a head's keys or values
  /// later, and those which are read soon after `near`.
  void prefetch(mlir::Value far, mlir::Value near, int64_t count);
  int64_t elementBytes() const {
    return type.getElement().getIntOrFloatBitWidth() / 8;
  }
};

/// Writes the loops of calls of few rows, and of many.
void lowerFewRows(const AttentionBuilder &builder, mlir::Value rows);
void lowerManyRows(const AttentionBuilder &builder, mlir::Value rows,
                   llvm::ArrayRef<const NarrowProducts *> products);

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOVECTOR_ATTENTION_H
