//===- WordLoads.cpp - Memory in words, sums over a block -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WordLoads.h"

#include <numeric>

using namespace mlir;
using namespace ternac;
using namespace ternac::gpulowering;

int64_t gpulowering::rowAlignment(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  auto [strides, offset] = type.getStridesAndOffset();
  // Buffers begin at lines of the workspace; views of them need not.
  if (ShapedType::isDynamic(strides.front()) || ShapedType::isDynamic(offset))
    return 1;
  int64_t bytes =
      std::gcd(strides.front(), offset) * type.getElementTypeBitWidth() / 8;
  return bytes % 16 == 0 ? 16 : bytes % 4 == 0 ? 4 : 1;
}

SmallVector<Value> gpulowering::loadWords(GpuBuilder &v, Value memref,
                                          ValueRange indices, int64_t count,
                                          int64_t alignment) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  int64_t elements = 32 * count / element.getIntOrFloatBitWidth();
  Value loaded = vector::LoadOp::create(
      v.b, VectorType::get({elements}, element), memref, indices,
      /*nontemporal=*/false, llvm::MaybeAlign(uint64_t(alignment)));
  if (element.getIntOrFloatBitWidth() != 32)
    loaded = vector::BitCastOp::create(
        v.b, VectorType::get({count}, v.b.getI32Type()), loaded);
  SmallVector<Value> words;
  for (int64_t i = 0; i < count; ++i)
    words.push_back(
        vector::ExtractOp::create(v.b, loaded, ArrayRef<int64_t>{i}));
  return words;
}

static void chooseRows(GpuBuilder &v, Value rows, int64_t count, int64_t most,
                       function_ref<void(int64_t, bool)> write) {
  if (count == most)
    return write(count, false);
  Value fits = arith::CmpIOp::create(v.b, arith::CmpIPredicate::ule, rows,
                                     v.index(count));
  v.ifThenElse(
      fits, [&] { write(count, true); },
      [&] { chooseRows(v, rows, 2 * count, most, write); });
}

void gpulowering::forRowsTogether(GpuBuilder &v, Value rows, int64_t most,
                                  function_ref<void(int64_t, bool)> write) {
  chooseRows(v, rows, 1, most, write);
}

void BlockSums::put(Value sum, Value part, Value number) {
  Value at = v.add(v.mul(part, v.index(numbers)), number);
  memref::StoreOp::create(v.b, sum, memory, at);
}

Value BlockSums::total(Value number) {
  auto load = [&](Value part) -> Value {
    Value at = v.add(v.mul(part, v.index(numbers)), number);
    return memref::LoadOp::create(v.b, memory, at);
  };
  return v
      .forRange(v.index(1), v.index(parts), 1, load(v.index(0)),
                [&](Value part, ValueRange carried) {
                  Value own = load(part), sum = carried.front();
                  sum =
                      element.isInteger() ? v.add(sum, own) : v.addF(sum, own);
                  return SmallVector<Value>{sum};
                })
      .front();
}
