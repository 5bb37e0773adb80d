//===- ThreadFrame.h - What a thread knows of its call ----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOLLVM_THREADFRAME_H
#define TERNAC_LIB_CONVERSION_TERNTOLLVM_THREADFRAME_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace ternac {

/// `!tern.environment` is a pointer to this struct, which lies on the stack of
/// each thread: { i64 thread, i64 threads, ptr context, ptr barrier, ptr
/// counter, i64 claimed, i64 granted, ptr device, i64 failed, i64 module }. The
/// counter is
/// an i64 that all threads of the call share and that grows by one whenever a
/// thread claims a piece of a range; `claimed` is what it was when the current
/// range began to be handed out. `granted` has the features that the host
/// granted. `device` is the TernacDevice of the host, or null; `failed` is not
/// zero once one of this thread's submits to it, or launches on it, was.
/// `module` is TernacEnvironment.module.
struct ThreadFrame {
  enum Field {
    Thread,
    Threads,
    Context,
    Barrier,
    Counter,
    Claimed,
    Granted,
    Device,
    Failed,
    Module
  };

  static mlir::LLVM::LLVMStructType type(mlir::MLIRContext *context) {
    mlir::Type i64 = mlir::IntegerType::get(context, 64);
    mlir::Type pointer = mlir::LLVM::LLVMPointerType::get(context);
    return mlir::LLVM::LLVMStructType::getLiteral(
        context,
        {i64, i64, pointer, pointer, pointer, i64, i64, pointer, i64, i64});
  }
};

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOLLVM_THREADFRAME_H
