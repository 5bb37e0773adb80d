//===- Kernels.h - Kernels of a module, and where they are kept -*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_KERNELS_H
#define TERNAC_CONVERSION_KERNELS_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"

namespace ternac {

/// On a gpu.launch: what its kernel is to be called.
inline constexpr llvm::StringLiteral kKernelNameAttr = "tern.kernel";
/// The gpu.module of all kernels.
inline constexpr llvm::StringLiteral kKernelModule = "kernels";
/// The global with the bytes of all kernels.
inline constexpr llvm::StringLiteral kKernelCode = "ternac.kernels.code";

/// The global with what was made of them for one processor.
inline constexpr llvm::StringLiteral kKernelObject = "ternac.kernels.object";
/// The global with what the kernels of a module that is no model read as its
/// weights.
inline constexpr llvm::StringLiteral kKernelConstants =
    "ternac.kernels.constants";

/// What becomes of the kernels of a module.
struct KernelCode {
  llvm::StringRef format; ///< of `bytes`
  llvm::StringRef bytes;
  llvm::StringRef processor; ///< that `object` is for; "" for none
  llvm::StringRef object;
};

/// Replaces the gpu.module of `module`, if there is one, by globals with its
/// code, notes what they have and the names of the kernels in the module's
/// attribute `tern.kernels`, and makes every gpu.launch_func a tern.launch of
/// `device`.
llvm::LogicalResult replaceKernels(mlir::ModuleOp module,
                                   llvm::StringRef device,
                                   const KernelCode &code);

} // namespace ternac

#endif // TERNAC_CONVERSION_KERNELS_H
