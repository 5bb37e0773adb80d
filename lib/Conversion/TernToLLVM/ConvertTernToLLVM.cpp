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

/// What ops of the device share.
template <typename Op> struct DevicePattern : ConvertOpToLLVMPattern<Op> {
  using ConvertOpToLLVMPattern<Op>::ConvertOpToLLVMPattern;

protected:
  Type pointer() const {
    return LLVM::LLVMPointerType::get(this->getContext());
  }

  /// A pointer in the table of `device`.
  Value deviceField(OpBuilder &b, Location loc, Value device,
                    size_t offset) const {
    Value place = LLVM::GEPOp::create(b, loc, pointer(), b.getI8Type(), device,
                                      ArrayRef<LLVM::GEPArg>{int32_t(offset)});
    return LLVM::LoadOp::create(b, loc, pointer(), place);
  }

  /// Calls a function of the device that returns i32. Whether it failed is
  /// remembered until the end of the call.
  void call(OpBuilder &b, Location loc, Value frame, size_t offset,
            ArrayRef<Value> arguments) const {
    Value device = loadField(b, loc, frame, ThreadFrame::Device, pointer());
    SmallVector<Value> operands = {
        deviceField(b, loc, device, offset),
        deviceField(b, loc, device, offsetof(TernacDevice, context))};
    llvm::append_range(operands, arguments);
    Type i32 = b.getI32Type(), i64 = b.getI64Type();
    SmallVector<Type> types(llvm::drop_begin(ValueRange(operands).getTypes()));
    auto type = LLVM::LLVMFunctionType::get(i32, types);
    Value result = LLVM::CallOp::create(b, loc, type, operands).getResult();
    Value failed = loadField(b, loc, frame, ThreadFrame::Failed, i64);
    Value wide = LLVM::ZExtOp::create(b, loc, i64, result);
    LLVM::StoreOp::create(b, loc, LLVM::OrOp::create(b, loc, failed, wide),
                          fieldPlace(b, loc, frame, ThreadFrame::Failed));
  }

  /// Room for a value of `type`. It lies in the function's first block: the
  /// stack of a loop would grow with every round.
  Value onStack(OpBuilder &b, Operation *op, Type type) const {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&op->getParentOfType<func::FuncOp>().front());
    Location loc = op->getLoc();
    return LLVM::AllocaOp::create(b, loc, pointer(), type,
                                  i64Constant(b, loc, 1));
  }
};

/// Calls the device's function with an array of buffers on the stack.
struct LowerSubmit : DevicePattern<SubmitOp> {
  using DevicePattern::DevicePattern;

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
    Value number = LLVM::ConstantOp::create(
        rewriter, loc, rewriter.getI32Type(), adaptor.getBuffers().size());
    call(rewriter, loc, adaptor.getEnvironment(),
         offsetof(TernacDevice, submit),
         {LLVM::AddressOfOp::create(rewriter, loc, commands),
          i64Constant(rewriter, loc, bytes.getNumElements()),
          buffersOf(op, adaptor, rewriter), number});
    rewriter.eraseOp(op);
    return success();
  }

private:
  /// An array of TernacBuffer, { data, bytes }.
  Value buffersOf(SubmitOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const {
    Location loc = op.getLoc();
    Type i64 = rewriter.getI64Type();
    auto buffer =
        LLVM::LLVMStructType::getLiteral(getContext(), {pointer(), i64});
    auto array = LLVM::LLVMArrayType::get(buffer, adaptor.getBuffers().size());
    Value place = onStack(rewriter, op, array);
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
            LLVM::GEPOp::create(rewriter, loc, pointer(), array, place,
                                ArrayRef<LLVM::GEPArg>{0, int32_t(i), field}));
      };
      set(0, descriptor.bufferPtr(rewriter, loc, *getTypeConverter(), type));
      set(1, LLVM::MulOp::create(rewriter, loc, elements, size));
    }
    return place;
  }
};

/// Calls the device's function with arrays of dimensions and words on the
/// stack.
struct LowerLaunch : DevicePattern<LaunchOp> {
  using DevicePattern::DevicePattern;

  LogicalResult
  matchAndRewrite(LaunchOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type i32 = rewriter.getI32Type(), i64 = rewriter.getI64Type();
    Value frame = adaptor.getEnvironment();
    SmallVector<Value> dimensions;
    for (Value size : adaptor.getDimensions())
      dimensions.push_back(LLVM::TruncOp::create(rewriter, loc, i32, size));
    SmallVector<Value> words = wordsOf(op, adaptor, rewriter);
    Value grid = array(rewriter, op, i32, dimensions);
    Value block = LLVM::GEPOp::create(rewriter, loc, pointer(), i32, grid,
                                      ArrayRef<LLVM::GEPArg>{int32_t(3)});
    auto number = [&](int64_t value) -> Value {
      return LLVM::ConstantOp::create(rewriter, loc, i32, value);
    };
    call(rewriter, loc, frame, offsetof(TernacDevice, launch),
         {loadField(rewriter, loc, frame, ThreadFrame::Module, i64),
          number(op.getKernel()), grid, block, array(rewriter, op, i64, words),
          number(int64_t(words.size()))});
    rewriter.eraseOp(op);
    return success();
  }

private:
  /// Of a memref the address of its first element, its sizes and its strides.
  SmallVector<Value> wordsOf(LaunchOp op, OpAdaptor adaptor,
                             ConversionPatternRewriter &rewriter) const {
    Location loc = op.getLoc();
    SmallVector<Value> words;
    for (auto [old, value] : llvm::zip(op.getWords(), adaptor.getWords())) {
      auto type = dyn_cast<MemRefType>(old.getType());
      if (!type) {
        words.push_back(value);
        continue;
      }
      MemRefDescriptor descriptor(value);
      words.push_back(LLVM::PtrToIntOp::create(
          rewriter, loc, rewriter.getI64Type(),
          descriptor.bufferPtr(rewriter, loc, *getTypeConverter(), type)));
      for (int64_t i = 0; i < type.getRank(); ++i)
        words.push_back(descriptor.size(rewriter, loc, i));
      for (int64_t i = 0; i < type.getRank(); ++i)
        words.push_back(descriptor.stride(rewriter, loc, i));
    }
    return words;
  }

  Value array(OpBuilder &b, LaunchOp op, Type element,
              ArrayRef<Value> values) const {
    Location loc = op.getLoc();
    Value place =
        onStack(b, op, LLVM::LLVMArrayType::get(element, values.size()));
    for (auto [i, value] : llvm::enumerate(values))
      LLVM::StoreOp::create(
          b, loc, value,
          LLVM::GEPOp::create(b, loc, pointer(), element, place,
                              ArrayRef<LLVM::GEPArg>{int32_t(i)}));
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
                 LowerSubmit, LowerLaunch>(converter);
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
    WalkResult result = module.walk([&](Operation *op) {
      auto submit = dyn_cast<SubmitOp>(op);
      auto launch = dyn_cast<LaunchOp>(op);
      if (!submit && !launch)
        return WalkResult::advance();
      StringAttr own = submit ? submit.getDeviceAttr() : launch.getDeviceAttr();
      if (!device)
        device = own;
      if (own == device)
        return WalkResult::advance();
      op->emitOpError("expected one device for all, '")
          << device.getValue() << "', but got '" << own.getValue() << "'";
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
