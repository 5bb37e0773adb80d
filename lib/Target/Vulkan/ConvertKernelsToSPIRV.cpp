//===- ConvertKernelsToSPIRV.cpp - Kernels as a SPIR-V module -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MemRefPatterns.h"
#include "Passes.h"

#include "ternac/Conversion/Kernels.h"

#include "mlir/Conversion/ArithToSPIRV/ArithToSPIRV.h"
#include "mlir/Conversion/GPUToSPIRV/GPUToSPIRV.h"
#include "mlir/Conversion/MathToSPIRV/MathToSPIRV.h"
#include "mlir/Conversion/SCFToSPIRV/SCFToSPIRV.h"
#include "mlir/Conversion/VectorToSPIRV/VectorToSPIRV.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/SPIRV/Serialization.h"
#include "mlir/Transforms/DialectConversion.h"

namespace ternac::vulkan {
#define GEN_PASS_DEF_CONVERTKERNELSTOSPIRVPASS
#include "VulkanPasses.h.inc"
} // namespace ternac::vulkan

using namespace mlir;
using namespace ternac;

namespace {

/// What every module asks of a device.
spirv::VerCapExtAttr requirements(MLIRContext *context) {
  using spirv::Capability;
  using spirv::Extension;
  return spirv::VerCapExtAttr::get(
      spirv::Version::V_1_3,
      {Capability::Shader, Capability::Int8, Capability::Int16,
       Capability::Int64, Capability::Float16,
       Capability::StorageBuffer8BitAccess,
       Capability::StorageBuffer16BitAccess,
       Capability::PhysicalStorageBufferAddresses},
      {Extension::SPV_KHR_8bit_storage, Extension::SPV_KHR_16bit_storage,
       Extension::SPV_KHR_storage_buffer_storage_class,
       Extension::SPV_KHR_physical_storage_buffer},
      context);
}

struct ConvertKernelsToSPIRV
    : vulkan::impl::ConvertKernelsToSPIRVPassBase<ConvertKernelsToSPIRV> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = module.lookupSymbol<gpu::GPUModuleOp>(kKernelModule);
    if (!kernels)
      return;
    shared.clear();
    // Upstream's lowering of scf.for leaves the results of a loop that never
    // runs undefined.
    OpPassManager loops(gpu::GPUModuleOp::getOperationName());
    loops.addPass(createForToWhileLoopPass());
    if (failed(runPipeline(loops, kernels)))
      return signalPassFailure();
    auto builder = OpBuilder::atBlockEnd(module.getBody());
    OwningOpRef<spirv::ModuleOp> code = spirv::ModuleOp::create(
        builder, module.getLoc(),
        spirv::AddressingModel::PhysicalStorageBuffer64,
        spirv::MemoryModel::GLSL450, requirements(&getContext()));
    if (failed(fill(*code, kernels)))
      return signalPassFailure();
    SmallVector<uint32_t> words;
    if (failed(spirv::serialize(*code, words)))
      return signalPassFailure();
    StringRef bytes(reinterpret_cast<const char *>(words.data()),
                    words.size() * sizeof(uint32_t));
    if (failed(
            replaceKernels(module, vulkan::kDevice, {"spirv", bytes, "", ""})))
      return signalPassFailure();
  }

private:
  LogicalResult fill(spirv::ModuleOp code, gpu::GPUModuleOp kernels) {
    auto environment = spirv::TargetEnvAttr::get(
        requirements(&getContext()),
        spirv::getDefaultResourceLimits(&getContext()),
        spirv::ClientAPI::Vulkan);
    SPIRVConversionOptions options;
    options.use64bitIndex = true;
    SPIRVTypeConverter converter(environment, options);
    addMemRefConversions(converter);

    auto b = OpBuilder::atBlockEnd(code.getBody());
    auto constants = spirv::StructType::get({b.getI64Type()}, {0});
    auto arguments = spirv::GlobalVariableOp::create(
        b, code.getLoc(),
        TypeAttr::get(spirv::PointerType::get(
            constants, spirv::StorageClass::PushConstant)),
        b.getStringAttr("arguments"));
    SmallVector<std::pair<spirv::FuncOp, gpu::GPUFuncOp>> functions;
    for (auto kernel : kernels.getOps<gpu::GPUFuncOp>())
      functions.push_back({clone(code, kernel, arguments, converter), kernel});

    RewritePatternSet patterns(&getContext());
    ScfToSPIRVContext loops;
    populateMemRefPatterns(converter, patterns);
    populateGPUToSPIRVPatterns(converter, patterns);
    populateSCFToSPIRVPatterns(converter, loops, patterns);
    arith::populateArithToSPIRVPatterns(converter, patterns);
    populateMathToSPIRVPatterns(converter, patterns);
    populateVectorToSPIRVPatterns(converter, patterns);
    auto target = SPIRVConversionTarget::get(environment);
    target->addLegalOp<UnrealizedConversionCastOp>();
    if (failed(applyFullConversion(code, *target, std::move(patterns))))
      return failure();
    SmallVector<UnrealizedConversionCastOp> casts;
    code.walk([&](UnrealizedConversionCastOp op) { casts.push_back(op); });
    reconcileUnrealizedCasts(casts);

    // The formulas say what is rounded.
    auto unit = UnitAttr::get(&getContext());
    code.walk([&](Operation *op) {
      if (isa<spirv::FAddOp, spirv::FSubOp, spirv::FMulOp, spirv::FDivOp>(op))
        op->setAttr("no_contraction", unit);
    });
    for (auto [function, kernel] : functions)
      if (failed(addEntryPoint(function, kernel)))
        return failure();
    return success();
  }

  /// A function of `code` that has the kernel's body and reads its arguments
  /// where the push constant `arguments` says.
  spirv::FuncOp clone(spirv::ModuleOp code, gpu::GPUFuncOp kernel,
                      spirv::GlobalVariableOp arguments,
                      const SPIRVTypeConverter &converter) {
    Location loc = kernel.getLoc();
    auto b = OpBuilder::atBlockEnd(code.getBody());
    auto function = spirv::FuncOp::create(b, loc, kernel.getName(),
                                          b.getFunctionType({}, {}));
    IRMapping mapping;
    Block *entry = function.addEntryBlock();
    b.setInsertionPointToStart(entry);

    Type i64 = b.getI64Type();
    Value zero = spirv::ConstantOp::create(b, loc, b.getI32Type(),
                                           b.getI32IntegerAttr(0));
    Value place = spirv::AddressOfOp::create(b, loc, arguments);
    place = spirv::AccessChainOp::create(b, loc, place, zero);
    Value words = spirv::LoadOp::create(b, loc, place);
    int64_t number = 0;
    auto next = [&]() -> Value {
      Value at = spirv::ConstantOp::create(b, loc, i64,
                                           b.getI64IntegerAttr(8 * number++));
      at = spirv::IAddOp::create(b, loc, words, at);
      auto pointer = spirv::PointerType::get(
          i64, spirv::StorageClass::PhysicalStorageBuffer);
      return spirv::LoadOp::create(
          b, loc, spirv::ConvertUToPtrOp::create(b, loc, pointer, at),
          spirv::MemoryAccessAttr::get(b.getContext(),
                                       spirv::MemoryAccess::Aligned),
          b.getI32IntegerAttr(8));
    };
    // The arguments of the block go on with the memory that it shares.
    for (BlockArgument argument : kernel.getArguments().take_front(
             kernel.getFunctionType().getNumInputs())) {
      Value value;
      if (auto type = dyn_cast<MemRefType>(argument.getType())) {
        SmallVector<Value> all;
        for (int64_t i = 0; i < memrefWords(type.getRank()); ++i)
          all.push_back(next());
        value = spirv::CompositeConstructOp::create(
            b, loc, converter.convertType(type), all);
      } else {
        value = next();
      }
      mapArgument(b, mapping, argument, value);
    }
    llvm::DenseMap<Type, unsigned> counts;
    for (BlockArgument memory : kernel.getWorkgroupAttributions()) {
      Type type = converter.convertType(memory.getType());
      spirv::GlobalVariableOp variable =
          sharedMemory(code, loc, type, counts[type]++);
      mapArgument(b, mapping, memory,
                  spirv::AddressOfOp::create(b, loc, variable));
    }
    for (Operation &op : kernel.getBody().front())
      b.clone(op, mapping);
    return function;
  }

  /// The memory of a block, number `number` of a kernel's of `type`: one for
  /// all kernels, as drivers may count what any kernel of a module has.
  spirv::GlobalVariableOp sharedMemory(spirv::ModuleOp code, Location loc,
                                       Type type, unsigned number) {
    spirv::GlobalVariableOp &variable = shared[{type, number}];
    if (!variable) {
      auto b = OpBuilder::atBlockBegin(code.getBody());
      std::string name = "shared" + std::to_string(shared.size() - 1);
      variable = spirv::GlobalVariableOp::create(b, loc, TypeAttr::get(type),
                                                 b.getStringAttr(name));
    }
    return variable;
  }

  void mapArgument(OpBuilder &b, IRMapping &mapping, BlockArgument argument,
                   Value value) {
    if (value.getType() != argument.getType())
      value = UnrealizedConversionCastOp::create(b, argument.getLoc(),
                                                 argument.getType(), value)
                  .getResult(0);
    mapping.map(argument, value);
  }

  LogicalResult addEntryPoint(spirv::FuncOp function, gpu::GPUFuncOp kernel) {
    std::optional<ArrayRef<int32_t>> size = kernel.getKnownBlockSize();
    if (!size)
      return kernel.emitOpError("expected a known block size");
    // Of the variables, builtins are the interface of a kernel.
    llvm::SetVector<Attribute> interface;
    auto module = function->getParentOfType<spirv::ModuleOp>();
    function.walk([&](spirv::AddressOfOp op) {
      auto variable =
          module.lookupSymbol<spirv::GlobalVariableOp>(op.getVariable());
      if (variable.storageClass() == spirv::StorageClass::Input)
        interface.insert(FlatSymbolRefAttr::get(variable));
    });
    auto b = OpBuilder::atBlockEnd(module.getBody());
    Location loc = function.getLoc();
    spirv::EntryPointOp::create(b, loc, spirv::ExecutionModel::GLCompute,
                                function, interface.getArrayRef());
    spirv::ExecutionModeOp::create(b, loc, function,
                                   spirv::ExecutionMode::LocalSize, *size);
    return success();
  }

  llvm::DenseMap<std::pair<Type, unsigned>, spirv::GlobalVariableOp> shared;
};

} // namespace
