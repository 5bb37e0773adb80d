//===- Contracts.cpp - What may be alive at the end of a phase ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Pipeline/Pipeline.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace ternac {
#define GEN_PASS_DEF_TERNVERIFYPHASEPASS
#include "ternac/Pipeline/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

/// Whether `memref` is the weight segment or a view of it.
static bool isWeight(Value memref) {
  while (Operation *op = memref.getDefiningOp()) {
    auto view = dyn_cast<ViewLikeOpInterface>(op);
    if (!view)
      return false;
    memref = view.getViewSource();
  }
  auto argument = cast<BlockArgument>(memref);
  auto func = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
  return func && func.getArgAttr(argument.getArgNumber(), "tern.weights");
}

namespace {

/// The reason why `op` must not be alive at the end of `phase`, or "".
StringRef violation(Operation *op, Phase phase) {
  bool isTern = isa_and_present<TernDialect>(op->getDialect());
  auto anyType = [&](auto predicate) {
    return llvm::any_of(op->getOperandTypes(), predicate) ||
           llvm::any_of(op->getResultTypes(), predicate);
  };
  auto isTensor = [](Type type) { return isa<TensorType>(type); };
  auto isMemRef = [](Type type) { return isa<BaseMemRefType>(type); };
  auto isTrits = [](Type type) {
    auto shaped = dyn_cast<ShapedType>(type);
    return shaped && isa<TritType>(shaped.getElementType());
  };

  if (phase <= Phase::Packed && anyType(isMemRef))
    return "memrefs appear with bufferisation";
  if (phase >= Phase::Normalized && isa<DecoderLayerOp>(op))
    return "decoder layers are written out";
  if (phase >= Phase::Quantized && isa<BitLinearOp>(op))
    return "the integer arithmetic is explicit";
  if (phase >= Phase::Packed && anyType(isTrits))
    return "weights are packed bytes";
  if (phase == Phase::Packed)
    if (auto global = dyn_cast<GlobalOp>(op))
      if (isa<TritType>(global.getTensorType().getElementType()))
        return "weights are packed bytes";
  if (phase >= Phase::Bufferized) {
    if (anyType(isTensor))
      return "tensors are memrefs";
    if (isa<GlobalOp, LoadGlobalOp, bufferization::ToTensorOp,
            bufferization::ToBufferOp>(op))
      return "weights are views of the weight segment";
    if (isa<memref::AllocOp, memref::AllocaOp, memref::DeallocOp>(op))
      return "every buffer has its place in the workspace";
  }
  if (phase == Phase::Bufferized)
    if (auto copy = dyn_cast<memref::CopyOp>(op))
      if (isWeight(copy.getSource()))
        return "weights are not copied";
  if (phase == Phase::Vectorized && isTern &&
      !isa<BarrierOp, ThreadRangeOp>(op))
    return "tern ops are loops over vectors";
  if (phase == Phase::LLVM && !isa<LLVM::LLVMDialect>(op->getDialect()) &&
      !isa<ModuleOp>(op))
    return "everything is in the LLVM dialect";
  return "";
}

} // namespace

LogicalResult ternac::verifyPhase(ModuleOp module, Phase phase) {
  bool failed = false;
  auto report = [&](Operation *op, StringRef reason) {
    op->emitError("contract of phase '")
        << phaseName(phase) << "': unexpected '" << op->getName()
        << "'; " << reason;
    failed = true;
  };
  module.walk([&](Operation *op) {
    if (!op->getDialect())
      report(op, "its dialect is not known");
    else if (StringRef reason = violation(op, phase); !reason.empty())
      report(op, reason);
  });
  if (module->hasAttr(TernDialect::kModelAttr))
    for (StringRef name : {TernDialect::kTargetAttr, TernDialect::kWeightsAttr})
      if (!module->hasAttr(name)) {
        module.emitError("contract of phase '")
            << phaseName(phase) << "': a model needs the attribute '" << name
            << "'";
        failed = true;
      }
  return failure(failed);
}

namespace {

struct VerifyPhase : ternac::impl::TernVerifyPhasePassBase<VerifyPhase> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<Phase> known = phaseByName(phase);
    if (!known) {
      getOperation().emitError("unknown phase '")
          << phase << "'; expected one of: " << phaseNames();
      return signalPassFailure();
    }
    if (failed(verifyPhase(getOperation(), *known)))
      signalPassFailure();
    else
      markAllAnalysesPreserved();
  }
};

} // namespace
