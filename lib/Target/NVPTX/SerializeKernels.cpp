//===- SerializeKernels.cpp - Kernels as PTX ------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PTXAssembler.h"
#include "Passes.h"

#include "ternac/Codegen/LLVMEmitter.h"
#include "ternac/Conversion/Kernels.h"
#include "ternac/Support/MakeError.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/Module.h"

namespace ternac::nvptx {
#define GEN_PASS_DEF_SERIALIZEKERNELSPASS
#include "NVPTXPasses.h.inc"
} // namespace ternac::nvptx

using namespace mlir;
using namespace ternac;

namespace {

struct SerializeKernels
    : nvptx::impl::SerializeKernelsPassBase<SerializeKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = module.lookupSymbol<gpu::GPUModuleOp>(kKernelModule);
    if (!kernels)
      return;
    if (llvm::Error error = serialize(module, kernels)) {
      module.emitError(llvm::toString(std::move(error)));
      signalPassFailure();
    }
  }

private:
  static llvm::Error serialize(ModuleOp module, gpu::GPUModuleOp kernels) {
    tern::TargetAttr target = tern::getTarget(module);
    if (!target || target.getTripleOrEmpty() != nvptx::kTriple)
      return makeError("expected kernels beside a 'tern.target' of triple '" +
                       nvptx::kTriple + "'");
    llvm::SmallString<0> ptx;
    if (llvm::Error error = write(kernels, target, ptx))
      return error;
    KernelCode code = {"ptx", ptx, "", ""};
    llvm::Expected<std::string> assembler = nvptx::findAssembler();
    if (!assembler)
      return assembler.takeError();
    std::string object;
    if (!assembler->empty()) {
      llvm::Expected<std::string> made =
          nvptx::assemble(*assembler, target.getCpuOrEmpty(), ptx);
      if (!made)
        return made.takeError();
      object = std::move(*made);
      code.processor = target.getCpuOrEmpty();
      code.object = object;
    }
    if (failed(replaceKernels(module, nvptx::kDevice, code)))
      return makeError("kernels cannot be replaced by their code");
    return llvm::Error::success();
  }

  static llvm::Error write(gpu::GPUModuleOp kernels, tern::TargetAttr target,
                           llvm::SmallVectorImpl<char> &ptx) {
    llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
        createMachine(target.getTripleOrEmpty(), target.getCpuOrEmpty(),
                      target.getFeaturesOrEmpty());
    if (!machine)
      return machine.takeError();
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> code =
        translateModuleToLLVMIR(kernels, context, "kernels");
    if (!code)
      return makeError("kernels cannot be translated to LLVM IR");
    code->setTargetTriple((*machine)->getTargetTriple());
    code->setDataLayout((*machine)->createDataLayout());
    for (const llvm::Function &function : *code)
      if (function.isDeclaration() && !function.isIntrinsic())
        return makeError("kernels call '" + function.getName() +
                         "', which no library has: expected ops that LLVM "
                         "writes itself");
    llvm::raw_svector_ostream out(ptx);
    return emitCode(*code, **machine, EmitKind::Assembly, out);
  }
};

} // namespace
