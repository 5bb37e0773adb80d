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

/// Sums of code * activation in i32 lanes, one accumulator per digit.
class X86Dot final : public BlockStrategy {
public:
  X86Dot(cpu::DotInstruction instruction, bool bytePermute, int64_t columns)
      : instruction(instruction), bytePermute(bytePermute),
        roomToShift(columns < kMaxShiftedColumns) {}

  StringRef name() const override { return "dot"; }
  bool unsignedCodes() const override { return true; }
  int64_t superblocksPerFlush(const packing::Layout &) const override {
    return 0;
  }

  SmallVector<Value> zero(VectorBuilder &v,
                          const packing::Layout &layout) const override {
    return SmallVector<Value>(layout.digits(), v.splatI32(0, kBlockLanes));
  }

  void accumulate(VectorBuilder &v, const packing::Layout &layout,
                  Value weights,
                  function_ref<Value(int64_t, int64_t)> activations,
                  MutableArrayRef<SmallVector<Value>> sums) const override {
    SmallVector<Value> bytes =
        permutes(layout)
            ? permuteDigits(v, weights)
            : decodeCodes(v, layout, weights, /*shifted=*/shifts(layout));
    for (auto [d, codes] : llvm::enumerate(bytes))
      for (auto [token, sum] : llvm::enumerate(sums))
        sum[d] = dot(v, sum[d], codes, activations(token, d));
  }

  Value flush(VectorBuilder &v, const packing::Layout &layout,
              ArrayRef<Value> sums) const override {
    Value total;
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

  /// sum + the four products of each lane.
  Value dot(VectorBuilder &v, Value sum, Value codes, Value bytes) const {
    switch (instruction) {
    case cpu::DotInstruction::Vnni512:
      return call(v, "llvm.x86.avx512.vpdpbusd.512",
                  cast<VectorType>(sum.getType()), {sum, codes, bytes});
    case cpu::DotInstruction::Vnni256:
      return inParts(v, sum, codes, bytes, 2, [&](Value s, Value c, Value x) {
        return call(v, "llvm.x86.avx512.vpdpbusd.256",
                    cast<VectorType>(s.getType()), {s, c, x});
      });
    case cpu::DotInstruction::Maddubs256:
      return inParts(v, sum, codes, bytes, 2, [&](Value s, Value c, Value x) {
        return maddubs(v, s, c, x, "llvm.x86.avx2.pmadd.ub.sw",
                       "llvm.x86.avx2.pmadd.wd");
      });
    case cpu::DotInstruction::Maddubs128:
      return inParts(v, sum, codes, bytes, 4, [&](Value s, Value c, Value x) {
        return maddubs(v, s, c, x, "llvm.x86.ssse3.pmadd.ub.sw.128",
                       "llvm.x86.sse2.pmadd.wd");
      });
    case cpu::DotInstruction::None:
      break;
    }
    llvm_unreachable("selection leaves dot to machines that have it");
  }

  /// Pairs into i16 (at most 2 * 2 * 128, no saturation), then into i32.
  static Value maddubs(VectorBuilder &v, Value sum, Value codes, Value bytes,
                       StringRef first, StringRef second) {
    int64_t width = cast<VectorType>(codes.getType()).getDimSize(0);
    auto pairs = VectorType::get({width / 2}, v.b.getI16Type());
    Value products = call(v, first, pairs, {codes, bytes});
    Value ones = arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(pairs, APInt(16, 1)));
    Value fours =
        call(v, second, cast<VectorType>(sum.getType()), {products, ones});
    return v.add(sum, fours);
  }

  /// Applies `body` to `count` equal parts and joins the results.
  static Value inParts(VectorBuilder &v, Value sum, Value codes, Value bytes,
                       int64_t count,
                       function_ref<Value(Value, Value, Value)> body) {
    auto part = [&](Value vector, int64_t i) -> Value {
      int64_t width = cast<VectorType>(vector.getType()).getDimSize(0) / count;
      return vector::ExtractStridedSliceOp::create(
          v.b, vector, ArrayRef<int64_t>{i * width}, ArrayRef<int64_t>{width},
          ArrayRef<int64_t>{1});
    };
    Value result = sum;
    for (int64_t i = 0; i < count; ++i) {
      Value piece = body(part(sum, i), part(codes, i), part(bytes, i));
      int64_t width = cast<VectorType>(piece.getType()).getDimSize(0);
      result = vector::InsertStridedSliceOp::create(
          v.b, piece, result, ArrayRef<int64_t>{i * width},
          ArrayRef<int64_t>{1});
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
      auto func = op->getParentOfType<func::FuncOp>();
      Value environment = func ? environmentOf(func) : Value();
      if (!environment) {
        op.emitOpError("expected a function with an argument of type "
                       "!tern.environment");
        return signalPassFailure();
      }
      ImplicitLocOpBuilder b(op.getLoc(), op);
      VectorBuilder v(b, environment, options);
      X86Dot strategy(instruction, target.hasCapability("byte_permute"),
                      op.getMatrixCols());
      if (failed(lowerToKernel(op, v, strategy)))
        return signalPassFailure();
      v.barrier();
      op.erase();
    }
  }
};

} // namespace
