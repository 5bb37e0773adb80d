//===- ConvertTernTileToX86.cpp - Matrix units of x86 ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "X86Dot.h"

#include "ternac/Conversion/PanelKernel.h"
#include "ternac/Conversion/TernToVector.h"
#include "ternac/Runtime/ModelABI.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNTILETOX86PASS
#include "X86Passes.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// A slot is a tile of 16 tokens by 64 columns, a group of a panel one of 64
/// columns by 16 rows. Two slots and two groups have four tiles of sums, which
/// with the operands are all eight that there are.
class AMXPanels final : public PanelStrategy {
public:
  explicit AMXPanels(bool bytePermute) : bytePermute(bytePermute) {}

  StringRef name() const override { return "tile"; }
  int64_t tokensPerSlot() const override { return kTileRows; }
  int64_t slotsTogether() const override { return 2; }
  bool fillsSlots() const override { return true; }
  int64_t groups() const override { return 2; }
  /// A panel of 20 KB, so that it and the activations of two slots stay in the
  /// first-level cache. It takes ten products to a sum, without a loop: tiles
  /// cannot be carried through one.
  int64_t columns() const override { return 640; }
  int64_t columnStep() const override { return MatmulOp::kTileColumns; }
  SmallVector<Value> decode(VectorBuilder &v, const packing::Layout &layout,
                            Value weights) const override {
    return cpu::decodePanel(v, layout, weights, bytePermute);
  }

  void multiply(VectorBuilder &v, const PanelStep &step) const override {
    Type i8 = v.b.getI8Type(), i32 = v.b.getI32Type();
    auto operand = amx::TileType::get({kTileRows, kTileColumns}, i8);
    auto result = amx::TileType::get({kTileRows, kBlockLanes}, i32);
    Value sumStride = v.index(groups() * kBlockLanes);
    Value lineBytes = v.index(kBlockBytes), qStride = v.index(step.qStride);
    size_t slots = step.qPlaces.size();
    auto sumPlace = [&](size_t slot, int64_t group) {
      return v.add(step.sumPlaces[slot], v.index(group * kBlockLanes));
    };
    SmallVector<Value> sums;
    for (size_t slot = 0; slot < slots; ++slot)
      for (int64_t group = 0; group < groups(); ++group)
        sums.push_back(amx::TileLoadOp::create(
            v.b, result, step.sums, sumPlace(slot, group), sumStride));
    for (int64_t column = 0; column < step.columns; column += kTileColumns) {
      SmallVector<Value> codes(groups());
      for (size_t slot = 0; slot < slots; ++slot) {
        Value x = amx::TileLoadOp::create(
            v.b, operand, step.q, v.add(step.qPlaces[slot], v.index(column)),
            qStride);
        for (int64_t group = 0; group < groups(); ++group) {
          int64_t place = group * step.groupBytes + column * kBlockLanes;
          if (slot == 0)
            codes[group] = amx::TileLoadOp::create(v.b, operand, step.panel,
                                                   v.index(place), lineBytes);
          Value &sum = sums[slot * groups() + group];
          sum = amx::TileMulIOp::create(v.b, result, x, codes[group], sum,
                                        /*isZextLhs=*/false,
                                        /*isZextRhs=*/true);
        }
      }
    }
    for (size_t slot = 0; slot < slots; ++slot)
      for (int64_t group = 0; group < groups(); ++group)
        amx::TileStoreOp::create(v.b, step.sums, sumPlace(slot, group),
                                 sums[slot * groups() + group], sumStride);
  }

private:
  static constexpr int64_t kTileRows = 16;
  static constexpr int64_t kTileColumns = MatmulOp::kTileColumns;

  bool bytePermute;
};

struct ConvertTernTileToX86
    : ternac::cpu::impl::ConvertTernTileToX86PassBase<ConvertTernTileToX86> {
  void runOnOperation() override {
    auto isOurs = [](TargetAttr target) {
      return target.hasCapability("x86_amx_int8");
    };
    for (MatmulOp op : findMatmuls(getOperation(), Strategy::Tile, isOurs)) {
      TargetAttr target = getTarget(op);
      VectorOptions options = vectorOptions(op, kBlockLanes);
      AMXPanels strategy(target.hasCapability("byte_permute") &&
                         target.getVectorBits() == 512);
      leaveUngrantedToDot(op, strategy);
      if (failed(replaceByLoops(op, options, [&](VectorBuilder &v) {
            return lowerToPanels(op, v, strategy);
          })))
        return signalPassFailure();
    }
  }

private:
  static void leaveUngrantedToDot(MatmulOp op, const PanelStrategy &strategy) {
    Value environment = environmentOf(op->getParentOfType<func::FuncOp>());
    if (!environment)
      return; // which the lowering reports
    ImplicitLocOpBuilder b(op.getLoc(), op);
    Value can = GrantedOp::create(b, b.getI1Type(), environment,
                                  uint64_t(TERNAC_FEATURE_TILES));
    int64_t stride = cast<MemRefType>(op.getQ().getType()).getDimSize(1);
    if (strategy.tokensPerSlot() * stride > kMaxSlotBytes) {
      Value rows = memref::DimOp::create(b, op.getQ(), 0);
      Value most = arith::ConstantIndexOp::create(b, strategy.tokensPerSlot());
      Value isFull =
          arith::CmpIOp::create(b, arith::CmpIPredicate::uge, rows, most);
      can = arith::AndIOp::create(b, can, isFull);
    }
    leaveRestToDot(op, can);
  }
};

} // namespace
