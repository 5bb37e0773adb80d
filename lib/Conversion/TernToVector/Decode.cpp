//===- Decode.cpp - Digits of packed blocks, and the add_sub strategy -----===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/MatmulKernel.h"

using namespace mlir;
using namespace ternac;

namespace {

/// Byte arithmetic on the bytes of a block, 64 or a part of them.
struct Bytes {
  VectorBuilder &v;
  Type bytes;

  VectorType type() { return cast<VectorType>(bytes); }
  Value constant(int value) {
    return arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(type(), APInt(8, value)));
  }
  Value compare(arith::CmpIPredicate predicate, Value bytes, int value) {
    return arith::CmpIOp::create(v.b, predicate, bytes, constant(value));
  }
  Value select(Value condition, Value a, Value c) {
    return arith::SelectOp::create(v.b, condition, a, c);
  }
};

int power3(int64_t exponent) {
  int power = 1;
  while (exponent-- > 0)
    power *= 3;
  return power;
}

/// Calls `digit(d, bytes)` from the most to the least significant digit of
/// base-3 bytes; bytes is then below 3^(d+1).
void forBase3Digits(VectorBuilder &v, const packing::Layout &layout,
                    Value bytes, function_ref<void(int64_t, Value)> digit) {
  Bytes ops{v, bytes.getType()};
  for (int64_t d = layout.digits() - 1; d >= 0; --d) {
    digit(d, bytes);
    if (d == 0)
      return;
    // The rest below 3^d: subtracting wraps to a larger byte where the digit
    // is already used up, so the smaller of the two is right.
    for (int i = 0; i < 2; ++i) {
      Value less = arith::SubIOp::create(v.b, bytes, ops.constant(power3(d)));
      bytes = arith::MinUIOp::create(v.b, bytes, less);
    }
  }
}

} // namespace

SmallVector<DigitMasks> ternac::decodeMasks(VectorBuilder &v,
                                            const packing::Layout &layout,
                                            Value weights) {
  Bytes ops{v, weights.getType()};
  SmallVector<DigitMasks> masks(layout.digits());
  if (layout.code == packing::Code::TwoBit) {
    for (int64_t d = 0; d < layout.digits(); ++d) {
      auto bits = [&](int which) -> Value {
        return arith::AndIOp::create(v.b, weights,
                                     ops.constant(which << (2 * d)));
      };
      masks[d].plus = ops.compare(arith::CmpIPredicate::ne, bits(2), 0);
      masks[d].minus = ops.compare(arith::CmpIPredicate::eq, bits(3), 0);
    }
    return masks;
  }
  forBase3Digits(v, layout, weights, [&](int64_t d, Value bytes) {
    masks[d].plus =
        ops.compare(arith::CmpIPredicate::uge, bytes, 2 * power3(d));
    masks[d].minus = ops.compare(arith::CmpIPredicate::ult, bytes, power3(d));
  });
  return masks;
}

SmallVector<Value> ternac::decodeCodes(VectorBuilder &v,
                                       const packing::Layout &layout,
                                       Value weights, bool shifted) {
  Bytes ops{v, weights.getType()};
  SmallVector<Value> codes(layout.digits());
  if (layout.code == packing::Code::TwoBit) {
    for (int64_t d = 0; d < layout.digits(); ++d) {
      if (shifted) {
        codes[d] =
            arith::AndIOp::create(v.b, weights, ops.constant(3 << (2 * d)));
        continue;
      }
      Value moved = weights;
      if (d > 0)
        moved = arith::ShRUIOp::create(v.b, weights, ops.constant(2 * d));
      codes[d] = arith::AndIOp::create(v.b, moved, ops.constant(3));
    }
    return codes;
  }
  forBase3Digits(v, layout, weights, [&](int64_t d, Value bytes) {
    if (d == 0) {
      codes[d] = bytes;
      return;
    }
    Value two = ops.compare(arith::CmpIPredicate::uge, bytes, 2 * power3(d));
    Value one = ops.compare(arith::CmpIPredicate::uge, bytes, power3(d));
    codes[d] = ops.select(two, ops.constant(2),
                          ops.select(one, ops.constant(1), ops.constant(0)));
  });
  return codes;
}

Value ternac::addFours(VectorBuilder &v, Value words) {
  int64_t count = cast<VectorType>(words.getType()).getDimSize(0) / 4;
  Value total;
  for (int64_t j = 0; j < 4; ++j) {
    SmallVector<int64_t> lanes;
    for (int64_t i = 0; i < count; ++i)
      lanes.push_back(4 * i + j);
    Value part = vector::ShuffleOp::create(v.b, words, words, lanes);
    part = arith::ExtSIOp::create(
        v.b, VectorType::get({count}, v.b.getI32Type()), part);
    total = total ? v.add(total, part) : part;
  }
  return total;
}

namespace {

/// Sums in i16, 64 lanes per token: |q| <= 128, so 255 of them fit; then they
/// are flushed into i32.
class AddSub final : public BlockStrategy {
public:
  explicit AddSub(const VectorOptions &options)
      : tokens(options.tokensTogether(kCarriedBits, /*most=*/4)),
        rows(options.rowsTogether(kCarriedBits)) {}

  StringRef name() const override { return "add_sub"; }
  bool unsignedCodes() const override { return false; }
  int64_t rowsTogether() const override { return rows; }
  int64_t tokensTogether() const override { return tokens; }

  int64_t superblocksPerFlush(const packing::Layout &layout) const override {
    return 255 / (layout.digits() * layout.blocks);
  }

  SmallVector<Value> zero(VectorBuilder &v,
                          const packing::Layout &) const override {
    return {arith::ConstantOp::create(v.b, v.b.getZeroAttr(sumType(v)))};
  }

  void accumulate(VectorBuilder &v, const packing::Layout &layout,
                  Value weights,
                  function_ref<Value(int64_t, int64_t)> activations,
                  MutableArrayRef<SmallVector<Value>> sums) const override {
    SmallVector<DigitMasks> masks = decodeMasks(v, layout, weights);
    for (auto [d, mask] : llvm::enumerate(masks))
      for (auto [token, sum] : llvm::enumerate(sums)) {
        Value x =
            arith::ExtSIOp::create(v.b, sumType(v), activations(token, d));
        Value added = arith::AddIOp::create(v.b, sum.front(), x);
        Value partial =
            arith::SelectOp::create(v.b, mask.plus, added, sum.front());
        Value subtracted = arith::SubIOp::create(v.b, partial, x);
        sum.front() =
            arith::SelectOp::create(v.b, mask.minus, subtracted, partial);
      }
  }

  Value flush(VectorBuilder &v, const packing::Layout &,
              ArrayRef<Value> sums) const override {
    return addFours(v, sums.front());
  }

private:
  VectorType sumType(VectorBuilder &v) const {
    return VectorType::get({4 * rows}, v.b.getI16Type());
  }

  /// Of the sums of a token for 16 rows, and of as many activations.
  static constexpr int64_t kCarriedBits = 2 * kBlockBytes * 16;
  const int64_t tokens, rows;
};

} // namespace

std::unique_ptr<BlockStrategy>
ternac::addSubStrategy(const VectorOptions &options) {
  return std::make_unique<AddSub>(options);
}
