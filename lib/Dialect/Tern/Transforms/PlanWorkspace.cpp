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
  bool isPerRow;       ///< or of a size that does not depend on the rows
  int64_t bytes;       ///< of a row, or in all
  unsigned begin, end; ///< numbers of the first and last op that need it
  int64_t place = 0;   ///< bytes (per row) of buffers of its kind before it

  bool conflicts(const Buffer &other) const {
    return isPerRow == other.isPerRow && begin <= other.end &&
           other.begin <= end;
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
      std::optional<int64_t> bytes = bytesOf(alloc);
      if (!bytes) {
        alloc.emitOpError("expected no dynamic size but the rows of the call, "
                          "in the leading dimension");
        return WalkResult::interrupt();
      }
      buffers.push_back(lifetime(alloc, *bytes, aliases));
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
    place(buffers);
    int64_t fixed = 0, perRow = 0;
    for (const Buffer &buffer : buffers) {
      int64_t &total = buffer.isPerRow ? perRow : fixed;
      total = std::max(total, buffer.place + buffer.bytes);
    }
    Builder builder(&getContext());
    func->setAttr("tern.workspace_bytes_fixed",
                  builder.getI64IntegerAttr(fixed));
    func->setAttr("tern.workspace_bytes_per_row",
                  builder.getI64IntegerAttr(perRow));
    return replace(func, buffers, fixed);
  }

  void numberOps(func::FuncOp func) {
    numbers.clear();
    groups.clear();
    func.walk<WalkOrder::PreOrder>([&](Operation *op) {
      unsigned number = numbers.size();
      numbers[op] = number;
      if (auto group = op->getAttrOfType<IntegerAttr>(kRowGroupAttr)) {
        auto [span, isNew] = groups.try_emplace(group, number, number);
        span->second.second = number;
      }
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

  /// The bytes of a row, or of all if there are no rows; rounded up to 64 so
  /// that every buffer is aligned whatever the rows.
  static std::optional<int64_t> bytesOf(memref::AllocOp alloc) {
    MemRefType type = alloc.getType();
    bool isPerRow = !type.hasStaticShape();
    if (type.getNumDynamicDims() > 1 || !type.getLayout().isIdentity() ||
        (isPerRow && !type.isDynamicDim(0)))
      return std::nullopt;
    int64_t bytes = type.getElementTypeBitWidth() / 8;
    for (int64_t size : type.getShape().drop_front(isPerRow))
      bytes *= size;
    return llvm::alignTo(bytes, 64);
  }

  /// A buffer lives from its allocation to the last use of any alias; a use
  /// inside a loop that the allocation is outside of extends it to the loop's
  /// end, because the next iteration reads it again. The ops of a group run at
  /// the same time, each on a row of its own.
  Buffer lifetime(memref::AllocOp alloc, int64_t bytes,
                  const BufferViewFlowAnalysis &aliases) {
    Buffer buffer{alloc, !alloc.getType().hasStaticShape(), bytes,
                  numbers.lookup(alloc), numbers.lookup(alloc)};
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
        if (auto group = user->getAttrOfType<IntegerAttr>(kRowGroupAttr)) {
          auto [first, end] = groups.lookup(group);
          buffer.begin = std::min(buffer.begin, first);
          buffer.end = std::max(buffer.end, end);
        }
      }
    return buffer;
  }

  /// First fit, large buffers first; each kind on its own.
  static void place(MutableArrayRef<Buffer> buffers) {
    SmallVector<Buffer *> order;
    for (Buffer &buffer : buffers)
      order.push_back(&buffer);
    // The buffers lie in one vector, so that their addresses are an order.
    llvm::sort(order, [](Buffer *a, Buffer *b) {
      return std::tuple(-a->bytes, a->begin, a) <
             std::tuple(-b->bytes, b->begin, b);
    });
    SmallVector<Buffer *> placed;
    for (Buffer *buffer : order) {
      SmallVector<Buffer *> conflicts;
      for (Buffer *other : placed)
        if (other->conflicts(*buffer))
          conflicts.push_back(other);
      llvm::sort(conflicts, [](Buffer *a, Buffer *b) {
        return std::tuple(a->place, a->begin, a) <
               std::tuple(b->place, b->begin, b);
      });
      int64_t place = 0;
      for (Buffer *other : conflicts) {
        if (place + buffer->bytes <= other->place)
          break;
        place = std::max(place, other->place + other->bytes);
      }
      buffer->place = place;
      placed.push_back(buffer);
    }
  }

  /// Buffers become views of the workspace: `fixed` bytes of those of a fixed
  /// size, then those that grow with the rows.
  LogicalResult replace(func::FuncOp func, ArrayRef<Buffer> buffers,
                        int64_t fixed) {
    if (buffers.empty())
      return success();
    Value workspace;
    for (unsigned i = 0, e = func.getNumArguments(); i != e; ++i)
      if (func.getArgAttr(i, "tern.workspace"))
        workspace = func.getArgument(i);
    // Every buffer per row has the rows of some argument; the most rows bound
    // them all.
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
    bool needsRows = llvm::any_of(
        buffers, [](const Buffer &buffer) { return buffer.isPerRow; });
    if (!workspace || (needsRows && !rows))
      return func.emitOpError("expected an argument 'tern.workspace' and a "
                              "memref whose first dimension is the rows");
    llvm::DenseMap<int64_t, Value> shifts[2]; // by kind and place
    for (const Buffer &buffer : buffers) {
      Value &shift = shifts[buffer.isPerRow][buffer.place];
      if (!shift) {
        shift = arith::ConstantIndexOp::create(builder, loc, buffer.place);
        if (buffer.isPerRow)
          shift = arith::MulIOp::create(builder, loc, rows, shift);
        if (buffer.isPerRow && fixed != 0) {
          Value start = arith::ConstantIndexOp::create(builder, loc, fixed);
          shift = arith::AddIOp::create(builder, loc, start, shift);
        }
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
  /// The first and last number of each group.
  llvm::DenseMap<Attribute, std::pair<unsigned, unsigned>> groups;
};

} // namespace
