//===- MemRefPatterns.cpp - Memory by its address in SPIR-V ---------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MemRefPatterns.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace ternac;

bool ternac::isShared(MemRefType type) {
  auto space = dyn_cast_or_null<gpu::AddressSpaceAttr>(type.getMemorySpace());
  return space && space.getValue() == gpu::AddressSpace::Workgroup;
}

void ternac::addMemRefConversions(SPIRVTypeConverter &converter) {
  // Kernels take the bits of a bf16 for what they are.
  converter.addConversion([](BFloat16Type type) -> Type {
    return IntegerType::get(type.getContext(), 16);
  });
  converter.addConversion([](VectorType type) -> std::optional<Type> {
    if (!type.getElementType().isBF16())
      return std::nullopt;
    Type bits = IntegerType::get(type.getContext(), 16);
    return type.getNumElements() == 1 ? bits
                                      : VectorType::get(type.getShape(), bits);
  });
  // What has more elements than a vector in a shader is words.
  converter.addConversion([](VectorType type) -> std::optional<Type> {
    Type element = type.getElementType();
    if (!element.isIntOrFloat() || type.getNumElements() <= 4 ||
        type.getNumElements() * element.getIntOrFloatBitWidth() != 128)
      return std::nullopt;
    return VectorType::get({4}, IntegerType::get(type.getContext(), 32));
  });
  converter.addConversion([&converter](MemRefType type) -> Type {
    Type element = converter.convertType(type.getElementType());
    if (!element)
      return {};
    if (isShared(type))
      return spirv::PointerType::get(
          spirv::ArrayType::get(element, unsigned(type.getNumElements())),
          spirv::StorageClass::Workgroup);
    Type i64 = IntegerType::get(type.getContext(), 64);
    return spirv::StructType::get(
        SmallVector<Type>(memrefWords(type.getRank()), i64));
  });
}

namespace {

Value constant(OpBuilder &b, Location loc, int64_t value) {
  return spirv::ConstantOp::create(b, loc, b.getI64Type(),
                                   b.getI64IntegerAttr(value));
}
Value word(OpBuilder &b, Location loc, Value memref, int64_t number) {
  return spirv::CompositeExtractOp::create(b, loc, memref,
                                           ArrayRef<int32_t>{int32_t(number)});
}

/// Where an element lies, and how it is accessed there.
struct Place {
  Value pointer;
  spirv::MemoryAccessAttr access;
  IntegerAttr alignment;
};

/// The place of what has type `access` at `indices` of `memref`, a converted
/// value of type `type`. It is aligned as `alignment` says, or as elements of
/// the memref are.
Place placeOf(OpBuilder &b, Location loc, MemRefType type, Type access,
              Value memref, ValueRange indices,
              std::optional<uint64_t> alignment) {
  if (isShared(type)) {
    assert(type.getRank() == 1 && "memory of a block is one row");
    return {spirv::AccessChainOp::create(b, loc, memref, indices), {}, {}};
  }
  auto [strides, offset] = type.getStridesAndOffset();
  (void)offset; // is in the address
  Value at;
  for (auto [i, index] : llvm::enumerate(indices)) {
    Value part = index;
    if (ShapedType::isDynamic(strides[i]))
      part = spirv::IMulOp::create(
          b, loc, part, word(b, loc, memref, 1 + type.getRank() + i));
    else if (strides[i] != 1)
      part = spirv::IMulOp::create(b, loc, part, constant(b, loc, strides[i]));
    at = at ? spirv::IAddOp::create(b, loc, at, part).getResult() : part;
  }
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  Value address = word(b, loc, memref, 0);
  if (at) {
    if (bytes != 1)
      at = spirv::IMulOp::create(b, loc, at, constant(b, loc, bytes));
    address = spirv::IAddOp::create(b, loc, address, at);
  }
  auto pointer = spirv::PointerType::get(
      access, spirv::StorageClass::PhysicalStorageBuffer);
  return {spirv::ConvertUToPtrOp::create(b, loc, pointer, address),
          spirv::MemoryAccessAttr::get(b.getContext(),
                                       spirv::MemoryAccess::Aligned),
          b.getI32IntegerAttr(int32_t(alignment.value_or(bytes)))};
}

/// Whether `type` is that of an element, or of a vector outside of the memory
/// of a block whose elements are aligned, as `op` says.
template <typename Op> bool isAccess(Op op, Type type) {
  if (isa_and_present<IntegerType, FloatType>(type))
    return true;
  auto vector = dyn_cast_if_present<VectorType>(type);
  if (!vector || isShared(op.getMemRefType()))
    return false;
  uint64_t known = op.getAlignment().value_or(
      op.getMemRefType().getElementTypeBitWidth() / 8);
  return known * 8 % vector.getElementTypeBitWidth() == 0;
}

/// memref.load and vector.load.
template <typename Op> struct LoadPattern : OpConversionPattern<Op> {
  using OpConversionPattern<Op>::OpConversionPattern;

  LogicalResult
  matchAndRewrite(Op op, typename Op::Adaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type type = this->getTypeConverter()->convertType(op.getResult().getType());
    if (!isAccess(op, type))
      return rewriter.notifyMatchFailure(op, "expected an aligned access");
    Place place =
        placeOf(rewriter, op.getLoc(), op.getMemRefType(), type,
                memrefOf(adaptor), adaptor.getIndices(), op.getAlignment());
    rewriter.replaceOpWithNewOp<spirv::LoadOp>(op, place.pointer, place.access,
                                               place.alignment);
    return success();
  }

private:
  static Value memrefOf(memref::LoadOp::Adaptor adaptor) {
    return adaptor.getMemref();
  }
  static Value memrefOf(vector::LoadOp::Adaptor adaptor) {
    return adaptor.getBase();
  }
};

/// What is words already.
struct BitCastPattern : OpConversionPattern<vector::BitCastOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(vector::BitCastOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type type = getTypeConverter()->convertType(op.getType());
    if (adaptor.getSource().getType() != type)
      return rewriter.notifyMatchFailure(op, "expected bytes as words");
    rewriter.replaceOp(op, adaptor.getSource());
    return success();
  }
};

template <typename Op> struct StorePattern : OpConversionPattern<Op> {
  using OpConversionPattern<Op>::OpConversionPattern;

  LogicalResult
  matchAndRewrite(Op op, typename Op::Adaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto [value, memref] = operandsOf(adaptor);
    if (!isAccess(op, value.getType()))
      return rewriter.notifyMatchFailure(op, "expected an aligned access");
    Place place =
        placeOf(rewriter, op.getLoc(), op.getMemRefType(), value.getType(),
                memref, adaptor.getIndices(), op.getAlignment());
    rewriter.replaceOpWithNewOp<spirv::StoreOp>(op, place.pointer, value,
                                                place.access, place.alignment);
    return success();
  }

private:
  static std::pair<Value, Value> operandsOf(memref::StoreOp::Adaptor adaptor) {
    return {adaptor.getValue(), adaptor.getMemref()};
  }
  static std::pair<Value, Value> operandsOf(vector::StoreOp::Adaptor adaptor) {
    return {adaptor.getValueToStore(), adaptor.getBase()};
  }
};

/// Upstream's barrier orders accesses to the memory of the block only.
struct BarrierPattern : OpConversionPattern<gpu::BarrierOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(gpu::BarrierOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    using Semantics = spirv::MemorySemantics;
    rewriter.replaceOpWithNewOp<spirv::ControlBarrierOp>(
        op, spirv::Scope::Workgroup, spirv::Scope::Workgroup,
        Semantics::AcquireRelease | Semantics::UniformMemory |
            Semantics::WorkgroupMemory);
    return success();
  }
};

struct DimPattern : OpConversionPattern<memref::DimOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(memref::DimOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    std::optional<int64_t> dim = op.getConstantIndex();
    auto type = dyn_cast<MemRefType>(op.getSource().getType());
    if (!dim || !type || isShared(type))
      return rewriter.notifyMatchFailure(op, "expected a constant dimension");
    rewriter.replaceOp(
        op, word(rewriter, op.getLoc(), adaptor.getSource(), 1 + *dim));
    return success();
  }
};

} // namespace

void ternac::populateMemRefPatterns(const SPIRVTypeConverter &converter,
                                    RewritePatternSet &patterns) {
  // Before those of upstream, which know of no addresses.
  constexpr unsigned benefit = 10;
  patterns.add<LoadPattern<memref::LoadOp>, LoadPattern<vector::LoadOp>,
               StorePattern<memref::StoreOp>, StorePattern<vector::StoreOp>,
               BarrierPattern, BitCastPattern, DimPattern>(
      converter, patterns.getContext(), benefit);
}
