//===- AArch64Vectors.cpp - Instructions of AArch64 on blocks -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AArch64Vectors.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::cpu;

static Value callIntrinsic(VectorBuilder &v, StringRef name, Type result,
                           ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(v.b, result, v.b.getStringAttr(name),
                                       operands)
      .getResults();
}

/// The type of a register of SVE with elements of `element`.
static VectorType scalable(Type element) {
  return VectorType::get({128 / int64_t(element.getIntOrFloatBitWidth())},
                         element, /*scalableDims=*/{true});
}

/// `vector` as the beginning of a register.
static Value toScalable(VectorBuilder &v, Value vector) {
  VectorType type =
      scalable(cast<VectorType>(vector.getType()).getElementType());
  Value rest = LLVM::PoisonOp::create(v.b, type);
  return vector::ScalableInsertOp::create(v.b, vector, rest, /*pos=*/0);
}

Value AArch64Vectors::call(VectorBuilder &v,
                           const AArch64Instruction &instruction,
                           VectorType result, ValueRange operands) const {
  if (!isScalable())
    return callIntrinsic(v, instruction.neon, result, operands);
  SmallVector<Value> registers;
  for (Value operand : operands)
    registers.push_back(toScalable(v, operand));
  Value whole = callIntrinsic(v, instruction.sve,
                              scalable(result.getElementType()), registers);
  return vector::ScalableExtractOp::create(v.b, result, whole, /*pos=*/0);
}

Value AArch64Vectors::callInParts(VectorBuilder &v,
                                  const AArch64Instruction &instruction,
                                  VectorType result,
                                  ValueRange operands) const {
  int64_t lanes = bytes * 8 / result.getElementTypeBitWidth();
  int64_t count = result.getDimSize(0) / lanes;
  if (count == 1)
    return call(v, instruction, result, operands);
  auto part = VectorType::get({lanes}, result.getElementType());
  Value whole = arith::ConstantOp::create(v.b, v.b.getZeroAttr(result));
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<Value> pieces;
    for (Value operand : operands) {
      int64_t length =
          cast<VectorType>(operand.getType()).getDimSize(0) / count;
      pieces.push_back(slice(v, operand, i * length, length));
    }
    whole = vector::InsertStridedSliceOp::create(
        v.b, call(v, instruction, part, pieces), whole,
        ArrayRef<int64_t>{i * lanes}, ArrayRef<int64_t>{1});
  }
  return whole;
}

Value AArch64Vectors::repeat(VectorBuilder &v, Value vector) const {
  if (!isScalable())
    return vector;
  auto type = cast<VectorType>(vector.getType());
  auto result = VectorType::get({bytes * 8 / type.getElementTypeBitWidth()},
                                type.getElementType());
  Value zero = arith::ConstantOp::create(v.b, v.b.getI64IntegerAttr(0));
  Value whole = callIntrinsic(v, "llvm.aarch64.sve.dupq.lane.nxv16i8",
                              scalable(type.getElementType()),
                              {toScalable(v, vector), zero});
  return vector::ScalableExtractOp::create(v.b, result, whole, /*pos=*/0);
}

AArch64Dot::AArch64Dot(AArch64Product product, int64_t registerBytes)
    : instruction(
          product == AArch64Product::Signed
              ? AArch64Instruction{"llvm.aarch64.neon.sdot.v4i32.v16i8",
                                   "llvm.aarch64.sve.sdot.nxv4i32"}
              : AArch64Instruction{"llvm.aarch64.neon.usdot.v4i32.v16i8",
                                   "llvm.aarch64.sve.usdot.nxv4i32"}),
      vectors(registerBytes) {}

Value AArch64Dot::dot(VectorBuilder &v, Value sum, Value codes,
                      Value bytes) const {
  return vectors.callInParts(v, instruction, cast<VectorType>(sum.getType()),
                             {sum, codes, bytes});
}

Value cpu::slice(VectorBuilder &v, Value vector, int64_t first,
                 int64_t length) {
  return vector::ExtractStridedSliceOp::create(
      v.b, vector, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{length},
      ArrayRef<int64_t>{1});
}
