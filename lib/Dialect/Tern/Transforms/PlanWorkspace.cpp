//===- PlanWorkspace.cpp - Every buffer's place in the workspace ----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

#include <functional>

namespace ternac::tern {
#define GEN_PASS_DEF_TERNPLANWORKSPACEPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

/// The class of buffers of a static size, and that of those that have a size
/// per row of the call. Each of those that follow has buffers of one size.
enum : unsigned { kFixed, kPerRow, kFirstCounted };

/// An allocation, the time during which its bytes are needed, and its place.
struct Buffer {
  memref::AllocOp alloc;
  unsigned kind;       ///< its class
  int64_t bytes;       ///< in all, or of a row; 1 if all of its class are alike
  unsigned begin, end; ///< numbers of the first and last op that need it
  int64_t place = 0;   ///< bytes (of a row, or buffers) of its class before it

  bool conflicts(const Buffer &other) const {
    return kind == other.kind && begin <= other.end && other.begin <= end;
  }
};

/// Buffers of the same dynamic sizes and the same bytes for each element of
/// these.
struct CountedClass {
  SmallVector<Value> sizes;
  int64_t bytes;
  int64_t buffers = 0; ///< that are live together
};

/// Copies the computation of sizes to another place.
class SizeCopier {
public:
  /// `argumentSize` gives the size of an argument there, null if there is none.
  SizeCopier(OpBuilder &builder,
             std::function<Value(BlockArgument, int64_t)> argumentSize)
      : builder(builder), argumentSize(std::move(argumentSize)) {}

  /// Null if `size` depends on more than the sizes of arguments.
  Value copy(Value size) {
    if (Value known = map.lookupOrNull(size))
      return known;
    Value result;
    Operation *op = size.getDefiningOp();
    if (auto dim = dyn_cast_if_present<memref::DimOp>(op)) {
      auto argument = dyn_cast<BlockArgument>(dim.getSource());
      std::optional<int64_t> index = dim.getConstantIndex();
      if (argument && index)
        result = argumentSize(argument, *index);
    } else if (op && isPure(op) && op->getNumResults() == 1 &&
               llvm::all_of(op->getOperands(),
                            [&](Value operand) { return copy(operand); })) {
      result = builder.clone(*op, map)->getResult(0);
    }
    if (result)
      map.map(size, result);
    return result;
  }

private:
  OpBuilder &builder;
  std::function<Value(BlockArgument, int64_t)> argumentSize;
  IRMapping map;
};

struct PlanWorkspace
    : ternac::tern::impl::TernPlanWorkspacePassBase<PlanWorkspace> {
  void runOnOperation() override {
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>())
      if (!func.isExternal() && !func->hasAttr(TernDialect::kSizesAttr) &&
          failed(plan(func)))
        return signalPassFailure();
  }

private:
  LogicalResult plan(func::FuncOp func) {
    numberOps(func);
    classes.clear();
    BufferViewFlowAnalysis aliases(func);
    SmallVector<Buffer> buffers;
    WalkResult result = func.walk([&](memref::AllocOp alloc) {
      std::optional<Buffer> buffer =
          classify(alloc, func->hasAttr(TernDialect::kExportedAttr));
      if (!buffer) {
        if (bytesOf(alloc.getType().getElementType()))
          alloc.emitOpError("expected no dynamic size but the rows of the "
                            "call, in the leading dimension");
        else
          alloc.emitOpError("expected elements of i1, i8, i16, i32, i64, index "
                            "or a float of 16, 32 or 64 bits, but got ")
              << alloc.getType().getElementType();
        return WalkResult::interrupt();
      }
      setLifetime(*buffer, aliases);
      buffers.push_back(*buffer);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
    place(buffers);
    int64_t totals[kFirstCounted] = {};
    for (const Buffer &buffer : buffers) {
      int64_t &total = buffer.kind < kFirstCounted
                           ? totals[buffer.kind]
                           : classes[buffer.kind - kFirstCounted].buffers;
      total = std::max(total, buffer.place + buffer.bytes);
    }
    Builder builder(&getContext());
    func->setAttr("tern.workspace_bytes_fixed",
                  builder.getI64IntegerAttr(totals[kFixed]));
    func->setAttr("tern.workspace_bytes_per_row",
                  builder.getI64IntegerAttr(totals[kPerRow]));
    if (failed(completeSizes(func, totals[kFixed])))
      return failure();
    return replace(func, buffers, totals[kFixed]);
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

  /// The buffer of `alloc`, its lifetime aside. Bytes are rounded up to 64 so
  /// that every buffer is aligned, whatever the rows. Buffers of exported
  /// functions may have any dynamic sizes.
  std::optional<Buffer> classify(memref::AllocOp alloc, bool isExported) {
    MemRefType type = alloc.getType();
    std::optional<int64_t> element = bytesOf(type.getElementType());
    if (!type.getLayout().isIdentity() || !element)
      return std::nullopt;
    int64_t bytes = *element;
    for (int64_t size : type.getShape())
      bytes *= ShapedType::isDynamic(size) ? 1 : size;
    if (type.hasStaticShape())
      return Buffer{alloc, kFixed, int64_t(llvm::alignTo(bytes, 64)), 0, 0};
    if (isExported)
      return Buffer{alloc, classOf(alloc.getDynamicSizes(), bytes), 1, 0, 0};
    if (type.getNumDynamicDims() > 1 || !type.isDynamicDim(0))
      return std::nullopt;
    return Buffer{alloc, kPerRow, int64_t(llvm::alignTo(bytes, 64)), 0, 0};
  }

  /// The bytes of an element in memory; nothing if LLVM pads it.
  static std::optional<int64_t> bytesOf(Type element) {
    if (element.isIndex())
      return 8;
    if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() > 64)
      return std::nullopt;
    int64_t bits = std::max(8u, element.getIntOrFloatBitWidth());
    return llvm::isPowerOf2_64(bits) ? std::optional(bits / 8) : std::nullopt;
  }

  unsigned classOf(ValueRange sizes, int64_t bytes) {
    auto found = llvm::find_if(classes, [&](const CountedClass &other) {
      return other.bytes == bytes && ValueRange(other.sizes) == sizes;
    });
    unsigned number = unsigned(found - classes.begin());
    if (found == classes.end())
      classes.push_back({llvm::to_vector(sizes), bytes});
    return kFirstCounted + number;
  }

  /// A buffer lives from its allocation to the last use of any alias; a use
  /// inside a loop that the allocation is outside of extends it to the loop's
  /// end, because the next iteration reads it again. The ops of a group run at
  /// the same time, each on a row of its own.
  void setLifetime(Buffer &buffer, const BufferViewFlowAnalysis &aliases) {
    memref::AllocOp alloc = buffer.alloc;
    buffer.begin = buffer.end = numbers.lookup(alloc);
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
  }

  /// First fit, large buffers first; each class on its own.
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

  /// The bytes of a buffer of `counted`, where `copier` puts them; null if they
  /// depend on more than the sizes of arguments.
  static Value bytesOf(OpBuilder &builder, Location loc, SizeCopier &copier,
                       const CountedClass &counted) {
    Value bytes = arith::ConstantIndexOp::create(builder, loc, counted.bytes);
    for (Value size : counted.sizes) {
      Value copy = copier.copy(size);
      if (!copy)
        return {};
      bytes = arith::MulIOp::create(builder, loc, bytes, copy);
    }
    Value lessOne = arith::ConstantIndexOp::create(builder, loc, 63);
    Value mask = arith::ConstantIndexOp::create(builder, loc, -64);
    bytes = arith::AddIOp::create(builder, loc, bytes, lessOne);
    return arith::AndIOp::create(builder, loc, bytes, mask);
  }

  /// Whether no size of `counted` is negative, and a buffer has less than 2^47
  /// bytes.
  static Value isSoundSize(OpBuilder &builder, Location loc, SizeCopier &copier,
                           const CountedClass &counted) {
    auto number = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(builder, loc, value);
    };
    Value sound;
    auto require = [&](arith::CmpIPredicate predicate, Value a, Value b) {
      Value holds = arith::CmpIOp::create(builder, loc, predicate, a, b);
      sound = sound ? arith::AndIOp::create(builder, loc, sound, holds) : holds;
    };
    Value bytes = number(counted.bytes), most = number(int64_t(1) << 47);
    for (Value original : counted.sizes) {
      Value size = copier.copy(original);
      require(arith::CmpIPredicate::sge, size, number(0));
      Value divisor = arith::MaxUIOp::create(builder, loc, size, number(1));
      Value left = arith::DivUIOp::create(builder, loc, most, divisor);
      require(arith::CmpIPredicate::ult, bytes, left);
      bytes = arith::MulIOp::create(builder, loc, bytes, size);
    }
    return sound;
  }

  /// Lets the function that computes the sizes of `func`, if it is exported,
  /// also return the bytes of its workspace.
  LogicalResult completeSizes(func::FuncOp func, int64_t fixed) {
    if (!func->hasAttr(TernDialect::kExportedAttr))
      return success();
    auto sizes =
        getOperation().lookupSymbol<func::FuncOp>(nameOfSizes(func.getName()));
    if (!sizes)
      return func.emitOpError("expected a function '")
             << nameOfSizes(func.getName()) << "'; run tern-add-sizes first";
    // The arguments of `sizes` are the dynamic sizes of those of `func`.
    auto argumentSize = [&](BlockArgument argument, int64_t dim) -> Value {
      unsigned place = 0;
      for (BlockArgument other : func.getArguments()) {
        auto type = dyn_cast<MemRefType>(other.getType());
        for (int64_t i = 0; type && i < type.getRank(); ++i) {
          if (other == argument && i == dim)
            return place < sizes.getNumArguments() ? sizes.getArgument(place)
                                                   : Value();
          place += type.isDynamicDim(i);
        }
      }
      return {};
    };
    auto ret = cast<func::ReturnOp>(sizes.front().getTerminator());
    OpBuilder builder(ret);
    Location loc = func.getLoc();
    SizeCopier copier(builder, argumentSize);
    Value total = arith::ConstantIndexOp::create(builder, loc, fixed);
    Value fits = ret.getOperand(0);
    for (const CountedClass &counted : classes) {
      Value bytes = bytesOf(builder, loc, copier, counted);
      if (!bytes)
        return counted.sizes.front().getDefiningOp()->emitOpError(
            "gives the size of a buffer; expected sizes that follow from those "
            "of the arguments alone");
      Value isSound = isSoundSize(builder, loc, copier, counted);
      fits = arith::AndIOp::create(builder, loc, fits, isSound);
      Value count =
          arith::ConstantIndexOp::create(builder, loc, counted.buffers);
      bytes = arith::MulIOp::create(builder, loc, bytes, count);
      total = arith::AddIOp::create(builder, loc, total, bytes);
    }
    ret.setOperand(0, fits);
    ret.getOperandsMutable().append(total);
    sizes.setType(builder.getFunctionType(sizes.getArgumentTypes(),
                                          ret.getOperandTypes()));
    return success();
  }

  /// The most rows that an argument has: they bound the rows of all buffers.
  static Value mostRows(OpBuilder &builder, func::FuncOp func) {
    Value rows;
    for (BlockArgument arg : func.getArguments()) {
      auto type = dyn_cast<MemRefType>(arg.getType());
      if (!type || type.getRank() == 0 || !type.isDynamicDim(0) ||
          func.getArgAttr(arg.getArgNumber(), "tern.workspace") ||
          func.getArgAttr(arg.getArgNumber(), "tern.weights"))
        continue;
      Value size = memref::DimOp::create(builder, func.getLoc(), arg, 0);
      rows = rows ? arith::MaxUIOp::create(builder, func.getLoc(), rows, size)
                  : size;
    }
    return rows;
  }

  /// Buffers become views of the workspace: `fixed` bytes of those of a fixed
  /// size, then those that grow with the rows, or class after class.
  LogicalResult replace(func::FuncOp func, ArrayRef<Buffer> buffers,
                        int64_t fixed) {
    if (buffers.empty())
      return success();
    Value workspace;
    for (unsigned i = 0, e = func.getNumArguments(); i != e; ++i)
      if (func.getArgAttr(i, "tern.workspace"))
        workspace = func.getArgument(i);
    OpBuilder builder(&func.front(), func.front().begin());
    Location loc = func.getLoc();
    Value rows = mostRows(builder, func);
    bool needsRows = llvm::any_of(
        buffers, [](const Buffer &buffer) { return buffer.kind == kPerRow; });
    if (!workspace || (needsRows && !rows))
      return func.emitOpError("expected an argument 'tern.workspace' and a "
                              "memref whose first dimension is the rows");
    // Where each class begins, and the bytes of a step of its places.
    SmallVector<std::pair<Value, Value>> starts(kFirstCounted);
    auto number = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(builder, loc, value);
    };
    starts[kFixed] = {Value(), Value()};
    starts[kPerRow] = {fixed ? number(fixed) : Value(), rows};
    SizeCopier copier(builder, [&](BlockArgument argument, int64_t dim) {
      return memref::DimOp::create(builder, loc, argument, dim).getResult();
    });
    Value next = classes.empty() ? Value() : number(fixed);
    for (const CountedClass &counted : classes) {
      Value bytes = bytesOf(builder, loc, copier, counted);
      starts.push_back({next, bytes});
      Value all =
          arith::MulIOp::create(builder, loc, bytes, number(counted.buffers));
      next = arith::AddIOp::create(builder, loc, next, all);
    }
    llvm::DenseMap<std::pair<unsigned, int64_t>, Value> shifts;
    for (const Buffer &buffer : buffers) {
      Value &shift = shifts[{buffer.kind, buffer.place}];
      if (!shift) {
        auto [start, step] = starts[buffer.kind];
        shift = number(buffer.place);
        if (step)
          shift = arith::MulIOp::create(builder, loc, step, shift);
        if (start)
          shift = arith::AddIOp::create(builder, loc, start, shift);
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

  SmallVector<CountedClass> classes;
  llvm::DenseMap<Operation *, unsigned> numbers;
  /// The first and last number of each group.
  llvm::DenseMap<Attribute, std::pair<unsigned, unsigned>> groups;
};

} // namespace
