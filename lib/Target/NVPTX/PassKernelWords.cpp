//===- PassKernelWords.cpp - Kernels whose arguments are words ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace ternac::nvptx {
#define GEN_PASS_DEF_PASSKERNELWORDSPASS
#include "NVPTXPasses.h.inc"
} // namespace ternac::nvptx

using namespace mlir;
using namespace ternac;

namespace {

struct PassKernelWords : nvptx::impl::PassKernelWordsPassBase<PassKernelWords> {
  void runOnOperation() override {
    for (auto kernel : getOperation().getOps<gpu::GPUFuncOp>())
      passWords(kernel);
  }

private:
  void passWords(gpu::GPUFuncOp kernel) {
    Block &entry = kernel.getBody().front();
    auto b = ImplicitLocOpBuilder::atBlockBegin(kernel.getLoc(), &entry);
    unsigned count = kernel.getFunctionType().getNumInputs();
    SmallVector<BlockArgument> old(entry.getArguments().take_front(count));
    // New ones go between the old ones and the memory that the block shares.
    SmallVector<Type> types;
    auto next = [&](Type type) -> Value {
      types.push_back(type);
      return entry.insertArgument(count + unsigned(types.size()) - 1, type,
                                  kernel.getLoc());
    };
    for (BlockArgument argument : old) {
      Value value;
      if (auto type = dyn_cast<MemRefType>(argument.getType()))
        value = describe(b, type, next);
      else if (argument.getType().isIndex())
        value = arith::IndexCastOp::create(b, b.getIndexType(),
                                           next(b.getI64Type()));
      else
        value = next(argument.getType());
      argument.replaceAllUsesWith(value);
    }
    entry.eraseArguments(0, count);
    kernel.setFunctionType(b.getFunctionType(types, {}));
  }

  /// The memref that words describe.
  static Value describe(ImplicitLocOpBuilder &b, MemRefType type,
                        llvm::function_ref<Value(Type)> next) {
    LLVMTypeConverter converter(b.getContext());
    Location loc = b.getLoc();
    Type global = LLVM::LLVMPointerType::get(
        b.getContext(), unsigned(NVVM::NVVMMemorySpace::Global));
    Type generic = LLVM::LLVMPointerType::get(b.getContext());
    Value place = LLVM::AddrSpaceCastOp::create(b, generic, next(global));
    // The offset is in the address; what the type says of it is added again.
    auto [strides, offset] = type.getStridesAndOffset();
    if (ShapedType::isDynamic(offset))
      offset = 0;
    if (offset != 0)
      place = LLVM::GEPOp::create(
          b, generic, converter.convertType(type.getElementType()), place,
          ArrayRef<LLVM::GEPArg>{int32_t(-offset)});
    auto descriptor =
        MemRefDescriptor::poison(b, loc, converter.convertType(type));
    descriptor.setAllocatedPtr(b, loc, place);
    descriptor.setAlignedPtr(b, loc, place);
    descriptor.setConstantOffset(b, loc, offset);
    for (int64_t i = 0; i < type.getRank(); ++i)
      descriptor.setSize(b, loc, unsigned(i), next(b.getI64Type()));
    for (int64_t i = 0; i < type.getRank(); ++i)
      descriptor.setStride(b, loc, unsigned(i), next(b.getI64Type()));
    return UnrealizedConversionCastOp::create(b, type, Value(descriptor))
        .getResult(0);
  }
};

} // namespace
