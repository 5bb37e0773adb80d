//===- ConvertTernLutToX86.cpp - Look-up tables in x86 registers ----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sum plus a bias that makes it positive is written as high * radix + low,
// each a byte, and looked up as two bytes. Low bytes are added in words, all of
// them and once more the odd ones: the even ones are the difference. High bytes
// are added in bytes. What the bias adds is known beforehand, so it is what the
// accumulators begin with.
//
//===----------------------------------------------------------------------===//

#include "Passes.h"
#include "X86Features.h"

#include "ternac/Conversion/MatmulKernel.h"
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

Value splat(VectorBuilder &v, int64_t lanes, unsigned bits, int64_t value) {
  auto type = VectorType::get({lanes}, v.b.getIntegerType(bits));
  return arith::ConstantOp::create(
      v.b, DenseElementsAttr::get(type, APInt(bits, value, /*isSigned=*/true,
                                              /*implicitTrunc=*/true)));
}

int64_t lanesOf(Value vector) {
  return cast<VectorType>(vector.getType()).getDimSize(0);
}

/// `vector` with elements of `bits` bits.
Value cast(VectorBuilder &v, Value vector, unsigned bits) {
  auto type = mlir::cast<VectorType>(vector.getType());
  int64_t lanes = type.getDimSize(0) * type.getElementTypeBitWidth() / bits;
  return vector::BitCastOp::create(
      v.b, VectorType::get({lanes}, v.b.getIntegerType(bits)), vector);
}

Value shiftLeft(VectorBuilder &v, Value words, int64_t by) {
  return arith::ShLIOp::create(v.b, words, splat(v, lanesOf(words), 16, by));
}
Value shiftRight(VectorBuilder &v, Value words, int64_t by) {
  return arith::ShRUIOp::create(v.b, words, splat(v, lanesOf(words), 16, by));
}
Value lowByte(VectorBuilder &v, Value words) {
  return arith::AndIOp::create(v.b, words, splat(v, lanesOf(words), 16, 255));
}

/// Lane i is lane `from(i)` of `vector`.
Value permute(VectorBuilder &v, Value vector, int64_t lanes,
              function_ref<int64_t(int64_t)> from) {
  SmallVector<int64_t> mask;
  for (int64_t i = 0; i < lanes; ++i)
    mask.push_back(from(i));
  return vector::ShuffleOp::create(v.b, vector, vector, mask);
}

Value call(VectorBuilder &v, StringRef name, Type result,
           ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(v.b, result, v.b.getStringAttr(name),
                                       arguments)
      .getResults();
}

/// What the two forms share: the sums of bytes.
class PlaneTables : public TableForm {
public:
  PlaneTables(const packing::Layout &layout, int64_t radix, int64_t bias,
              int64_t highMost)
      : TableForm(layout), radix(radix), bias(bias), highMost(highMost) {}

  /// High bytes stay below 256, and sums within i16.
  int64_t groupsPerFlush() const override {
    return std::min(255 / highMost, 32767 / (128 * layout.digits()));
  }

  /// All low bytes, odd low bytes, high bytes.
  SmallVector<Value> zero(VectorBuilder &v, int64_t rows,
                          int64_t groups) const override {
    int64_t start = -bias * groups;
    return {splat(v, rows / 2, 16, start + start * 256),
            splat(v, rows / 2, 16, start), splat(v, rows, 8, 0)};
  }

  SmallVector<Value> zeroTotals(VectorBuilder &v, int64_t rows) const override {
    return {v.splatI32(0, rows / 2), v.splatI32(0, rows / 2)};
  }

  void flush(VectorBuilder &v, ArrayRef<Value> sums,
             MutableArrayRef<Value> totals) const override {
    Value all = sums[0], odd = sums[1], high = cast(v, sums[2], 16);
    Value even = arith::SubIOp::create(v.b, all, shiftLeft(v, odd, 8));
    even = v.add(even, timesRadix(v, lowByte(v, high)));
    odd = v.add(odd, timesRadix(v, shiftRight(v, high, 8)));
    const Value halves[] = {even, odd};
    for (auto [total, sum] : llvm::zip_equal(totals, halves))
      total = v.add(total, arith::ExtSIOp::create(v.b, total.getType(), sum));
  }

  SmallVector<Value> finish(VectorBuilder &v,
                            ArrayRef<Value> totals) const override {
    SmallVector<Value> sixteens;
    int64_t half = lanesOf(totals[0]);
    for (int64_t first = 0; first < half; first += kBlockLanes / 2) {
      SmallVector<int64_t> lanes;
      for (int64_t i = first; i < first + kBlockLanes / 2; ++i)
        lanes.append({i, half + i});
      sixteens.push_back(
          vector::ShuffleOp::create(v.b, totals[0], totals[1], lanes));
    }
    return sixteens;
  }

protected:
  void addPlanes(VectorBuilder &v, Value low, Value high,
                 MutableArrayRef<Value> sums) const {
    Value words = cast(v, low, 16);
    sums[0] = v.add(sums[0], words);
    sums[1] = v.add(sums[1], shiftRight(v, words, 8));
    sums[2] = v.add(sums[2], high);
  }

  const int64_t radix, bias, highMost;

private:
  Value timesRadix(VectorBuilder &v, Value words) const {
    if (radix == 128)
      return shiftLeft(v, words, 7);
    assert(radix == 255 && "the radixes in use");
    return arith::SubIOp::create(v.b, shiftLeft(v, words, 8), words);
  }
};

/// Base-3 bytes by look-ups in 128 bytes. Byte b selects the sum of balanced
/// digits of b - 121, so the table has the sums of 0 to 121, and those of
/// negative numbers have the opposite sign. With radix 255 and twice the bias
/// equal to 6 * 255 + 254, the two digits change sign one by one: high becomes
/// 6 - high, low becomes 254 - low.
class PermutedTables final : public PlaneTables {
public:
  explicit PermutedTables(const packing::Layout &layout)
      : PlaneTables(layout, /*radix=*/255, kBias, kHighMost) {}

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

  void accumulate(VectorBuilder &v, const Table &table, Value weights,
                  Value byte, int64_t rows,
                  MutableArrayRef<Value> sums) const override {
    auto constant = [&](int64_t value) { return splat(v, rows, 8, value); };
    Value number = v.add(v.load(weights, byte, rows), constant(-121));
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
    Value low = find(0, 254), high = find(2, kHighMost);
    addPlanes(v, low, high, sums);
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

private:
  static constexpr int64_t kHighMost = 6;
  static constexpr int64_t kBias = (kHighMost * 255 + 254) / 2;
};

/// Two-bit bytes by look-ups of each half in 16 bytes. A sum of two activations
/// plus 256 is at most 4 * 128, so that the low bytes of both halves, below
/// 128, and the high bytes, at most 4, are added before they are summed.
class ShuffledTables final : public PlaneTables {
public:
  ShuffledTables(const packing::Layout &layout, int64_t vectorBits)
      : PlaneTables(layout, /*radix=*/128, /*bias=*/512, /*highMost=*/8),
        width(std::clamp<int64_t>(vectorBits / 8, 16, 64)) {}

  /// As many as leave the registers for tables and sums.
  int64_t rowsTogether() const override {
    return width == 64 ? 4 * kBlockBytes : 2 * width;
  }
  int64_t tokensOfBlock() const override { return width == 16 ? 4 : 6; }
  int64_t elements() const override { return 32; }

  /// Low and high bytes of the first half, then of the second, repeated to the
  /// width of a register.
  SmallVector<Value> load(VectorBuilder &v, Value tables,
                          Value place) const override {
    SmallVector<Value> parts;
    for (int64_t i = 0; i < 4; ++i) {
      Value part = cast(v, v.load(tables, v.add(place, v.index(8 * i)), 8), 8);
      parts.push_back(
          permute(v, part, width, [](int64_t lane) { return lane % 16; }));
    }
    return parts;
  }

  void accumulate(VectorBuilder &v, const Table &table, Value weights,
                  Value byte, int64_t rows,
                  MutableArrayRef<Value> sums) const override {
    Value bytes = v.load(weights, byte, rows);
    Value first = arith::AndIOp::create(v.b, bytes, splat(v, rows, 8, 15));
    Value second = arith::ShRUIOp::create(v.b, bytes, splat(v, rows, 8, 4));
    auto find = [&](int64_t part) -> Value {
      return v.add(shuffle(v, table.values[part], first),
                   shuffle(v, table.values[part + 2], second));
    };
    Value low = find(0), high = find(1);
    addPlanes(v, low, high, sums);
  }

  void build(VectorBuilder &v, ArrayRef<Value> x, Value tables,
             Value place) const override {
    for (int64_t half = 0; half < 2; ++half) {
      Value sum =
          tritSums(v, x.slice(2 * half, 2), 16, 256, [](int64_t i, int64_t d) {
            return int(d ? i / 4 : i % 4) - 1;
          });
      Value low = arith::AndIOp::create(v.b, sum, splat(v, 16, 16, 127));
      Value high = shiftRight(v, sum, 7);
      const Value planes[] = {low, high};
      for (auto [i, plane] : llvm::enumerate(planes)) {
        Value bytes = arith::TruncIOp::create(
            v.b, VectorType::get({16}, v.b.getI8Type()), plane);
        v.store(cast(v, bytes, 16), tables,
                v.add(place, v.index(16 * half + 8 * i)));
      }
    }
  }

private:
  /// Bytes of `table` by `indices`, a register at a time.
  Value shuffle(VectorBuilder &v, Value table, Value indices) const {
    StringRef name = width == 64   ? "llvm.x86.avx512.pshuf.b.512"
                     : width == 32 ? "llvm.x86.avx2.pshuf.b"
                                   : "llvm.x86.ssse3.pshuf.b.128";
    int64_t rows = lanesOf(indices);
    if (rows == width)
      return call(v, name, indices.getType(), {table, indices});
    Value result = splat(v, rows, 8, 0);
    for (int64_t first = 0; first < rows; first += width) {
      Value part = vector::ExtractStridedSliceOp::create(
          v.b, indices, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{width},
          ArrayRef<int64_t>{1});
      part = call(v, name, part.getType(), {table, part});
      result = vector::InsertStridedSliceOp::create(
          v.b, part, result, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{1});
    }
    return result;
  }

  const int64_t width; ///< bytes of a register
};

/// The form for a layout on a target, or null for the generic one.
std::unique_ptr<TableForm> tableForm(const packing::Layout &layout,
                                     TargetAttr target) {
  if (layout == packing::columnBase3() &&
      target.hasCapability("byte_permute") && target.getVectorBits() >= 512)
    return std::make_unique<PermutedTables>(layout);
  if (layout == packing::columnTwoBit() && target.hasCapability("byte_shuffle"))
    return std::make_unique<ShuffledTables>(layout, target.getVectorBits());
  return nullptr;
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
