//===- ConvertTernDotToX86.cpp - Byte dot products of x86 -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "X86Dot.h"

#include "ternac/Conversion/MatmulKernel.h"
#include "ternac/Conversion/PanelKernel.h"
#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNDOTTOX86PASS
#include "X86Passes.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// Sums of code * activation: in i32 lanes, one accumulator per digit, or,
/// where the instruction adds pairs of products, in i16 lanes, kPairSums
/// accumulators.
class DotBlocks final : public BlockStrategy {
public:
  DotBlocks(cpu::DotInstruction instruction, bool bytePermute, int64_t columns)
      : instruction(instruction), x86(instruction), bytePermute(bytePermute),
        roomToShift(columns < kMaxShiftedColumns) {}

  StringRef name() const override { return "dot"; }
  bool unsignedCodes() const override { return true; }
  int64_t tokensTogether() const override {
    // As many as have their accumulators in registers.
    switch (instruction) {
    case cpu::DotInstruction::Vnni512:
    case cpu::DotInstruction::Maddubs512:
      return 4;
    case cpu::DotInstruction::Vnni256:
    case cpu::DotInstruction::Maddubs256:
      return 2;
    default:
      return 1;
    }
  }
  int64_t superblocksPerFlush(const packing::Layout &layout) const override {
    if (!x86.addsPairs())
      return 0;
    int64_t digits = (layout.digits() + kPairSums - 1) / kPairSums;
    int64_t room = keepsHighField(layout) ? cpu::X86Dot::kPairsThatFit / 4
                                          : cpu::X86Dot::kPairsThatFit;
    return room / (digits * layout.blocks);
  }

  SmallVector<Value> zero(VectorBuilder &v,
                          const packing::Layout &layout) const override {
    int64_t count = x86.addsPairs() ? kPairSums
                    : instruction == cpu::DotInstruction::Madd128
                        ? 1
                        : layout.digits();
    return SmallVector<Value>(count, x86.zero(v));
  }

  void accumulate(VectorBuilder &v, const packing::Layout &layout,
                  Value weights,
                  function_ref<Value(int64_t, int64_t)> activations,
                  MutableArrayRef<SmallVector<Value>> sums) const override {
    SmallVector<Value> bytes = permutes(layout) ? permuteDigits(v, weights)
                               : keepsHighField(layout)
                                   ? decodeFields(v, weights)
                                   : decodeCodes(v, layout, weights,
                                                 /*shifted=*/shifts(layout));
    for (auto [d, codes] : llvm::enumerate(bytes))
      for (auto [token, sum] : llvm::enumerate(sums)) {
        Value &total = sum[d % sum.size()];
        total = x86.dot(v, total, codes, activations(token, d));
      }
  }

  Value flush(VectorBuilder &v, const packing::Layout &layout,
              ArrayRef<Value> sums) const override {
    Value total;
    if (x86.addsPairs()) {
      for (auto [i, sum] : llvm::enumerate(sums)) {
        Value part = x86.addNeighbours(v, sum);
        if (i > 0 && keepsHighField(layout)) // exactly four times too large
          part = arith::ShRSIOp::create(v.b, part, v.splatI32(2, kBlockLanes));
        total = total ? v.add(total, part) : part;
      }
      return total;
    }
    for (auto [d, sum] : llvm::enumerate(sums)) {
      Value part = sum;
      bool inField = shifts(layout) || (permutes(layout) && d < 4);
      if (inField && d > 0) {
        // Digit d was left in its place: the sum is exactly 4^d times too
        // large.
        part = arith::ShRSIOp::create(v.b, sum, v.splatI32(2 * d, kBlockLanes));
      } else if (permutes(layout) && d == 4) {
        // 81 times too large, modulo 2^32, where 81 has an inverse.
        part = arith::MulIOp::create(
            v.b, sum, v.splatI32(int32_t(2014922929u), kBlockLanes));
      }
      total = total ? v.add(total, part) : part;
    }
    return total;
  }

private:
  /// Two-bit digits need no shift where the instruction takes codes up to 192
  /// without saturating. Sums of digit d stay below 4^d * 2 * 128 * K / 4 in
  /// size, and 4^3 * 2 * 128 * K / 4 < 2^31 for K < kMaxShiftedColumns.
  bool shifts(const packing::Layout &layout) const {
    return roomToShift && layout.code == packing::Code::TwoBit &&
           (instruction == cpu::DotInstruction::Vnni512 ||
            instruction == cpu::DotInstruction::Vnni256);
  }

  /// Digits d and d + kPairSums have one accumulator of pairs.
  static constexpr int64_t kPairSums = 2;

  /// Of the two-bit digits of half a byte the upper is left in its place, four
  /// times too large, which saves shifts. A quarter of the pairs fit.
  bool keepsHighField(const packing::Layout &layout) const {
    return x86.addsPairs() && layout.code == packing::Code::TwoBit &&
           layout.blocks <= cpu::X86Dot::kPairsThatFit / 4 / 2;
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
           instruction == cpu::DotInstruction::Vnni512;
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
  cpu::DotInstruction instruction;
  cpu::X86Dot x86;
  bool bytePermute;
  bool roomToShift;
};

/// The same for many tokens, on unpacked codes.
class DotPanels final : public PanelStrategy {
public:
  DotPanels(cpu::DotInstruction instruction, bool bytePermute)
      : x86(instruction), bytePermute(bytePermute) {}

  StringRef name() const override { return "dot"; }
  // As many tokens and groups as have their accumulators in registers.
  int64_t tokensPerSlot() const override {
    return isWide() || isHalf() ? 6 : 2;
  }
  int64_t groups() const override { return isWide() ? 4 : 1; }
  /// Wide registers take a block apart for four tokens about as fast as they
  /// multiply it, so that panels, with their partly filled slots, pay later:
  /// prefill of 32 tokens was 17 % slower with them, of 48 no more.
  int64_t fewestTokens() const override {
    return isWide() ? 48 : PanelStrategy::fewestTokens();
  }
  /// A panel of up to 20 KB.
  int64_t columns() const override { return isWide() ? 320 : 640; }
  SmallVector<Value> decode(VectorBuilder &v, const packing::Layout &layout,
                            Value weights) const override {
    return cpu::decodePanel(v, layout, weights, bytePermute && isWide());
  }

  void multiply(VectorBuilder &v, const PanelStep &step) const override {
    int64_t stretch =
        x86.addsPairs() ? 4 * cpu::X86Dot::kPairsThatFit : step.columns;
    for (int64_t first = 0; first < step.columns; first += stretch)
      multiply(v, step, first, std::min(step.columns, first + stretch));
  }

private:
  bool isWide() const {
    return x86.getInstruction() == cpu::DotInstruction::Vnni512 ||
           x86.getInstruction() == cpu::DotInstruction::Maddubs512;
  }

  bool isHalf() const {
    return x86.getInstruction() == cpu::DotInstruction::Vnni256 ||
           x86.getInstruction() == cpu::DotInstruction::Maddubs256;
  }

  void multiply(VectorBuilder &v, const PanelStep &step, int64_t first,
                int64_t last) const {
    auto sumPlace = [&](int64_t token, int64_t group) {
      return v.add(step.sumPlaces.front(),
                   v.index((token * groups() + group) * kBlockLanes));
    };
    auto loadSum = [&](int64_t token, int64_t group) {
      return v.load(step.sums, sumPlace(token, group), kBlockLanes);
    };
    SmallVector<Value> sums;
    for (int64_t token = 0; token < tokensPerSlot(); ++token)
      for (int64_t group = 0; group < groups(); ++group)
        sums.push_back(x86.addsPairs() ? x86.zero(v) : loadSum(token, group));
    sums = v.forRange(
        v.index(first), v.index(last), 4, sums,
        [&](Value column, ValueRange carried) {
          SmallVector<Value> next(carried), codes;
          Value line = v.mul(column, v.index(kBlockLanes));
          for (int64_t group = 0; group < groups(); ++group)
            codes.push_back(v.load(
                step.panel, v.add(line, v.index(group * step.groupBytes)),
                kBlockBytes));
          Value at = v.add(step.qPlaces.front(), column);
          for (int64_t token = 0; token < tokensPerSlot(); ++token) {
            Value bytes = broadcastFour(
                v, step.q, v.add(at, v.index(token * step.qStride)));
            for (int64_t group = 0; group < groups(); ++group) {
              Value &sum = next[token * groups() + group];
              sum = x86.dot(v, sum, codes[group], bytes);
            }
          }
          return next;
        });
    for (int64_t token = 0; token < tokensPerSlot(); ++token)
      for (int64_t group = 0; group < groups(); ++group) {
        Value sum = sums[token * groups() + group];
        if (x86.addsPairs())
          sum = v.add(loadSum(token, group), x86.addNeighbours(v, sum));
        v.store(sum, step.sums, sumPlace(token, group));
      }
  }

  cpu::X86Dot x86;
  bool bytePermute;
};

struct ConvertTernDotToX86
    : ternac::cpu::impl::ConvertTernDotToX86PassBase<ConvertTernDotToX86> {
  void runOnOperation() override {
    auto isOurs = [](TargetAttr target) {
      return cpu::dotInstruction(target) != cpu::DotInstruction::None;
    };
    for (MatmulOp op : findMatmuls(getOperation(), Strategy::Dot, isOurs)) {
      TargetAttr target = getTarget(op);
      cpu::DotInstruction instruction = cpu::dotInstruction(target);
      VectorOptions options = vectorOptions(op, kBlockLanes);
      DotBlocks strategy(instruction, target.hasCapability("byte_permute"),
                         op.getMatrixCols());
      DotPanels panels(instruction, target.hasCapability("byte_permute"));
      if (failed(replaceByLoops(op, options, [&](VectorBuilder &v) {
            return lowerByRows(op, v, strategy, panels);
          })))
        return signalPassFailure();
    }
  }
};

} // namespace
