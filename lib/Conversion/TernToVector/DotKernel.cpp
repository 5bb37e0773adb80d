//===- DotKernel.cpp - Ternary matmuls by byte dot products ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/DotKernel.h"

using namespace mlir;
using namespace ternac;

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

Value ByteDot::zero(VectorBuilder &v) const {
  return v.splatI32(0, kBlockLanes);
}

namespace {

class WideningDot final : public ByteDot {
public:
  /// Of products from 2 * -128 to 2 * 127.
  int64_t dotsThatFit() const override { return 32767 / (2 * 128); }
  Value zero(VectorBuilder &v) const override {
    return arith::ConstantOp::create(v.b, v.b.getZeroAttr(words(v)));
  }
  Value dot(VectorBuilder &v, Value sum, Value codes,
            Value bytes) const override {
    return v.add(
        sum, v.mul(arith::ExtSIOp::create(v.b, words(v), codes).getResult(),
                   arith::ExtSIOp::create(v.b, words(v), bytes).getResult()));
  }
  Value widen(VectorBuilder &v, Value sums) const override {
    return addFours(v, sums);
  }

private:
  static VectorType words(VectorBuilder &v) {
    return VectorType::get({kBlockBytes}, v.b.getI16Type());
  }
};

} // namespace

const ByteDot &ternac::wideningDot() {
  static const WideningDot dot;
  return dot;
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

int64_t DotBlocks::superblocksPerFlush(const packing::Layout &layout) const {
  int64_t fit = byteDot.dotsThatFit();
  if (fit == 0)
    return kNever;
  int64_t largest = 1;
  for (int64_t d = 0; d < layout.digits(); ++d)
    largest = std::max(largest, scale(layout, d));
  int64_t digits = llvm::divideCeil(layout.digits(), sums(layout));
  return fit / largest / (digits * layout.blocks);
}

SmallVector<Value> DotBlocks::zero(VectorBuilder &v,
                                   const packing::Layout &layout) const {
  return SmallVector<Value>(sums(layout), byteDot.zero(v));
}

void DotBlocks::accumulate(VectorBuilder &v, const packing::Layout &layout,
                           Value weights,
                           function_ref<Value(int64_t, int64_t)> activations,
                           MutableArrayRef<SmallVector<Value>> sums) const {
  for (auto [d, codes] : llvm::enumerate(decode(v, layout, weights)))
    for (auto [token, sum] : llvm::enumerate(sums)) {
      Value &total = sum[d % sum.size()];
      total = byteDot.dot(v, total, codes, activations(token, d));
    }
}

/// The number whose product with `odd` is 1 modulo 2^32.
static uint32_t inverseOf(uint32_t odd) {
  uint32_t inverse = odd; // right in the lowest three bits
  for (int bits = 3; bits < 32; bits *= 2)
    inverse *= 2 - odd * inverse;
  return inverse;
}

Value DotBlocks::flush(VectorBuilder &v, const packing::Layout &layout,
                       ArrayRef<Value> sums) const {
  Value total;
  for (auto [i, sum] : llvm::enumerate(sums)) {
    Value part = byteDot.widen(v, sum);
    // The sum is exactly `times` too large, modulo 2^32.
    int64_t times = scale(layout, i);
    if (times > 1 && llvm::isPowerOf2_64(times))
      part = arith::ShRSIOp::create(
          v.b, part, v.splatI32(llvm::Log2_64(times), kBlockLanes));
    else if (times > 1)
      part = arith::MulIOp::create(
          v.b, part, v.splatI32(int32_t(inverseOf(times)), kBlockLanes));
    total = total ? v.add(total, part) : part;
  }
  return total;
}

SmallVector<Value> DotBlocks::decode(VectorBuilder &v,
                                     const packing::Layout &layout,
                                     Value weights) const {
  return decodeCodes(v, layout, weights);
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

SmallVector<Value> DotPanels::decode(VectorBuilder &v,
                                     const packing::Layout &layout,
                                     Value weights) const {
  return decodeCodes(v, layout, weights);
}

void DotPanels::multiply(VectorBuilder &v, const PanelStep &step) const {
  int64_t fit = byteDot.dotsThatFit();
  int64_t stretch = fit ? 4 * fit : step.columns;
  for (int64_t first = 0; first < step.columns; first += stretch)
    multiply(v, step, first, std::min(step.columns, first + stretch));
}

/// Columns first..last, which narrow sums have room for.
void DotPanels::multiply(VectorBuilder &v, const PanelStep &step, int64_t first,
                         int64_t last) const {
  bool isNarrow = byteDot.dotsThatFit() != 0;
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
      sums.push_back(isNarrow ? byteDot.zero(v) : loadSum(token, group));
  sums = v.forRange(
      v.index(first), v.index(last), 4, sums,
      [&](Value column, ValueRange carried) {
        SmallVector<Value> next(carried), codes;
        Value line = v.mul(column, v.index(kBlockLanes));
        for (int64_t group = 0; group < groups(); ++group)
          codes.push_back(v.load(step.panel,
                                 v.add(line, v.index(group * step.groupBytes)),
                                 kBlockBytes));
        Value at = v.add(step.qPlaces.front(), column);
        for (int64_t token = 0; token < tokensPerSlot(); ++token) {
          Value bytes = broadcastFour(v, step.q,
                                      v.add(at, v.index(token * step.qStride)));
          for (int64_t group = 0; group < groups(); ++group) {
            Value &sum = next[token * groups() + group];
            sum = byteDot.dot(v, sum, codes[group], bytes);
          }
        }
        return next;
      });
  for (int64_t token = 0; token < tokensPerSlot(); ++token)
    for (int64_t group = 0; group < groups(); ++group) {
      Value sum = sums[token * groups() + group];
      if (isNarrow)
        sum = v.add(loadSum(token, group), byteDot.widen(v, sum));
      v.store(sum, step.sums, sumPlace(token, group));
    }
}
