//===- MemoryTables.cpp - Look-up tables that lie in memory ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/MatmulKernel.h"
#include "ternac/Conversion/TableKernel.h"

using namespace mlir;
using namespace ternac;

Value ternac::tritSums(VectorBuilder &v, ArrayRef<Value> x, int64_t lanes,
                       int64_t bias, function_ref<int(int64_t, int64_t)> trit) {
  auto type = VectorType::get({lanes}, v.b.getI16Type());
  auto constant = [&](function_ref<int16_t(int64_t)> lane) -> Value {
    SmallVector<int16_t> values;
    for (int64_t i = 0; i < lanes; ++i)
      values.push_back(lane(i));
    return arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(type, ArrayRef(values)));
  };
  Value sum = constant([&](int64_t) { return int16_t(bias); });
  for (auto [d, activation] : llvm::enumerate(x)) {
    Value all = v.broadcast(activation, lanes);
    auto where = [&](int sign) -> Value {
      return arith::AndIOp::create(v.b, all, constant([&](int64_t i) {
                                     return trit(i, d) == sign ? -1 : 0;
                                   }));
    };
    sum = arith::SubIOp::create(v.b, v.add(sum, where(1)), where(-1));
  }
  return sum;
}

namespace {

/// Element b of a table is the sum that byte b selects.
class MemoryTables final : public TableForm {
public:
  MemoryTables(const packing::Layout &layout, int64_t rows)
      : TableForm(layout), rows(rows) {}

  int64_t rowsTogether() const override { return rows; }
  int64_t tokensOfBlock() const override { return 1; }
  int64_t elements() const override { return 256; }
  /// Sums of i16: |q| <= 128.
  int64_t groupsPerFlush() const override {
    return 32767 / (128 * layout.digits());
  }

  void build(VectorBuilder &v, ArrayRef<Value> x, Value tables,
             Value place) const override {
    // The sums of the low digits, as a vector, plus each of the high digits.
    int64_t radix = layout.code == packing::Code::TwoBit ? 4 : 3;
    int64_t low = layout.code == packing::Code::TwoBit ? 2 : 3;
    int64_t lowSums = 1, highSums = 1;
    for (int64_t d = 0; d < layout.digits(); ++d)
      (d < low ? lowSums : highSums) *= radix;
    auto code = [&](int64_t number, int64_t d) {
      while (d-- > 0)
        number /= radix;
      return int(number % radix);
    };
    // What is written beyond the sums of one high digit is overwritten by the
    // next, or lies beyond the last.
    Value lowSum =
        tritSums(v, x.take_front(low), llvm::PowerOf2Ceil(lowSums), /*bias=*/0,
                 [&](int64_t i, int64_t d) { return code(i, d) - 1; });
    for (int64_t high = 0; high < highSums; ++high) {
      Value sum = lowSum;
      bool isByte = true;
      for (auto [d, activation] : llvm::enumerate(x.drop_front(low))) {
        int trit = code(high, d) - 1;
        isByte &= trit <= 1;
        Value all = v.broadcast(activation, llvm::PowerOf2Ceil(lowSums));
        if (trit == 1)
          sum = v.add(sum, all);
        else if (trit == -1)
          sum = arith::SubIOp::create(v.b, sum, all);
      }
      if (isByte)
        v.store(sum, tables, v.add(place, v.index(high * lowSums)));
    }
  }

  SmallVector<Value> zero(VectorBuilder &v, int64_t rows,
                          int64_t) const override {
    auto type = VectorType::get({rows}, v.b.getI16Type());
    return {arith::ConstantOp::create(v.b, v.b.getZeroAttr(type))};
  }

  void accumulate(VectorBuilder &v, const Table &table, Value weights,
                  Value byte, int64_t rows,
                  MutableArrayRef<Value> sums) const override {
    SmallVector<Value> found;
    for (int64_t row = 0; row < rows; ++row) {
      Value index =
          memref::LoadOp::create(v.b, weights, v.add(byte, v.index(row)));
      index = arith::IndexCastUIOp::create(v.b, v.b.getIndexType(), index);
      found.push_back(
          memref::LoadOp::create(v.b, table.tables, v.add(table.place, index)));
    }
    Value vector = vector::FromElementsOp::create(
        v.b, cast<VectorType>(sums.front().getType()), found);
    sums.front() = v.add(sums.front(), vector);
  }

  SmallVector<Value> zeroTotals(VectorBuilder &v, int64_t rows) const override {
    return SmallVector<Value>(rows / kBlockLanes, v.splatI32(0, kBlockLanes));
  }

  void flush(VectorBuilder &v, ArrayRef<Value> sums,
             MutableArrayRef<Value> totals) const override {
    for (auto [i, total] : llvm::enumerate(totals)) {
      Value part = vector::ExtractStridedSliceOp::create(
          v.b, sums.front(), ArrayRef<int64_t>{int64_t(i) * kBlockLanes},
          ArrayRef<int64_t>{kBlockLanes}, ArrayRef<int64_t>{1});
      total = v.add(total, arith::ExtSIOp::create(v.b, total.getType(), part));
    }
  }

  SmallVector<Value> finish(VectorBuilder &,
                            ArrayRef<Value> totals) const override {
    return SmallVector<Value>(totals);
  }

private:
  const int64_t rows;
};

} // namespace

std::unique_ptr<TableForm> ternac::memoryTables(const packing::Layout &layout,
                                                const VectorOptions &options) {
  // A machine without vectors has a general register for each sum.
  bool isScalar = options.vectorBits <= 64;
  return std::make_unique<MemoryTables>(layout, isScalar ? 16 : 64);
}
