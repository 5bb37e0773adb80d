//===- HostTarget.h - What CPU targets share --------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CODEGEN_HOSTTARGET_H
#define TERNAC_CODEGEN_HOSTTARGET_H

#include "ternac/Target/Target.h"

#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"

namespace ternac {

/// A target whose code runs where the caller runs, in the caller's memory:
/// bufferised by the generic passes, written by LLVM. What is left to the
/// derived target is the description, the choice of strategies and the step
/// from buffers to vectors.
class HostTarget : public Target {
public:
  void buildConfigurePipeline(mlir::OpPassManager &pm,
                              const LoweringChoice &choice) const override;
  void buildCodegenPipeline(mlir::OpPassManager &pm,
                            Phase phase) const override;
  llvm::Error emit(mlir::ModuleOp module, EmitKind kind,
                   llvm::raw_pwrite_stream &out) const override;

protected:
  /// Names of the strategies that the target can lower.
  virtual std::vector<std::string> strategies() const = 0;
  /// Those for `tern.ternary_linear`; none says that it has no code for it.
  virtual std::vector<std::string> linearStrategies() const {
    return {"add_sub"};
  }
  /// Passes on ops on buffers before these get their places in the workspace.
  virtual void buildBufferPipeline(mlir::OpPassManager &pm) const {}
  /// Passes from `bufferized` to `vectorized`; cleaning up follows.
  virtual void buildVectorizePipeline(mlir::OpPassManager &pm) const = 0;
  /// How vectors, and dialects of the machine beside them, become LLVM's.
  virtual mlir::ConvertVectorToLLVMPassOptions vectorToLLVM() const {
    return {};
  }
};

} // namespace ternac

#endif // TERNAC_CODEGEN_HOSTTARGET_H
