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
    return lowerOps(func, [](Operation *op, ImplicitLocOpBuilder &b,
                             Value environment, const CacheMap &caches) {
      std::string name = op->getName().getStringRef().str();
      llvm::replace(name, '.', '_');
      GpuBuilder v(b, environment, vectorOptions(op, /*lanes=*/1), name);
      return lower(op, v, caches);
    });
  }

  static LogicalResult lower(Operation *op, GpuBuilder &v,
                             const CacheMap &caches) {
    return lowerRows(op, v, caches, [&] {
      return llvm::TypeSwitch<Operation *, LogicalResult>(op)
          .Case([&](LinearOp o) { return gpulowering::lowerLinear(o, v); })
          .Case([&](MatmulOp o) { return gpulowering::lowerMatmul(o, v); })
          .Case([&](AttentionOp o) {
            gpulowering::lowerAttention(o, v, caches.lookup(o.getCache()));
            return success();
          })
          .Default([](Operation *o) {
            return o->emitOpError("has no lowering to kernels");
          });
    });
  }
};

} // namespace
