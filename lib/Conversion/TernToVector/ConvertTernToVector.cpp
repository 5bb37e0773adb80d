//===- ConvertTernToVector.cpp - Lowers ops on buffers to vector loops ----===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/MatmulKernel.h"
#include "ternac/Conversion/NarrowProducts.h"
#include "ternac/Conversion/Passes.h"
#include "ternac/Conversion/TableKernel.h"
#include "ternac/Conversion/TernToVector.h"

#include "ternac/Conversion/RowLowerings.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/ADT/bit.h"

namespace ternac {
#define GEN_PASS_DEF_CONVERTTERNTOVECTORPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

VectorOptions ternac::vectorOptions(Operation *op, int64_t lanes) {
  VectorOptions options;
  options.lanes = lanes;
  if (TargetAttr target = getTarget(op)) {
    // Kernels divide their blocks, of 512 bits, by this.
    options.vectorBits = llvm::bit_floor(
        uint64_t(std::clamp<int64_t>(target.getVectorBits(), 8, 512)));
    // Lanes that become general registers must leave some for addresses.
    if (options.vectorBits <= 64)
      options.lanes = std::min<int64_t>(lanes, 4);
    options.fma = target.hasCapability("fma");
    options.f16Convert = target.hasCapability("f16_convert");
    options.vectorPopcount = target.hasCapability("vector_popcount");
    options.bytePopcount = target.hasCapability("byte_popcount");
    options.subgroups = target.hasCapability("subgroup_32");
    if (target.hasCapability("vector_registers_32"))
      options.registers = 32;
    options.unknownLength = target.hasCapability("unknown_vector_length");
  }
  return options;
}

Value ternac::environmentOf(func::FuncOp func) {
  for (BlockArgument argument : func.getArguments())
    if (isa<EnvironmentType>(argument.getType()))
      return argument;
  return {};
}

/// Marks the first of the two memrefs that stand for a cache.
static constexpr llvm::StringLiteral kPool = "tern.pool";

CacheMap ternac::addCacheBuffers(func::FuncOp func) {
  CacheMap buffers;
  OpBuilder builder(func.getContext());
  int64_t dynamic = ShapedType::kDynamic;
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    auto type = dyn_cast<KVCacheType>(func.getArgument(i).getType());
    if (!type)
      continue;
    Value cache = func.getArgument(i);
    if (i + 2 >= func.getNumArguments() || !func.getArgAttr(i + 1, kPool)) {
      (void)func.insertArgument(i + 1,
                                MemRefType::get({dynamic}, type.getElement()),
                                builder.getDictionaryAttr(builder.getNamedAttr(
                                    kPool, builder.getUnitAttr())),
                                func.getLoc());
      (void)func.insertArgument(
          i + 2, MemRefType::get({dynamic, dynamic}, builder.getI32Type()), {},
          func.getLoc());
    }
    buffers[cache] = {func.getArgument(i + 1), func.getArgument(i + 2)};
  }
  return buffers;
}

/// Removes the cache arguments that have memrefs; nothing uses them any more.
static void eraseCaches(func::FuncOp func) {
  for (unsigned i = func.getNumArguments(); i-- > 1;)
    if (func.getArgAttr(i, kPool)) {
      func.removeArgAttr(i, kPool);
      --i;
      (void)func.eraseArgument(i);
    }
}

LogicalResult
ternac::replaceByLoops(Operation *op, const VectorOptions &options,
                       function_ref<LogicalResult(VectorBuilder &)> body) {
  auto func = op->getParentOfType<func::FuncOp>();
  Value environment = func ? environmentOf(func) : Value();
  if (!environment)
    return op->emitOpError("expected a function with an argument of type "
                           "!tern.environment");
  ImplicitLocOpBuilder b(op->getLoc(), op);
  VectorBuilder v(b, environment, options);
  if (failed(body(v)))
    return failure();
  v.barrier();
  op->erase();
  return success();
}

namespace {

constexpr llvm::StringLiteral kCacheMustBeArgument =
    "expected the cache to be an argument of the function";

LogicalResult lowerMatmul(MatmulOp op, VectorBuilder &v) {
  if (!op.getConfig()->isUniform())
    return op.emitOpError("expected one strategy for any number of rows; run "
                          "tern-specialize-rows first");
  switch (op.getConfig()->getStrategy()) {
  case Strategy::Reference:
    return lowerToReferenceKernel(op, v);
  case Strategy::AddSub:
    if (op.getPacking()->getCode() == Code::Planes)
      return lowerToKernel(op, v, *bitPlaneStrategy(v.options));
    return lowerToKernel(op, v, *addSubStrategy(v.options));
  case Strategy::Lut:
    return lowerToTables(
        op, v, *memoryTables(op.getPacking()->getLayout(), v.options));
  case Strategy::Dot:
  case Strategy::Tile:
    return op.emitOpError("strategy '")
           << stringifyStrategy(op.getConfig()->getStrategy())
           << "' is a target's; its lowering must run before "
           << "convert-tern-to-vector";
  }
  llvm_unreachable("all strategies handled");
}

struct ConvertTernToVector
    : ternac::impl::ConvertTernToVectorPassBase<ConvertTernToVector> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (lanes < 1 || lanes > 64 || 64 % lanes != 0) {
      module.emitError("expected lanes to be a power of two up to 64, but got ")
          << lanes;
      return signalPassFailure();
    }
    for (func::FuncOp func :
         llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (failed(lower(func, vectorOptions(func, lanes))))
        return signalPassFailure();
  }

private:
  static LogicalResult lower(func::FuncOp func, const VectorOptions &options) {
    return lowerOps(func, [&](Operation *op, ImplicitLocOpBuilder &b,
                              Value environment, const CacheMap &caches) {
      VectorBuilder v(b, environment, options);
      LogicalResult result = lower(op, v, caches);
      v.barrier();
      return result;
    });
  }

  static LogicalResult lower(Operation *op, VectorBuilder &v,
                             const CacheMap &caches) {
    return lowerRows(op, v, caches, [&] {
      return llvm::TypeSwitch<Operation *, LogicalResult>(op)
          .Case([&](LinearOp o) { return lowerLinear(o, v); })
          .Case([&](TernaryLinearOp o) { return lowerTernaryLinear(o, v); })
          .Case([&](AttentionOp o) {
            return lowerAttention(o, v, caches.lookup(o.getCache())), success();
          })
          .Case([&](MatmulOp o) { return lowerMatmul(o, v); })
          .Default([](Operation *o) {
            return o->emitOpError("has no lowering to vectors");
          });
    });
  }
};

} // namespace

LogicalResult
ternac::lowerOps(func::FuncOp func,
                 function_ref<LogicalResult(Operation *, ImplicitLocOpBuilder &,
                                            Value, const CacheMap &)>
                     lower) {
  SmallVector<Operation *> ops;
  func.walk([&](Operation *op) {
    bool isTern =
        isa_and_present<TernDialect>(op->getDialect()) && !isThreadOp(op);
    if (isTern || isa<memref::CopyOp>(op))
      ops.push_back(op);
  });
  if (ops.empty())
    return eraseCaches(func), success(); // a target may have lowered all
  Value environment = environmentOf(func);
  if (!environment)
    return func.emitOpError("expected an argument of type !tern.environment; "
                            "run tern-bufferize first");
  CacheMap caches = addCacheBuffers(func);
  for (Operation *op : ops) {
    if (op->getNumResults() != 0)
      return op->emitOpError("expected the buffer form; run tern-bufferize "
                             "first");
    for (Value operand : op->getOperands())
      if (isa<KVCacheType>(operand.getType()) && !caches.contains(operand))
        return op->emitOpError(kCacheMustBeArgument);
    ImplicitLocOpBuilder b(op->getLoc(), op);
    if (failed(lower(op, b, environment, caches)))
      return failure();
    op->erase();
  }
  eraseCaches(func);
  return success();
}

LogicalResult ternac::lowerRows(Operation *op, VectorBuilder &v,
                                const CacheMap &caches,
                                function_ref<LogicalResult()> orElse) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](EmbeddingOp o) { return lowerEmbedding(o, v), success(); })
      .Case([&](GatherRowsOp o) { return lowerGatherRows(o, v), success(); })
      .Case([&](memref::CopyOp o) { return lowerCopy(o, v); })
      .Case([&](AddOp o) { return lowerAdd(o, v), success(); })
      .Case([&](RMSNormOp o) { return lowerRMSNorm(o, v), success(); })
      .Case([&](RopeOp o) { return lowerRope(o, v), success(); })
      .Case([&](GateOp o) { return lowerGate(o, v), success(); })
      .Case([&](QuantizeOp o) { return lowerQuantize(o, v), success(); })
      .Case([&](RescaleOp o) { return lowerRescale(o, v), success(); })
      .Case([&](KVAppendOp o) {
        return lowerKVAppend(o, v, caches.lookup(o.getCache())), success();
      })
      .Default([&](Operation *) { return orElse(); });
}

LogicalResult
ternac::replaceAttention(AttentionOp op, const VectorOptions &options,
                         ArrayRef<const NarrowProducts *> products) {
  return replaceByLoops(op, options, [&](VectorBuilder &v) -> LogicalResult {
    auto caches = addCacheBuffers(op->getParentOfType<func::FuncOp>());
    if (!caches.contains(op.getCache()))
      return op.emitOpError(kCacheMustBeArgument);
    lowerAttention(op, v, caches.lookup(op.getCache()), products);
    return success();
  });
}
