//===- BitPlanes.cpp - The add_sub strategy on bit planes -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Weights and activations as bits. An int8 activation is the sum of its bits
// x_d times 1, 2, 4, ... 64 and -128. What bit d of all activations of a row
// adds and subtracts is
//
//   #(plus & x_d) - #(minus & x_d) = #(x_d ? plus : minus) - #minus
//
// where # counts set bits: one bitwise select does for as many weights as a
// register has bits. The weights of the bits add up to -1, so #minus is added
// once. Where counting takes several instructions, full adders made of bitwise
// operations sum the low bits, and only what they carry is counted.
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/MatmulKernel.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ternac;

namespace {

constexpr int64_t kBits = 8;

/// Accumulators: for each bit of the activations its sum, modulo 2, if it is
/// one of the `added` lowest, else its count; then the count of what those
/// carried, which begins as the minus bits and has the weight of bit `added`.
/// Counts are of i32 lanes, which hold any K, or of bytes, at most 8 in each
/// block.
class BitPlanes final : public BlockStrategy {
public:
  explicit BitPlanes(const VectorOptions &options)
      : tokens(options.tokensTogether(kSumBits, /*most=*/2)),
        rows(options.rowsTogether(kSumBits)),
        countsWords(options.vectorPopcount),
        added(options.vectorPopcount || options.bytePopcount ? 0 : kBits - 1) {}

  StringRef name() const override { return "add_sub"; }
  bool unsignedCodes() const override { return false; }
  bool reads(const packing::Layout &layout) const override {
    return layout.code == packing::Code::Planes && layout.blocks == 1;
  }
  int64_t rowsTogether() const override { return rows; }
  int64_t tokensTogether() const override { return tokens; }
  bool rewritesActivations() const override { return true; }

  int64_t superblocksPerFlush(const packing::Layout &) const override {
    return countsWords ? kNever : 255 / kBits;
  }

  SmallVector<Value> zero(VectorBuilder &v,
                          const packing::Layout &) const override {
    return SmallVector<Value>(kBits + 1, v.splatI32(0, rows));
  }

  /// Bit d of the activations that face a word of 32 weights becomes word d, in
  /// the order of the weights' bits.
  void rewrite(VectorBuilder &v, const packing::Layout &layout, Value q,
               Value place, Value rewritten, Value newPlace) const override {
    Value bytes = v.load(q, place, layout.span());
    SmallVector<int64_t> order(layout.span());
    for (int64_t j = 0; j < layout.group; ++j)
      for (int64_t d = 0; d < kBits; ++d)
        order[kBits * j + d] = layout.digitStride() * d + j;
    bytes = vector::ShuffleOp::create(v.b, bytes, bytes, order);
    Value zero =
        arith::ConstantOp::create(v.b, v.b.getZeroAttr(bytes.getType()));
    auto word = VectorType::get({layout.group}, v.b.getI8Type());
    // The sign bit is compared; doubling moves the next one there.
    for (int64_t d = kBits; d-- > 0; bytes = v.add(bytes, bytes)) {
      Value isSet =
          arith::CmpIOp::create(v.b, arith::CmpIPredicate::slt, bytes, zero);
      v.store(vector::BitCastOp::create(v.b, word, isSet), rewritten,
              v.add(newPlace, v.index(d * layout.digitStride())));
    }
  }

  void accumulate(VectorBuilder &v, const packing::Layout &, Value weights,
                  function_ref<Value(int64_t, int64_t)> activations,
                  MutableArrayRef<SmallVector<Value>> sums) const override {
    auto plane = [&](int64_t index) -> Value {
      return asWords(v, vector::ExtractStridedSliceOp::create(
                            v.b, weights, ArrayRef<int64_t>{index * 4 * rows},
                            ArrayRef<int64_t>{4 * rows}, ArrayRef<int64_t>{1}));
    };
    Value minus = plane(1);
    Value either = arith::XOrIOp::create(v.b, plane(0), minus);
    for (auto [token, sum] : llvm::enumerate(sums)) {
      auto selected = [&](int64_t digit) -> Value {
        Value x = asWords(v, activations(token, digit));
        return arith::XOrIOp::create(v.b, arith::AndIOp::create(v.b, either, x),
                                     minus);
      };
      Value carry = minus;
      for (int64_t d = 0; d < kBits; ++d)
        if (d < added)
          std::tie(sum[d], carry) = fullAdder(v, sum[d], selected(d), carry);
        else
          sum[d] = addCounts(v, sum[d], count(v, selected(d)));
      sum[kBits] = addCounts(v, sum[kBits], count(v, carry));
    }
  }

  Value flush(VectorBuilder &v, const packing::Layout &,
              ArrayRef<Value> sums) const override {
    Value total = v.splatI32(0, rows);
    for (int64_t d = kBits; d-- > 0;) {
      Value part = wide(v, d < added ? count(v, sums[d]) : sums[d]);
      bool isSign = d == kBits - 1;
      total = isSign ? arith::SubIOp::create(v.b, total, part).getResult()
                     : v.add(v.add(total, total), part);
      if (d == added)
        total = v.add(total, wide(v, sums[kBits]));
    }
    return total;
  }

private:
  Value asBytes(VectorBuilder &v, Value vector) const {
    return vector::BitCastOp::create(
        v.b, VectorType::get({4 * rows}, v.b.getI8Type()), vector);
  }
  Value asWords(VectorBuilder &v, Value vector) const {
    return vector::BitCastOp::create(
        v.b, VectorType::get({rows}, v.b.getI32Type()), vector);
  }

  /// Sum and carry of three bits. They share no term, so that either can be one
  /// instruction on machines with functions of three operands.
  static std::pair<Value, Value> fullAdder(VectorBuilder &v, Value a, Value c,
                                           Value d) {
    Value sum = arith::XOrIOp::create(v.b, arith::XOrIOp::create(v.b, a, c), d);
    Value both = arith::AndIOp::create(v.b, a, c);
    Value any = arith::OrIOp::create(v.b, a, c);
    Value carry =
        arith::OrIOp::create(v.b, both, arith::AndIOp::create(v.b, any, d));
    return {sum, carry};
  }

  Value count(VectorBuilder &v, Value bits) const {
    if (countsWords)
      return math::CtPopOp::create(v.b, bits);
    return asWords(v, math::CtPopOp::create(v.b, asBytes(v, bits)));
  }

  Value addCounts(VectorBuilder &v, Value sum, Value counts) const {
    if (countsWords)
      return v.add(sum, counts);
    return asWords(v, v.add(asBytes(v, sum), asBytes(v, counts)));
  }

  /// Counts as one i32 per row.
  Value wide(VectorBuilder &v, Value counts) const {
    if (countsWords)
      return counts;
    for (auto [shift, mask] : {std::pair(8, 0x00ff00ff), {16, 0x0000ffff}}) {
      auto masked = [&](Value value) -> Value {
        return arith::AndIOp::create(v.b, value, v.splatI32(mask, rows));
      };
      Value upper =
          arith::ShRUIOp::create(v.b, counts, v.splatI32(shift, rows));
      counts = v.add(masked(counts), masked(upper));
    }
    return counts;
  }

  /// Of the accumulators of a token for 16 rows.
  static constexpr int64_t kSumBits = (kBits + 1) * kBlockBytes * 8;
  const int64_t tokens, rows;
  const bool countsWords;
  const int64_t added;
};

} // namespace

std::unique_ptr<BlockStrategy>
ternac::bitPlaneStrategy(const VectorOptions &options) {
  return std::make_unique<BitPlanes>(options);
}
