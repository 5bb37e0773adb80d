//===- ConvertLinalgToThreadLoops.cpp - Lowers linalg ops on buffers ------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/Passes.h"
#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace ternac {
#define GEN_PASS_DEF_CONVERTLINALGTOTHREADLOOPSPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

/// A loop of fewer rounds is shared out only if there is none of more.
constexpr int64_t kWorthSharing = 8;
/// Threads share the innermost loop in pieces of this many elements, so that
/// they seldom write the same cache line.
constexpr int64_t kInnermostStep = 64;

/// The dimension that the last result of `map` is, if it is one.
std::optional<unsigned> lastDim(AffineMap map) {
  if (map.getNumResults() != 0)
    if (auto dim = dyn_cast<AffineDimExpr>(map.getResults().back()))
      return dim.getPosition();
  return std::nullopt;
}

/// Whether a loop over `dim` walks through what `map` reads element by element,
/// or stays where it is.
bool isContiguous(AffineMap map, unsigned dim) {
  for (auto [i, result] : llvm::enumerate(map.getResults()))
    if (result.isFunctionOfDim(dim) &&
        (i + 1 != map.getNumResults() || !isa<AffineDimExpr>(result)))
      return false;
  return true;
}

/// The parallel dimension that all operands of `op` are contiguous in, if there
/// is one that the results are not the same for.
std::optional<unsigned> vectorDim(linalg::LinalgOp op) {
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  std::optional<unsigned> dim = lastDim(maps.back());
  if (!dim || !linalg::isParallelIterator(kinds[*dim]) ||
      !llvm::all_of(maps,
                    [&](AffineMap map) { return isContiguous(map, *dim); }))
    return std::nullopt;
  return dim;
}

/// The dimension that threads share: a parallel one that every result has, the
/// outermost of those that are worth it, else the largest.
std::optional<unsigned> sharedDim(linalg::LinalgOp op) {
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  std::optional<unsigned> best;
  for (unsigned dim = 0; dim < kinds.size(); ++dim) {
    bool isShared = linalg::isParallelIterator(kinds[dim]) &&
                    llvm::all_of(op.getDpsInitsMutable(), [&](OpOperand &init) {
                      return llvm::is_contained(
                          op.getMatchingIndexingMap(&init).getResults(),
                          getAffineDimExpr(dim, op.getContext()));
                    });
    if (!isShared)
      continue;
    if (ShapedType::isDynamic(sizes[dim]) || sizes[dim] >= kWorthSharing)
      return dim;
    if (!best || sizes[dim] > sizes[*best])
      best = dim;
  }
  return best;
}

/// Brings parallel loops before reductions, each in their order, and `last`, if
/// any, to the end. What a number of the result is made of stays in order.
FailureOr<linalg::GenericOp> orderLoops(IRRewriter &rewriter,
                                        linalg::LinalgOp op,
                                        std::optional<unsigned> last) {
  FailureOr<linalg::GenericOp> generic =
      isa<linalg::GenericOp>(op) ? FailureOr(cast<linalg::GenericOp>(op))
                                 : linalg::generalizeNamedOp(rewriter, op);
  if (failed(generic))
    return op.emitOpError("has no form as a linalg.generic");
  SmallVector<utils::IteratorType> kinds = generic->getIteratorTypesArray();
  SmallVector<unsigned> order;
  for (bool parallel : {true, false})
    for (unsigned dim = 0; dim < kinds.size(); ++dim)
      if (linalg::isParallelIterator(kinds[dim]) == parallel && dim != last)
        order.push_back(dim);
  if (last)
    order.push_back(*last);
  if (llvm::is_sorted(order))
    return generic;
  rewriter.setInsertionPoint(*generic);
  return linalg::interchangeGenericOp(rewriter, *generic, order);
}

/// Lets LLVM vectorise `loop`, which it would leave as it is.
void markForVectoriser(scf::ForOp loop) {
  MLIRContext *context = loop.getContext();
  auto vectorize = LLVM::LoopVectorizeAttr::get(
      context, BoolAttr::get(context, false), {}, {}, {}, {}, {}, {});
  loop->setAttr("llvm.loop_annotation",
                LLVM::LoopAnnotationAttr::get(context, {}, vectorize, {}, {},
                                              {}, {}, {}, {}, {}, {}, {}, {},
                                              {}, {}, {}));
}

/// Runs `body` on one thread, when all that came before is done, and lets the
/// others wait for it.
void onOneThread(ImplicitLocOpBuilder &b, Value environment,
                 function_ref<void()> body) {
  Value one = arith::ConstantIndexOp::create(b, 1);
  auto range = ThreadRangeOp::create(b, environment, one, 1);
  auto loop = scf::ForOp::create(b, range.getBegin(), range.getEnd(), one);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    body();
  }
  BarrierOp::create(b, environment);
}

/// Lowers the ops of one function.
class Lowering {
public:
  Lowering(func::FuncOp func)
      : func(func), environment(environmentOf(func)),
        rewriter(func.getContext()) {}

  LogicalResult run() {
    copiesToLinalg();
    if (environment)
      waitAfterLoads();
    SmallVector<Operation *> ops;
    func.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<linalg::LinalgOp, memref::StoreOp>(op)) {
        ops.push_back(op);
        return WalkResult::skip();
      }
      return WalkResult::advance();
    });
    if (ops.empty())
      return success();
    if (!environment)
      return func.emitOpError("expected an argument of type "
                              "!tern.environment; run tern-bufferize first");
    for (Operation *op : ops) {
      auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
      if (failed(linalgOp ? lower(linalgOp) : lower(cast<memref::StoreOp>(op))))
        return failure();
    }
    return success();
  }

private:
  /// Every thread loads for itself what decides on its way; none may write
  /// there before all have. Constants are not written.
  void waitAfterLoads() {
    SmallVector<memref::LoadOp> loads;
    func.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<linalg::LinalgOp>(op))
        return WalkResult::skip();
      if (auto load = dyn_cast<memref::LoadOp>(op))
        if (!load.getMemRef().getDefiningOp<memref::GetGlobalOp>())
          loads.push_back(load);
      return WalkResult::advance();
    });
    for (memref::LoadOp load : loads) {
      Operation *next = load->getNextNode();
      while (!next->hasTrait<OpTrait::IsTerminator>() &&
             (isa<memref::LoadOp>(next) || isPure(next)))
        next = next->getNextNode();
      if (isa<func::ReturnOp>(next) ||
          isa_and_present<BarrierOp>(next->getPrevNode()))
        continue;
      OpBuilder builder(next);
      BarrierOp::create(builder, load.getLoc(), environment);
    }
  }

  /// Whether convert-tern-to-vector has no loops for the copy, or slow ones.
  /// Its vectors of elements of less than a byte would be packed.
  static bool isOtherCopy(memref::CopyOp copy) {
    auto isRows = [](Value value) {
      auto type = dyn_cast<MemRefType>(value.getType());
      return type && type.getRank() == 2 && !type.isDynamicDim(1) &&
             type.getElementType().isIntOrFloat() &&
             type.getElementTypeBitWidth() >= 8 &&
             type.getLayout().isIdentity();
    };
    return !isRows(copy.getSource()) || !isRows(copy.getTarget());
  }

  void copiesToLinalg() {
    SmallVector<memref::CopyOp> copies;
    func.walk([&](memref::CopyOp copy) {
      if (isOtherCopy(copy))
        copies.push_back(copy);
    });
    for (memref::CopyOp copy : copies) {
      rewriter.setInsertionPoint(copy);
      rewriter.replaceOpWithNewOp<linalg::CopyOp>(copy, copy.getSource(),
                                                  copy.getTarget());
    }
  }

  LogicalResult lower(linalg::LinalgOp op) {
    if (!op.hasPureBufferSemantics())
      return op.emitOpError("expected the buffer form; run tern-bufferize "
                            "first");
    rewriter.setInsertionPoint(op);
    std::optional<unsigned> last = vectorDim(op);
    FailureOr<linalg::GenericOp> generic = orderLoops(rewriter, op, last);
    if (failed(generic))
      return failure();
    std::optional<unsigned> shared =
        sharedDim(cast<linalg::LinalgOp>(generic->getOperation()));
    ImplicitLocOpBuilder b(generic->getLoc(), *generic);
    if (!shared) {
      onOneThread(b, environment, [&] {
        Operation *copy = b.clone(**generic);
        rewriter.setInsertionPoint(copy);
        (void)linalg::linalgOpToLoops(rewriter, cast<linalg::LinalgOp>(copy));
        rewriter.eraseOp(copy);
      });
      rewriter.eraseOp(*generic);
      return success();
    }
    rewriter.setInsertionPoint(*generic);
    FailureOr<linalg::LinalgLoops> loops = linalg::linalgOpToLoops(
        rewriter, cast<linalg::LinalgOp>(generic->getOperation()));
    if (failed(loops))
      return generic->emitOpError("has no lowering to loops");
    share(cast<scf::ForOp>((*loops)[*shared]), *shared + 1 == loops->size(),
          cast<scf::ForOp>(loops->front()));
    if (last)
      markForVectoriser(cast<scf::ForOp>(loops->back()));
    b.setInsertionPointAfter(*generic);
    BarrierOp::create(b, environment);
    rewriter.eraseOp(*generic);
    return success();
  }

  /// Lets each thread do its part of `loop`; `outermost` is around it.
  void share(scf::ForOp loop, bool isInnermost, scf::ForOp outermost) {
    ImplicitLocOpBuilder b(loop.getLoc(), outermost);
    auto range = ThreadRangeOp::create(b, environment, loop.getUpperBound(),
                                       isInnermost ? kInnermostStep : 1);
    loop.setLowerBound(range.getBegin());
    loop.setUpperBound(range.getEnd());
  }

  /// Every thread computes what is stored; all have when one stores it.
  LogicalResult lower(memref::StoreOp op) {
    ImplicitLocOpBuilder b(op.getLoc(), op);
    BarrierOp::create(b, environment);
    onOneThread(b, environment, [&] { b.clone(*op); });
    rewriter.eraseOp(op);
    return success();
  }

  func::FuncOp func;
  Value environment;
  IRRewriter rewriter;
};

struct ConvertLinalgToThreadLoops
    : ternac::impl::ConvertLinalgToThreadLoopsPassBase<
          ConvertLinalgToThreadLoops> {
  void runOnOperation() override {
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>())
      if (!func.isExternal() && failed(Lowering(func).run()))
        return signalPassFailure();
  }
};

} // namespace
