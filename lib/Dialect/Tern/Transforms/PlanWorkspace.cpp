//===- PlanWorkspace.cpp - Every buffer's place in the workspace ----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNPLANWORKSPACEPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

/// An allocation, the time during which its bytes are needed, and its place.
struct Buffer {
  memref::AllocOp alloc;
  int64_t bytesPerRow;
  unsigned begin, end; ///< numbers of the first and last op that need it
  int64_t place = 0;   ///< bytes per row before it

  bool overlaps(const Buffer &other) const {
    return begin <= other.end && other.begin <= end;
  }
};

struct PlanWorkspace
    : ternac::tern::impl::TernPlanWorkspacePassBase<PlanWorkspace> {
  void runOnOperation() override {
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>())
      if (!func.isExternal() && failed(plan(func)))
        return signalPassFailure();
  }

private:
  LogicalResult plan(func::FuncOp func) {
    numberOps(func);
    BufferViewFlowAnalysis aliases(func);
    SmallVector<Buffer> buffers;
    WalkResult result = func.walk([&](memref::AllocOp alloc) {
      std::optional<int64_t> bytes = bytesPerRow(alloc);
      if (!bytes) {
        alloc.emitOpError("expected one dynamic size, the rows of the call, in "
                          "the leading dimension");
        return WalkResult::interrupt();
      }
      buffers.push_back(lifetime(alloc, *bytes, aliases));
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
    int64_t total = place(buffers);
    func->setAttr("tern.workspace_bytes_per_row",
                  IntegerAttr::get(IntegerType::get(&getContext(), 64), total));
    return replace(func, buffers);
  }

  void numberOps(func::FuncOp func) {
    numbers.clear();
    func.walk<WalkOrder::PreOrder>([&](Operation *op) {
      unsigned number = numbers.size();
      numbers[op] = number;
    });
  }

  /// The last number inside `op`.
  unsigned lastNumber(Operation *op) {
    unsigned last = numbers.lookup(op);
    op->walk([&](Operation *inner) {
      last = std::max(last, numbers.lookup(inner));
    });
    return last;
  }

  /// Rounded up to 64 so that every buffer is aligned whatever the rows.
  static std::optional<int64_t> bytesPerRow(memref::AllocOp alloc) {
    MemRefType type = alloc.getType();
    if (type.getNumDynamicDims() != 1 || !type.isDynamicDim(0) ||
        !type.getLayout().isIdentity())
      return std::nullopt;
    int64_t bytes = type.getElementTypeBitWidth() / 8;
    for (int64_t size : type.getShape().drop_front())
      bytes *= size;
    return llvm::alignTo(bytes, 64);
  }

  /// A buffer lives from its allocation to the last use of any alias; a use
  /// inside a loop that the allocation is outside of extends it to the loop's
  /// end, because the next iteration reads it again.
  Buffer lifetime(memref::AllocOp alloc, int64_t bytes,
                  const BufferViewFlowAnalysis &aliases) {
    Buffer buffer{alloc, bytes, numbers.lookup(alloc), numbers.lookup(alloc)};
    for (Value alias : aliases.resolve(alloc))
      for (Operation *user : alias.getUsers()) {
        Operation *last = user;
        for (Operation *op = user; op->getBlock() != alloc->getBlock();) {
          op = op->getParentOp();
          if (isa<func::FuncOp>(op))
            break;
          last = op;
        }
        buffer.end = std::max(buffer.end, lastNumber(last));
      }
    return buffer;
  }

  /// First fit, large buffers first. Returns the bytes per row in all.
  static int64_t place(MutableArrayRef<Buffer> buffers) {
    SmallVector<Buffer *> order;
    for (Buffer &buffer : buffers)
      order.push_back(&buffer);
    llvm::sort(order, [](Buffer *a, Buffer *b) {
      return std::pair(-a->bytesPerRow, a->begin) <
             std::pair(-b->bytesPerRow, b->begin);
    });
    int64_t total = 0;
    SmallVector<Buffer *> placed;
    for (Buffer *buffer : order) {
      SmallVector<Buffer *> conflicts;
      for (Buffer *other : placed)
        if (other->overlaps(*buffer))
          conflicts.push_back(other);
      llvm::sort(conflicts, [](Buffer *a, Buffer *b) {
        return std::pair(a->place, a->begin) < std::pair(b->place, b->begin);
      });
      int64_t place = 0;
      for (Buffer *other : conflicts) {
        if (place + buffer->bytesPerRow <= other->place)
          break;
        place = std::max(place, other->place + other->bytesPerRow);
      }
      buffer->place = place;
      placed.push_back(buffer);
      total = std::max(total, place + buffer->bytesPerRow);
    }
    return total;
  }

  LogicalResult replace(func::FuncOp func, ArrayRef<Buffer> buffers) {
    if (buffers.empty())
      return success();
    Value workspace;
    for (unsigned i = 0, e = func.getNumArguments(); i != e; ++i)
      if (func.getArgAttr(i, "tern.workspace"))
        workspace = func.getArgument(i);
    // Every buffer has the rows of some argument; the most rows bound them all.
    OpBuilder builder(&func.front(), func.front().begin());
    Location loc = func.getLoc();
    Value rows;
    for (BlockArgument arg : func.getArguments()) {
      auto type = dyn_cast<MemRefType>(arg.getType());
      if (!type || type.getRank() == 0 || !type.isDynamicDim(0) ||
          func.getArgAttr(arg.getArgNumber(), "tern.workspace") ||
          func.getArgAttr(arg.getArgNumber(), "tern.weights"))
        continue;
      Value size = memref::DimOp::create(builder, loc, arg, 0);
      rows = rows ? arith::MaxUIOp::create(builder, loc, rows, size) : size;
    }
    if (!workspace || !rows)
      return func.emitOpError("expected an argument 'tern.workspace' and a "
                              "memref whose first dimension is the rows");
    llvm::DenseMap<int64_t, Value> shifts;
    for (const Buffer &buffer : buffers) {
      Value &shift = shifts[buffer.place];
      if (!shift) {
        Value place =
            arith::ConstantIndexOp::create(builder, loc, buffer.place);
        shift = arith::MulIOp::create(builder, loc, rows, place);
      }
      memref::AllocOp alloc = buffer.alloc;
      OpBuilder at(alloc);
      Value view =
          memref::ViewOp::create(at, alloc.getLoc(), alloc.getType(), workspace,
                                 shift, alloc.getDynamicSizes());
      alloc.replaceAllUsesWith(view);
      alloc.erase();
    }
    return success();
  }

  llvm::DenseMap<Operation *, unsigned> numbers;
};

} // namespace
