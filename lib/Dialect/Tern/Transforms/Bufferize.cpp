//===- Bufferize.cpp - Tensors as memrefs ---------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotModuleBufferize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace ternac::tern {
#define GEN_PASS_DEF_TERNBUFFERIZEPASS
#include "ternac/Dialect/Tern/Transforms/Passes.h.inc"
} // namespace ternac::tern

using namespace mlir;
using namespace ternac::tern;

namespace {

/// Appends an argument of `type`, marked with the unit attribute `role` if any.
Value appendArgument(func::FuncOp func, Type type, StringRef role = {}) {
  NamedAttrList attributes;
  if (!role.empty())
    attributes.set(role, UnitAttr::get(func.getContext()));
  unsigned index = func.getNumArguments();
  (void)func.insertArgument(
      index, type, attributes.getDictionary(func.getContext()), func.getLoc());
  return func.getArgument(index);
}

/// Lets `func` write its results to memrefs given by the caller and gives it
/// the workspace, the weights and the environment.
LogicalResult rewriteSignature(func::FuncOp func) {
  if (!llvm::hasSingleElement(func.getBody()))
    return func.emitOpError("expected a body of one block");
  auto ret = dyn_cast<func::ReturnOp>(func.front().getTerminator());
  if (!ret)
    return func.emitOpError("expected a body that ends in func.return");
  OpBuilder builder(ret);
  // What the caller passes in is not changed, whatever could be done in place.
  for (unsigned i = 0, e = func.getNumArguments(); i != e; ++i)
    if (isa<TensorType>(func.getArgument(i).getType()))
      func.setArgAttr(i, bufferization::BufferizationDialect::kWritableAttrName,
                      builder.getBoolAttr(false));
  for (Value result : ret.getOperands()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type) {
      if (isa<KVCacheType>(result.getType()))
        continue; // changed in place
      return func.emitOpError("expected results to be ranked tensors or a "
                              "cache, but got ")
             << result.getType();
    }
    Value out = appendArgument(
        func, MemRefType::get(type.getShape(), type.getElementType()));
    auto materialize = bufferization::MaterializeInDestinationOp::create(
        builder, ret.getLoc(), /*result=*/Type(), result, out,
        /*restrict=*/true, /*writable=*/true);
    (void)materialize;
  }
  ret.getOperandsMutable().clear();
  func.setType(builder.getFunctionType(func.getArgumentTypes(), {}));
  func.removeResAttrsAttr();

  Type bytes = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
  appendArgument(func, bytes, "tern.workspace");
  appendArgument(func, bytes, "tern.weights");
  appendArgument(func, EnvironmentType::get(func.getContext()));
  return success();
}

/// A cache is one object that appends change, so its older values must be dead.
LogicalResult verifyCacheUses(func::FuncOp func) {
  WalkResult result = func.walk([](KVAppendOp append) {
    for (Operation *user : append.getCache().getUsers()) {
      Operation *sibling = append->getBlock()->findAncestorOpInBlock(*user);
      if (user != append && (!sibling || append->isBeforeInBlock(sibling))) {
        user->emitOpError("uses a cache that a tern.kv_append has replaced; "
                          "expected it to use the append's result");
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// The memory of a result is the caller's: an allocation that is only copied
/// there at the end is replaced by it.
void forwardResults(func::FuncOp func) {
  SmallVector<memref::CopyOp> copies;
  func.walk([&](memref::CopyOp copy) { copies.push_back(copy); });
  for (memref::CopyOp copy : copies) {
    auto alloc = copy.getSource().getDefiningOp<memref::AllocOp>();
    auto argument = dyn_cast<BlockArgument>(copy.getTarget());
    if (!alloc || !argument || alloc->getBlock() != copy->getBlock() ||
        alloc.getType() != argument.getType() || !argument.hasOneUse())
      continue;
    copy.erase();
    alloc.replaceAllUsesWith(Value(argument));
    alloc.erase();
  }
}

struct Bufferize : ternac::tern::impl::TernBufferizePassBase<Bufferize> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (func::FuncOp func : module.getOps<func::FuncOp>())
      if (!func.isExternal() && !func->hasAttr(TernDialect::kSizesAttr) &&
          (failed(verifyCacheUses(func)) || failed(rewriteSignature(func))))
        return signalPassFailure();

    bufferization::OneShotBufferizationOptions options;
    options.bufferizeFunctionBoundaries = true;
    options.setFunctionBoundaryTypeConversion(
        bufferization::LayoutMapOption::IdentityLayoutMap);
    options.bufferAlignment = 64;
    bufferization::BufferizationState state;
    if (failed(
            bufferization::runOneShotModuleBufferize(module, options, state)))
      return signalPassFailure();

    // Buffers that a loop hands from iteration to iteration unchanged are no
    // loop values any more.
    RewritePatternSet patterns(&getContext());
    scf::ForOp::getCanonicalizationPatterns(patterns, &getContext());
    memref::DimOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();

    for (func::FuncOp func : module.getOps<func::FuncOp>())
      forwardResults(func);
    for (GlobalOp global :
         llvm::make_early_inc_range(module.getOps<GlobalOp>()))
      global.erase();
  }
};

} // namespace
