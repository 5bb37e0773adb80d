//===- ConvertTernLutToX86.cpp - Look-up tables in x86 registers ----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "X86Features.h"

#include "ternac/Conversion/MatmulKernel.h"
#include "ternac/Conversion/PlaneTables.h"
#include "ternac/Conversion/TableKernel.h"
#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace ternac::cpu {
#define GEN_PASS_DEF_CONVERTTERNLUTTOX86PASS
#include "X86Passes.h.inc"
} // namespace ternac::cpu

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

Value call(VectorBuilder &v, StringRef name, Type result,
           ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(v.b, result, v.b.getStringAttr(name),
                                       arguments)
      .getResults();
}

/// Base-3 bytes by look-ups in 128 bytes. Byte b selects the sum of balanced
/// digits of b - 121, so the table has the sums of 0 to 121, and those of
/// negative numbers have the opposite sign. With radix 255 and twice the bias
/// equal to 6 * 255 + 254, the two digits change sign one by one: high becomes
/// 6 - high, low becomes 254 - low.
class PermutedTables final : public PlaneTables {
public:
  explicit PermutedTables(const packing::Layout &layout)
      : PlaneTables(layout, kBlockBytes, /*radix=*/255, kBias, kHighMost) {}

  int64_t rowsTogether() const override { return 4 * kBlockBytes; }
  int64_t tokensOfBlock() const override { return 7; }
  int64_t elements() const override { return 128; }

  SmallVector<Value> load(VectorBuilder &v, Value tables,
                          Value place) const override {
    SmallVector<Value> parts;
    for (int64_t i = 0; i < 4; ++i)
      parts.push_back(
          cast(v, v.load(tables, v.add(place, v.index(32 * i)), 32), 8));
    return parts;
  }

  void build(VectorBuilder &v, ArrayRef<Value> x, Value tables,
             Value place) const override {
    // Number e is i - 13 + 27 * h: the sums of three digits by i, of two by h.
    auto digit = [](int64_t number, int64_t d) {
      while (d-- > 0)
        number /= 3;
      return int(number % 3) - 1;
    };
    Value low = tritSums(v, x.take_front(3), 32, kBias,
                         [&](int64_t i, int64_t d) { return digit(i, d); });
    Value high = tritSums(v, x.drop_front(3), 32, 0, [&](int64_t h, int64_t d) {
      return digit(h + 4, d);
    });
    // 64 entries at a time, even and odd ones apart, so that the bytes of both
    // are joined without moving any.
    for (int64_t first = 0; first < 128; first += 64) {
      Value lowPlane, highPlane;
      for (int64_t odd = 0; odd < 2; ++odd) {
        auto number = [&](int64_t i) { return first + 2 * i + odd + 13; };
        Value sum = v.add(
            permute(v, low, 32, [&](int64_t i) { return number(i) % 27; }),
            permute(v, high, 32, [&](int64_t i) { return number(i) / 27; }));
        // Divided by 255, exactly for all that 16 bits hold but the last.
        Value quotient =
            v.add(v.add(sum, splat(v, 32, 16, 1)), shiftRight(v, sum, 8));
        quotient = shiftRight(v, quotient, 8);
        // sum - 255 * quotient, modulo 256.
        Value rest = v.add(sum, quotient);
        if (odd) {
          lowPlane = arith::OrIOp::create(v.b, lowPlane, shiftLeft(v, rest, 8));
          highPlane =
              arith::OrIOp::create(v.b, highPlane, shiftLeft(v, quotient, 8));
        } else {
          lowPlane = lowByte(v, rest);
          highPlane = quotient;
        }
      }
      v.store(lowPlane, tables, v.add(place, v.index(first / 2)));
      v.store(highPlane, tables, v.add(place, v.index(64 + first / 2)));
    }
  }

protected:
  std::pair<Value, Value> select(VectorBuilder &v, const Table &table,
                                 Value weights) const override {
    auto constant = [&](int64_t value) { return splat(v, width, 8, value); };
    Value number = v.add(weights, constant(-121));
    Value isNegative = arith::CmpIOp::create(v.b, arith::CmpIPredicate::slt,
                                             number, constant(0));
    Value index = math::AbsIOp::create(v.b, number);
    auto find = [&](int64_t part, int64_t most) -> Value {
      Value found =
          call(v, "llvm.x86.avx512.vpermi2var.qi.512", index.getType(),
               {table.values[part], index, table.values[part + 1]});
      Value opposite = arith::SubIOp::create(v.b, constant(most), found);
      return arith::SelectOp::create(v.b, isNegative, opposite, found);
    };
    Value low = find(0, 254);
    return {low, find(2, kHighMost)};
  }

private:
  static constexpr int64_t kHighMost = 6;
  static constexpr int64_t kBias = (kHighMost * 255 + 254) / 2;
};

/// Bytes of a register by those of another.
Value shuffle(VectorBuilder &v, Value table, Value indices) {
  auto type = cast<VectorType>(table.getType());
  StringRef name = type.getDimSize(0) == 64   ? "llvm.x86.avx512.pshuf.b.512"
                   : type.getDimSize(0) == 32 ? "llvm.x86.avx2.pshuf.b"
                                              : "llvm.x86.ssse3.pshuf.b.128";
  return call(v, name, type, {table, indices});
}

/// The form for a layout on a target, or null for the generic one.
std::unique_ptr<TableForm> tableForm(const packing::Layout &layout,
                                     TargetAttr target) {
  if (layout == packing::columnBase3() &&
      target.hasCapability("byte_permute") && target.getVectorBits() >= 512)
    return std::make_unique<PermutedTables>(layout);
  if (layout != packing::columnTwoBit() ||
      !target.hasCapability("byte_shuffle"))
    return nullptr;
  int64_t width = cpu::registerBytesOf(target);
  // As many rows as leave the registers for tables and sums.
  int64_t rows = width == 64 ? 4 * kBlockBytes : 2 * width;
  return shuffledTables(layout, width, rows,
                        /*tokensOfBlock=*/width == 16 ? 4 : 6, shuffle);
}

struct ConvertTernLutToX86
    : ternac::cpu::impl::ConvertTernLutToX86PassBase<ConvertTernLutToX86> {
  void runOnOperation() override {
    for (MatmulOp op : findMatmuls(getOperation(), Strategy::Lut, cpu::isX86)) {
      auto form = tableForm(op.getPacking()->getLayout(), getTarget(op));
      if (!form)
        continue;
      VectorOptions options = vectorOptions(op, kBlockLanes);
      if (failed(replaceByLoops(op, options, [&](VectorBuilder &v) {
            return lowerToTables(op, v, *form);
          })))
        return signalPassFailure();
    }
  }
};

} // namespace
