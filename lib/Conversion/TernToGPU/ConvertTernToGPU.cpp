//===- ConvertTernToGPU.cpp - Lowers ops on buffers to kernels ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "ternac/Conversion/Passes.h"
#include "ternac/Conversion/TernToVector.h"

#include "llvm/ADT/TypeSwitch.h"

namespace ternac {
#define GEN_PASS_DEF_CONVERTTERNTOGPUPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

namespace {

struct ConvertTernToGPU
    : ternac::impl::ConvertTernToGPUPassBase<ConvertTernToGPU> {
  void runOnOperation() override {
    for (func::FuncOp func :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (failed(lower(func)))
        return signalPassFailure();
  }

private:
  static LogicalResult lower(func::FuncOp func) {
    SmallVector<Operation *> ops;
    func.walk([&](Operation *op) {
      bool isTern =
          isa_and_present<TernDialect>(op->getDialect()) && !isThreadOp(op);
      if (isTern || isa<memref::CopyOp>(op))
        ops.push_back(op);
    });
    auto caches = addCacheBuffers(func);
    Value environment = environmentOf(func);
    for (Operation *op : ops) {
      if (op->getNumResults() != 0)
        return op->emitOpError("expected the buffer form; run tern-bufferize "
                               "first");
      if (!environment)
        return op->emitOpError("expected a function with an argument of type "
                               "!tern.environment");
      ImplicitLocOpBuilder b(op->getLoc(), op);
      std::string name = op->getName().getStringRef().str();
      llvm::replace(name, '.', '_');
      GpuBuilder v(b, environment, vectorOptions(op, /*lanes=*/1), name);
      if (failed(lower(op, v, caches)))
        return failure();
      op->erase();
    }
    eraseCaches(func);
    return success();
  }

  static LogicalResult
  lower(Operation *op, GpuBuilder &v,
        const llvm::DenseMap<Value, CacheBuffers> &caches) {
    for (Value operand : op->getOperands())
      if (isa<KVCacheType>(operand.getType()) && !caches.contains(operand))
        return op->emitOpError(
            "expected the cache to be an argument of the function");
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
        .Case([&](LinearOp o) { return gpulowering::lowerLinear(o, v); })
        .Case([&](MatmulOp o) { return gpulowering::lowerMatmul(o, v); })
        .Case([&](AttentionOp o) {
          gpulowering::lowerAttention(o, v, caches.lookup(o.getCache()));
          return success();
        })
        .Default([](Operation *o) {
          return o->emitOpError("has no lowering to kernels");
        });
  }
};

} // namespace
