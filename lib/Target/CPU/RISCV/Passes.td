//===- Passes.td - Passes for RISC-V ----------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_RISCV_PASSES_TD
#define TERNAC_LIB_TARGET_CPU_RISCV_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertTernLutToRISCVPass
    : Pass<"convert-tern-lut-to-riscv", "::mlir::ModuleOp"> {
  let summary = "Lowers ternary matmuls by look-up in RISC-V vector registers";
  let description = [{
    The halves of two-bit bytes are looked up in tables of 16 bytes by
    `vrgather.vv`, one register at a time: a group of registers would cost the
    square of its length. The loops and the tables are the generic ones. What a
    machine cannot look up in registers is left to the generic lowering.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "cpu",
        capabilities = ["riscv", "byte_shuffle"], vector_bits = 128>} {
      func.func @f(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>,
                   %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
        tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>,
            packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
          : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
        return
      }
    }
    ```

    ```mlir
    // After, the innermost op.
    func.func @f(%any: vector<[8]xi8>, %table: vector<[8]xi8>, %bytes: vector<[8]xi8>) -> vector<[8]xi8> {
      %lanes = llvm.mlir.constant(16 : i64) : i64
      %y = llvm.call_intrinsic "llvm.riscv.vrgather.vv"(%any, %table, %bytes, %lanes)
        : (vector<[8]xi8>, vector<[8]xi8>, vector<[8]xi8>, i64) -> vector<[8]xi8>
      return %y : vector<[8]xi8>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertTernDotToRISCVPass
    : Pass<"convert-tern-dot-to-riscv", "::mlir::ModuleOp"> {
  let summary = "Lowers ternary matmuls of strategy dot to widening products";
  let description = [{
    RISC-V has no dot product of bytes, but adds products of bytes to words:
    each byte of a block has a sum of its own. The products are written as
    extensions, multiplications and additions, which LLVM makes `vwmacc.vv` of;
    the loops are the generic ones.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "cpu",
        capabilities = ["riscv", "int8_products"], vector_bits = 128>} {
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
    // After, the innermost ops.
    func.func @f(%sum: vector<64xi16>, %codes: vector<64xi8>, %q: vector<64xi8>) -> vector<64xi16> {
      %c = arith.extsi %codes : vector<64xi8> to vector<64xi16>
      %x = arith.extsi %q : vector<64xi8> to vector<64xi16>
      %product = arith.muli %c, %x : vector<64xi16>
      %y = arith.addi %sum, %product : vector<64xi16>
      return %y : vector<64xi16>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

#endif // TERNAC_LIB_TARGET_CPU_RISCV_PASSES_TD
