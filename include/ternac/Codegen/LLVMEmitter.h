//===- LLVMEmitter.h - From the LLVM dialect to bytes --------*- C++ -*--===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CODEGEN_LLVMEMITTER_H
#define TERNAC_CODEGEN_LLVMEMITTER_H

#include "ternac/Target/Target.h"

namespace ternac {

/// Registers the translations that `emitLLVM` needs.
void registerLLVMTranslations(mlir::DialectRegistry &registry);

/// Optimises `module`, which holds the LLVM dialect alone, for the machine of
/// its `tern.target`, and writes an object file, assembly or LLVM IR. The code
/// calls no library: nothing is undefined but the weight symbol.
llvm::Error emitLLVM(mlir::ModuleOp module, EmitKind kind,
                     llvm::raw_pwrite_stream &out);

/// The passes from `vectorized` to `llvm` that all targets share that end in
/// the LLVM dialect.
void buildLLVMPipeline(mlir::OpPassManager &pm);
/// The passes from `packed` to `bufferized` that host targets share.
void buildBufferizePipeline(mlir::OpPassManager &pm);

} // namespace ternac

#endif // TERNAC_CODEGEN_LLVMEMITTER_H
