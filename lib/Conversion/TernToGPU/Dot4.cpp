//===- Dot4.cpp - Dot products of bytes -----------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

static Value word(GpuBuilder &v, int64_t value) {
  return arith::ConstantOp::create(v.b, v.b.getI32IntegerAttr(value));
}

/// Byte `number` of a word.
static Value byteOf(GpuBuilder &v, Value bytes, int64_t number, bool isSigned) {
  Value high = v.b.createOrFold<arith::ShLIOp>(bytes, word(v, 24 - 8 * number));
  if (isSigned)
    return arith::ShRSIOp::create(v.b, high, word(v, 24));
  return arith::ShRUIOp::create(v.b, high, word(v, 24));
}

Value gpulowering::dot4(GpuBuilder &v, Value codes, Value q, Value sum,
                        bool isSigned) {
  Operation *launch = v.b.getInsertionBlock()->getParentOp();
  TargetAttr target = getTarget(launch);
  if (target && target.hasCapability("int8_dot"))
    return Dot4Op::create(v.b, v.b.getI32Type(), codes, q, sum, isSigned);
  for (int64_t number = 0; number < 4; ++number)
    sum = v.add(sum, v.mul(byteOf(v, codes, number, isSigned),
                           byteOf(v, q, number, /*isSigned=*/true)));
  return sum;
}
