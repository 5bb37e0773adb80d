//===- ConvertKernelsToNVVM.cpp - Kernels of LLVM's and NVVM's ops --------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Passes.h"

#include "ternac/Dialect/Tern/IR/Tern.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Transforms/DialectConversion.h"

namespace ternac::nvptx {
#define GEN_PASS_DEF_CONVERTKERNELSTONVVMPASS
#include "NVPTXPasses.h.inc"
} // namespace ternac::nvptx

using namespace mlir;
using namespace ternac;

namespace {

struct LowerDot4 : ConvertOpToLLVMPattern<tern::Dot4Op> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(tern::Dot4Op op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    using Type = NVVM::DotAccumulateType;
    auto typeOf = [&](bool isSigned) {
      return NVVM::DotAccumulateTypeAttr::get(
          op.getContext(), isSigned ? Type::SIGNED : Type::UNSIGNED);
    };
    auto bytes = VectorType::get({4}, rewriter.getI8Type());
    Location loc = op.getLoc();
    Value codes =
        LLVM::BitcastOp::create(rewriter, loc, bytes, adaptor.getCodes());
    Value q = LLVM::BitcastOp::create(rewriter, loc, bytes, adaptor.getQ());
    rewriter.replaceOpWithNewOp<NVVM::DotAccumulate4WayOp>(
        op, rewriter.getI32Type(), codes, typeOf(op.getIsSigned()), q,
        typeOf(true), adaptor.getSum());
    return success();
  }
};

struct LowerDotTile : ConvertOpToLLVMPattern<tern::DotTileOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(tern::DotTileOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type i32 = rewriter.getI32Type();
    auto wordsOf = [&](Value vector) {
      SmallVector<Value> words;
      int64_t count = cast<VectorType>(vector.getType()).getNumElements();
      for (int64_t i = 0; i < count; ++i)
        words.push_back(LLVM::ExtractElementOp::create(
            rewriter, loc, vector,
            LLVM::ConstantOp::create(rewriter, loc, i32, i)));
      return words;
    };
    SmallVector<Value> codes = wordsOf(adaptor.getCodes());
    auto type = LLVM::LLVMStructType::getLiteral(op.getContext(),
                                                 SmallVector<Type>(4, i32));
    Value product = NVVM::MmaOp::create(
        rewriter, loc, type, codes, wordsOf(adaptor.getQ()),
        wordsOf(adaptor.getSum()),
        ArrayRef<int64_t>{16, 8, 8 * int64_t(codes.size())},
        /*b1Op=*/std::nullopt, NVVM::MMAIntOverflow::wrapped,
        std::array{NVVM::MMATypes::u8, NVVM::MMATypes::s8},
        std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
    Value result =
        LLVM::PoisonOp::create(rewriter, loc, adaptor.getSum().getType());
    for (int64_t i = 0; i < 4; ++i)
      result = LLVM::InsertElementOp::create(
          rewriter, loc, result,
          LLVM::ExtractValueOp::create(rewriter, loc, product, i),
          LLVM::ConstantOp::create(rewriter, loc, i32, i));
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct ConvertKernelsToNVVM
    : nvptx::impl::ConvertKernelsToNVVMPassBase<ConvertKernelsToNVVM> {
  void runOnOperation() override {
    getOperation().walk([](gpu::GPUFuncOp kernel) { alignMemory(kernel); });
    LLVMTypeConverter converter(&getContext());
    configureGpuToNVVMTypeConverter(converter);
    RewritePatternSet patterns(&getContext());
    arith::populateArithToLLVMConversionPatterns(converter, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
    populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns);
    populateVectorToLLVMConversionPatterns(converter, patterns);
    populateGpuToNVVMConversionPatterns(converter, patterns);
    patterns.add<LowerDot4, LowerDotTile>(converter);
    // Upstream's patterns for math call CUDA's device library. LLVM writes what
    // kernels need by itself.
    populateMathToLLVMConversionPatterns(converter, patterns,
                                         /*approximateLog1p=*/false,
                                         /*benefit=*/10);
    LLVMConversionTarget target(getContext());
    target.addLegalDialect<NVVM::NVVMDialect>();
    target.addLegalOp<gpu::GPUModuleOp>();
    target.addIllegalOp<tern::Dot4Op, tern::DotTileOp>();
    if (failed(applyPartialConversion(getOperation(), target,
                                      std::move(patterns))))
      return signalPassFailure();
    for (auto kernel : getOperation().getOps<LLVM::LLVMFuncOp>())
      keepLoads(kernel);
  }

private:
  /// Kernels access the memory of a block 16 bytes at a time.
  static void alignMemory(gpu::GPUFuncOp kernel) {
    Attribute bytes = Builder(kernel.getContext()).getI64IntegerAttr(16);
    for (unsigned i = 0; i < kernel.getNumWorkgroupAttributions(); ++i)
      kernel.setWorkgroupAttributionAttr(
          i, LLVM::LLVMDialect::getAlignAttrName(), bytes);
  }

  /// Assemblers that may choose how many registers a kernel has put loads
  /// behind what uses others. What is written has loads first; with a number of
  /// blocks that leaves 168 registers or so it stays so.
  static void keepLoads(LLVM::LLVMFuncOp kernel) {
    constexpr int64_t kThreads = 384;
    auto block = kernel->getAttrOfType<DenseI32ArrayAttr>(
        NVVM::NVVMDialect::getMaxntidAttrName());
    if (!block)
      return;
    int64_t threads = 1;
    for (int32_t size : block.asArrayRef())
      threads *= size;
    auto blocks = int32_t(llvm::divideCeil(kThreads, threads));
    kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                    Builder(kernel.getContext()).getI32IntegerAttr(blocks));
  }
};

} // namespace
