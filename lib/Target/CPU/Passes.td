//===- Passes.td - Passes of the cpu target ----------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_PASSES_TD
#define TERNAC_LIB_TARGET_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertTernDotToX86Pass
    : Pass<"convert-tern-dot-to-x86", "::mlir::ModuleOp"> {
  let summary = "Lowers ternary matmuls of strategy dot to x86 instructions";
  let description = [{
    Codes 0, 1, 2 are unsigned bytes, activations signed ones: `vpdpbusd` with
    AVX-512 VNNI or AVX-VNNI, `vpmaddubsw` and `vpmaddwd` with AVX2 or SSSE3.
    The instructions are called as intrinsics; the loops are the generic ones.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif // TERNAC_LIB_TARGET_CPU_PASSES_TD
