//===- ConvertTernToLLVM.cpp - Lowers environment and threads to LLVM -----===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/Passes.h"

#include "ThreadFrame.h"

#include "ternac/Runtime/ModelABI.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Transforms/DialectConversion.h"

namespace ternac {
#define GEN_PASS_DEF_CONVERTTERNTOLLVMPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// The place of a field of the thread's frame.
Value fieldPlace(OpBuilder &builder, Location loc, Value frame,
                 ThreadFrame::Field field) {
  auto pointer = LLVM::LLVMPointerType::get(builder.getContext());
  return LLVM::GEPOp::create(builder, loc, pointer,
                             ThreadFrame::type(builder.getContext()), frame,
                             ArrayRef<LLVM::GEPArg>{0, int32_t(field)});
}

Value loadField(OpBuilder &builder, Location loc, Value frame,
                ThreadFrame::Field field, Type type) {
  return LLVM::LoadOp::create(builder, loc, type,
                              fieldPlace(builder, loc, frame, field));
}

Value i64Constant(OpBuilder &builder, Location loc, int64_t value) {
  return LLVM::ConstantOp::create(builder, loc, builder.getI64Type(),
                                  builder.getI64IntegerAttr(value));
}

/// How often `step` goes into `count`, rounded up.
Value stepsOf(OpBuilder &builder, Location loc, Value count, Value step) {
  Value lessOne =
      LLVM::SubOp::create(builder, loc, step, i64Constant(builder, loc, 1));
  Value padded = LLVM::AddOp::create(builder, loc, count, lessOne);
  return LLVM::UDivOp::create(builder, loc, padded, step);
}

struct LowerBarrier : ConvertOpToLLVMPattern<BarrierOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(BarrierOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value frame = adaptor.getEnvironment();
    Type pointer = LLVM::LLVMPointerType::get(getContext());
    Type i64 = rewriter.getI64Type(), i32 = rewriter.getI32Type();
    Value wait = loadField(rewriter, loc, frame, ThreadFrame::Barrier, pointer);
    Value context =
        loadField(rewriter, loc, frame, ThreadFrame::Context, pointer);
    Value thread = loadField(rewriter, loc, frame, ThreadFrame::Thread, i64);
    Value number = LLVM::TruncOp::create(rewriter, loc, i32, thread);
    auto type = LLVM::LLVMFunctionType::get(
        LLVM::LLVMVoidType::get(getContext()), {pointer, i32});
    LLVM::CallOp::create(rewriter, loc, type,
                         ValueRange{wait, context, number});
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerThreadRange : ConvertOpToLLVMPattern<ThreadRangeOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(ThreadRangeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type i64 = rewriter.getI64Type();
    Value frame = adaptor.getEnvironment(), count = adaptor.getCount();
    Value step = i64Constant(rewriter, loc, op.getStep());
    Value thread = loadField(rewriter, loc, frame, ThreadFrame::Thread, i64);
    Value threads = loadField(rewriter, loc, frame, ThreadFrame::Threads, i64);
    Value groups = stepsOf(rewriter, loc, count, step);
    // Thread t begins at group groups * t / threads.
    auto bound = [&](Value number) -> Value {
      Value part = LLVM::MulOp::create(rewriter, loc, groups, number);
      part = LLVM::UDivOp::create(rewriter, loc, part, threads);
      part = LLVM::MulOp::create(rewriter, loc, part, step);
      return LLVM::UMinOp::create(rewriter, loc, part, count);
    };
    Value next = LLVM::AddOp::create(rewriter, loc, thread,
                                     i64Constant(rewriter, loc, 1));
    rewriter.replaceOp(op, {bound(thread), bound(next)});
    return success();
  }
};

/// Every thread asks for a range of g pieces until it gets nothing, so the
/// counter grows by g and by the number of threads, and each of them knows
/// where the next range begins.
struct LowerClaim : ConvertOpToLLVMPattern<ClaimOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(ClaimOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type i64 = rewriter.getI64Type();
    Type pointer = LLVM::LLVMPointerType::get(getContext());
    Value frame = adaptor.getEnvironment(), count = adaptor.getCount();
    auto add = [&](Value a, Value c) -> Value {
      return LLVM::AddOp::create(rewriter, loc, a, c);
    };
    Value step = i64Constant(rewriter, loc, op.getStep());
    Value counter =
        loadField(rewriter, loc, frame, ThreadFrame::Counter, pointer);
    Value claimed = loadField(rewriter, loc, frame, ThreadFrame::Claimed, i64);
    Value threads = loadField(rewriter, loc, frame, ThreadFrame::Threads, i64);
    // Barriers order the memory that ranges stand for.
    Value ticket = LLVM::AtomicRMWOp::create(
        rewriter, loc, LLVM::AtomicBinOp::add, counter,
        i64Constant(rewriter, loc, 1), LLVM::AtomicOrdering::monotonic);
    Value piece = LLVM::SubOp::create(rewriter, loc, ticket, claimed);
    Value first = LLVM::MulOp::create(rewriter, loc, piece, step);
    Value begin = LLVM::UMinOp::create(rewriter, loc, first, count);
    Value end = LLVM::UMinOp::create(rewriter, loc, add(begin, step), count);
    Value pieces = stepsOf(rewriter, loc, count, step);
    Value isOver = LLVM::ICmpOp::create(rewriter, loc, LLVM::ICmpPredicate::uge,
                                        piece, pieces);
    Value next = LLVM::SelectOp::create(
        rewriter, loc, isOver, add(claimed, add(pieces, threads)), claimed);
    LLVM::StoreOp::create(
        rewriter, loc, next,
        fieldPlace(rewriter, loc, frame, ThreadFrame::Claimed));
    rewriter.replaceOp(op, {begin, end});
    return success();
  }
};

struct LowerGranted : ConvertOpToLLVMPattern<GrantedOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(GrantedOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value granted = loadField(rewriter, loc, adaptor.getEnvironment(),
                              ThreadFrame::Granted, rewriter.getI64Type());
    Value bit = LLVM::AndOp::create(
        rewriter, loc, granted, i64Constant(rewriter, loc, op.getFeature()));
    rewriter.replaceOpWithNewOp<LLVM::ICmpOp>(op, LLVM::ICmpPredicate::ne, bit,
                                              i64Constant(rewriter, loc, 0));
    return success();
  }
};

/// Calls the device's function with an array of buffers on the stack. Whether a
/// submit failed is remembered until the end of the call.
struct LowerSubmit : ConvertOpToLLVMPattern<SubmitOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(SubmitOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto commands = SymbolTable::lookupNearestSymbolFrom<LLVM::GlobalOp>(
        op, op.getCommandsAttr());
    auto bytes = commands
                     ? dyn_cast<LLVM::LLVMArrayType>(commands.getGlobalType())
                     : LLVM::LLVMArrayType();
    if (!bytes || !bytes.getElementType().isInteger(8))
      return op.emitOpError("expected ")
             << op.getCommandsAttr() << " to be an llvm.mlir.global of i8";
    Type pointer = LLVM::LLVMPointerType::get(getContext());
    Type i64 = rewriter.getI64Type(), i32 = rewriter.getI32Type();
    Value frame = adaptor.getEnvironment();
    Value device =
        loadField(rewriter, loc, frame, ThreadFrame::Device, pointer);
    auto deviceField = [&](size_t offset) -> Value {
      Value place =
          LLVM::GEPOp::create(rewriter, loc, pointer, rewriter.getI8Type(),
                              device, ArrayRef<LLVM::GEPArg>{int32_t(offset)});
      return LLVM::LoadOp::create(rewriter, loc, pointer, place);
    };
    int64_t count = adaptor.getBuffers().size();
    Value number = LLVM::ConstantOp::create(rewriter, loc, i32, count);
    auto type =
        LLVM::LLVMFunctionType::get(i32, {pointer, pointer, i64, pointer, i32});
    SmallVector<Value> arguments = {
        deviceField(offsetof(TernacDevice, submit)),
        deviceField(offsetof(TernacDevice, context)),
        LLVM::AddressOfOp::create(rewriter, loc, commands),
        i64Constant(rewriter, loc, bytes.getNumElements()),
        buffersOf(op, adaptor, rewriter),
        number};
    Value result =
        LLVM::CallOp::create(rewriter, loc, type, arguments).getResult();
    Value failed = loadField(rewriter, loc, frame, ThreadFrame::Failed, i64);
    Value wide = LLVM::ZExtOp::create(rewriter, loc, i64, result);
    LLVM::StoreOp::create(
        rewriter, loc, LLVM::OrOp::create(rewriter, loc, failed, wide),
        fieldPlace(rewriter, loc, frame, ThreadFrame::Failed));
    rewriter.eraseOp(op);
    return success();
  }

private:
  /// An array of TernacBuffer, { data, bytes }. It lies in the function's first
  /// block: the stack of a loop would grow with every round.
  Value buffersOf(SubmitOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const {
    Location loc = op.getLoc();
    Type pointer = LLVM::LLVMPointerType::get(getContext());
    Type i64 = rewriter.getI64Type();
    auto buffer =
        LLVM::LLVMStructType::getLiteral(getContext(), {pointer, i64});
    auto array = LLVM::LLVMArrayType::get(buffer, adaptor.getBuffers().size());
    Value place;
    {
      OpBuilder::InsertionGuard guard(rewriter);
      auto func = op->getParentOfType<func::FuncOp>();
      rewriter.setInsertionPointToStart(&func.front());
      place = LLVM::AllocaOp::create(rewriter, loc, pointer, array,
                                     i64Constant(rewriter, loc, 1));
    }
    for (auto [i, memref, value] :
         llvm::enumerate(op.getBuffers(), adaptor.getBuffers())) {
      auto type = cast<MemRefType>(memref.getType());
      MemRefDescriptor descriptor(value);
      Value elements = descriptor.size(rewriter, loc, 0);
      Value size =
          i64Constant(rewriter, loc, type.getElementTypeBitWidth() / 8);
      auto set = [&](int32_t field, Value content) {
        LLVM::StoreOp::create(
            rewriter, loc, content,
            LLVM::GEPOp::create(rewriter, loc, pointer, array, place,
                                ArrayRef<LLVM::GEPArg>{0, int32_t(i), field}));
      };
      set(0, descriptor.bufferPtr(rewriter, loc, *getTypeConverter(), type));
      set(1, LLVM::MulOp::create(rewriter, loc, elements, size));
    }
    return place;
  }
};

struct ConvertTernToLLVM
    : ternac::impl::ConvertTernToLLVMPassBase<ConvertTernToLLVM> {
  void runOnOperation() override {
    if (failed(recordDevice()))
      return signalPassFailure();
    LLVMTypeConverter converter(&getContext());
    converter.addConversion([](EnvironmentType type) {
      return LLVM::LLVMPointerType::get(type.getContext());
    });
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerBarrier, LowerThreadRange, LowerClaim, LowerGranted,
                 LowerSubmit>(converter);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                   converter);
    // Only the environment's type changes here; the rest of the signature is
    // the business of the conversion of functions.
    ConversionTarget target(getContext());
    target.markUnknownOpDynamicallyLegal(
        [](Operation *op) { return !isThreadOp(op); });
    if (failed(applyPartialConversion(getOperation(), target,
                                      std::move(patterns))))
      return signalPassFailure();
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>())
      convertEnvironment(func);
  }

private:
  /// Writes the name of the device on the module, which keeps it when the ops
  /// that have it are gone.
  LogicalResult recordDevice() {
    ModuleOp module = getOperation();
    StringAttr device;
    WalkResult result = module.walk([&](SubmitOp op) {
      if (!device)
        device = op.getDeviceAttr();
      if (op.getDeviceAttr() == device)
        return WalkResult::advance();
      op.emitOpError("expected one device for all, '")
          << device.getValue() << "', but got '" << op.getDevice() << "'";
      return WalkResult::interrupt();
    });
    if (device)
      module->setAttr(TernDialect::kDeviceAttr, device);
    return failure(result.wasInterrupted());
  }

  /// Makes the environment argument the pointer that its uses were cast to.
  void convertEnvironment(func::FuncOp func) {
    if (func.isExternal())
      return;
    OpBuilder builder(&func.front(), func.front().begin());
    for (BlockArgument argument : func.getArguments()) {
      if (!isa<EnvironmentType>(argument.getType()))
        continue;
      Type pointer = LLVM::LLVMPointerType::get(&getContext());
      for (Operation *user : llvm::make_early_inc_range(argument.getUsers()))
        if (auto cast = dyn_cast<UnrealizedConversionCastOp>(user)) {
          cast.getResult(0).replaceAllUsesWith(argument);
          cast.erase();
        }
      argument.setType(pointer);
    }
    func.setType(builder.getFunctionType(func.front().getArgumentTypes(),
                                         func.getResultTypes()));
  }
};

} // namespace
