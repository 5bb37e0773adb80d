//===- OutlineKernels.cpp - Kernels in a module of their own --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OutlineKernels.h"

#include "ternac/Conversion/Kernels.h"
#include "ternac/Conversion/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/GPU/Utils/GPUUtils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"

namespace ternac {
#define GEN_PASS_DEF_TERNOUTLINEKERNELSPASS
#include "ternac/Conversion/Passes.h.inc"
} // namespace ternac

using namespace mlir;
using namespace ternac;

namespace {

struct OutlineKernels
    : ternac::impl::TernOutlineKernelsPassBase<OutlineKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<gpu::LaunchOp> launches;
    module.walk([&](gpu::LaunchOp launch) { launches.push_back(launch); });
    if (failed(checkHost(module)))
      return signalPassFailure();
    if (launches.empty())
      return;
    if (module.lookupSymbol(kKernelModule)) {
      module.emitError("expected no symbol '") << kKernelModule << "'";
      return signalPassFailure();
    }
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(),
                    UnitAttr::get(&getContext()));
    auto builder = OpBuilder::atBlockEnd(module.getBody());
    auto kernels =
        gpu::GPUModuleOp::create(builder, module.getLoc(), kKernelModule);
    for (gpu::LaunchOp launch : launches)
      outline(launch, kernels);
    if (failed(gpulowering::moveConstants(module)))
      signalPassFailure();
  }

private:
  /// The memory of a device is not the host's to touch.
  static LogicalResult checkHost(ModuleOp module) {
    WalkResult result = module.walk<WalkOrder::PreOrder>([](Operation *op) {
      if (isa<gpu::LaunchOp, gpu::GPUModuleOp>(op))
        return WalkResult::skip();
      if (!isa<memref::LoadOp, memref::StoreOp>(op))
        return WalkResult::advance();
      op->emitOpError("expected memory to be touched by kernels only");
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  void outline(gpu::LaunchOp launch, gpu::GPUModuleOp kernels) {
    // Whatever is cheaper to compute twice than to pass.
    (void)sinkOperationsIntoLaunchOp(
        launch, [](Operation *op) { return isa<arith::ConstantOp>(op); });
    auto name = launch->getAttrOfType<StringAttr>(kKernelNameAttr);
    StringRef base = name ? name.getValue() : StringRef("kernel");
    SmallVector<Value> operands;
    gpu::GPUFuncOp kernel = outlineKernelFunc(launch, base, operands);
    auto place = [&](gpu::GPUFuncOp func) {
      return SymbolRefAttr::get(kernels.getSymNameAttr(),
                                FlatSymbolRefAttr::get(func.getNameAttr()));
    };

    // Layers of one kind differ in what their kernels are passed, and nothing
    // else.
    std::string text;
    llvm::raw_string_ostream stream(text);
    kernel.print(stream, OpPrintingFlags().useLocalScope());
    gpu::GPUFuncOp &known = outlined[text];
    if (known) {
      kernel.erase();
    } else {
      known = kernel;
      SymbolTable(kernels).insert(kernel); // makes the name unique
    }
    OpBuilder builder(launch);
    gpu::LaunchFuncOp::create(builder, launch.getLoc(), place(known),
                              launch.getGridSizeOperandValues(),
                              launch.getBlockSizeOperandValues(),
                              /*dynamicSharedMemorySize=*/Value(), operands,
                              /*asyncObject=*/Value());
    launch.erase();
  }

  llvm::StringMap<gpu::GPUFuncOp> outlined;
};

} // namespace
