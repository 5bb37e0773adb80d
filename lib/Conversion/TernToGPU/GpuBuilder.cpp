//===- GpuBuilder.cpp - Kernels whose blocks have rows --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuBuilder.h"

#include "ternac/Conversion/Kernels.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace ternac;

void GpuBuilder::forBlocks(Value count, int64_t threads, Body body) {
  blockThreads = threads;
  Value one = index(1);
  Value blocks = arith::MinUIOp::create(b, count, index(kMaxBlocks));
  launch = gpu::LaunchOp::create(b, blocks, one, one, index(threads), one, one);
  launch->setAttr(kKernelNameAttr, b.getStringAttr(kernel));
  scratch.clear();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&launch.getBody().front());
  auto loop = scf::ForOp::create(b, launch.getBlockIds().x, count,
                                 launch.getGridSize().x);
  gpu::TerminatorOp::create(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

SmallVector<Value> GpuBuilder::forColumns(
    int64_t count, ValueRange carried,
    function_ref<SmallVector<Value>(Value, int64_t, ValueRange)> body) {
  return forRange(
      thread(), index(count), blockThreads, carried,
      [&](Value column, ValueRange inner) { return body(column, 1, inner); });
}

Value GpuBuilder::thread() { return launch.getThreadIds().x; }

Value GpuBuilder::shared(Type element, int64_t size) {
  auto space =
      gpu::AddressSpaceAttr::get(b.getContext(), gpu::AddressSpace::Workgroup);
  auto type =
      MemRefType::get({size}, element, MemRefLayoutAttrInterface(), space);
  return launch.addWorkgroupAttribution(type, b.getLoc());
}

Value GpuBuilder::exchange(Value value, int64_t mask) {
  return gpu::ShuffleOp::create(b, value, int32_t(mask), /*width=*/32,
                                gpu::ShuffleMode::XOR)
      .getShuffleResult();
}

void GpuBuilder::synchronize() { gpu::BarrierOp::create(b); }

Value GpuBuilder::isFirstThread() {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread(), index(0));
}

Value GpuBuilder::reduceBlock(Value vector,
                              function_ref<Value(Value, Value)> combine) {
  Value own = vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{0});
  Value &memory = scratch[own.getType()];
  if (!memory)
    memory = shared(own.getType(), blockThreads);
  memref::StoreOp::create(b, own, memory, thread());
  synchronize();
  for (int64_t half = blockThreads / 2; half > 0; half /= 2) {
    Value isLow = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, thread(),
                                        index(half));
    ifThen(isLow, [&] {
      Value low = memref::LoadOp::create(b, memory, thread());
      Value high =
          memref::LoadOp::create(b, memory, add(thread(), index(half)));
      memref::StoreOp::create(b, combine(low, high), memory, thread());
    });
    synchronize();
  }
  Value result = memref::LoadOp::create(b, memory, index(0));
  // Nobody stores there again before all have read.
  synchronize();
  return result;
}

Value GpuBuilder::reduceAdd(Value vector) {
  bool isInteger =
      cast<VectorType>(vector.getType()).getElementType().isInteger();
  return reduceBlock(vector, [&](Value a, Value c) {
    return isInteger ? add(a, c) : addF(a, c);
  });
}

Value GpuBuilder::reduceMax(Value vector) {
  return reduceBlock(vector, [&](Value a, Value c) { return maxF(a, c); });
}
