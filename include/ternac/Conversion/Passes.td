//===- Passes.td - Passes out of the tern dialect ----------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CONVERSION_PASSES_TD
#define TERNAC_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertTernToVectorPass
    : Pass<"convert-tern-to-vector", "::mlir::ModuleOp"> {
  let summary = "Lowers tern ops on buffers to loops over vectors";
  let description = [{
    Every op becomes loops in which each thread does its share
    (`tern.thread_range`), then a `tern.barrier`. Sums use `lanes` partial sums
    and one fixed tree, whatever the machine, so that results depend on neither
    threads nor chunks. The integer matmuls of strategies `reference` and
    `add_sub` become functions of their own,
    `tern_matmul_<strategy>_<packing>_<M>x<K>`; those of other strategies are a
    target's and must be lowered before.
  }];
  let options = [
    Option<"lanes", "lanes", "int64_t", "16", "elements of a vector">,
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertTernToLLVMPass
    : Pass<"convert-tern-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Lowers the environment and everything upstream to LLVM";
  let description = [{
    Lowers `tern.barrier` and `tern.thread_range`, and all upstream dialects, to
    the LLVM dialect.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def TernEmitModelTablePass
    : Pass<"tern-emit-model-table", "::mlir::ModuleOp"> {
  let summary = "Adds the table that a model library exports";
  let description = [{
    Adds, in the LLVM dialect, the function `ternac_model` and what it returns:
    the facts of the model, the sizes of workspace and cache, and `forward`, of
    `ternac/Runtime/ModelABI.h`. Modules without `tern.model` are left alone.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // TERNAC_CONVERSION_PASSES_TD
