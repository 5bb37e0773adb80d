//===- Passes.td - Passes for AArch64 ----------------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_AARCH64_PASSES_TD
#define TERNAC_LIB_TARGET_CPU_AARCH64_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertTernDotToAArch64Pass
    : Pass<"convert-tern-dot-to-aarch64", "::mlir::ModuleOp"> {
  let summary = "Lowers ternary matmuls of strategy dot to AArch64 instructions";
  let description = [{
    Codes 0, 1, 2 and activations are bytes: `sdot` of NEON or SVE, `usdot` where
    there is only that, and products that are widened to words (`smlal`) where
    there is neither. Of two-bit digits the lower three are left in their place
    and their sums divided at the end. The instructions are called as intrinsics,
    those of SVE on the beginning of scalable vectors; the loops are the generic
    ones.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "cpu",
        capabilities = ["aarch64", "int8_dot", "aarch64_sdot"], vector_bits = 128>} {
      func.func @f(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>,
                   %y: memref<?x16xi32>, %env: !tern.environment) {
        tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>,
            packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
        return
      }
    }
    ```

    ```mlir
    // After, the innermost op.
    func.func @f(%sum: vector<4xi32>, %codes: vector<16xi8>, %q: vector<16xi8>) -> vector<4xi32> {
      %y = llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%sum, %codes, %q)
        : (vector<4xi32>, vector<16xi8>, vector<16xi8>) -> vector<4xi32>
      return %y : vector<4xi32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertTernLutToAArch64Pass
    : Pass<"convert-tern-lut-to-aarch64", "::mlir::ModuleOp"> {
  let summary = "Lowers ternary matmuls of strategy lut to tables in registers";
  let description = [{
    The sums that half a two-bit byte selects are two planes of 16 bytes each, in
    registers, and the bytes of a register are looked up at once by `tbl`, of NEON
    or of SVE. Base-3 bytes are left to `convert-tern-to-vector`, whose tables lie
    in memory: 122 entries would fill eight registers for each plane.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "cpu",
        capabilities = ["aarch64", "byte_shuffle"], vector_bits = 128>} {
      func.func @f(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>,
                   %y: memref<?x16xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
        tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>,
            packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
          : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x16xi32>, memref<4x4096xi16>) -> ()
        return
      }
    }
    ```

    ```mlir
    // After, the innermost op.
    func.func @f(%table: vector<16xi8>, %weights: vector<16xi8>) -> vector<16xi8> {
      %y = llvm.call_intrinsic "llvm.aarch64.neon.tbl1.v16i8"(%table, %weights)
        : (vector<16xi8>, vector<16xi8>) -> vector<16xi8>
      return %y : vector<16xi8>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertTernTileToAArch64Pass
    : Pass<"convert-tern-tile-to-aarch64", "::mlir::ModuleOp"> {
  let summary = "Lowers ternary matmuls of strategy tile to AArch64 instructions";
  let description = [{
    Panels of unpacked codes are multiplied with four rows of activations at a
    time by `smmla`, of NEON or of SVE: two rows of activations times two of the
    matrix, 8 columns at a time, for each 16 bytes of a register. Nobody has to
    grant it; fewer than four rows of activations are left to strategy `dot`.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "cpu",
        capabilities = ["aarch64", "int8_dot", "aarch64_sdot", "tile_matmul", "register_tiles", "aarch64_smmla"],
        vector_bits = 128>} {
      func.func @f(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>,
                   %y: memref<?x16xi32>, %env: !tern.environment) {
        tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = tile>,
            packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
        return
      }
    }
    ```

    ```mlir
    // After, the innermost op.
    func.func @f(%sum: vector<4xi32>, %q: vector<16xi8>, %codes: vector<16xi8>) -> vector<4xi32> {
      %y = llvm.call_intrinsic "llvm.aarch64.neon.smmla.v4i32.v16i8"(%sum, %q, %codes)
        : (vector<4xi32>, vector<16xi8>, vector<16xi8>) -> vector<4xi32>
      return %y : vector<4xi32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif // TERNAC_LIB_TARGET_CPU_AARCH64_PASSES_TD
