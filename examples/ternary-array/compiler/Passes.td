//===- Passes.td - Passes of the ternary array -------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TARRAY_PASSES_TD
#define TARRAY_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertTernToTArrayPass
    : Pass<"convert-tern-to-tarray", "::mlir::ModuleOp"> {
  let summary = "Makes programs of the ternary array of ternary matmuls";
  let description = [{
    Of a target with the capability `ternary_array`, each packed `tern.matmul` in
    buffer form becomes submits of a program, for 16 rows of activations at a
    time, which the threads share out. Matmuls of one shape share a program.
    Everything else is left to `convert-tern-to-vector`.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "ternary-array", capabilities = ["ternary_array"]>} {
      func.func @f(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
        tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>,
            packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
        return
      }
    }
    ```

    ```mlir
    // After, in outline: the rows of %q and %y are views of 16 rows.
    tarray.program @tern_matmul_add_sub_tile2_16x64_q64 {
      tarray.descriptor 0, buffer 0, row_bytes 64
      tarray.descriptor 1, buffer 1, row_bytes 64
      tarray.descriptor 2, buffer 2, row_bytes 64
      tarray.load_activations 0, block 0, blocks 4
      tarray.load_weights 1, block 0, blocks 4
      tarray.clear_sums
      tarray.accumulate blocks 4
      tarray.store_sums 2, column 0, lanes 16
    }
    func.func @f(%q: memref<?xi8>, %w: memref<256xi8>, %y: memref<?xi32>, %env: !tern.environment) {
      tern.submit %env, "ternary-array" @tern_matmul_add_sub_tile2_16x64_q64(%q, %w, %y)
        : memref<?xi8>, memref<256xi8>, memref<?xi32>
      tern.barrier %env
      return
    }
    ```
  }];
  let dependentDialects = [
    "::tarray::TArrayDialect", "::mlir::arith::ArithDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def TArrayEncodePass : Pass<"tarray-encode", "::mlir::ModuleOp"> {
  let summary = "Writes programs of the ternary array as bytes";
  let description = [{
    Each `tarray.program` becomes an `llvm.mlir.global` of its name that has the
    words of its instructions, little endian.

    Example:

    ```mlir
    // Before.
    tarray.program @nothing {
      tarray.clear_sums
    }
    ```

    ```mlir
    // After.
    llvm.mlir.global internal constant @nothing("\03\00\00\00\00\00\00\00")
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // TARRAY_PASSES_TD
