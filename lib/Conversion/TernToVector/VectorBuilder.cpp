//===- VectorBuilder.cpp - Loops and arithmetic over vectors of rows ------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/VectorBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace ternac;

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value VectorBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, value);
}
Value VectorBuilder::add(Value a, Value c) {
  return b.createOrFold<arith::AddIOp>(a, c);
}
Value VectorBuilder::mul(Value a, Value c) {
  return b.createOrFold<arith::MulIOp>(a, c);
}
Value VectorBuilder::f32(double value) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
}
Value VectorBuilder::splat(double value, int64_t width) {
  return arith::ConstantOp::create(
      b, DenseElementsAttr::get(VectorType::get({width}, b.getF32Type()),
                                b.getF32FloatAttr(value).getValue()));
}
Value VectorBuilder::splatI32(int32_t value, int64_t width) {
  return arith::ConstantOp::create(
      b, DenseElementsAttr::get(VectorType::get({width}, b.getI32Type()),
                                b.getI32IntegerAttr(value).getValue()));
}
Value VectorBuilder::broadcast(Value scalar, int64_t width) {
  return vector::BroadcastOp::create(
      b, VectorType::get({width}, scalar.getType()), scalar);
}
Value VectorBuilder::loadIndex(Value memref, ValueRange indices) {
  Value number = memref::LoadOp::create(b, memref, indices);
  return arith::IndexCastOp::create(b, b.getIndexType(), number);
}

/// `number` with the type of `value`.
Value VectorBuilder::constantLike(Value value, double number) {
  if (auto type = dyn_cast<VectorType>(value.getType()))
    return splat(number, type.getDimSize(0));
  return f32(number);
}
Value VectorBuilder::constantBitsLike(Value value, uint32_t bits) {
  return splatI32(int32_t(bits),
                  cast<VectorType>(value.getType()).getDimSize(0));
}
Value VectorBuilder::bitsOf(Value value, Type element) {
  auto type = cast<VectorType>(value.getType());
  return arith::BitcastOp::create(b, VectorType::get(type.getShape(), element),
                                  value);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

void VectorBuilder::forRange(Value begin, Value end, int64_t step, Body body) {
  auto loop = scf::ForOp::create(b, begin, end, index(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

SmallVector<Value> VectorBuilder::forRange(Value begin, Value end, int64_t step,
                                           ValueRange init, CarriedBody body) {
  if (init.empty()) {
    forRange(begin, end, step, [&](Value i) { body(i, {}); });
    return {};
  }
  auto loop = scf::ForOp::create(b, begin, end, index(step), init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next =
      body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, next);
  return SmallVector<Value>(loop.getResults());
}

void VectorBuilder::forBlocks(Value begin, Value end, ArrayRef<int64_t> sizes,
                              function_ref<void(Value, int64_t)> body) {
  for (int64_t size : sizes) {
    Value whole = end;
    if (size > 1) {
      Value count = arith::SubIOp::create(b, end, begin);
      Value rest = arith::RemUIOp::create(b, count, index(size));
      whole = arith::SubIOp::create(b, end, rest);
    }
    forRange(begin, whole, size, [&](Value first) { body(first, size); });
    if (size == 1)
      return;
    begin = whole;
  }
}

void VectorBuilder::ifThen(Value condition, function_ref<void()> then) {
  auto branch = scf::IfOp::create(b, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  then();
}

void VectorBuilder::ifThenElse(Value condition, function_ref<void()> then,
                               function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(b, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  then();
  b.setInsertionPointToStart(branch.elseBlock());
  otherwise();
}

void VectorBuilder::forThreadRows(Value count, Body body) {
  auto range = tern::ThreadRangeOp::create(b, environment, count, 1);
  forRange(range.getBegin(), range.getEnd(), 1, body);
}

void VectorBuilder::forRowParts(Value count, int64_t parts,
                                function_ref<void(Value, Value)> body) {
  Value each = index(parts);
  forThreadRows(mul(count, each), [&](Value pair) {
    Value row = arith::DivUIOp::create(b, pair, each);
    body(row, arith::RemUIOp::create(b, pair, each));
  });
}

void VectorBuilder::forShares(int64_t count, int64_t step, int64_t piece,
                              function_ref<void(Value, Value)> body) {
  int64_t rest = count / kShareLeft / piece * piece;
  int64_t fixed = (count - rest) / step * step;
  auto range = tern::ThreadRangeOp::create(b, environment, index(fixed), step);
  if (fixed == count)
    return body(range.getBegin(), range.getEnd());
  Type type = b.getIndexType();
  auto loop = scf::WhileOp::create(
      b, TypeRange{type, type}, ValueRange{range.getBegin(), range.getEnd()});
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Location> places(2, b.getLoc());
  Block *before = b.createBlock(&loop.getBefore(), {}, {type, type}, places);
  body(before->getArgument(0), before->getArgument(1));
  auto next =
      tern::ClaimOp::create(b, environment, index(count - fixed), piece);
  Value isMore = arith::CmpIOp::create(b, arith::CmpIPredicate::ult,
                                       next.getBegin(), next.getEnd());
  scf::ConditionOp::create(b, isMore,
                           ValueRange{add(next.getBegin(), index(fixed)),
                                      add(next.getEnd(), index(fixed))});
  Block *after = b.createBlock(&loop.getAfter(), {}, {type, type}, places);
  scf::YieldOp::create(b, after->getArguments());
}

SmallVector<Value> VectorBuilder::forColumns(
    int64_t count, ValueRange carried,
    function_ref<SmallVector<Value>(Value, int64_t, ValueRange)> body) {
  int64_t lanes = options.lanes;
  int64_t whole = count / lanes * lanes;
  SmallVector<Value> values(carried);
  if (whole > 0)
    values = forRange(index(0), index(whole), lanes, values,
                      [&](Value column, ValueRange inner) {
                        return body(column, lanes, inner);
                      });
  if (count > whole)
    values = body(index(whole), count - whole, values);
  return values;
}

void VectorBuilder::forColumns(int64_t count,
                               function_ref<void(Value, int64_t)> body) {
  forColumns(count, {}, [&](Value column, int64_t width, ValueRange) {
    body(column, width);
    return SmallVector<Value>();
  });
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value VectorBuilder::load(Value memref, ValueRange indices, int64_t width) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  return vector::LoadOp::create(b, VectorType::get({width}, element), memref,
                                indices);
}
Value VectorBuilder::loadF32(Value memref, ValueRange indices, int64_t width) {
  return toF32(load(memref, indices, width));
}
void VectorBuilder::store(Value vector, Value memref, ValueRange indices) {
  vector::StoreOp::create(b, vector, memref, indices);
}
void VectorBuilder::storeOnce(Value number, Value memref, ValueRange indices) {
  memref::StoreOp::create(b, number, memref, indices);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value VectorBuilder::addF(Value a, Value c) {
  return arith::AddFOp::create(b, a, c);
}
Value VectorBuilder::subF(Value a, Value c) {
  return arith::SubFOp::create(b, a, c);
}
Value VectorBuilder::mulF(Value a, Value c) {
  return arith::MulFOp::create(b, a, c);
}
Value VectorBuilder::divF(Value a, Value c) {
  return arith::DivFOp::create(b, a, c);
}
Value VectorBuilder::fma(Value a, Value c, Value d) {
  if (options.fma)
    return math::FmaOp::create(b, a, c, d);
  return addF(mulF(a, c), d);
}
Value VectorBuilder::maxF(Value a, Value c) {
  Value greater = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, a, c);
  return arith::SelectOp::create(b, greater, a, c);
}
Value VectorBuilder::minF(Value a, Value c) {
  Value less = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, a, c);
  return arith::SelectOp::create(b, less, a, c);
}
Value VectorBuilder::absF(Value a) { return math::AbsFOp::create(b, a); }

Value VectorBuilder::roundEven(Value a) {
  // Adding 1.5 * 2^23 leaves no fraction bits; the hardware's rounding mode,
  // half to even, does the work on any machine.
  Value magic = constantLike(a, 12582912.0);
  return subF(addF(a, magic), magic);
}

Value VectorBuilder::exp(Value a) {
  // e^a = 2^n * e^r with n = round(a / ln 2) and |r| <= ln(2)/2; ln 2 in two
  // parts keeps r exact; e^r by its Taylor polynomial to degree 7 (the error
  // is below 2^-27 on that interval).
  Value low = constantLike(a, -87.0);
  Value x = maxF(minF(a, constantLike(a, 88.0)), low);
  // As roundEven does it: the sum has n in its lowest nine bits.
  Value magic = constantLike(a, 12582912.0);
  Value sum = addF(mulF(x, constantLike(a, 1.44269504088896341)), magic);
  Value n = subF(sum, magic);
  Value r = fma(n, constantLike(a, -0.693359375), x);
  r = fma(n, constantLike(a, 2.12194440e-4), r);
  static const double coefficients[] = {
      1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0};
  Value p = constantLike(a, coefficients[0]);
  for (double coefficient : ArrayRef(coefficients).drop_front())
    p = fma(p, r, constantLike(a, coefficient));
  Type i32 = b.getI32Type();
  Type intType = i32;
  if (auto type = dyn_cast<VectorType>(a.getType()))
    intType = VectorType::get(type.getShape(), i32);
  auto integer = [&](int32_t value) -> Value {
    if (auto type = dyn_cast<VectorType>(a.getType()))
      return splatI32(value, type.getDimSize(0));
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
  };
  Value exponent = arith::BitcastOp::create(b, intType, sum);
  exponent = arith::AddIOp::create(b, exponent, integer(127));
  exponent = arith::ShLIOp::create(b, exponent, integer(23));
  Value scale = arith::BitcastOp::create(b, a.getType(), exponent);
  Value result = mulF(p, scale);
  Value tiny = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, a, low);
  return arith::SelectOp::create(b, tiny, constantLike(a, 0.0), result);
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

Value VectorBuilder::toF32(Value vector) {
  auto type = cast<VectorType>(vector.getType());
  Type element = type.getElementType();
  auto f32Type = VectorType::get(type.getShape(), b.getF32Type());
  auto i32Type = VectorType::get(type.getShape(), b.getI32Type());
  if (element.isF32())
    return vector;
  if (element.isInteger(32))
    return arith::SIToFPOp::create(b, f32Type, vector);
  if (element.isInteger(8)) {
    Value wide = arith::ExtSIOp::create(b, i32Type, vector);
    return arith::SIToFPOp::create(b, f32Type, wide);
  }
  if (element.isBF16()) {
    Value bits =
        arith::ExtUIOp::create(b, i32Type, bitsOf(vector, b.getI16Type()));
    Value shifted =
        arith::ShLIOp::create(b, bits, splatI32(16, type.getDimSize(0)));
    return arith::BitcastOp::create(b, f32Type, shifted);
  }
  if (options.f16Convert)
    return arith::ExtFOp::create(b, f32Type, vector);
  return f16ToF32(vector);
}

Value VectorBuilder::toElement(Value vector, Type element) {
  if (element.isF32())
    return vector;
  if (!options.f16Convert)
    return f32ToF16(vector);
  auto type = cast<VectorType>(vector.getType());
  return arith::TruncFOp::create(b, VectorType::get(type.getShape(), element),
                                 vector);
}

Value VectorBuilder::f16ToF32(Value vector) {
  // Exponent and fraction move to their f32 places; multiplying by 2^112
  // corrects the bias and normalises subnormals; infinities and NaNs get the
  // full exponent.
  auto type = cast<VectorType>(vector.getType());
  auto i32Type = VectorType::get(type.getShape(), b.getI32Type());
  Value half =
      arith::ExtUIOp::create(b, i32Type, bitsOf(vector, b.getI16Type()));
  auto bits = [&](uint32_t value) { return constantBitsLike(half, value); };
  Value sign = arith::AndIOp::create(b, half, bits(0x8000));
  sign = arith::ShLIOp::create(b, sign, bits(16));
  Value magnitude = arith::AndIOp::create(b, half, bits(0x7fff));
  Value moved = arith::ShLIOp::create(b, magnitude, bits(13));
  Value number =
      mulF(bitsOf(moved, b.getF32Type()), splat(0x1p112, type.getDimSize(0)));
  Value result = bitsOf(number, b.getI32Type());
  Value special = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, magnitude,
                                        bits(0x7c00));
  Value full = arith::OrIOp::create(b, moved, bits(0x7f800000));
  result = arith::SelectOp::create(b, special, full, result);
  result = arith::OrIOp::create(b, result, sign);
  return bitsOf(result, b.getF32Type());
}

Value VectorBuilder::f32ToF16(Value vector) {
  // Half to even. Normal numbers round in the integer domain; those below
  // 2^-14 by adding 0.5, whose ulp is f16's smallest subnormal.
  Value word = bitsOf(vector, b.getI32Type());
  auto type = cast<VectorType>(vector.getType());
  auto bits = [&](uint32_t value) { return constantBitsLike(word, value); };
  auto compare = [&](arith::CmpIPredicate predicate, Value a, uint32_t limit) {
    return arith::CmpIOp::create(b, predicate, a, bits(limit));
  };
  Value sign = arith::AndIOp::create(b, word, bits(0x80000000));
  Value magnitude = arith::XOrIOp::create(b, word, sign);
  Value odd = arith::AndIOp::create(
      b, arith::ShRUIOp::create(b, magnitude, bits(13)), bits(1));
  Value rounded = arith::AddIOp::create(
      b, arith::AddIOp::create(b, magnitude, bits(0xfff)), odd);
  Value normal = arith::ShRUIOp::create(
      b, arith::SubIOp::create(b, rounded, bits(112u << 23)), bits(13));
  Value sum =
      addF(bitsOf(magnitude, b.getF32Type()), splat(0.5, type.getDimSize(0)));
  Value subnormal =
      arith::SubIOp::create(b, bitsOf(sum, b.getI32Type()), bits(0x3f000000));
  Value small = compare(arith::CmpIPredicate::ult, magnitude, 0x38800000);
  Value result = arith::SelectOp::create(b, small, subnormal, normal);
  Value large = compare(arith::CmpIPredicate::uge, magnitude, 0x477ff000);
  result = arith::SelectOp::create(b, large, bits(0x7c00), result);
  Value nan = compare(arith::CmpIPredicate::ugt, magnitude, 0x7f800000);
  result = arith::SelectOp::create(b, nan, bits(0x7e00), result);
  result = arith::OrIOp::create(b, result,
                                arith::ShRUIOp::create(b, sign, bits(16)));
  Value narrow = arith::TruncIOp::create(
      b, VectorType::get(type.getShape(), b.getI16Type()), result);
  return bitsOf(narrow, b.getF16Type());
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

Value VectorBuilder::widen(Value vector, Value fill) {
  auto type = cast<VectorType>(vector.getType());
  if (type.getDimSize(0) == options.lanes)
    return vector;
  return vector::InsertStridedSliceOp::create(
      b, vector, fill, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{1});
}

Value VectorBuilder::reduce(Value vector,
                            function_ref<Value(Value, Value)> combine) {
  int64_t width = cast<VectorType>(vector.getType()).getDimSize(0);
  while (width > 1) {
    int64_t half = width / 2;
    auto low = llvm::to_vector(llvm::seq<int64_t>(0, half));
    auto high = llvm::to_vector(llvm::seq<int64_t>(half, width));
    vector = combine(vector::ShuffleOp::create(b, vector, vector, low),
                     vector::ShuffleOp::create(b, vector, vector, high));
    width = half;
  }
  return vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{0});
}

Value VectorBuilder::reduceAdd(Value vector) {
  if (cast<VectorType>(vector.getType()).getElementType().isInteger())
    return vector::ReductionOp::create(b, vector::CombiningKind::ADD, vector);
  return reduce(vector, [&](Value a, Value c) { return addF(a, c); });
}

Value VectorBuilder::reduceMax(Value vector) {
  return reduce(vector, [&](Value a, Value c) { return maxF(a, c); });
}

Value VectorBuilder::reduceAddEach(ArrayRef<Value> vectors) {
  // Each step halves the lanes of a sum, and packs two vectors into one as long
  // as there are two. The lanes of each sum stay next to each other.
  SmallVector<Value> values(vectors);
  SmallVector<int64_t> sums(vectors.size(), 1); // of each vector
  int64_t lanes = cast<VectorType>(values[0].getType()).getDimSize(0);
  for (; lanes > 1; lanes /= 2) {
    SmallVector<Value> next;
    SmallVector<int64_t> nextSums;
    for (size_t i = 0; i < values.size(); i += 2) {
      bool isPair = i + 1 < values.size();
      Value first = values[i], second = values[isPair ? i + 1 : i];
      int64_t width = cast<VectorType>(first.getType()).getDimSize(0);
      SmallVector<int64_t> low, high;
      auto addHalves = [&](int64_t begin, int64_t count) {
        for (int64_t sum = 0; sum < count; ++sum)
          for (int64_t lane = 0; lane < lanes / 2; ++lane) {
            low.push_back(begin + sum * lanes + lane);
            high.push_back(low.back() + lanes / 2);
          }
      };
      addHalves(0, sums[i]);
      if (isPair)
        addHalves(width, sums[i + 1]);
      next.push_back(add(vector::ShuffleOp::create(b, first, second, low),
                         vector::ShuffleOp::create(b, first, second, high)));
      nextSums.push_back(sums[i] + (isPair ? sums[i + 1] : 0));
    }
    values = next, sums = nextSums;
  }
  // One vector, unless there were more sums than lanes.
  while (values.size() > 1) {
    SmallVector<Value> next;
    for (size_t i = 0; i < values.size(); i += 2) {
      if (i + 1 == values.size()) {
        next.push_back(values[i]);
        continue;
      }
      int64_t first = cast<VectorType>(values[i].getType()).getDimSize(0);
      int64_t second = cast<VectorType>(values[i + 1].getType()).getDimSize(0);
      auto all = llvm::to_vector(llvm::seq<int64_t>(0, first + second));
      next.push_back(
          vector::ShuffleOp::create(b, values[i], values[i + 1], all));
    }
    values = next;
  }
  return values.front();
}

Value VectorBuilder::addProducts(Value sum, Value a, Value c) {
  // Written so that code generators see their instruction for it.
  int64_t pairs = cast<VectorType>(sum.getType()).getDimSize(0);
  auto wide = VectorType::get({2 * pairs}, b.getI32Type());
  Value products = arith::MulIOp::create(b, arith::ExtSIOp::create(b, wide, a),
                                         arith::ExtSIOp::create(b, wide, c));
  SmallVector<int64_t> even, odd;
  for (int64_t i = 0; i < pairs; ++i) {
    even.push_back(2 * i);
    odd.push_back(2 * i + 1);
  }
  Value evens = vector::ShuffleOp::create(b, products, products, even);
  Value odds = vector::ShuffleOp::create(b, products, products, odd);
  return add(sum, add(evens, odds));
}

void VectorBuilder::barrier() { tern::BarrierOp::create(b, environment); }
