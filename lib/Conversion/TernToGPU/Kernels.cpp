//===- Kernels.cpp - From kernels to code and launches --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Conversion/Kernels.h"

#include "ternac/Conversion/TernToVector.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace ternac;
using namespace ternac::tern;

/// Makes a launch by name one by number.
static LogicalResult
replaceLaunch(gpu::LaunchFuncOp launch, StringRef device,
              const llvm::DenseMap<StringAttr, int64_t> &numbers) {
  auto func = launch->getParentOfType<func::FuncOp>();
  Value environment = func ? environmentOf(func) : Value();
  if (!environment)
    return launch.emitOpError("expected a function with an argument of type "
                              "!tern.environment");
  gpu::KernelDim3 grid = launch.getGridSizeOperandValues();
  gpu::KernelDim3 block = launch.getBlockSizeOperandValues();
  OpBuilder builder(launch);
  LaunchOp::create(
      builder, launch.getLoc(), environment, builder.getStringAttr(device),
      launch.getKernelName(), numbers.lookup(launch.getKernelName()),
      ValueRange{grid.x, grid.y, grid.z, block.x, block.y, block.z},
      launch.getKernelOperands());
  launch.erase();
  return success();
}

static void addBytes(ModuleOp module, StringRef name, StringRef bytes) {
  auto builder = OpBuilder::atBlockEnd(module.getBody());
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), bytes.size());
  auto global = LLVM::GlobalOp::create(
      builder, module.getLoc(), type, /*isConstant=*/true,
      LLVM::Linkage::Internal, name, builder.getStringAttr(bytes));
  global.setAlignment(8);
}

LogicalResult ternac::replaceKernels(ModuleOp module, StringRef device,
                                     const KernelCode &code) {
  auto kernels = module.lookupSymbol<gpu::GPUModuleOp>(kKernelModule);
  if (!kernels)
    return success();
  OpBuilder builder(module.getContext());
  SmallVector<Attribute> names;
  llvm::DenseMap<StringAttr, int64_t> numbers;
  // Of the gpu dialect or of what they were converted to.
  for (auto kernel : kernels.getOps<FunctionOpInterface>()) {
    if (kernel.isExternal())
      continue;
    numbers[kernel.getNameAttr()] = int64_t(names.size());
    names.push_back(kernel.getNameAttr());
  }
  SmallVector<gpu::LaunchFuncOp> launches;
  module.walk([&](gpu::LaunchFuncOp launch) { launches.push_back(launch); });
  for (gpu::LaunchFuncOp launch : launches)
    if (failed(replaceLaunch(launch, device, numbers)))
      return failure();
  kernels.erase();
  module->removeAttr(gpu::GPUDialect::getContainerModuleAttrName());

  addBytes(module, kKernelCode, code.bytes);
  SmallVector<NamedAttribute> facts = {
      builder.getNamedAttr("format", builder.getStringAttr(code.format)),
      builder.getNamedAttr("names", builder.getArrayAttr(names))};
  if (!code.processor.empty()) {
    addBytes(module, kKernelObject, code.object);
    facts.push_back(builder.getNamedAttr(
        "processor", builder.getStringAttr(code.processor)));
  }
  module->setAttr(TernDialect::kKernelsAttr, builder.getDictionaryAttr(facts));
  return success();
}
