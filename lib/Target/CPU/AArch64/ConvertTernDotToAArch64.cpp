//===- ConvertTernDotToAArch64.cpp - Byte dot products of AArch64 ---------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AArch64Vectors.h"
#include "Passes.h"

#include "ternac/Conversion/TernToVector.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNDOTTOAARCH64PASS
#include "AArch64Passes.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

Value splatBytes(VectorBuilder &v, int value) {
  auto type = VectorType::get({kBlockBytes}, v.b.getI8Type());
  return arith::ConstantOp::create(
      v.b, DenseElementsAttr::get(type, APInt(8, value)));
}

/// One accumulator per digit. Of four two-bit digits the lower three are left
/// in their place; the highest would be negative there, and needs no mask when
/// it is moved.
class InstructionBlocks final : public DotBlocks {
public:
  InstructionBlocks(const cpu::AArch64Dot &dot, int64_t tokens, int64_t columns)
      : DotBlocks(dot, tokens), roomToShift(columns < kMaxShiftedColumns) {}

protected:
  int64_t sums(const packing::Layout &layout) const override {
    return layout.digits();
  }
  SmallVector<Value> decode(VectorBuilder &v, const packing::Layout &layout,
                            Value weights) const override {
    if (!shifts(layout))
      return decodeCodes(v, layout, weights);
    SmallVector<Value> digits;
    for (int d = 0; d < 3; ++d)
      digits.push_back(
          arith::AndIOp::create(v.b, weights, splatBytes(v, 3 << (2 * d))));
    digits.push_back(arith::ShRUIOp::create(v.b, weights, splatBytes(v, 6)));
    return digits;
  }
  int64_t scale(const packing::Layout &layout, int64_t digit) const override {
    return shifts(layout) && digit < 3 ? int64_t(1) << (2 * digit) : 1;
  }

private:
  /// Sums of digit d stay below 4^d * 2 * 128 * K / 4 in size, and 4^2 * 2 *
  /// 128 * K / 4 < 2^31 for K < kMaxShiftedColumns.
  bool shifts(const packing::Layout &layout) const {
    return roomToShift && layout.code == packing::Code::TwoBit;
  }

  static constexpr int64_t kMaxShiftedColumns = int64_t(1) << 21;
  bool roomToShift;
};

/// Sums of words fill eight registers: those of one token and all digits.
class WordBlocks final : public DotBlocks {
public:
  WordBlocks() : DotBlocks(wideningDot(), /*tokens=*/1) {}

protected:
  int64_t sums(const packing::Layout &) const override { return 1; }
};

struct ConvertTernDotToAArch64
    : ternac::cpu::impl::ConvertTernDotToAArch64PassBase<
          ConvertTernDotToAArch64> {
  void runOnOperation() override {
    for (MatmulOp op :
         findMatmuls(getOperation(), Strategy::Dot, cpu::isAArch64))
      if (failed(
              replaceByLoops(op, vectorOptions(op, kBlockLanes),
                             [&](VectorBuilder &v) { return lower(op, v); })))
        return signalPassFailure();
  }

private:
  static LogicalResult lower(MatmulOp op, VectorBuilder &v) {
    TargetAttr target = getTarget(op);
    cpu::AArch64Product product = cpu::aarch64Product(target);
    if (product == cpu::AArch64Product::Words) {
      WordBlocks blocks;
      DotPanels panels(wideningDot(), {/*tokens=*/2, /*groups=*/1,
                                       /*columns=*/640});
      return lowerByRows(op, v, blocks, panels);
    }
    // 16 of the 32 registers have sums, whatever their length: those of the
    // digits of blocks, or of the tokens and groups of panels.
    int64_t bytes = cpu::registerBytes(target), groups = bytes / 16;
    cpu::AArch64Dot dot(product, bytes);
    InstructionBlocks blocks(dot, /*tokens=*/groups, op.getMatrixCols());
    DotPanels panels(dot, {/*tokens=*/4, groups,
                           /*columns=*/groups == 1 ? 640 : 320});
    return lowerByRows(op, v, blocks, panels);
  }
};

} // namespace
