//===- LLVMEmitter.h - From the LLVM dialect to bytes -----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CODEGEN_LLVMEMITTER_H
#define TERNAC_CODEGEN_LLVMEMITTER_H

#include "ternac/Target/Target.h"

#include "llvm/Target/TargetMachine.h"

namespace ternac {

/// Registers the translations that `emitLLVM` needs.
void registerLLVMTranslations(mlir::DialectRegistry &registry);

/// Whether LLVM has a code generator for that triple which knows the processor.
bool isProcessor(llvm::StringRef triple, llvm::StringRef cpu);
/// Fails if there is no code generator for that triple.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createMachine(llvm::StringRef triple, llvm::StringRef cpu,
              llvm::StringRef features);

/// Optimises `code`, which is for `machine`, and writes an object file,
/// assembly or LLVM IR. Nothing becomes a call of a library.
llvm::Error emitCode(llvm::Module &code, llvm::TargetMachine &machine,
                     EmitKind kind, llvm::raw_pwrite_stream &out);

/// The same of `module`, which holds the LLVM dialect alone, for `triple` and,
/// if that is the triple of its `tern.target`, for the machine that is named
/// there. The code calls no library: nothing is undefined but the weight
/// symbol.
llvm::Error emitLLVM(mlir::ModuleOp module, llvm::StringRef triple,
                     EmitKind kind, llvm::raw_pwrite_stream &out);

} // namespace ternac

#endif // TERNAC_CODEGEN_LLVMEMITTER_H
