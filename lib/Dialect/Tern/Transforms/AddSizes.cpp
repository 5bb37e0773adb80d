//===- AddSizes.cpp - Functions that compute the sizes of results ---------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A copy of the function computes the sizes in place of the results: patterns
// lead the size of a result back to those of the arguments, and the rest is
// dead.
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNADDSIZESPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

bool isComputeOp(Operation *op) {
  return op && isa_and_present<TernDialect>(op->getDialect()) &&
         op->getNumResults() != 0 && op->getNumOperands() != 0 &&
         llvm::all_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>);
}

/// The rows of what a tern op computes are those that it reads.
struct RowsOfComputeOp : OpRewritePattern<tensor::DimOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::DimOp dim,
                                PatternRewriter &rewriter) const override {
    Operation *op = dim.getSource().getDefiningOp();
    if (!isComputeOp(op) || dim.getConstantIndex() != 0)
      return failure();
    rewriter.replaceOpWithNewOp<tensor::DimOp>(dim, getRowsOperand(op).get(),
                                               0);
    return success();
  }
};

/// Writes, at the end of the copy of a function, what its sizes must fulfil.
class Requirements {
public:
  explicit Requirements(ImplicitLocOpBuilder &b)
      : b(b), fits(arith::ConstantIntOp::create(b, b.getI1Type(), 1)) {}

  void add(Operation *op) {
    if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
      addLoops(linalgOp);
    else if (auto cast = dyn_cast<tensor::CastOp>(op))
      addCast(cast);
    else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
      addSlice(slice, slice.getSource());
    else if (auto slice = dyn_cast<tensor::InsertSliceOp>(op))
      addInsertion(slice);
    else if (auto concat = dyn_cast<tensor::ConcatOp>(op))
      addConcat(concat);
    else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
      addExpand(expand);
    else if (isComputeOp(op) && !isa<GatherRowsOp>(op))
      addRows(op);
  }

  /// That `size` is no less than 0.
  void addSize(Value size) {
    require(arith::CmpIPredicate::sge, size, index(0));
  }

  Value result() const { return fits; }

private:
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  void require(arith::CmpIPredicate predicate, Value a, Value c) {
    Value holds = arith::CmpIOp::create(b, predicate, a, c);
    fits = arith::AndIOp::create(b, fits, holds);
  }
  void equal(Value a, Value c) { require(arith::CmpIPredicate::eq, a, c); }
  Value valueOf(OpFoldResult value) {
    return getValueOrCreateConstantIndexOp(b, b.getLoc(), value);
  }
  Value size(Value tensor, int64_t dim) {
    return tensor::DimOp::create(b, tensor, dim);
  }
  static bool isDynamic(Value tensor, int64_t dim) {
    auto type = dyn_cast<RankedTensorType>(tensor.getType());
    return type && dim < type.getRank() && type.isDynamicDim(dim);
  }

  /// Operands that share a loop have the same size there.
  void addLoops(linalg::LinalgOp op) {
    llvm::SmallDenseMap<unsigned, std::pair<Value, int64_t>> known;
    bool isAnyDynamic = llvm::any_of(op->getOperandTypes(), [](Type type) {
      auto shaped = dyn_cast<RankedTensorType>(type);
      return shaped && !shaped.hasStaticShape();
    });
    if (!isAnyDynamic)
      return;
    for (OpOperand &operand : op->getOpOperands()) {
      AffineMap map = op.getMatchingIndexingMap(&operand);
      for (auto [i, result] : llvm::enumerate(map.getResults())) {
        auto dim = dyn_cast<AffineDimExpr>(result);
        if (!dim)
          continue;
        auto [first, isNew] =
            known.try_emplace(dim.getPosition(), operand.get(), int64_t(i));
        auto [tensor, place] = first->second;
        if (!isNew && (isDynamic(tensor, place) || isDynamic(operand.get(), i)))
          equal(size(tensor, place), size(operand.get(), i));
      }
    }
    addWindows(op, known);
  }

  /// Where the place in an operand is a sum of loops, the last place lies
  /// inside.
  void addWindows(
      linalg::LinalgOp op,
      const llvm::SmallDenseMap<unsigned, std::pair<Value, int64_t>> &known) {
    SmallVector<Value> last;
    for (unsigned dim = 0; dim < op.getNumLoops(); ++dim) {
      auto found = known.find(dim);
      Value count = found == known.end()
                        ? index(1)
                        : size(found->second.first, found->second.second);
      last.push_back(arith::SubIOp::create(b, count, index(1)));
    }
    for (OpOperand &operand : op->getOpOperands())
      for (auto [i, result] :
           llvm::enumerate(op.getMatchingIndexingMap(&operand).getResults()))
        if (!isa<AffineDimExpr>(result)) {
          Value place = affine::AffineApplyOp::create(
              b, AffineMap::get(op.getNumLoops(), 0, result), last);
          require(arith::CmpIPredicate::slt, place, size(operand.get(), i));
        }
  }

  /// What a slice covers lies inside of `whole`.
  void addSlice(OffsetSizeAndStrideOpInterface op, Value whole) {
    for (auto [i, offset, count, stride] : llvm::enumerate(
             op.getMixedOffsets(), op.getMixedSizes(), op.getMixedStrides())) {
      bool isStatic = getConstantIntValue(offset) &&
                      getConstantIntValue(count) && !isDynamic(whole, i);
      if (isStatic && getConstantIntValue(stride))
        continue;
      Value size = valueOf(count), first = valueOf(offset);
      addSize(size);
      addSize(first);
      Value steps = arith::SubIOp::create(b, size, index(1));
      Value end = arith::MulIOp::create(b, steps, valueOf(stride));
      end = arith::AddIOp::create(b, end, first);
      require(arith::CmpIPredicate::slt, end, this->size(whole, i));
    }
  }

  /// And what is inserted is as large as the slice.
  void addInsertion(tensor::InsertSliceOp op) {
    addSlice(op, op.getDest());
    llvm::SmallBitVector dropped = op.getDroppedDims();
    int64_t dim = 0;
    for (auto [i, count] : llvm::enumerate(op.getMixedSizes())) {
      if (dropped.test(i))
        continue;
      if (isDynamic(op.getSource(), dim) || !getConstantIntValue(count))
        equal(size(op.getSource(), dim), valueOf(count));
      ++dim;
    }
  }

  void addConcat(tensor::ConcatOp op) {
    Value first = op.getInputs().front();
    for (Value other : op.getInputs().drop_front())
      for (int64_t i = 0; i < op.getResultType().getRank(); ++i)
        if (i != int64_t(op.getDim()) &&
            (isDynamic(first, i) || isDynamic(other, i)))
          equal(size(first, i), size(other, i));
  }

  /// The new sizes make up the old one.
  void addExpand(tensor::ExpandShapeOp op) {
    SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
    for (auto [i, group] : llvm::enumerate(op.getReassociationIndices())) {
      if (!isDynamic(op.getSrc(), i))
        continue;
      Value product = index(1);
      for (int64_t dim : group) {
        Value part = valueOf(sizes[dim]);
        addSize(part);
        product = arith::MulIOp::create(b, product, part);
      }
      equal(size(op.getSrc(), i), product);
    }
  }

  void addCast(tensor::CastOp op) {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    if (!type || !isa<RankedTensorType>(op.getSource().getType()))
      return;
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (!type.isDynamicDim(i) && isDynamic(op.getSource(), i))
        equal(size(op.getSource(), i),
              arith::ConstantIndexOp::create(b, type.getDimSize(i)));
  }

  void addRows(Operation *op) {
    Value rows = getRowsOperand(op).get();
    for (Value operand : op->getOperands())
      if (operand != rows && isDynamic(operand, 0))
        equal(size(rows, 0), size(operand, 0));
  }

  ImplicitLocOpBuilder &b;
  Value fits;
};

struct AddSizes : ternac::tern::impl::TernAddSizesPassBase<AddSizes> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> functions;
    for (func::FuncOp func : module.getOps<func::FuncOp>())
      if (func->hasAttr(TernDialect::kExportedAttr))
        functions.push_back(func);
    for (func::FuncOp func : functions)
      if (failed(addSizes(func)))
        return signalPassFailure();
  }

private:
  LogicalResult addSizes(func::FuncOp func) {
    if (!llvm::hasSingleElement(func.getBody()) ||
        !isa<func::ReturnOp>(func.front().getTerminator()))
      return func.emitOpError("expected a body of one block");
    if (failed(checkNested(func)))
      return failure();
    std::string name = nameOfSizes(func.getName());
    if (Operation *other = getOperation().lookupSymbol(name))
      return other->emitError("expected no symbol '")
             << name << "', which computes the sizes of '" << func.getName()
             << "'";
    func::FuncOp sizes = func.clone();
    sizes.setName(name);
    sizes.setPrivate();
    sizes->removeAttr(TernDialect::kExportedAttr);
    sizes->setAttr(TernDialect::kSizesAttr, UnitAttr::get(&getContext()));
    sizes.removeArgAttrsAttr();
    sizes.removeResAttrsAttr();
    getOperation().push_back(sizes);
    returnSizes(sizes);
    if (failed(simplify(sizes)))
      return sizes.emitOpError("cannot be simplified");
    return takeSizes(sizes);
  }

  /// What happens in loops and branches cannot be asked of the arguments, so it
  /// must not depend on sizes.
  static LogicalResult checkNested(func::FuncOp func) {
    WalkResult result = func.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (op->getParentOp() == func || op == func)
        return isa<linalg::LinalgOp>(op) ? WalkResult::skip()
                                         : WalkResult::advance();
      auto isDynamic = [](Type type) {
        auto tensor = dyn_cast<RankedTensorType>(type);
        return tensor && !tensor.hasStaticShape();
      };
      if (llvm::none_of(op->getOperandTypes(), isDynamic) &&
          llvm::none_of(op->getResultTypes(), isDynamic))
        return isa<linalg::LinalgOp>(op) ? WalkResult::skip()
                                         : WalkResult::advance();
      op->emitOpError("is in a loop or a branch and has a tensor of a dynamic "
                      "size, for which nobody can check that it fits; expected "
                      "static sizes there");
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  /// Lets `sizes` return whether the sizes fit, and those of its results.
  static void returnSizes(func::FuncOp sizes) {
    auto ret = cast<func::ReturnOp>(sizes.front().getTerminator());
    ImplicitLocOpBuilder b(sizes.getLoc(), ret);
    Requirements requirements(b);
    for (Operation &op : llvm::make_early_inc_range(sizes.front()))
      requirements.add(&op);
    SmallVector<Value> results = {Value()};
    for (Value result : ret.getOperands()) {
      auto type = cast<RankedTensorType>(result.getType());
      for (int64_t i = 0; i < type.getRank(); ++i)
        if (type.isDynamicDim(i)) {
          results.push_back(tensor::DimOp::create(b, result, i));
          requirements.addSize(results.back());
        }
    }
    results.front() = requirements.result();
    ret.getOperandsMutable().assign(results);
    sizes.setType(b.getFunctionType(sizes.getArgumentTypes(),
                                    ValueRange(results).getTypes()));
  }

  LogicalResult simplify(func::FuncOp sizes) {
    RewritePatternSet patterns(&getContext());
    patterns.add<RowsOfComputeOp>(&getContext());
    memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
    scf::ForOp::getCanonicalizationPatterns(patterns, &getContext());
    tensor::DimOp::getCanonicalizationPatterns(patterns, &getContext());
    arith::AndIOp::getCanonicalizationPatterns(patterns, &getContext());
    arith::CmpIOp::getCanonicalizationPatterns(patterns, &getContext());
    return applyPatternsGreedily(sizes, std::move(patterns));
  }

  /// The dynamic sizes of the arguments become the arguments.
  LogicalResult takeSizes(func::FuncOp sizes) {
    Block &body = sizes.front();
    unsigned tensors = body.getNumArguments();
    Type index = IndexType::get(&getContext());
    for (unsigned i = 0; i < tensors; ++i) {
      BlockArgument tensor = body.getArgument(i);
      auto type = cast<RankedTensorType>(tensor.getType());
      for (int64_t dim = 0; dim < type.getRank(); ++dim) {
        if (!type.isDynamicDim(dim))
          continue;
        Value size = body.addArgument(index, sizes.getLoc());
        for (Operation *user : llvm::make_early_inc_range(tensor.getUsers())) {
          auto dimOp = dyn_cast<tensor::DimOp>(user);
          if (!dimOp || dimOp.getConstantIndex() != dim)
            continue;
          dimOp.replaceAllUsesWith(size);
          dimOp.erase();
        }
      }
    }
    for (Operation &op : body)
      for (Value operand : op.getOperands())
        if (isa<TensorType>(operand.getType()))
          return op.emitOpError(
              "decides on the size of a result; expected sizes that follow "
              "from those of the arguments alone");
    body.eraseArguments(0, tensors);
    sizes.setType(FunctionType::get(&getContext(), body.getArgumentTypes(),
                                    sizes.getResultTypes()));
    return success();
  }
};

} // namespace
