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
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
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

  if (isa<ModuleOp>(op) && op->getParentOp())
    return "modules are not nested";
  if (phase != Phase::Imported && phase < Phase::Vectorized &&
      isa<func::CallOp>(op))
    return "calls are inlined, so that functions call neither themselves nor "
           "what is only declared; kernels come later";
  if (phase < Phase::Packed) {
    auto product = dyn_cast<TernaryWeightOpInterface>(op);
    auto global = dyn_cast<GlobalOp>(op);
    if ((product && (product.getColsAttr() || product.getConfigAttr())) ||
        (global && global.getStored().getPacking()))
      return "weights are packed later";
  }
  if (phase <= Phase::Packed && anyType(isMemRef))
    return "memrefs appear with bufferisation";
  if (phase >= Phase::Normalized && isa<DecoderLayerOp>(op))
    return "decoder layers are written out";
  if (phase >= Phase::Quantized) {
    auto linear = dyn_cast<LinearOp>(op);
    if (isa<BitLinearOp>(op) ||
        (linear && linear.hasIntegerWeight() && !linear.getStep()))
      return "the integer arithmetic is explicit";
  }
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
    bool isStack = phase >= Phase::Vectorized && isa<memref::AllocaOp>(op);
    if (isa<memref::AllocOp, memref::AllocaOp, memref::DeallocOp>(op) &&
        !isStack)
      return "every buffer has its place in the workspace";
  }
  if (phase == Phase::Bufferized)
    if (auto copy = dyn_cast<memref::CopyOp>(op))
      if (isWeight(copy.getSource()))
        return "weights are not copied";
  if (phase == Phase::Vectorized && isTern && !isThreadOp(op))
    return "tern ops are loops over vectors";
  if (phase >= Phase::Vectorized &&
      isa_and_present<linalg::LinalgDialect>(op->getDialect()))
    return "linalg ops are loops";
  if (phase == Phase::LLVM && !isa<LLVM::LLVMDialect>(op->getDialect()) &&
      !isa<ModuleOp>(op))
    return "everything is in the LLVM dialect";
  return "";
}

/// The module attributes have their types, and a model has all of them but the
/// name of a device.
LogicalResult verifyAttributes(ModuleOp module) {
  bool isModel = module->hasAttr(TernDialect::kModelAttr);
  auto check = [&](StringRef name, auto hasType, StringRef type) {
    Attribute attribute = module->getAttr(name);
    if (attribute ? hasType(attribute) : !isModel)
      return success();
    module.emitError("expected the attribute '")
        << name << "' to be " << type << (isModel ? ", as models need" : "");
    return failure();
  };
  if (Attribute device = module->getAttr(TernDialect::kDeviceAttr);
      device && !isa<StringAttr>(device))
    return module.emitError("expected the attribute '")
           << TernDialect::kDeviceAttr << "' to be a string, but got "
           << device;
  return success(
      succeeded(check(TernDialect::kModelAttr, llvm::IsaPred<DictionaryAttr>,
                      "a dictionary")) &&
      succeeded(check(TernDialect::kTargetAttr, llvm::IsaPred<TargetAttr>,
                      "a #tern.target")) &&
      succeeded(check(TernDialect::kWeightsAttr, llvm::IsaPred<WeightsAttr>,
                      "a #tern.weights")));
}

/// The largest value of a layer number that is a constant or counts a loop of
/// constant bounds.
std::optional<int64_t> largestLayer(Value layer) {
  if (std::optional<int64_t> number = getConstantIntValue(layer))
    return number;
  auto argument = dyn_cast<BlockArgument>(layer);
  auto loop = argument
                  ? dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp())
                  : scf::ForOp();
  if (!loop || loop.getInductionVar() != layer)
    return std::nullopt;
  std::optional<int64_t> end = getConstantIntValue(loop.getUpperBound());
  return end ? std::optional<int64_t>(*end - 1) : std::nullopt;
}

/// No op reads a layer that its weights do not have.
LogicalResult verifyLayerNumbers(ModuleOp module) {
  auto check = [&](Operation *op, Value layer, StringRef name) -> WalkResult {
    auto global = module.lookupSymbol<GlobalOp>(name);
    std::optional<int64_t> largest = largestLayer(layer);
    if (!global || !largest || *largest < global.getTensorType().getDimSize(0))
      return WalkResult::advance();
    op->emitOpError("expected layers below ")
        << global.getTensorType().getDimSize(0) << ", which '" << name
        << "' has, but reads layer " << *largest;
    return WalkResult::interrupt();
  };
  return success(!module
                      .walk([&](Operation *op) {
                        if (auto load = dyn_cast<LoadGlobalOp>(op))
                          if (load.getLayer())
                            return check(op, load.getLayer(), load.getGlobal());
                        if (auto layer = dyn_cast<DecoderLayerOp>(op))
                          if (auto norm =
                                  layer.getWeights().getAs<FlatSymbolRefAttr>(
                                      "input_norm"))
                            return check(op, layer.getLayer(), norm.getValue());
                        return WalkResult::advance();
                      })
                      .wasInterrupted());
}

/// A function's target is one of those that the module has versions for.
LogicalResult verifyVersions(ModuleOp module) {
  TargetAttr target = getTarget(module);
  ArrayAttr versions = target ? target.getVersions() : ArrayAttr();
  for (Operation &op : *module.getBody())
    if (Attribute own = op.getAttr(TernDialect::kTargetAttr))
      if (!versions || !llvm::is_contained(versions, own))
        return op.emitError("expected the attribute '")
               << TernDialect::kTargetAttr
               << "' to be one of the versions of the module's, but got "
               << own;
  return success();
}

/// What tern.model tells the host is what the function `name` does: a host
/// sizes its memory by it.
LogicalResult verifyModelFacts(ModuleOp module, StringRef name) {
  auto model = module->getAttrOfType<DictionaryAttr>(TernDialect::kModelAttr);
  auto forward = module.lookupSymbol<func::FuncOp>(name);
  if (!forward)
    return module.emitError("expected a function '") << name << "' in a model";
  auto expect = [&](StringRef key, int64_t value) -> LogicalResult {
    auto attribute = model.getAs<IntegerAttr>(key);
    if (attribute && attribute.getValue().getSExtValue() == value)
      return success();
    return module.emitError("expected '")
           << key << "' in tern.model to be " << value << ", as '" << name
           << "' says, but got "
           << (attribute ? Attribute(attribute)
                         : StringAttr::get(module.getContext(), "nothing"));
  };
  for (Type type : llvm::concat<const Type>(forward.getArgumentTypes(),
                                            forward.getResultTypes())) {
    if (auto cache = dyn_cast<KVCacheType>(type))
      if (failed(expect("cache_block_bytes", cache.getBlockBytes())) ||
          failed(expect("layers", cache.getLayers())))
        return failure();
    auto shaped = dyn_cast<ShapedType>(type);
    if (shaped && shaped.getRank() == 2 && shaped.getElementType().isF32() &&
        failed(expect("vocab_size", shaped.getDimSize(1))))
      return failure();
  }
  return success();
}

/// A model has a function 'forward' and, once strategies are chosen, one for
/// each version.
LogicalResult verifyModel(ModuleOp module, Phase phase) {
  if (!module->hasAttr(TernDialect::kModelAttr))
    return success();
  if (failed(verifyModelFacts(module, "forward")))
    return failure();
  TargetAttr target = getTarget(module);
  if (phase < Phase::Packed || !target)
    return success();
  for (auto [version, machine] : llvm::enumerate(target.getMachines())) {
    std::string name = nameOfVersion("forward", version);
    if (failed(verifyModelFacts(module, name)))
      return failure();
    auto forward = module.lookupSymbol<func::FuncOp>(name);
    if (getCodeVersion(forward) != version)
      return forward.emitError("expected the attribute '")
             << TernDialect::kTargetAttr << "' of '" << name
             << "' to be the version " << machine.getMachineName();
  }
  return success();
}

} // namespace

/// Whether it is the target of `op` that says it may be there.
static bool isHeldByTarget(Operation *op, Phase phase) {
  TargetAttr attr = phase < Phase::Vectorized ? TargetAttr() : getTarget(op);
  const Target *target = attr ? findTarget(attr.getName()) : nullptr;
  return target && target->mayHold(phase, op);
}

LogicalResult ternac::verifyPhase(ModuleOp module, Phase phase) {
  bool failed = false;
  auto report = [&](Operation *op, StringRef reason) {
    op->emitError("contract of phase '")
        << phaseName(phase) << "': unexpected '" << op->getName() << "'; "
        << reason;
    failed = true;
  };
  module.walk([&](Operation *op) {
    if (!op->getDialect())
      report(op, "its dialect is not known");
    else if (StringRef reason = violation(op, phase);
             !reason.empty() && !isHeldByTarget(op, phase))
      report(op, reason);
  });
  if (mlir::failed(verifyAttributes(module)) ||
      mlir::failed(verifyLayerNumbers(module)) ||
      mlir::failed(verifyVersions(module)) ||
      (phase < Phase::LLVM && mlir::failed(verifyModel(module, phase))))
    failed = true;
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
