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
  int64_t bytes;       ///< per row of the call, or in all
  unsigned begin, end; ///< numbers of the first and last op that need it
  int64_t place = 0;   ///< bytes before it, in the same unit

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
    SmallVector<Buffer> fixed, perRow;
    WalkResult result = func.walk([&](memref::AllocOp alloc) {
      std::optional<int64_t> bytes = sizeOf(alloc);
      if (!bytes) {
        alloc.emitOpError("expected a static shape, or one dynamic size, the "
                          "rows of the call, in the leading dimension");
        return WalkResult::interrupt();
      }
      SmallVector<Buffer> &buffers =
          alloc.getType().hasStaticShape() ? fixed : perRow;
      buffers.push_back(lifetime(alloc, *bytes, aliases));
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
    int64_t fixedBytes = place(fixed), rowBytes = place(perRow);
    Builder builder(&getContext());
    func->setAttr("tern.workspace_bytes_fixed",
                  builder.getI64IntegerAttr(fixedBytes));
    func->setAttr("tern.workspace_bytes_per_row",
                  builder.getI64IntegerAttr(rowBytes));
    return replace(func, fixed, fixedBytes, perRow);
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

  /// The bytes of a row, or of a buffer of static shape; rounded up to 64 so
  /// that every buffer is aligned whatever the rows.
  static std::optional<int64_t> sizeOf(memref::AllocOp alloc) {
    MemRefType type = alloc.getType();
    bool hasRows = type.getNumDynamicDims() == 1 && type.isDynamicDim(0);
    if ((!hasRows && !type.hasStaticShape()) || !type.getLayout().isIdentity())
      return std::nullopt;
    int64_t bytes = type.getElementTypeBitWidth() / 8;
    for (int64_t size : type.getShape().drop_front(hasRows ? 1 : 0))
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

  /// First fit, large buffers first. Returns the bytes in all.
  static int64_t place(MutableArrayRef<Buffer> buffers) {
    SmallVector<Buffer *> order;
    for (Buffer &buffer : buffers)
      order.push_back(&buffer);
    llvm::sort(order, [](Buffer *a, Buffer *b) {
      return std::pair(-a->bytes, a->begin) < std::pair(-b->bytes, b->begin);
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
        if (place + buffer->bytes <= other->place)
          break;
        place = std::max(place, other->place + other->bytes);
      }
      buffer->place = place;
      placed.push_back(buffer);
      total = std::max(total, place + buffer->bytes);
    }
    return total;
  }

  /// The fixed buffers come first, then those of the rows.
  static LogicalResult replace(func::FuncOp func, ArrayRef<Buffer> fixed,
                               int64_t fixedBytes, ArrayRef<Buffer> perRow) {
    if (fixed.empty() && perRow.empty())
      return success();
    Value workspace;
    for (unsigned i = 0, e = func.getNumArguments(); i != e; ++i)
      if (func.getArgAttr(i, "tern.workspace"))
        workspace = func.getArgument(i);
    OpBuilder builder(&func.front(), func.front().begin());
    Location loc = func.getLoc();
    Value rows = perRow.empty() ? Value() : mostRows(func, builder);
    if (!workspace || (!perRow.empty() && !rows))
      return func.emitOpError("expected an argument 'tern.workspace' and a "
                              "memref whose first dimension is the rows");
    for (const Buffer &buffer : fixed)
      makeView(buffer, workspace,
               arith::ConstantIndexOp::create(builder, loc, buffer.place));
    llvm::DenseMap<int64_t, Value> shifts;
    for (const Buffer &buffer : perRow) {
      Value &shift = shifts[buffer.place];
      if (!shift) {
        Value place =
            arith::ConstantIndexOp::create(builder, loc, buffer.place);
        Value first = arith::ConstantIndexOp::create(builder, loc, fixedBytes);
        shift = arith::AddIOp::create(
            builder, loc, first,
            arith::MulIOp::create(builder, loc, rows, place));
      }
      makeView(buffer, workspace, shift);
    }
    return success();
  }

  /// Every buffer has the rows of some argument; the most rows bound them all.
  static Value mostRows(func::FuncOp func, OpBuilder &builder) {
    Value rows;
    for (BlockArgument arg : func.getArguments()) {
      auto type = dyn_cast<MemRefType>(arg.getType());
      if (!type || type.getRank() == 0 || !type.isDynamicDim(0) ||
          func.getArgAttr(arg.getArgNumber(), "tern.workspace") ||
          func.getArgAttr(arg.getArgNumber(), "tern.weights"))
        continue;
      Location loc = func.getLoc();
      Value size = memref::DimOp::create(builder, loc, arg, 0);
      rows = rows ? arith::MaxUIOp::create(builder, loc, rows, size) : size;
    }
    return rows;
  }

  static void makeView(const Buffer &buffer, Value workspace, Value shift) {
    memref::AllocOp alloc = buffer.alloc;
    OpBuilder at(alloc);
    Value view =
        memref::ViewOp::create(at, alloc.getLoc(), alloc.getType(), workspace,
                               shift, alloc.getDynamicSizes());
    alloc.replaceAllUsesWith(view);
    alloc.erase();
  }

  llvm::DenseMap<Operation *, unsigned> numbers;
};

} // namespace
