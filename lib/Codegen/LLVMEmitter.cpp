//===- LLVMEmitter.cpp - From the LLVM dialect to bytes -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Codegen/LLVMEmitter.h"

#include "ternac/Support/MakeError.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

using namespace mlir;
using namespace ternac;

void ternac::registerLLVMTranslations(DialectRegistry &registry) {
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

static llvm::Expected<const llvm::Target *>
findGenerator(const llvm::Triple &triple) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  std::string reason;
  if (const llvm::Target *target =
          llvm::TargetRegistry::lookupTarget(triple, reason))
    return target;
  return makeError("no code generator for triple '" + triple.str() +
                   "': " + reason);
}

bool ternac::isProcessor(StringRef triple, StringRef cpu) {
  llvm::Triple parsed(triple);
  llvm::Expected<const llvm::Target *> target = findGenerator(parsed);
  if (!target) {
    llvm::consumeError(target.takeError());
    return false;
  }
  std::unique_ptr<llvm::MCSubtargetInfo> info(
      (*target)->createMCSubtargetInfo(parsed, "", ""));
  return info && info->isCPUStringValid(cpu);
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
ternac::createMachine(StringRef name, StringRef cpu, StringRef features) {
  llvm::Triple triple(name);
  llvm::Expected<const llvm::Target *> target = findGenerator(triple);
  if (!target)
    return target.takeError();
  llvm::TargetOptions options;
  // Fused multiply-adds are written where they are meant.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  std::unique_ptr<llvm::TargetMachine> machine((*target)->createTargetMachine(
      triple, cpu, features, options, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Default));
  if (!machine)
    return makeError("cannot create the machine of triple '" + triple.str() +
                     "'");
  return machine;
}

/// Marks every function as freestanding and lets it use what its machine has
/// and no more: a function is only inlined into those of machines that have as
/// much.
static void addFunctionAttributes(llvm::Module &code, ModuleOp module,
                                  StringRef triple) {
  for (auto op : module.getOps<LLVM::LLVMFuncOp>()) {
    llvm::Function *function = code.getFunction(op.getName());
    if (!function || function->isDeclaration())
      continue;
    function->addFnAttr(llvm::Attribute::NoUnwind);
    function->addFnAttr("no-builtins");
    tern::TargetAttr target = tern::getTarget(op);
    if (target.getTripleOrEmpty() != triple)
      continue;
    std::string bits = std::to_string(target.getVectorBits());
    function->addFnAttr("target-cpu", target.getCpuOrEmpty());
    function->addFnAttr("target-features", target.getFeaturesOrEmpty());
    function->addFnAttr("prefer-vector-width", bits);
    function->addFnAttr("min-legal-vector-width", bits);
    if (target.hasCapability("scalable_128"))
      function->addFnAttr(llvm::Attribute::getWithVScaleRangeArgs(
          code.getContext(), unsigned(target.getVectorBits() / 128),
          /*MaxValue=*/0));
  }
}

static void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  // Loops are vectorised by the time they get here, or marked to be; unrolling
  // them once more only costs time and code.
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  // No loop may become a call of memset or memcpy: there is no library.
  llvm::TargetLibraryInfoImpl library(module.getTargetTriple());
  library.disableAllFunctions();
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(library); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
}

llvm::Error ternac::emitCode(llvm::Module &code, llvm::TargetMachine &machine,
                             EmitKind kind, llvm::raw_pwrite_stream &out) {
  optimise(code, machine);
  if (kind == EmitKind::LLVMIR) {
    code.print(out, nullptr);
    return llvm::Error::success();
  }
  llvm::legacy::PassManager passes;
  llvm::TargetLibraryInfoImpl library(code.getTargetTriple());
  library.disableAllFunctions();
  passes.add(new llvm::TargetLibraryInfoWrapperPass(library));
  auto type = kind == EmitKind::Object ? llvm::CodeGenFileType::ObjectFile
                                       : llvm::CodeGenFileType::AssemblyFile;
  if (machine.addPassesToEmitFile(passes, out, nullptr, type))
    return makeError("triple '" + machine.getTargetTriple().str() +
                     "' cannot write this kind of file");
  passes.run(code);
  return llvm::Error::success();
}

namespace {
/// Says nothing of loops that were to be vectorised but are not: whether they
/// can be is LLVM's to find out. Everything else is printed as ever.
struct DiagnosticHandler : llvm::DiagnosticHandler {
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    return isa<llvm::DiagnosticInfoOptimizationBase>(info);
  }
};
} // namespace

llvm::Error ternac::emitLLVM(ModuleOp module, StringRef triple, EmitKind kind,
                             llvm::raw_pwrite_stream &out) {
  auto target =
      module->getAttrOfType<tern::TargetAttr>(tern::TernDialect::kTargetAttr);
  if (!target)
    return makeError("expected a module attribute 'tern.target'");
  bool isTarget = target.getTripleOrEmpty() == triple;
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      createMachine(triple, isTarget ? target.getCpuOrEmpty() : "",
                    isTarget ? target.getFeaturesOrEmpty() : "");
  if (!machine)
    return machine.takeError();

  llvm::LLVMContext context;
  context.setDiagnosticHandler(std::make_unique<DiagnosticHandler>());
  std::unique_ptr<llvm::Module> code =
      translateModuleToLLVMIR(module, context, "ternac");
  if (!code)
    return makeError("the module at phase 'llvm' cannot be translated to LLVM "
                     "IR");
  code->setTargetTriple((*machine)->getTargetTriple());
  code->setDataLayout((*machine)->createDataLayout());
  addFunctionAttributes(*code, module, triple);
  return emitCode(*code, **machine, kind, out);
}
