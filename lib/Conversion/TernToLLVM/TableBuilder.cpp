//===- TableBuilder.cpp - Writes what a library exports -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TableBuilder.h"

#include "ThreadFrame.h"

#include "ternac/Runtime/ModelABI.h"

#include <cstddef>

using namespace mlir;
using namespace ternac;

static_assert(sizeof(void *) == 8, "the offsets below are those of 64 bits");

static constexpr StringLiteral kSlot = "ternac.weights_address";
static constexpr StringLiteral kNoBarrier = "ternac.no_barrier";

/// Fields of what the threads of a call share.
enum : int32_t { kEnvironment, kCall, kCounter, kFailed };

Type TableBuilder::pointer() {
  return LLVM::LLVMPointerType::get(b.getContext());
}
Value TableBuilder::i64(int64_t value) {
  return LLVM::ConstantOp::create(b, i64(), b.getI64IntegerAttr(value));
}
Value TableBuilder::i32(int32_t value) {
  return LLVM::ConstantOp::create(b, i32(), b.getI32IntegerAttr(value));
}

LLVM::LLVMFuncOp TableBuilder::function(StringRef name, Type result,
                                        ArrayRef<Type> inputs,
                                        LLVM::Linkage linkage) {
  b.setInsertionPointToEnd(module.getBody());
  auto type = LLVM::LLVMFunctionType::get(result, inputs);
  auto op = LLVM::LLVMFuncOp::create(b, name, type, linkage);
  b.setInsertionPointToStart(op.addEntryBlock(b));
  return op;
}

Value TableBuilder::field(Value base, size_t offset, Type type) {
  Value place = LLVM::GEPOp::create(b, pointer(), i8(), base,
                                    ArrayRef<LLVM::GEPArg>{int32_t(offset)});
  return LLVM::LoadOp::create(b, type, place);
}
Value TableBuilder::address(StringRef symbol) {
  return LLVM::AddressOfOp::create(b, pointer(), symbol);
}
Value TableBuilder::compare(LLVM::ICmpPredicate predicate, Value a, Value c) {
  return LLVM::ICmpOp::create(b, predicate, a, c);
}
Value TableBuilder::isNull(Value pointerValue) {
  Value null = LLVM::ZeroOp::create(b, pointer());
  return compare(LLVM::ICmpPredicate::eq, pointerValue, null);
}
Value TableBuilder::isThere(Value pointerValue) {
  Value null = LLVM::ZeroOp::create(b, pointer());
  return compare(LLVM::ICmpPredicate::ne, pointerValue, null);
}

void TableBuilder::failUnless(Value good, int32_t code) {
  Block *current = b.getInsertionBlock();
  Region &region = *current->getParent();
  Block *bad = b.createBlock(&region);
  LLVM::ReturnOp::create(b, i32(code));
  Block *next = b.createBlock(&region);
  b.setInsertionPointToEnd(current);
  LLVM::CondBrOp::create(b, good, next, bad);
  b.setInsertionPointToEnd(next);
}

void TableBuilder::checkVersion(Value base, size_t size) {
  failUnless(compare(LLVM::ICmpPredicate::uge, field(base, 0, i32()),
                     i32(int32_t(size))),
             TERNAC_ERROR_VERSION);
  failUnless(compare(LLVM::ICmpPredicate::eq, field(base, 4, i32()),
                     i32(TERNAC_ABI_VERSION)),
             TERNAC_ERROR_VERSION);
}

void TableBuilder::writeWeights() {
  auto bytes = LLVM::LLVMArrayType::get(i8(), 0);
  auto weights = LLVM::GlobalOp::create(b, bytes, /*isConstant=*/true,
                                        LLVM::Linkage::External, kWeightsSymbol,
                                        Attribute());
  weights.setVisibility_(LLVM::Visibility::Hidden);
  auto slot =
      LLVM::GlobalOp::create(b, pointer(), /*isConstant=*/true,
                             LLVM::Linkage::Internal, kSlot, Attribute());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&slot.getInitializerRegion());
  LLVM::ReturnOp::create(b, address(kWeightsSymbol));
}

Value TableBuilder::embeddedWeights() {
  // Volatile, or the optimiser folds the slot back into an address that must
  // lie within 2 GiB.
  return LLVM::LoadOp::create(b, pointer(), address(kSlot), /*alignment=*/8,
                              /*isVolatile=*/true);
}

Type TableBuilder::callType() {
  return LLVM::LLVMStructType::getLiteral(b.getContext(),
                                          {pointer(), pointer(), i64(), i64()});
}
Value TableBuilder::callField(Value call, int32_t field) {
  return LLVM::GEPOp::create(b, pointer(), callType(), call,
                             ArrayRef<LLVM::GEPArg>{0, field});
}

void TableBuilder::writeNoBarrier() {
  function(kNoBarrier, LLVM::LLVMVoidType::get(b.getContext()),
           {pointer(), i32()});
  LLVM::ReturnOp::create(b, ValueRange());
}

void TableBuilder::appendMemRef(SmallVectorImpl<Value> &arguments, Value base,
                                ArrayRef<Value> sizes,
                                ArrayRef<Value> strides) {
  arguments.append({base, base, i64(0)});
  llvm::append_range(arguments, sizes);
  llvm::append_range(arguments, strides);
}

LLVM::LLVMFuncOp TableBuilder::writeBody(
    StringRef name, LLVM::LLVMFuncOp code, bool device, bool kernels,
    function_ref<SmallVector<Value>(Value call, Value frame)> arguments) {
  auto body = function(name, LLVM::LLVMVoidType::get(b.getContext()),
                       {pointer(), i32(), i32()});
  Value shared = body.getArgument(0);
  Value environment =
      LLVM::LoadOp::create(b, pointer(), callField(shared, kEnvironment));
  Value call = LLVM::LoadOp::create(b, pointer(), callField(shared, kCall));

  Type frameType = ThreadFrame::type(b.getContext());
  Value frame = LLVM::AllocaOp::create(b, pointer(), frameType, i64(1));
  auto place = [&](ThreadFrame::Field at) {
    return LLVM::GEPOp::create(b, pointer(), frameType, frame,
                               ArrayRef<LLVM::GEPArg>{0, int32_t(at)});
  };
  auto set = [&](ThreadFrame::Field at, Value value) {
    LLVM::StoreOp::create(b, value, place(at));
  };
  auto setFromEnvironment = [&](ThreadFrame::Field at, size_t offset,
                                Type type) {
    set(at, field(environment, offset, type));
  };
  set(ThreadFrame::Thread, LLVM::ZExtOp::create(b, i64(), body.getArgument(1)));
  set(ThreadFrame::Threads,
      LLVM::ZExtOp::create(b, i64(), body.getArgument(2)));
  set(ThreadFrame::Context, LLVM::ZeroOp::create(b, pointer()));
  set(ThreadFrame::Barrier, address(kNoBarrier));
  set(ThreadFrame::Counter, callField(shared, kCounter));
  set(ThreadFrame::Claimed, i64(0));
  set(ThreadFrame::Granted, i64(0));
  set(ThreadFrame::Device, LLVM::ZeroOp::create(b, pointer()));
  set(ThreadFrame::Failed, i64(0));
  set(ThreadFrame::Module, i64(0));

  Block *entry = b.getInsertionBlock();
  Block *withEnvironment = b.createBlock(&body.getBody());
  Block *run = b.createBlock(&body.getBody());
  b.setInsertionPointToEnd(entry);
  LLVM::CondBrOp::create(b, isNull(environment), run, withEnvironment);
  b.setInsertionPointToEnd(withEnvironment);
  setFromEnvironment(ThreadFrame::Context, offsetof(TernacEnvironment, context),
                     pointer());
  setFromEnvironment(ThreadFrame::Barrier, offsetof(TernacEnvironment, barrier),
                     pointer());
  setFromEnvironment(ThreadFrame::Granted,
                     offsetof(TernacEnvironment, granted_features), i64());
  if (device)
    setFromEnvironment(ThreadFrame::Device, offsetof(TernacEnvironment, device),
                       pointer());
  if (kernels)
    setFromEnvironment(ThreadFrame::Module, offsetof(TernacEnvironment, module),
                       i64());
  LLVM::BrOp::create(b, ValueRange(), run);

  b.setInsertionPointToEnd(run);
  LLVM::CallOp::create(b, code, arguments(call, frame));
  if (device)
    LLVM::AtomicRMWOp::create(
        b, LLVM::AtomicBinOp::_or, callField(shared, kFailed),
        LLVM::LoadOp::create(b, i64(), place(ThreadFrame::Failed)),
        LLVM::AtomicOrdering::monotonic);
  LLVM::ReturnOp::create(b, ValueRange());
  return body;
}

Value TableBuilder::shareCall(Value environment, Value call) {
  Value shared = LLVM::AllocaOp::create(b, pointer(), callType(), i64(1));
  SmallVector<Value> fields = {environment, call, i64(0), i64(0)};
  for (auto [i, value] : llvm::enumerate(fields))
    LLVM::StoreOp::create(b, value, callField(shared, int32_t(i)));
  return shared;
}

void TableBuilder::runOnThreads(Value environment, Value shared, StringRef body,
                                int32_t maxThreads, bool device) {
  Block *check = b.getInsertionBlock();
  Region &region = *check->getParent();
  Block *alone = b.createBlock(&region);
  LLVM::CallOp::create(b, TypeRange(), body,
                       ValueRange{shared, i32(0), i32(1)});
  LLVM::ReturnOp::create(b, i32(TERNAC_OK));
  Block *together = b.createBlock(&region);
  b.setInsertionPointToEnd(check);
  LLVM::CondBrOp::create(b, isNull(environment), alone, together);

  b.setInsertionPointToEnd(together);
  // Hosts of a time before devices are as good as others without one.
  checkVersion(environment, offsetof(TernacEnvironment, device));
  Value threads =
      field(environment, offsetof(TernacEnvironment, threads), i32());
  failUnless(compare(LLVM::ICmpPredicate::ule, threads, i32(maxThreads)),
             TERNAC_ERROR_LIMIT);
  Value parallel =
      field(environment, offsetof(TernacEnvironment, parallel), pointer());
  Value context =
      field(environment, offsetof(TernacEnvironment, context), pointer());
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                  {pointer(), pointer(), pointer()});
  LLVM::CallOp::create(b, type,
                       ValueRange{parallel, context, address(body), shared});
  if (!device) {
    LLVM::ReturnOp::create(b, i32(TERNAC_OK));
    return;
  }
  Value failed = LLVM::LoadOp::create(b, i64(), callField(shared, kFailed));
  Value isGood = compare(LLVM::ICmpPredicate::eq, failed, i64(0));
  LLVM::ReturnOp::create(b, LLVM::SelectOp::create(b, isGood, i32(TERNAC_OK),
                                                   i32(TERNAC_ERROR_DEVICE))
                                .getResult());
}

void TableBuilder::writeString(StringRef name, StringRef text) {
  b.setInsertionPointToEnd(module.getBody());
  std::string terminated = (text + StringRef("\0", 1)).str();
  auto type = LLVM::LLVMArrayType::get(i8(), terminated.size());
  LLVM::GlobalOp::create(b, type, /*isConstant=*/true, LLVM::Linkage::Internal,
                         name, b.getStringAttr(terminated));
}

void TableBuilder::addNumber(Fields &fields, Type type, int64_t value) {
  fields.types.push_back(type);
  fields.values.push_back([this, type, value] {
    return LLVM::ConstantOp::create(b, type, IntegerAttr::get(type, value))
        .getResult();
  });
}
void TableBuilder::addNull(Fields &fields) {
  fields.types.push_back(pointer());
  fields.values.push_back(
      [this] { return LLVM::ZeroOp::create(b, pointer()).getResult(); });
}
void TableBuilder::addSymbol(Fields &fields, StringRef name) {
  fields.types.push_back(pointer());
  fields.values.push_back([this, name = name.str()] { return address(name); });
}

void TableBuilder::writeStructs(StringRef name, ArrayRef<Fields> structs) {
  b.setInsertionPointToEnd(module.getBody());
  auto type =
      LLVM::LLVMStructType::getLiteral(b.getContext(), structs.front().types);
  auto array = LLVM::LLVMArrayType::get(type, structs.size());
  auto global =
      LLVM::GlobalOp::create(b, array, /*isConstant=*/true,
                             LLVM::Linkage::Internal, name, Attribute());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&global.getInitializerRegion());
  Value aggregate = LLVM::UndefOp::create(b, array);
  for (auto [place, fields] : llvm::enumerate(structs))
    for (auto [i, value] : llvm::enumerate(fields.values))
      aggregate = LLVM::InsertValueOp::create(
          b, aggregate, value(), ArrayRef<int64_t>{int64_t(place), int64_t(i)});
  LLVM::ReturnOp::create(b, aggregate);
}
