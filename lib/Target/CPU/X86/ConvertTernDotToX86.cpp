//===- ConvertTernDotToX86.cpp - Byte dot products of x86 -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "X86Dot.h"

#include "ternac/Conversion/TernToVector.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNDOTTOX86PASS
#include "X86Passes.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// One accumulator per digit, or, where the instruction adds pairs of products,
/// kPairSums of them.
class X86Blocks final : public DotBlocks {
public:
  X86Blocks(const cpu::X86Dot &x86, bool bytePermute, int64_t columns)
      : DotBlocks(x86, tokensFor(x86)), x86(x86), bytePermute(bytePermute),
        roomToShift(columns < kMaxShiftedColumns) {}

protected:
  int64_t sums(const packing::Layout &layout) const override {
    if (x86.addsPairs())
      return kPairSums;
    return x86.getInstruction() == cpu::DotInstruction::Madd128
               ? 1
               : layout.digits();
  }

  SmallVector<Value> decode(VectorBuilder &v, const packing::Layout &layout,
                            Value weights) const override {
    if (permutes(layout))
      return permuteDigits(v, weights);
    if (keepsHighField(layout))
      return decodeFields(v, weights);
    return decodeCodes(v, layout, weights, /*shifted=*/shifts(layout));
  }

  int64_t scale(const packing::Layout &layout, int64_t digit) const override {
    if (keepsHighField(layout))
      return digit % kPairSums ? 4 : 1;
    if (permutes(layout) && digit == 4)
      return 81;
    return shifts(layout) || permutes(layout) ? int64_t(1) << (2 * digit) : 1;
  }

private:
  /// As many as have their accumulators in registers.
  static int64_t tokensFor(const cpu::X86Dot &x86) {
    return x86.isWide() ? 4 : x86.isHalf() ? 2 : 1;
  }

  /// Two-bit digits need no shift where the instruction takes codes up to 192
  /// without saturating. Sums of digit d stay below 4^d * 2 * 128 * K / 4 in
  /// size, and 4^3 * 2 * 128 * K / 4 < 2^31 for K < kMaxShiftedColumns.
  bool shifts(const packing::Layout &layout) const {
    return roomToShift && layout.code == packing::Code::TwoBit &&
           (x86.getInstruction() == cpu::DotInstruction::Vnni512 ||
            x86.getInstruction() == cpu::DotInstruction::Vnni256);
  }

  /// Digits d and d + kPairSums have one accumulator of pairs.
  static constexpr int64_t kPairSums = 2;

  /// Of the two-bit digits of half a byte the upper is left in its place, four
  /// times too large, which saves shifts. A quarter of the pairs fit.
  bool keepsHighField(const packing::Layout &layout) const {
    return x86.addsPairs() && layout.code == packing::Code::TwoBit &&
           layout.blocks <= x86.dotsThatFit() / 4 / 2;
  }

  /// Digits 0 and 2 as they are, digits 1 and 3 times four.
  static SmallVector<Value> decodeFields(VectorBuilder &v, Value weights) {
    auto bytes = cast<VectorType>(weights.getType());
    Value words =
        vector::BitCastOp::create(v.b, cpu::X86Dot::pairs(v), weights);
    Value four = arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(cpu::X86Dot::pairs(v), APInt(16, 4)));
    Value high = vector::BitCastOp::create(
        v.b, bytes, arith::ShRUIOp::create(v.b, words, four));
    SmallVector<Value> digits;
    for (Value half : {weights, high})
      for (int mask : {0x03, 0x0c})
        digits.push_back(arith::AndIOp::create(
            v.b, half,
            arith::ConstantOp::create(
                v.b, DenseElementsAttr::get(bytes, APInt(8, mask)))));
    return digits;
  }

  /// Base-3 bytes are taken apart by one table look-up instead of compares.
  bool permutes(const packing::Layout &layout) const {
    return bytePermute && roomToShift && layout.code == packing::Code::Base3 &&
           x86.getInstruction() == cpu::DotInstruction::Vnni512;
  }

  /// Digits 0 to 3 as fields in their places, and 81 times digit 4.
  static SmallVector<Value> permuteDigits(VectorBuilder &v, Value weights) {
    auto [fields, high] = cpu::base3Fields(v, weights);
    SmallVector<Value> digits;
    for (int d = 0; d < 4; ++d)
      digits.push_back(
          arith::AndIOp::create(v.b, fields, cpu::splatBytes(v, 3 << (2 * d))));
    digits.push_back(high);
    return digits;
  }

  static constexpr int64_t kMaxShiftedColumns = int64_t(1) << 19;
  const cpu::X86Dot &x86;
  bool bytePermute;
  bool roomToShift;
};

/// The same for many tokens, on unpacked codes.
class X86Panels final : public DotPanels {
public:
  X86Panels(const cpu::X86Dot &x86, bool bytePermute)
      : DotPanels(x86, sizesFor(x86)), permutes(bytePermute && x86.isWide()) {}

  SmallVector<Value> decode(VectorBuilder &v, const packing::Layout &layout,
                            Value weights) const override {
    return cpu::decodePanel(v, layout, weights, permutes);
  }

private:
  static Sizes sizesFor(const cpu::X86Dot &x86) {
    // Wide registers take a block apart for four tokens about as fast as they
    // multiply it, so that panels, with their partly filled slots, pay later:
    // prefill of 32 tokens was 17 % slower with them, of 48 no more.
    if (x86.isWide())
      return {/*tokens=*/6, /*groups=*/4, /*columns=*/320, /*fewestTokens=*/48};
    return {/*tokens=*/x86.isHalf() ? 6 : 2, /*groups=*/1, /*columns=*/640};
  }

  bool permutes;
};

struct ConvertTernDotToX86
    : ternac::cpu::impl::ConvertTernDotToX86PassBase<ConvertTernDotToX86> {
  void runOnOperation() override {
    auto isOurs = [](TargetAttr target) {
      return cpu::dotInstruction(target) != cpu::DotInstruction::None;
    };
    for (MatmulOp op : findMatmuls(getOperation(), Strategy::Dot, isOurs)) {
      TargetAttr target = getTarget(op);
      cpu::X86Dot x86(cpu::dotInstruction(target));
      bool bytePermute = target.hasCapability("byte_permute");
      VectorOptions options = vectorOptions(op, kBlockLanes);
      X86Blocks strategy(x86, bytePermute, op.getMatrixCols());
      X86Panels panels(x86, bytePermute);
      if (failed(replaceByLoops(op, options, [&](VectorBuilder &v) {
            return lowerByRows(op, v, strategy, panels);
          })))
        return signalPassFailure();
    }
  }
};

} // namespace
