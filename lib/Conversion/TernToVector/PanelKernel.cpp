//===- PanelKernel.cpp - Ternary matmuls of many rows ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/PanelKernel.h"

#include "MatmulParts.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// Bytes of sums that a kernel keeps on its stack, and so in the second-level
/// cache: they limit the tokens that share the unpacking of a panel.
constexpr int64_t kSumBytes = 64 * 1024;

/// Writes the loops of one kernel.
class PanelWriter {
public:
  PanelWriter(VectorBuilder &v, MatmulOp op, func::FuncOp kernel,
              const MatmulShape &shape, const PanelStrategy &strategy)
      : v(v), shape(shape), layout(shape.layout), strategy(strategy),
        store(v, op, kernel, this->shape, /*unsignedCodes=*/true),
        q(kernel.getArgument(KernelArguments::kQ)),
        weights(kernel.getArgument(KernelArguments::kWeights)),
        tokens(kernel.getArgument(KernelArguments::kN)),
        begin(kernel.getArgument(KernelArguments::kBegin)),
        end(kernel.getArgument(KernelArguments::kEnd)),
        slotTokens(strategy.tokensPerSlot()),
        sumStride(kBlockLanes * strategy.groups()),
        panelColumns(std::min(strategy.columns(), paddedColumns())) {}

  void write() {
    panel =
        stack(v.b.getI8Type(), strategy.groups() * panelColumns * kBlockLanes);
    int64_t chunk = kSumBytes / (4 * sumStride) / slotTokens * slotTokens;
    sums = stack(v.b.getI32Type(), chunk * sumStride);
    if (strategy.fillsSlots() && slotTokens * shape.qStride <= kMaxSlotBytes)
      fillSlot();
    slotLimit = arith::SubIOp::create(
        v.b, arith::MaxUIOp::create(v.b, tokens, v.index(slotTokens)),
        v.index(slotTokens));
    v.forRange(begin, end, sumStride, [&](Value row) {
      v.forRange(v.index(0), tokens, chunk, [&](Value first) {
        Value last =
            arith::MinUIOp::create(v.b, v.add(first, v.index(chunk)), tokens);
        panelRow(row, first, last);
      });
    });
  }

private:
  /// K as it is multiplied: padded for the layout and for the strategy.
  int64_t paddedColumns() const {
    return llvm::alignTo(shape.paddedCols(), strategy.columnStep());
  }

  Value stack(Type element, int64_t count) {
    Value memory =
        memref::AllocaOp::create(v.b, MemRefType::get({count}, element),
                                 v.b.getI64IntegerAttr(kBlockBytes));
    return memref::CastOp::create(v.b, flat(element), memory);
  }

  /// If there are fewer tokens than fill a slot, makes q a copy with room for
  /// more; the sums of what is there are computed, but not stored.
  void fillSlot() {
    Value isFew = arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult, tokens,
                                        v.index(slotTokens));
    Value copy = stack(v.b.getI8Type(), slotTokens * shape.qStride);
    v.ifThen(isFew, [&] {
      Value count = v.mul(tokens, v.index(shape.qStride));
      int64_t width = shape.qStride % kBlockBytes == 0 ? kBlockBytes : 4;
      v.forRange(v.index(0), count, width,
                 [&](Value at) { v.store(v.load(q, at, width), copy, at); });
    });
    q = arith::SelectOp::create(v.b, isFew, copy, q);
  }

  /// Where slot `slot` of the tokens from `first` on begins. The last one ends
  /// with the last token, so that it is full: some tokens are computed twice.
  Value slotStart(Value first, Value slot) {
    Value start = v.add(first, v.mul(slot, v.index(slotTokens)));
    return arith::MinUIOp::create(v.b, start, slotLimit);
  }

  /// Tokens first..last times the rows of the matrix from `row` on.
  void panelRow(Value row, Value first, Value last) {
    Value count = arith::SubIOp::create(v.b, last, first);
    Value slots = arith::CeilDivUIOp::create(v.b, count, v.index(slotTokens));
    Value zero = v.splatI32(0, kBlockLanes);
    v.forRange(v.index(0), v.mul(slots, v.index(slotTokens * sumStride)),
               kBlockLanes, [&](Value at) { v.store(zero, sums, at); });

    Value group = arith::DivUIOp::create(v.b, row, v.index(layout.rows));
    Value byte = v.mul(group, v.index(shape.groupBytes()));
    int64_t columns = shape.paddedCols();
    int64_t whole = columns / panelColumns * panelColumns;
    int64_t panelBytes = panelColumns / layout.span() * superblockBytes();
    byte = v.forRange(v.index(0), v.index(whole), panelColumns, byte,
                      [&](Value column, ValueRange carried) {
                        onePanel(row, column, panelColumns, carried.front(),
                                 first, slots);
                        return SmallVector<Value>{
                            v.add(carried.front(), v.index(panelBytes))};
                      })
               .front();
    if (columns > whole)
      onePanel(row, v.index(whole), columns - whole, byte, first, slots);

    v.forRange(v.index(0), count, 1, [&](Value i) {
      Value slot = arith::DivUIOp::create(v.b, i, v.index(slotTokens));
      Value token = v.add(first, i);
      Value place =
          v.add(v.mul(slot, v.index(slotTokens)),
                arith::SubIOp::create(v.b, token, slotStart(first, slot)));
      place = v.mul(place, v.index(sumStride));
      Value out = v.add(v.mul(token, v.index(shape.rows)), row);
      forGroups(row, [&](int64_t g, Value groupRow) {
        Value offset = v.index(g * kBlockLanes);
        Value lanes = v.load(sums, v.add(place, offset), kBlockLanes);
        store.storeSums(lanes, token, groupRow, v.add(out, offset));
      });
    });
  }

  /// The groups of a panel that the matrix has.
  void forGroups(Value row, function_ref<void(int64_t, Value)> body) {
    int64_t paddedRows = layout.paddedRows(shape.rows);
    body(0, row);
    for (int64_t g = 1; g < strategy.groups(); ++g) {
      Value groupRow = v.add(row, v.index(g * kBlockLanes));
      if (paddedRows % sumStride == 0) {
        body(g, groupRow);
        continue;
      }
      Value exists = arith::CmpIOp::create(v.b, arith::CmpIPredicate::ult,
                                           groupRow, v.index(paddedRows));
      v.ifThen(exists, [&] { body(g, groupRow); });
    }
  }

  int64_t superblockBytes() const { return layout.blocks * kBlockBytes; }

  /// Unpacks `columns` columns, from `column` on, at `byte` of the weights,
  /// and multiplies them with all slots.
  void onePanel(Value row, Value column, int64_t columns, Value byte,
                Value first, Value slots) {
    forGroups(row, [&](int64_t g, Value) {
      unpack(columns, v.add(byte, v.index(g * shape.groupBytes())),
             g * panelColumns * kBlockLanes);
    });
    auto multiply = [&](Value from, Value to, int64_t together) {
      v.forRange(from, to, together, [&](Value slot) {
        PanelStep step;
        step.q = q;
        step.qStride = shape.qStride;
        step.panel = panel;
        step.groupBytes = panelColumns * kBlockLanes;
        step.columns = llvm::alignTo(columns, strategy.columnStep());
        step.sums = sums;
        for (int64_t i = 0; i < together; ++i) {
          Value number = v.add(slot, v.index(i));
          Value token = slotStart(first, number);
          step.qPlaces.push_back(
              v.add(v.mul(token, v.index(shape.qStride)), column));
          step.sumPlaces.push_back(
              v.mul(number, v.index(slotTokens * sumStride)));
        }
        strategy.multiply(v, step);
      });
    };
    int64_t together = strategy.slotsTogether();
    if (together == 1)
      return multiply(v.index(0), slots, 1);
    Value rest = arith::RemUIOp::create(v.b, slots, v.index(together));
    Value whole = arith::SubIOp::create(v.b, slots, rest);
    multiply(v.index(0), whole, together);
    multiply(whole, slots, 1);
  }

  /// Unpacks one group to `offset` of the panel.
  void unpack(int64_t columns, Value byte, int64_t offset) {
    int64_t line = kBlockLanes; // bytes of a column
    v.forRange(
        v.index(0), v.index(columns), layout.span(), byte,
        [&](Value column, ValueRange carried) {
          Value stop = v.add(column, v.index(layout.digitStride()));
          Value next =
              v.forRange(
                   column, stop, layout.group, carried.front(),
                   [&](Value at, ValueRange bytes) {
                     Value block = loadBlock(v, layout, weights, bytes.front());
                     Value place =
                         v.add(v.mul(at, v.index(line)), v.index(offset));
                     for (auto [d, codes] :
                          llvm::enumerate(strategy.decode(v, layout, block)))
                       v.store(codes, panel,
                               v.add(place,
                                     v.index(d * line * layout.digitStride())));
                     return SmallVector<Value>{
                         v.add(bytes.front(), v.index(kBlockBytes))};
                   })
                  .front();
          return SmallVector<Value>{next};
        });
    // Columns that only the strategy needs.
    Value zero = arith::ConstantOp::create(
        v.b, v.b.getZeroAttr(VectorType::get({kBlockBytes}, v.b.getI8Type())));
    int64_t padded = llvm::alignTo(columns, strategy.columnStep());
    for (int64_t at = columns; at < padded; at += layout.group)
      v.store(zero, panel, v.index(offset + at * line));
    strategy.arrange(v, panel, offset, padded);
  }

  VectorBuilder &v;
  MatmulShape shape;
  packing::Layout layout;
  const PanelStrategy &strategy;
  SumStore store;
  Value q, weights, tokens, begin, end;
  int64_t slotTokens, sumStride, panelColumns;
  Value panel, sums, slotLimit;
};

} // namespace

/// Whether matrices of `layout` can be unpacked to panels of `strategy`.
static bool hasPanels(const packing::Layout &layout,
                      const PanelStrategy &strategy) {
  bool digits = layout.code == packing::Code::TwoBit ||
                layout.code == packing::Code::Base3;
  return digits && layout.rows == kBlockLanes && layout.group == 4 &&
         strategy.columns() % layout.span() == 0;
}

LogicalResult ternac::lowerToPanels(MatmulOp op, VectorBuilder &v,
                                    const PanelStrategy &strategy,
                                    StringRef suffix) {
  MatmulShape shape(op);
  if (!hasPanels(shape.layout, strategy))
    return op.emitOpError("strategy '")
           << strategy.name() << "' expected a packing of tiles of 16 rows by "
           << "4 bytes whose superblocks fit " << strategy.columns()
           << " columns (tile2, base3), but got " << *op.getPacking();
  int64_t columns = llvm::alignTo(shape.paddedCols(), strategy.columnStep());
  if (shape.qStride < columns)
    return op.emitOpError("strategy '")
           << strategy.name() << "' expected rows of q of at least " << columns
           << " columns, but got " << shape.qStride;
  if (failed(verifyContiguous(op)))
    return failure();
  func::FuncOp kernel = getMatmulKernel(
      op, matmulKernelName(strategy.name(), shape) + suffix.str(),
      [&](VectorBuilder &inner, func::FuncOp function) {
        PanelWriter(inner, op, function, shape, strategy).write();
      },
      v);
  int64_t step = kBlockLanes * strategy.groups();
  callMatmulKernel(op, v, kernel, step, rowsOfPiece(shape, step));
  return success();
}

void ternac::leaveRestToDot(MatmulOp op, Value can) {
  OpBuilder b(op);
  auto choice = scf::IfOp::create(b, op.getLoc(), can, /*withElseRegion=*/true);
  op->moveBefore(choice.thenBlock(), choice.thenBlock()->begin());
  b.setInsertionPointToStart(choice.elseBlock());
  auto rest = cast<MatmulOp>(b.clone(*op));
  rest.setConfigAttr(LoweringConfigAttr::get(op.getContext(), Strategy::Dot));
}

LogicalResult ternac::lowerByRows(MatmulOp op, VectorBuilder &v,
                                  const BlockStrategy &blocks,
                                  const PanelStrategy &panels) {
  if (!hasPanels(op.getPacking()->getLayout(), panels))
    return lowerToKernel(op, v, blocks);
  Value tokens = memref::DimOp::create(v.b, op.getQ(), 0);
  Value isMany = arith::CmpIOp::create(v.b, arith::CmpIPredicate::uge, tokens,
                                       v.index(panels.fewestTokens()));
  auto choice = scf::IfOp::create(v.b, isMany, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(v.b);
  v.b.setInsertionPointToStart(choice.thenBlock());
  if (failed(lowerToPanels(op, v, panels, "_many")))
    return failure();
  v.b.setInsertionPointToStart(choice.elseBlock());
  return lowerToKernel(op, v, blocks);
}
