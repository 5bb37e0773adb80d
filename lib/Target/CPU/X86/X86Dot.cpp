//===- X86Dot.cpp - Byte dot products of x86 as operations ----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "X86Dot.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::cpu;

bool X86Dot::addsPairs() const {
  return instruction == DotInstruction::Maddubs512 ||
         instruction == DotInstruction::Maddubs256 ||
         instruction == DotInstruction::Maddubs128;
}
Value X86Dot::zero(VectorBuilder &v) const {
  if (!addsPairs())
    return ByteDot::zero(v);
  return arith::ConstantOp::create(v.b, v.b.getZeroAttr(pairs(v)));
}

VectorType X86Dot::pairs(VectorBuilder &v) {
  return VectorType::get({kBlockBytes / 2}, v.b.getI16Type());
}

Value X86Dot::call(VectorBuilder &v, StringRef name, VectorType result,
                   ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(v.b, result, v.b.getStringAttr(name),
                                       arguments)
      .getResults();
}

/// The number of the instruction's registers that hold a block.
int64_t X86Dot::parts() const {
  switch (instruction) {
  case DotInstruction::Vnni512:
  case DotInstruction::Maddubs512:
    return 1;
  case DotInstruction::Maddubs128:
  case DotInstruction::Madd128:
    return 4;
  default:
    return 2;
  }
}

Value X86Dot::dot(VectorBuilder &v, Value sum, Value codes, Value bytes) const {
  switch (instruction) {
  case DotInstruction::Vnni512:
    return inParts(v, "llvm.x86.avx512.vpdpbusd.512",
                   cast<VectorType>(sum.getType()), {sum, codes, bytes});
  case DotInstruction::Vnni256:
    return inParts(v, "llvm.x86.avx512.vpdpbusd.256",
                   cast<VectorType>(sum.getType()), {sum, codes, bytes});
  case DotInstruction::Maddubs512:
    return v.add(sum, inParts(v, "llvm.x86.avx512.pmaddubs.w.512", pairs(v),
                              {codes, bytes}));
  case DotInstruction::Maddubs256:
    return v.add(
        sum, inParts(v, "llvm.x86.avx2.pmadd.ub.sw", pairs(v), {codes, bytes}));
  case DotInstruction::Maddubs128:
    return v.add(sum, inParts(v, "llvm.x86.ssse3.pmadd.ub.sw.128", pairs(v),
                              {codes, bytes}));
  case DotInstruction::Madd128:
    return words(v, sum, codes, bytes);
  case DotInstruction::None:
    break;
  }
  llvm_unreachable("selection leaves dot to machines that have it");
}

/// The same of bytes that are widened to i16 first: those at even places,
/// then those at odd ones.
Value X86Dot::words(VectorBuilder &v, Value sum, Value codes,
                    Value bytes) const {
  auto splat = [&](int value) -> Value {
    return arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(pairs(v), APInt(16, value)));
  };
  Value eight = splat(8);
  Value code = vector::BitCastOp::create(v.b, pairs(v), codes);
  Value x = vector::BitCastOp::create(v.b, pairs(v), bytes);
  Value upper = arith::ShLIOp::create(v.b, x, eight);
  auto add = [&](Value codeWords, Value xWords) {
    sum = v.add(sum,
                inParts(v, "llvm.x86.sse2.pmadd.wd",
                        cast<VectorType>(sum.getType()), {codeWords, xWords}));
  };
  add(arith::AndIOp::create(v.b, code, splat(0xff)),
      arith::ShRSIOp::create(v.b, upper, eight));
  add(arith::ShRUIOp::create(v.b, code, eight),
      arith::ShRSIOp::create(v.b, x, eight));
  return sum;
}

/// Neighbouring i16 lanes, added in i32.
Value X86Dot::widen(VectorBuilder &v, Value sums) const {
  if (!addsPairs())
    return sums;
  Value ones = arith::ConstantOp::create(
      v.b, DenseElementsAttr::get(pairs(v), APInt(16, 1)));
  StringRef name = parts() == 1   ? "llvm.x86.avx512.pmaddw.d.512"
                   : parts() == 2 ? "llvm.x86.avx2.pmadd.wd"
                                  : "llvm.x86.sse2.pmadd.wd";
  return inParts(v, name, VectorType::get({kBlockLanes}, v.b.getI32Type()),
                 {sums, ones});
}

/// Calls intrinsic `name` for each of the parts of the operands and joins the
/// results.
Value X86Dot::inParts(VectorBuilder &v, StringRef name, VectorType type,
                      ValueRange operands) const {
  int64_t count = parts();
  if (count == 1)
    return call(v, name, type, operands);
  auto widthOf = [&](Type whole) {
    return cast<VectorType>(whole).getDimSize(0) / count;
  };
  auto part = VectorType::get({widthOf(type)}, type.getElementType());
  Value result = arith::ConstantOp::create(v.b, v.b.getZeroAttr(type));
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<Value> pieces;
    for (Value operand : operands) {
      int64_t width = widthOf(operand.getType());
      pieces.push_back(vector::ExtractStridedSliceOp::create(
          v.b, operand, ArrayRef<int64_t>{i * width}, ArrayRef<int64_t>{width},
          ArrayRef<int64_t>{1}));
    }
    result = vector::InsertStridedSliceOp::create(
        v.b, call(v, name, part, pieces), result,
        ArrayRef<int64_t>{i * part.getDimSize(0)}, ArrayRef<int64_t>{1});
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Digits
//===----------------------------------------------------------------------===//

static VectorType blockType(VectorBuilder &v) {
  return VectorType::get({kBlockBytes}, v.b.getI8Type());
}

Value cpu::splatBytes(VectorBuilder &v, int value) {
  return arith::ConstantOp::create(
      v.b, DenseElementsAttr::get(blockType(v), APInt(8, value)));
}

Base3Fields cpu::base3Fields(VectorBuilder &v, Value weights) {
  // The byte modulo 81 is the smallest of itself and itself less 81, twice,
  // because what is below zero wraps to a larger byte; a table of 81 entries in
  // two registers turns it into the four fields.
  Value rest = weights;
  for (int i = 0; i < 2; ++i)
    rest = arith::MinUIOp::create(
        v.b, rest, arith::SubIOp::create(v.b, rest, splatBytes(v, 81)));
  auto table = [&](int first) -> Value {
    SmallVector<int8_t> entries;
    for (int byte = first; byte < first + kBlockBytes; ++byte) {
      int fields = 0;
      for (int d = 0, left = byte; d < 4; ++d, left /= 3)
        fields |= (left % 3) << (2 * d);
      entries.push_back(int8_t(fields));
    }
    return arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(blockType(v), ArrayRef(entries)));
  };
  Value fields =
      X86Dot::call(v, "llvm.x86.avx512.vpermi2var.qi.512", blockType(v),
                   {table(0), rest, table(kBlockBytes)});
  return {fields, arith::SubIOp::create(v.b, weights, rest)};
}

SmallVector<Value> cpu::decodePanel(VectorBuilder &v,
                                    const packing::Layout &layout,
                                    Value weights, bool bytePermute) {
  if (!bytePermute || layout.code != packing::Code::Base3)
    return decodeCodes(v, layout, weights);
  auto [fields, high] = base3Fields(v, weights);
  Value three = splatBytes(v, 3);
  SmallVector<Value> digits = {arith::AndIOp::create(v.b, fields, three)};
  Value words = vector::BitCastOp::create(v.b, X86Dot::pairs(v), fields);
  for (int d = 1; d < 4; ++d) {
    Value shift = arith::ConstantOp::create(
        v.b, DenseElementsAttr::get(X86Dot::pairs(v), APInt(16, 2 * d)));
    Value moved = arith::ShRUIOp::create(v.b, words, shift);
    digits.push_back(arith::AndIOp::create(
        v.b, vector::BitCastOp::create(v.b, blockType(v), moved), three));
  }
  // 0, 81 and 162 have 0, 1 and 2 in their lowest bits.
  digits.push_back(arith::AndIOp::create(v.b, high, three));
  return digits;
}
