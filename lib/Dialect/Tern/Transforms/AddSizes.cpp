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
    else if (isComputeOp(op) && !isa<GatherRowsOp>(op))
      addRows(op);
  }

  Value result() const { return fits; }

private:
  void equal(Value a, Value c) {
    Value isEqual = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, a, c);
    fits = arith::AndIOp::create(b, fits, isEqual);
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

  /// Lets `sizes` return whether the sizes fit, and those of its results.
  static void returnSizes(func::FuncOp sizes) {
    auto ret = cast<func::ReturnOp>(sizes.front().getTerminator());
    ImplicitLocOpBuilder b(sizes.getLoc(), ret);
    Requirements requirements(b);
    for (Operation &op : llvm::make_early_inc_range(sizes.front()))
      requirements.add(&op);
    SmallVector<Value> results = {requirements.result()};
    for (Value result : ret.getOperands()) {
      auto type = cast<RankedTensorType>(result.getType());
      for (int64_t i = 0; i < type.getRank(); ++i)
        if (type.isDynamicDim(i))
          results.push_back(tensor::DimOp::create(b, result, i));
    }
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
