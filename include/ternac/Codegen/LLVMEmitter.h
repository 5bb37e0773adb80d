//===- LLVMEmitter.h - From the LLVM dialect to bytes -----------*- C++ -*-===//
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

} // namespace ternac

#endif // TERNAC_CODEGEN_LLVMEMITTER_H
