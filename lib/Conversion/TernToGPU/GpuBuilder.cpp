//===- GpuBuilder.cpp - Kernels whose blocks have rows --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuBuilder.h"

#include "ternac/Conversion/Kernels.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace ternac;

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// Writes the launch at which `target` is; the builder goes into its loop over
/// the block's rows.
gpu::LaunchOp GpuBuilder::open(KernelLaunch &target, Value count) {
  Value one = index(1);
  Value blocks = arith::MinUIOp::create(b, count, index(kMaxBlocks));
  target.op = gpu::LaunchOp::create(b, blocks, one, one, index(target.threads),
                                    one, one);
  b.setInsertionPointToStart(&target.op.getBody().front());
  auto loop = scf::ForOp::create(b, target.op.getBlockIds().x, count,
                                 target.op.getGridSize().x);
  gpu::TerminatorOp::create(b);
  b.setInsertionPointToStart(loop.getBody());
  target.row = loop.getInductionVar();
  return target.op;
}

void GpuBuilder::forBlocks(Value count, int64_t threads, Body body) {
  own = KernelLaunch();
  own.threads = threads;
  launch = &own;
  OpBuilder::InsertionGuard guard(b);
  open(own, count)->setAttr(kKernelNameAttr, b.getStringAttr(kernel));
  body(own.row);
}

void GpuBuilder::forThreadRows(Value count, Body body) {
  if (!joined)
    return forBlocks(count, kThreads, body);
  launch = joined;
  OpBuilder::InsertionGuard guard(b);
  if (!joined->op) {
    open(*joined, count);
    joined->name = kernel;
  } else {
    b.setInsertionPoint(joined->row.getParentBlock()->getTerminator());
    // What the threads stored for the row before is read by others now.
    synchronize();
    joined->name += StringRef(kernel).drop_front(StringRef("tern").size());
  }
  joined->op->setAttr(kKernelNameAttr, b.getStringAttr(joined->name));
  body(joined->row);
}

void GpuBuilder::forRowParts(Value count, int64_t parts,
                             function_ref<void(Value, Value)> body) {
  forThreadRows(count, [&](Value row) {
    forParts(parts, [&](Value part) { body(row, part); });
  });
}

void GpuBuilder::forParts(int64_t count, Body body) {
  if (!options.subgroups || lane || threads() == kSubgroup)
    return forRange(index(0), index(count), 1, body);
  Value first = div(thread(), kSubgroup);
  int64_t subgroups = threads() / kSubgroup;
  llvm::SaveAndRestore restore(lane, rem(thread(), kSubgroup));
  forRange(first, index(count), subgroups, body);
}

int64_t GpuBuilder::threadsForColumns(int64_t columns) const {
  int64_t wanted = llvm::divideCeil(columns, options.lanes);
  if (!options.subgroups)
    return std::clamp(int64_t(llvm::PowerOf2Ceil(uint64_t(wanted))), kThreads,
                      kMostThreads);
  // As many turns as the most threads need, in equal parts.
  int64_t turns = llvm::divideCeil(wanted, kMostWithSubgroups);
  wanted = llvm::divideCeil(wanted, turns);
  return std::max(kThreads, int64_t(llvm::alignTo(wanted, kSubgroup)));
}

SmallVector<Value> GpuBuilder::forColumns(
    int64_t count, ValueRange carried,
    function_ref<SmallVector<Value>(Value, int64_t, ValueRange)> body) {
  int64_t width = count % options.lanes == 0 ? options.lanes : 1;
  return forRange(mul(thread(), index(width)), index(count), threads() * width,
                  carried, [&](Value column, ValueRange inner) {
                    return body(column, width, inner);
                  });
}

Value GpuBuilder::thread() {
  return lane ? lane : Value(launch->op.getThreadIds().x);
}

Value GpuBuilder::isFirstThread() {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread(), index(0));
}

Value GpuBuilder::minus(Value a, Value c) {
  return b.createOrFold<arith::SubIOp>(a, c);
}
Value GpuBuilder::div(Value a, int64_t c) {
  return b.createOrFold<arith::DivUIOp>(a, index(c));
}
Value GpuBuilder::rem(Value a, int64_t c) {
  return b.createOrFold<arith::RemUIOp>(a, index(c));
}
Value GpuBuilder::isBelow(Value a, Value c) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, a, c);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Whether the index is known to be a multiple of `width`.
static bool isMultiple(Value index, int64_t width) {
  if (auto constant = getConstantIntValue(index))
    return *constant % width == 0;
  auto either = [&](Operation *op, auto any) {
    return any(op->getOperands(),
               [&](Value operand) { return isMultiple(operand, width); });
  };
  Operation *op = index.getDefiningOp();
  if (isa_and_present<arith::AddIOp, arith::MinUIOp, arith::MaxUIOp>(op))
    return either(op, [](auto &&r, auto p) { return llvm::all_of(r, p); });
  if (isa_and_present<arith::MulIOp>(op))
    return either(op, [](auto &&r, auto p) { return llvm::any_of(r, p); });
  auto loop =
      dyn_cast_if_present<scf::ForOp>(index.getParentBlock()->getParentOp());
  return !op && loop && loop.getInductionVar() == index &&
         isMultiple(loop.getLowerBound(), width) &&
         isMultiple(loop.getStep(), width);
}

/// Whether the element at `indices` is at a multiple of `width` elements from
/// the start of its buffer, and the elements after it follow. The memory of a
/// block begins at a multiple of 16 bytes where threads go in subgroups, and
/// elsewhere has no vectors.
static bool isAligned(Value memref, ValueRange indices, int64_t width,
                      bool subgroups) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getMemorySpace() &&
      (!subgroups || width * type.getElementTypeBitWidth() > 128))
    return false;
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) ||
      ShapedType::isDynamic(offset) || offset % width != 0 ||
      strides.back() != 1 || !isMultiple(indices.back(), width))
    return false;
  return llvm::all_of(ArrayRef(strides).drop_back(), [&](int64_t stride) {
    return !ShapedType::isDynamic(stride) && stride % width == 0;
  });
}

static llvm::MaybeAlign alignmentOf(Value memref, int64_t width) {
  unsigned bits = cast<MemRefType>(memref.getType()).getElementTypeBitWidth();
  return llvm::MaybeAlign(uint64_t(width) * bits / 8);
}

/// The indices of the element `number` places on.
static SmallVector<Value> indicesOf(GpuBuilder &v, ValueRange indices,
                                    int64_t number) {
  SmallVector<Value> all(indices);
  all.back() = v.add(all.back(), v.index(number));
  return all;
}

Value GpuBuilder::load(Value memref, ValueRange indices, int64_t width) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  auto type = VectorType::get({width}, element);
  if (width == 1)
    return vector::LoadOp::create(b, type, memref, indices);
  if (isAligned(memref, indices, width, options.subgroups))
    return vector::LoadOp::create(b, type, memref, indices,
                                  /*nontemporal=*/false,
                                  alignmentOf(memref, width));
  SmallVector<Value> elements;
  for (int64_t i = 0; i < width; ++i)
    elements.push_back(
        memref::LoadOp::create(b, memref, indicesOf(*this, indices, i)));
  return vector::FromElementsOp::create(b, type, elements);
}

void GpuBuilder::store(Value vector, Value memref, ValueRange indices) {
  int64_t width = cast<VectorType>(vector.getType()).getDimSize(0);
  if (width == 1) {
    vector::StoreOp::create(b, vector, memref, indices);
  } else if (isAligned(memref, indices, width, options.subgroups)) {
    vector::StoreOp::create(b, vector, memref, indices,
                            /*nontemporal=*/false, alignmentOf(memref, width));
  } else {
    for (int64_t i = 0; i < width; ++i) {
      Value element =
          vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{i});
      memref::StoreOp::create(b, element, memref, indicesOf(*this, indices, i));
    }
  }
}

void GpuBuilder::storeOnce(Value number, Value memref, ValueRange indices) {
  ifThen(isFirstThread(),
         [&] { memref::StoreOp::create(b, number, memref, indices); });
}

Value GpuBuilder::shared(Type element, int64_t size) {
  auto space =
      gpu::AddressSpaceAttr::get(b.getContext(), gpu::AddressSpace::Workgroup);
  auto type =
      MemRefType::get({size}, element, MemRefLayoutAttrInterface(), space);
  return launch->op.addWorkgroupAttribution(type, b.getLoc());
}

void GpuBuilder::synchronize() {
  assert(!lane && "subgroups have different parts");
  gpu::BarrierOp::create(b);
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// One value of the lanes of a vector.
static Value reduceLanes(GpuBuilder &v, Value vector,
                         function_ref<Value(Value, Value)> combine) {
  SmallVector<Value> values;
  int64_t width = cast<VectorType>(vector.getType()).getDimSize(0);
  for (int64_t i = 0; i < width; ++i)
    values.push_back(
        vector::ExtractOp::create(v.b, vector, ArrayRef<int64_t>{i}));
  for (; width > 1; width /= 2)
    for (int64_t i = 0; i < width / 2; ++i)
      values[i] = combine(values[i], values[i + width / 2]);
  return values.front();
}

Value GpuBuilder::exchange(Value value, int64_t mask) {
  return gpu::ShuffleOp::create(b, value, int32_t(mask), int32_t(kSubgroup),
                                gpu::ShuffleMode::XOR)
      .getShuffleResult();
}

Value GpuBuilder::reduceSubgroup(Value value, Combine combine) {
  for (int64_t mask = kSubgroup / 2; mask > 0; mask /= 2)
    value = combine(value, exchange(value, mask));
  return value;
}

Value GpuBuilder::memoryFor(Type type, int64_t size) {
  Value &memory = launch->scratch[type];
  if (!memory)
    memory = shared(type, size);
  return memory;
}

/// Of one value of each subgroup, which all subgroups reduce again.
Value GpuBuilder::reduceSubgroups(Value value, Value neutral, Combine combine) {
  int64_t subgroups = threads() / kSubgroup;
  Value memory = memoryFor(value.getType(), kSubgroup);
  Value number = rem(thread(), kSubgroup);
  Value isFirst =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, number, index(0));
  ifThen(isFirst, [&] {
    memref::StoreOp::create(b, value, memory, div(thread(), kSubgroup));
  });
  synchronize();
  Value place = arith::MinUIOp::create(b, number, index(subgroups - 1));
  value = memref::LoadOp::create(b, memory, place);
  value = arith::SelectOp::create(b, isBelow(number, index(subgroups)), value,
                                  neutral);
  value = reduceSubgroup(value, combine);
  // Nobody stores there again before all have read.
  synchronize();
  return value;
}

/// Halves the threads that have a value until one is left.
Value GpuBuilder::reduceInMemory(Value value, Combine combine) {
  Value memory = memoryFor(value.getType(), threads());
  memref::StoreOp::create(b, value, memory, thread());
  synchronize();
  for (int64_t half = threads() / 2; half > 0; half /= 2) {
    ifThen(isBelow(thread(), index(half)), [&] {
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

/// Of one value of each thread; `neutral` changes no value.
Value GpuBuilder::reduceThreads(Value value, Value neutral, Combine combine) {
  if (!options.subgroups)
    return reduceInMemory(value, combine);
  value = reduceSubgroup(value, combine);
  return threads() == kSubgroup ? value
                                : reduceSubgroups(value, neutral, combine);
}

Value GpuBuilder::reduceAdd(Value vector) {
  Type element = cast<VectorType>(vector.getType()).getElementType();
  auto combine = [&](Value a, Value c) {
    return element.isInteger() ? add(a, c) : addF(a, c);
  };
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(element));
  return reduceThreads(reduceLanes(*this, vector, combine), zero, combine);
}

Value GpuBuilder::reduceMax(Value vector) {
  auto combine = [&](Value a, Value c) { return maxF(a, c); };
  return reduceThreads(reduceLanes(*this, vector, combine),
                       f32(-std::numeric_limits<double>::infinity()), combine);
}
