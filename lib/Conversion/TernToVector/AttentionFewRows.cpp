//===- AttentionFewRows.cpp - Attention of a few rows ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows are computed one after another, the blocks of each split between the
// threads: each block's result goes to a scratch, and all are merged in
// ascending order.
//
//===----------------------------------------------------------------------===//

#include "Attention.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cmath>

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

class FewRows : AttentionBuilder {
public:
  explicit FewRows(const AttentionBuilder &builder)
      : AttentionBuilder(builder) {}

  void lower(Value rows) {
    v.forRange(v.index(0), rows, 1, [&](Value row) {
      Value at = position(row), blocks = endOfBlocks(at),
            start = firstBlock(at);
      v.forRange(start, blocks, kSpan, [&](Value first) {
        Value count = smaller(minus(blocks, first), v.index(kSpan));
        // What the last span wrote may still be read.
        Value isFirst = arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq,
                                              v.add(row, first), start);
        auto wait = scf::IfOp::create(v.b, isFirst, /*withElseRegion=*/true);
        {
          OpBuilder::InsertionGuard guard(v.b);
          v.b.setInsertionPointToStart(wait.elseBlock());
          v.barrier();
        }
        reduceSpan(row, at, first, count);
        v.barrier();
        v.forThreadRows(v.index(heads), [&](Value head) {
          mergeSpan(row, head, first, count, start, blocks);
        });
      });
    });
  }

private:
  /// Blocks whose partial results the scratch has room for.
  static constexpr int64_t kSpan = AttentionOp::kSpan;

  // The scratch of partial results: by head, then block of the span.
  Value maximumAt(Value head, Value block) {
    return v.add(v.mul(head, v.index(kSpan)), block);
  }
  Value changeAt(Value head, Value block) {
    return v.add(maximumAt(head, block), v.index(heads * kSpan));
  }
  Value sumAt(Value head, Value block) {
    return v.add(maximumAt(head, block), v.index(2 * heads * kSpan));
  }
  Value outputAt(Value head, Value block) {
    return v.add(v.mul(maximumAt(head, block), v.index(headDim)),
                 v.index(3 * heads * kSpan));
  }
  Value slotAt(Value unit) {
    return v.add(v.mul(unit, v.index(group * kSlot)),
                 v.index((3 + headDim) * heads * kSpan));
  }

  /// This thread's share of `count` blocks from `first` on.
  void reduceSpan(Value row, Value at, Value first, Value count) {
    auto range = ThreadRangeOp::create(v.b, v.environment,
                                       v.mul(count, v.index(cacheHeads)), 1);
    // No other thread begins at the same unit.
    Slot slot{shared, Value(), slotAt(range.getBegin())};
    Value last = minus(range.getEnd(), v.index(1));
    // Heads of a block lie side by side.
    auto split = [&](Value number) {
      return std::pair<Value, Value>(
          arith::DivUIOp::create(v.b, number, v.index(cacheHeads)),
          arith::RemUIOp::create(v.b, number, v.index(cacheHeads)));
    };
    v.forRange(range.getBegin(), range.getEnd(), 1, [&](Value number) {
      auto [block, cacheHead] = split(number);
      Unit unit = unitOf(row, at, v.add(first, block), cacheHead);
      auto [nextBlock, nextHead] =
          split(smaller(v.add(number, v.index(1)), last));
      unit.nextKeys = places.keys(
          places.block(unit.sequence, v.add(first, nextBlock), op.getLayer()),
          nextHead);
      scores(unit, slot);
      weigh(unit, slot);
      Value head = v.mul(cacheHead, v.index(group));
      for (int64_t h = 0; h < group; ++h) {
        Value mine = v.add(head, v.index(h));
        auto fromSlot = [&](int64_t i) {
          return loadScalar(shared, inSlot(slot, h, i));
        };
        storeScalar(fromSlot(kBlockMax), shared, maximumAt(mine, block));
        storeScalar(fromSlot(kBlockSum), shared, sumAt(mine, block));
      }
      weighValues(unit, slot, [&](int64_t h, int64_t d, Value sum) {
        Value to = outputAt(v.add(head, v.index(h)), block);
        v.store(sum, shared, v.add(to, v.index(d)));
      });
    });
  }

  /// Merges `count` partial results of one head with what came before.
  void mergeSpan(Value row, Value head, Value first, Value count, Value start,
                 Value blocks) {
    Value slot = v.mul(head, v.index(kSlot));
    Value maxAt = v.add(slot, v.index(kRunningMax));
    Value sumPlace = v.add(slot, v.index(kRunningSum));
    Value isFirst =
        arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq, first, start);
    auto atFirst = [&](Value initial, Value value) -> Value {
      return arith::SelectOp::create(v.b, isFirst, initial, value);
    };
    // Maxima one after another, then all exponentials.
    Value most =
        atFirst(v.f32(-INFINITY), loadScalar(rowScratch, {row, maxAt}));
    most = v.forRange(v.index(0), count, 1, most,
                      [&](Value block, ValueRange carried) {
                        Value at = maximumAt(head, block);
                        Value x = loadScalar(shared, at);
                        Value after = v.maxF(carried.front(), x);
                        storeScalar(v.subF(carried.front(), after), shared,
                                    changeAt(head, block));
                        storeScalar(v.subF(x, after), shared, at);
                        return SmallVector<Value>{after};
                      })
               .front();
    storeScalar(most, rowScratch, {row, maxAt});
    v.forRange(v.index(0), count, lanes, [&](Value block) {
      for (Value at : {changeAt(head, block), maximumAt(head, block)})
        v.store(v.exp(v.load(shared, at, lanes)), shared, at);
    });

    auto old = [&](Value block) {
      return loadScalar(shared, changeAt(head, block));
    };
    auto fresh = [&](Value block) {
      return loadScalar(shared, maximumAt(head, block));
    };
    Value sum = atFirst(v.f32(0.0), loadScalar(rowScratch, {row, sumPlace}));
    sum = v.forRange(v.index(0), count, 1, sum,
                     [&](Value block, ValueRange carried) {
                       Value x = loadScalar(shared, sumAt(head, block));
                       return SmallVector<Value>{merge(
                           carried.front(), old(block), x, fresh(block), 0)};
                     })
              .front();
    storeScalar(sum, rowScratch, {row, sumPlace});

    Value isLast = arith::CmpIOp::create(v.b, arith::CmpIPredicate::eq,
                                         v.add(first, count), blocks);
    Value factor = arith::SelectOp::create(v.b, isLast, v.divF(v.f32(1.0), sum),
                                           v.f32(1.0));
    Value column = v.mul(head, v.index(headDim));
    v.forColumns(headDim, [&](Value d, int64_t width) {
      Value at = v.add(column, d);
      Value y = atFirst(v.splat(0.0, width), v.load(out, {row, at}, width));
      y = v.forRange(
               v.index(0), count, 1, y,
               [&](Value block, ValueRange carried) {
                 Value x =
                     v.load(shared, v.add(outputAt(head, block), d), width);
                 return SmallVector<Value>{merge(carried.front(), old(block), x,
                                                 fresh(block), width)};
               })
              .front();
      v.store(v.mulF(y, v.broadcast(factor, width)), out, {row, at});
    });
  }
};

} // namespace

void ternac::lowerFewRows(const AttentionBuilder &builder, Value rows) {
  FewRows(builder).lower(rows);
}
