//===- KernelTarget.h - What targets with kernels share ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CODEGEN_KERNELTARGET_H
#define TERNAC_CODEGEN_KERNELTARGET_H

#include "ternac/Codegen/HostTarget.h"

namespace ternac {

/// A target whose code is kernels of a GPU, in a gpu.module, and a host part
/// that launches them. What is left to the derived target is the description
/// and how the gpu.module becomes bytes.
class KernelTarget : public HostTarget {
public:
  void registerDialects(mlir::DialectRegistry &registry) const override;
  void buildCodegenPipeline(mlir::OpPassManager &pm,
                            Phase phase) const override;
  bool mayHold(Phase phase, mlir::Operation *op) const override;
  /// This host's.
  std::string hostTriple(tern::TargetAttr attr) const override;
  bool canEmit(EmitKind kind) const override { return true; }
  llvm::Error emit(mlir::ModuleOp module, EmitKind kind,
                   llvm::raw_pwrite_stream &out) const override;

protected:
  std::vector<std::string> linearStrategies() const override { return {}; }
  /// Passes that end in `replaceKernels`.
  virtual void buildKernelPipeline(mlir::OpPassManager &pm) const = 0;
  void buildBufferPipeline(mlir::OpPassManager &pm) const override;
  void buildVectorizePipeline(mlir::OpPassManager &pm) const override;
};

} // namespace ternac

#endif // TERNAC_CODEGEN_KERNELTARGET_H
