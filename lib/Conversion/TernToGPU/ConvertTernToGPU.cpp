//===- ConvertTernToGPU.cpp - Lowers ops on buffers to kernels ------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "ternac/Conversion/Passes.h"
#include "ternac/Conversion/TernToVector.h"
#include "ternac/Dialect/Tern/Transforms/Passes.h"

#include <map>

namespace ternac {
#define GEN_PASS_DEF_CONVERTTERNTOGPUPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

/// Lanes of the vectors of row ops: f32 are loaded 16 bytes at a time.
static constexpr int64_t kLanes = 4;

/// The longest rows that the op reads or writes.
static int64_t columnsOf(Operation *op) {
  int64_t most = 1;
  for (Type type : op->getOperandTypes()) {
    auto memref = dyn_cast<MemRefType>(type);
    if (memref && memref.getRank() == 2 && memref.isDynamicDim(0) &&
        !memref.isDynamicDim(1))
      most = std::max(most, memref.getDimSize(1));
  }
  return most;
}

namespace {

/// Ops that become one kernel.
struct Group {
  Operation *last = nullptr;
  int64_t columns = 0;
  KernelLaunch launch;
};

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
    std::map<int64_t, Group> groups;
    func.walk([&](Operation *op) {
      auto number = op->getAttrOfType<IntegerAttr>(kRowGroupAttr);
      if (!number)
        return;
      Group &group = groups[number.getInt()];
      group.last = op;
      group.columns = std::max(group.columns, columnsOf(op));
    });
    return lowerOps(func, [&](Operation *op, ImplicitLocOpBuilder &b,
                              Value environment, const CacheMap &caches) {
      auto number = op->getAttrOfType<IntegerAttr>(kRowGroupAttr);
      Group alone;
      alone.last = op, alone.columns = columnsOf(op);
      Group &group = number ? groups[number.getInt()] : alone;
      // Whatever the last op needs is there before it.
      b.setInsertionPoint(group.launch.op ? group.launch.op : group.last);
      return lower(op, b, environment, caches, group);
    });
  }

  static LogicalResult lower(Operation *op, ImplicitLocOpBuilder &b,
                             Value environment, const CacheMap &caches,
                             Group &group) {
    std::string name = op->getName().getStringRef().str();
    llvm::replace(name, '.', '_');
    if (isa<MatmulOp, LinearOp>(op)) {
      GpuBuilder v(b, environment, vectorOptions(op, /*lanes=*/1), name);
      if (auto matmul = dyn_cast<MatmulOp>(op))
        return gpulowering::lowerMatmul(matmul, v);
      return gpulowering::lowerLinear(cast<LinearOp>(op), v);
    }
    GpuBuilder v(b, environment, vectorOptions(op, kLanes), name,
                 &group.launch);
    group.launch.threads = v.threadsForColumns(group.columns);
    return lowerRows(op, v, caches, [&]() -> LogicalResult {
      auto attention = dyn_cast<AttentionOp>(op);
      if (!attention)
        return op->emitOpError("has no lowering to kernels");
      return gpulowering::lowerAttention(attention, v,
                                         caches.lookup(attention.getCache()));
    });
  }
};

} // namespace
