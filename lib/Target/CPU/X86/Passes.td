//===- Passes.td - Passes for x86-64 ----------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_CPU_X86_PASSES_TD
#define TERNAC_LIB_TARGET_CPU_X86_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertTernDotToX86Pass
    : Pass<"convert-tern-dot-to-x86", "::mlir::ModuleOp"> {
  let summary = "Lowers ternary matmuls of strategy dot to x86 instructions";
  let description = [{
    Codes 0, 1, 2 are unsigned bytes, activations signed ones: `vpdpbusd` with
    AVX-512 VNNI or AVX-VNNI, `vpmaddubsw` with AVX-512BW, AVX2 or SSSE3, whose
    i16 sums are widened by `vpmaddwd` before they could saturate, and `pmaddwd`
    on bytes widened to i16 elsewhere. The instructions are called as intrinsics;
    the loops are the generic ones.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "cpu",
        capabilities = ["int8_dot", "x86_vnni_512"], vector_bits = 512>} {
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
    func.func @f(%sum: vector<16xi32>, %codes: vector<64xi8>, %q: vector<64xi8>) -> vector<16xi32> {
      %y = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%sum, %codes, %q)
        : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
      return %y : vector<16xi32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertTernAttentionToX86Pass
    : Pass<"convert-tern-attention-to-x86", "::mlir::ModuleOp"> {
  let summary = "Lowers attention that may be narrow to x86 instructions";
  let description = [{
    With `bf16_dot`, the products of a whole tile of rows and a block of the
    cache that all of them see are sums of pairs of products of bf16, by
    `vdpbf16ps`. With `x86_amx_bf16` they are products of tiles of the `amx`
    dialect, in functions that are called where the host grants tiles
    (`tern.granted`); where it does not, they are those of `bf16_dot` or in f32.
    Everything else is what `convert-tern-to-vector` does, which lowers attention
    without `narrow`, too.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "cpu",
        capabilities = ["x86", "fma", "f16_convert", "bf16_dot"], vector_bits = 512>} {
      func.func @f(%q: memref<?x32xf32>, %c: !tern.kv_cache<1x1x32xf16>, %l: index, %p: memref<?xi32>, %s: memref<?xi32>,
                   %y: memref<?x32xf32>, %rows: memref<?x80xf32>, %tiles: memref<1187840xf32>, %env: !tern.environment) {
        tern.attention %q, %c[%l] at %p of %s into %y, %rows, %tiles {narrow}
          : (memref<?x32xf32>, !tern.kv_cache<1x1x32xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x32xf32>, memref<?x80xf32>, memref<1187840xf32>) -> ()
        return
      }
    }
    ```

    ```mlir
    // After, the innermost op.
    func.func @f(%sum: vector<16xf32>, %query: vector<32xbf16>, %keys: vector<32xbf16>) -> vector<16xf32> {
      %y = llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%sum, %query, %keys)
        : (vector<16xf32>, vector<32xbf16>, vector<32xbf16>) -> vector<16xf32>
      return %y : vector<16xf32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::amx::AMXDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertTernLutToX86Pass
    : Pass<"convert-tern-lut-to-x86", "::mlir::ModuleOp"> {
  let summary = "Lowers ternary matmuls of strategy lut to tables in registers";
  let description = [{
    A table of sums lies in registers as two planes of bytes, and the 64 bytes of
    a block are looked up at once: with `byte_permute`, base-3 bytes in 122
    entries (the other half of the sums are these with the opposite sign), by
    `vpermi2b`; with `byte_shuffle`, the halves of two-bit bytes in 16 entries
    each, by `pshufb` on registers of the width that the target has. All others
    are left to `convert-tern-to-vector`. Calls with many rows of q use these
    tables for the rows that are left after blocks of 16.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "cpu",
        capabilities = ["x86", "byte_permute"], vector_bits = 512>} {
      func.func @f(%q: memref<?x65xi8>, %sum: memref<?xi32>, %w: memref<832xi8>,
                   %y: memref<?x16xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
        tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>,
            packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
          : (memref<?x65xi8>, memref<?xi32>, memref<832xi8>, memref<?x16xi32>, memref<4x4096xi16>) -> ()
        return
      }
    }
    ```

    ```mlir
    // After, the innermost op.
    func.func @f(%low: vector<64xi8>, %weights: vector<64xi8>, %high: vector<64xi8>) -> vector<64xi8> {
      %y = llvm.call_intrinsic "llvm.x86.avx512.vpermi2var.qi.512"(%low, %weights, %high)
        : (vector<64xi8>, vector<64xi8>, vector<64xi8>) -> vector<64xi8>
      return %y : vector<64xi8>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def ConvertTernTileToX86Pass
    : Pass<"convert-tern-tile-to-x86", "::mlir::ModuleOp"> {
  let summary = "Lowers ternary matmuls of strategy tile to AMX";
  let description = [{
    Panels of unpacked codes are multiplied with 32 rows of activations at a
    time by ops of the `amx` dialect: two tiles of rows times two tiles of codes
    in four tiles of sums. The operating system grants the use of tiles, so what
    the host says at run time decides (`tern.granted`); without it, and where too
    few rows would have to be copied to fill a tile, strategy `dot` computes the
    same from the same weights.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "cpu",
        capabilities = ["int8_dot", "tile_matmul", "x86_vnni_512", "x86_amx_int8"], vector_bits = 512>} {
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
    func.func @f(%q: !amx.tile<16x64xi8>, %codes: !amx.tile<16x64xi8>, %sum: !amx.tile<16x16xi32>) -> !amx.tile<16x16xi32> {
      %y = amx.tile_muli %q, %codes zext, %sum
        : !amx.tile<16x64xi8>, !amx.tile<16x64xi8>, !amx.tile<16x16xi32>
      return %y : !amx.tile<16x16xi32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::amx::AMXDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

#endif // TERNAC_LIB_TARGET_CPU_X86_PASSES_TD
