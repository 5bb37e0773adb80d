//===- ConvertTernTileToAArch64.cpp - Matrix products of AArch64 ----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AArch64Vectors.h"
#include "Passes.h"

#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNTILETOAARCH64PASS
#include "AArch64Passes.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

constexpr cpu::AArch64Instruction matmulInstruction = {
    "llvm.aarch64.neon.smmla.v4i32.v16i8", "llvm.aarch64.sve.smmla.nxv4i32"};

/// Each 16 bytes of a register are two rows of 8 columns; the products of two
/// tokens and two rows of the matrix are added to a tile of 2 x 2 sums. Panels
/// are brought in that order: [groups][columns / 8][16 rows][8 columns]. The
/// sums of four tokens and as many groups as a register has tiles are in 16
/// registers.
class MatmulPanels final : public PanelStrategy {
public:
  explicit MatmulPanels(int64_t registerBytes) : vectors(registerBytes) {}

  StringRef name() const override { return "tile"; }
  int64_t tokensPerSlot() const override { return 4; }
  int64_t groups() const override { return vectors.registerBytes() / 16; }
  int64_t columns() const override { return groups() == 1 ? 640 : 320; }
  int64_t columnStep() const override { return kTileColumns; }
  SmallVector<Value> decode(VectorBuilder &v, const packing::Layout &layout,
                            Value weights) const override {
    return decodeCodes(v, layout, weights);
  }

  /// The two halves of each 8 columns of a row lie apart, in lines of four
  /// columns of 16 rows.
  void arrange(VectorBuilder &v, Value panel, int64_t place,
               int64_t columns) const override {
    auto words = VectorType::get({4}, v.b.getI32Type());
    auto bytes = VectorType::get({16}, v.b.getI8Type());
    int64_t step = kTileColumns * kBlockLanes;
    v.forRange(
        v.index(place), v.index(place + columns * kBlockLanes), step,
        [&](Value at) {
          SmallVector<Value> pieces;
          for (int64_t byte = 0; byte < step; byte += 16)
            pieces.push_back(vector::BitCastOp::create(
                v.b, words, v.load(panel, v.add(at, v.index(byte)), 16)));
          for (int64_t i = 0; i < 4; ++i) {
            const int64_t low[] = {0, 4, 1, 5}, high[] = {2, 6, 3, 7};
            for (auto [half, order] : {std::pair(0, low), {1, high}}) {
              Value rows = vector::ShuffleOp::create(
                  v.b, pieces[i], pieces[4 + i], ArrayRef(order, 4));
              v.store(vector::BitCastOp::create(v.b, bytes, rows), panel,
                      v.add(at, v.index(32 * i + 16 * half)));
            }
          }
        });
  }

  void multiply(VectorBuilder &v, const PanelStep &step) const override {
    SmallVector<Value> tiles;
    for (int64_t pair = 0; pair < pairs(); ++pair)
      for (int64_t group = 0; group < groups(); ++group)
        loadTiles(v, step, pair, group, tiles);
    tiles = v.forRange(
        v.index(0), v.index(step.columns), kTileColumns, tiles,
        [&](Value column, ValueRange carried) {
          SmallVector<Value> next(carried);
          Value at = v.add(step.qPlaces.front(), column);
          SmallVector<Value> left;
          for (int64_t pair = 0; pair < pairs(); ++pair)
            left.push_back(loadTokens(v, step, at, pair));
          Value line = v.mul(column, v.index(kBlockLanes));
          for (int64_t group = 0; group < groups(); ++group)
            for (int64_t i = 0; i < tilesOfGroup(); ++i) {
              int64_t place =
                  group * step.groupBytes + i * vectors.registerBytes();
              Value right = v.load(step.panel, v.add(line, v.index(place)),
                                   vectors.registerBytes());
              for (int64_t pair = 0; pair < pairs(); ++pair) {
                Value &sum =
                    next[(pair * groups() + group) * tilesOfGroup() + i];
                sum = vectors.call(v, matmulInstruction,
                                   cast<VectorType>(sum.getType()),
                                   {sum, left[pair], right});
              }
            }
          return next;
        });
    for (int64_t pair = 0; pair < pairs(); ++pair)
      for (int64_t group = 0; group < groups(); ++group)
        storeTiles(
            v, step, pair, group,
            ArrayRef(tiles).slice((pair * groups() + group) * tilesOfGroup(),
                                  tilesOfGroup()));
  }

private:
  static constexpr int64_t kTileColumns = 8;

  int64_t pairs() const { return tokensPerSlot() / 2; }
  /// Registers of a group's sums for two tokens, and i32 lanes of each.
  int64_t tilesOfGroup() const { return 2 * kBlockLanes / sumLanes(); }
  int64_t sumLanes() const { return vectors.registerBytes() / 4; }

  /// 8 columns of two tokens, in each 16 bytes of a register.
  Value loadTokens(VectorBuilder &v, const PanelStep &step, Value at,
                   int64_t pair) const {
    Value tokens[2];
    for (int64_t i = 0; i < 2; ++i)
      tokens[i] =
          v.load(step.q, v.add(at, v.index((2 * pair + i) * step.qStride)),
                 kTileColumns);
    auto all = llvm::to_vector(llvm::seq<int64_t>(0, 2 * kTileColumns));
    return vectors.repeat(
        v, vector::ShuffleOp::create(v.b, tokens[0], tokens[1], all));
  }

  Value sumPlace(VectorBuilder &v, const PanelStep &step, int64_t token,
                 int64_t group) const {
    return v.add(step.sumPlaces.front(),
                 v.index((token * groups() + group) * kBlockLanes));
  }

  /// Of two tokens' sums with 16 rows, which are in memory one token after the
  /// other, tiles of the sums with two rows.
  void loadTiles(VectorBuilder &v, const PanelStep &step, int64_t pair,
                 int64_t group, SmallVectorImpl<Value> &tiles) const {
    Value sums[2];
    for (int64_t i = 0; i < 2; ++i)
      sums[i] = v.load(step.sums, sumPlace(v, step, 2 * pair + i, group),
                       kBlockLanes);
    for (int64_t i = 0; i < tilesOfGroup(); ++i) {
      SmallVector<int64_t> lanes;
      for (int64_t row = i * sumLanes() / 2; row < (i + 1) * sumLanes() / 2;
           row += 2)
        lanes.append({row, row + 1, kBlockLanes + row, kBlockLanes + row + 1});
      tiles.push_back(vector::ShuffleOp::create(v.b, sums[0], sums[1], lanes));
    }
  }

  void storeTiles(VectorBuilder &v, const PanelStep &step, int64_t pair,
                  int64_t group, ArrayRef<Value> tiles) const {
    // Two registers at a time are as many rows as one has lanes.
    for (int64_t token = 0; token < 2; ++token)
      for (size_t i = 0; i < tiles.size(); i += 2) {
        SmallVector<int64_t> lanes;
        for (int64_t lane = 2 * token; lane < 2 * sumLanes(); lane += 4)
          lanes.append({lane, lane + 1});
        Value rows =
            vector::ShuffleOp::create(v.b, tiles[i], tiles[i + 1], lanes);
        v.store(rows, step.sums,
                v.add(sumPlace(v, step, 2 * pair + token, group),
                      v.index(int64_t(i) / 2 * sumLanes())));
      }
  }

  cpu::AArch64Vectors vectors;
};

struct ConvertTernTileToAArch64
    : ternac::cpu::impl::ConvertTernTileToAArch64PassBase<
          ConvertTernTileToAArch64> {
  void runOnOperation() override {
    auto isOurs = [](TargetAttr target) {
      return target.hasCapability("aarch64_smmla");
    };
    for (MatmulOp op : findMatmuls(getOperation(), Strategy::Tile, isOurs)) {
      VectorOptions options = vectorOptions(op, kBlockLanes);
      MatmulPanels strategy(cpu::registerBytes(getTarget(op)));
      ImplicitLocOpBuilder b(op.getLoc(), op);
      Value rows = memref::DimOp::create(b, op.getQ(), 0);
      Value least = arith::ConstantIndexOp::create(b, strategy.tokensPerSlot());
      leaveRestToDot(
          op, arith::CmpIOp::create(b, arith::CmpIPredicate::uge, rows, least));
      if (failed(replaceByLoops(op, options, [&](VectorBuilder &v) {
            return lowerToPanels(op, v, strategy);
          })))
        return signalPassFailure();
    }
  }
};

} // namespace
