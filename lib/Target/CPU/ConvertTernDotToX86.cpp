//===- ConvertTernDotToX86.cpp - Byte dot products of x86 -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "X86Features.h"

#include "ternac/Conversion/MatmulKernel.h"
#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNDOTTOX86PASS
#include "CPUPasses.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// Sums of code * activation: in i32 lanes, one accumulator per digit, or,
/// where the instruction adds pairs of products, in i16 lanes, kPairSums
/// accumulators.
class X86Dot final : public BlockStrategy {
public:
  X86Dot(cpu::DotInstruction instruction, bool bytePermute, int64_t columns)
      : instruction(instruction), bytePermute(bytePermute),
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
    if (!addsPairs())
      return 0;
    int64_t digits = (layout.digits() + kPairSums - 1) / kPairSums;
    int64_t room = keepsHighField(layout) ? kPairsThatFit / 4 : kPairsThatFit;
    return room / (digits * layout.blocks);
  }

  SmallVector<Value> zero(VectorBuilder &v,
                          const packing::Layout &layout) const override {
    if (addsPairs())
      return SmallVector<Value>(
          kPairSums, arith::ConstantOp::create(v.b, v.b.getZeroAttr(pairs(v))));
    int64_t count =
        instruction == cpu::DotInstruction::Madd128 ? 1 : layout.digits();
    return SmallVector<Value>(count, v.splatI32(0, kBlockLanes));
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
        total = dot(v, total, codes, activations(token, d));
      }
  }

  Value flush(VectorBuilder &v, const packing::Layout &layout,
              ArrayRef<Value> sums) const override {
    Value total;
    if (addsPairs()) {
      for (auto [i, sum] : llvm::enumerate(sums)) {
        Value part = addNeighbours(v, sum);
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

  /// Two products of a code and an activation, from 2 * 2 * -128 to 2 * 2 *
  /// 127, are added in an i16 lane, where kPairsThatFit of them have room.
  /// Digits d and d + kPairSums have one accumulator.
  bool addsPairs() const {
    return instruction == cpu::DotInstruction::Maddubs512 ||
           instruction == cpu::DotInstruction::Maddubs256 ||
           instruction == cpu::DotInstruction::Maddubs128;
  }
  static constexpr int64_t kPairSums = 2;
  static constexpr int64_t kPairsThatFit = 64;

  /// Of the two-bit digits of half a byte the upper is left in its place, four
  /// times too large, which saves shifts. A quarter of the pairs fit.
  bool keepsHighField(const packing::Layout &layout) const {
    return addsPairs() && layout.code == packing::Code::TwoBit &&
           layout.blocks <= kPairsThatFit / 4 / 2;
  }

  /// Digits 0 and 2 as they are, digits 1 and 3 times four.
  static SmallVector<Value> decodeFields(VectorBuilder &v, Value weights) {
    auto bytes = cast<VectorType>(weights.getType());
    Value words = vector::BitCastOp::create(v.b, pairs(v), weights);
    Value four = arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(pairs(v), APInt(16, 4)));
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

  /// The digits of base-3 bytes: 0 to 3 as two-bit fields in their places, and
  /// 81 times digit 4. The byte modulo 81 is the smallest of itself and itself
  /// less 81, twice, because what is below zero wraps to a larger byte; a table
  /// of 81 entries in two registers turns it into the four fields.
  SmallVector<Value> permuteDigits(VectorBuilder &v, Value weights) const {
    auto type = VectorType::get({kBlockBytes}, v.b.getI8Type());
    auto splat = [&](int value) -> Value {
      return arith::ConstantOp::create(
          v.b, DenseElementsAttr::get(type, APInt(8, value)));
    };
    Value rest = weights;
    for (int i = 0; i < 2; ++i)
      rest = arith::MinUIOp::create(
          v.b, rest, arith::SubIOp::create(v.b, rest, splat(81)));
    auto table = [&](int first) -> Value {
      SmallVector<int8_t> entries;
      for (int byte = first; byte < first + kBlockBytes; ++byte) {
        int fields = 0;
        for (int d = 0, left = byte; d < 4; ++d, left /= 3)
          fields |= (left % 3) << (2 * d);
        entries.push_back(int8_t(fields));
      }
      return arith::ConstantOp::create(
          v.b, DenseElementsAttr::get(type, ArrayRef(entries)));
    };
    Value fields = call(v, "llvm.x86.avx512.vpermi2var.qi.512", type,
                        {table(0), rest, table(kBlockBytes)});
    SmallVector<Value> digits;
    for (int d = 0; d < 4; ++d)
      digits.push_back(arith::AndIOp::create(v.b, fields, splat(3 << (2 * d))));
    digits.push_back(arith::SubIOp::create(v.b, weights, rest));
    return digits;
  }

  static Value call(VectorBuilder &v, StringRef name, VectorType result,
                    ValueRange arguments) {
    return LLVM::CallIntrinsicOp::create(v.b, result, v.b.getStringAttr(name),
                                         arguments)
        .getResults();
  }

  static VectorType pairs(VectorBuilder &v) {
    return VectorType::get({kBlockBytes / 2}, v.b.getI16Type());
  }

  /// The number of the instruction's registers that hold a block.
  int64_t parts() const {
    switch (instruction) {
    case cpu::DotInstruction::Vnni512:
    case cpu::DotInstruction::Maddubs512:
      return 1;
    case cpu::DotInstruction::Maddubs128:
    case cpu::DotInstruction::Madd128:
      return 4;
    default:
      return 2;
    }
  }

  /// sum + the four products of each i32 lane, or the two of each i16 lane.
  Value dot(VectorBuilder &v, Value sum, Value codes, Value bytes) const {
    switch (instruction) {
    case cpu::DotInstruction::Vnni512:
      return inParts(v, "llvm.x86.avx512.vpdpbusd.512",
                     cast<VectorType>(sum.getType()), {sum, codes, bytes});
    case cpu::DotInstruction::Vnni256:
      return inParts(v, "llvm.x86.avx512.vpdpbusd.256",
                     cast<VectorType>(sum.getType()), {sum, codes, bytes});
    case cpu::DotInstruction::Maddubs512:
      return v.add(sum, inParts(v, "llvm.x86.avx512.pmaddubs.w.512", pairs(v),
                                {codes, bytes}));
    case cpu::DotInstruction::Maddubs256:
      return v.add(sum, inParts(v, "llvm.x86.avx2.pmadd.ub.sw", pairs(v),
                                {codes, bytes}));
    case cpu::DotInstruction::Maddubs128:
      return v.add(sum, inParts(v, "llvm.x86.ssse3.pmadd.ub.sw.128", pairs(v),
                                {codes, bytes}));
    case cpu::DotInstruction::Madd128:
      return words(v, sum, codes, bytes);
    case cpu::DotInstruction::None:
      break;
    }
    llvm_unreachable("selection leaves dot to machines that have it");
  }

  /// The same of bytes that are widened to i16 first: those at even places,
  /// then those at odd ones.
  Value words(VectorBuilder &v, Value sum, Value codes, Value bytes) const {
    auto splat = [&](int value) -> Value {
      return arith::ConstantOp::create(
          v.b, DenseElementsAttr::get(pairs(v), APInt(16, value)));
    };
    Value eight = splat(8);
    Value code = vector::BitCastOp::create(v.b, pairs(v), codes);
    Value x = vector::BitCastOp::create(v.b, pairs(v), bytes);
    Value upper = arith::ShLIOp::create(v.b, x, eight);
    auto add = [&](Value codeWords, Value xWords) {
      sum = v.add(sum, inParts(v, "llvm.x86.sse2.pmadd.wd",
                               cast<VectorType>(sum.getType()),
                               {codeWords, xWords}));
    };
    add(arith::AndIOp::create(v.b, code, splat(0xff)),
        arith::ShRSIOp::create(v.b, upper, eight));
    add(arith::ShRUIOp::create(v.b, code, eight),
        arith::ShRSIOp::create(v.b, x, eight));
    return sum;
  }

  /// Neighbouring i16 lanes, added in i32.
  Value addNeighbours(VectorBuilder &v, Value sums) const {
    Value ones = arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(pairs(v), APInt(16, 1)));
    StringRef name = parts() == 1   ? "llvm.x86.avx512.pmaddw.d.512"
                     : parts() == 2 ? "llvm.x86.avx2.pmadd.wd"
                                    : "llvm.x86.sse2.pmadd.wd";
    return inParts(v, name, VectorType::get({kBlockLanes}, v.b.getI32Type()),
                   {sums, ones});
  }

  /// Calls intrinsic `name` for each of the parts of the operands and joins the
  /// results.
  Value inParts(VectorBuilder &v, StringRef name, VectorType type,
                ValueRange operands) const {
    int64_t count = parts();
    if (count == 1)
      return call(v, name, type, operands);
    auto widthOf = [&](Type whole) {
      return cast<VectorType>(whole).getDimSize(0) / count;
    };
    auto part = VectorType::get({widthOf(type)}, type.getElementType());
    Value result = arith::ConstantOp::create(v.b, v.b.getZeroAttr(type));
    for (int64_t i = 0; i < count; ++i) {
      SmallVector<Value> pieces;
      for (Value operand : operands) {
        int64_t width = widthOf(operand.getType());
        pieces.push_back(vector::ExtractStridedSliceOp::create(
            v.b, operand, ArrayRef<int64_t>{i * width},
            ArrayRef<int64_t>{width}, ArrayRef<int64_t>{1}));
      }
      result = vector::InsertStridedSliceOp::create(
          v.b, call(v, name, part, pieces), result,
          ArrayRef<int64_t>{i * part.getDimSize(0)}, ArrayRef<int64_t>{1});
    }
    return result;
  }

  static constexpr int64_t kMaxShiftedColumns = int64_t(1) << 19;
  cpu::DotInstruction instruction;
  bool bytePermute;
  bool roomToShift;
};

struct ConvertTernDotToX86
    : ternac::cpu::impl::ConvertTernDotToX86PassBase<ConvertTernDotToX86> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto target = module->getAttrOfType<TargetAttr>(TernDialect::kTargetAttr);
    cpu::DotInstruction instruction =
        target ? cpu::dotInstruction(target) : cpu::DotInstruction::None;
    SmallVector<MatmulOp> matmuls;
    module.walk([&](MatmulOp op) {
      if (op.getConfig() && op.getConfig()->getStrategy() == Strategy::Dot &&
          op.getNumResults() == 0)
        matmuls.push_back(op);
    });
    if (matmuls.empty())
      return;
    if (instruction == cpu::DotInstruction::None) {
      matmuls.front().emitError("strategy 'dot' needs a target with "
                                "'int8_dot'");
      return signalPassFailure();
    }
    VectorOptions options = vectorOptions(module, kBlockLanes);
    for (MatmulOp op : matmuls) {
      X86Dot strategy(instruction, target.hasCapability("byte_permute"),
                      op.getMatrixCols());
      if (failed(replaceByLoops(op, options, [&](VectorBuilder &v) {
            return lowerToKernel(op, v, strategy);
          })))
        return signalPassFailure();
    }
  }
};

} // namespace
