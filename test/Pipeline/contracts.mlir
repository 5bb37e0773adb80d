// RUN: split-file %s %t
// RUN: not ternac-opt %t/memref.mlir --tern-verify-phase=phase=imported 2>&1 | FileCheck %s --check-prefix=MEMREF -DPHASE=imported
// RUN: not ternac-opt %t/memref.mlir --tern-verify-phase=phase=packed 2>&1 | FileCheck %s --check-prefix=MEMREF -DPHASE=packed
// RUN: not ternac-opt %t/layer.mlir --tern-verify-phase=phase=normalized 2>&1 | FileCheck %s --check-prefix=LAYER
// RUN: not ternac-opt %t/bitlinear.mlir --tern-verify-phase=phase=quantized 2>&1 | FileCheck %s --check-prefix=BITLINEAR
// RUN: not ternac-opt %t/linear.mlir --tern-verify-phase=phase=quantized 2>&1 | FileCheck %s --check-prefix=LINEAR
// RUN: not ternac-opt %t/trits.mlir --tern-verify-phase=phase=packed 2>&1 | FileCheck %s --check-prefix=TRITS
// RUN: not ternac-opt %t/global.mlir --tern-verify-phase=phase=packed 2>&1 | FileCheck %s --check-prefix=GLOBAL
// RUN: not ternac-opt %t/tensor.mlir --tern-verify-phase=phase=bufferized 2>&1 | FileCheck %s --check-prefix=TENSOR
// RUN: not ternac-opt %t/alloc.mlir --tern-verify-phase=phase=bufferized 2>&1 | FileCheck %s --check-prefix=ALLOC
// RUN: not ternac-opt %t/copy.mlir --tern-verify-phase=phase=bufferized 2>&1 | FileCheck %s --check-prefix=COPY
// RUN: not ternac-opt %t/memref.mlir --tern-verify-phase=phase=vectorized 2>&1 | FileCheck %s --check-prefix=VECTORIZED
// RUN: not ternac-opt %t/memref.mlir --tern-verify-phase=phase=llvm 2>&1 | FileCheck %s --check-prefix=LLVM
// RUN: not ternac-opt %t/unknown.mlir --allow-unregistered-dialect --tern-verify-phase=phase=imported 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not ternac-opt %t/model.mlir --tern-verify-phase=phase=imported 2>&1 | FileCheck %s --check-prefix=MODEL
// RUN: not ternac-opt %t/no-weights.mlir --tern-verify-phase=phase=imported 2>&1 | FileCheck %s --check-prefix=WEIGHTS
// RUN: not ternac-opt %t/device.mlir --tern-verify-phase=phase=llvm 2>&1 | FileCheck %s --check-prefix=DEVICE
// RUN: not ternac-opt %t/alloc.mlir --tern-verify-phase=phase=cooked 2>&1 | FileCheck %s --check-prefix=PHASE
// RUN: not ternac-opt %t/other-target.mlir --tern-verify-phase=phase=packed 2>&1 | FileCheck %s --check-prefix=OTHER-TARGET
// RUN: not ternac-opt %t/no-version.mlir --tern-verify-phase=phase=packed 2>&1 | FileCheck %s --check-prefix=NO-VERSION
// RUN: not ternac-opt %t/wrong-version.mlir --tern-verify-phase=phase=packed 2>&1 | FileCheck %s --check-prefix=WRONG-VERSION
// RUN: ternac-opt %t/no-version.mlir --tern-verify-phase=phase=quantized
// RUN: ternac-opt %t/layer.mlir --tern-verify-phase=phase=imported | FileCheck %s --check-prefix=GOOD
// RUN: ternac-opt %t/bitlinear.mlir --tern-verify-phase=phase=normalized
// RUN: ternac-opt %t/linear.mlir --tern-verify-phase=phase=normalized
// RUN: ternac-opt %t/trits.mlir --tern-verify-phase=phase=quantized
// RUN: ternac-opt %t/memref.mlir --tern-verify-phase=phase=bufferized

// MEMREF: error: contract of phase '[[PHASE]]': unexpected 'tern.add'; memrefs appear with bufferisation
// LAYER: error: contract of phase 'normalized': unexpected 'tern.decoder_layer'; decoder layers are written out
// BITLINEAR: error: contract of phase 'quantized': unexpected 'tern.bitlinear'; the integer arithmetic is explicit
// LINEAR: error: contract of phase 'quantized': unexpected 'tern.linear'; the integer arithmetic is explicit
// TRITS: error: contract of phase 'packed': unexpected 'tern.matmul'; weights are packed bytes
// GLOBAL: error: contract of phase 'packed': unexpected 'tern.global'; weights are packed bytes
// TENSOR: error: contract of phase 'bufferized': unexpected 'tern.add'; tensors are memrefs
// ALLOC: error: contract of phase 'bufferized': unexpected 'memref.alloc'; every buffer has its place in the workspace
// COPY: error: contract of phase 'bufferized': unexpected 'memref.copy'; weights are not copied
// VECTORIZED: error: contract of phase 'vectorized': unexpected 'tern.add'; tern ops are loops over vectors
// LLVM-DAG: error: contract of phase 'llvm': unexpected 'func.func'; everything is in the LLVM dialect
// LLVM-DAG: error: contract of phase 'llvm': unexpected 'tern.add'; everything is in the LLVM dialect
// UNKNOWN: error: contract of phase 'imported': unexpected 'foo.bar'; its dialect is not known
// MODEL: error: {{.*}}the attribute 'tern.target'
// WEIGHTS: error: {{.*}}the attribute 'tern.weights'
// DEVICE: error: expected the attribute 'tern.device' to be a string, but got 7 : i64
// OTHER-TARGET: error: expected the attribute 'tern.target' to be one of the versions of the module's, but got #tern.target<name = "cpu", cpu = "c">
// NO-VERSION: error: expected a function 'forward_version1' in a model
// WRONG-VERSION: error: expected the attribute 'tern.target' of 'forward_version1' to be the version b
// PHASE: error: unknown phase 'cooked'; expected one of: imported, normalized, quantized, packed, bufferized, vectorized, llvm
// GOOD: tern.decoder_layer

//--- memref.mlir
func.func @f(%a: memref<?x4xf32>) {
  tern.add %a, %a into %a : (memref<?x4xf32>, memref<?x4xf32>, memref<?x4xf32>) -> ()
  return
}
//--- linear.mlir
func.func @f(%x: tensor<?x4xf32>, %w: tensor<2x4xi8>, %s: tensor<2xf32>) {
  %0 = tern.linear %x, %w scaled %s : (tensor<?x4xf32>, tensor<2x4xi8>, tensor<2xf32>) -> tensor<?x2xf32>
  return
}
//--- tensor.mlir
func.func @f(%a: tensor<?x4xf32>) {
  %0 = tern.add %a, %a : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}
//--- alloc.mlir
func.func @f(%n: index) {
  %0 = memref.alloc(%n) : memref<?x4xf32>
  return
}
//--- copy.mlir
func.func @f(%weights: memref<?xi8> {tern.weights}, %b: memref<4xf32>) {
  %c64 = arith.constant 64 : index
  %w = memref.view %weights[%c64][] : memref<?xi8> to memref<4xf32>
  memref.copy %w, %b : memref<4xf32> to memref<4xf32>
  return
}
//--- layer.mlir
tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [#tern.source<"n", bf16, rows = 1, cols = 16, first_layer = 0>]>
tern.global @rope : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e4 : f64>
tern.global @w : tensor<2x16x16xf32> = #tern.stored<dense, sources = [#tern.source<"w", bf16, rows = 16, cols = 16, first_layer = 0>]>
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x2x8xf16>, %l: index, %p: tensor<?xi32>) {
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 0 : i64, heads = 2 : i64, weights = {input_norm = @norm, post_attention_norm = @norm, rope = @rope, q_proj = @w,
    k_proj = @w, v_proj = @w, o_proj = @w, gate_proj = @w, up_proj = @w, down_proj = @w}}
    : tensor<?x16xf32>, <2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}
//--- bitlinear.mlir
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}
//--- trits.mlir
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>) {
  %0 = tern.matmul %q, %sum, %w : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>) -> tensor<?x8xi32>
  return
}
//--- global.mlir
tern.global @w : tensor<8x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"w", bf16, rows = 8, cols = 16, first_layer = 0>]>
//--- unknown.mlir
"foo.bar"() : () -> ()
//--- model.mlir
module attributes {tern.model = {}} {}
//--- device.mlir
module attributes {tern.device = 7 : i64} {}
//--- no-weights.mlir
module attributes {tern.model = {}, tern.target = #tern.target<name = "cpu">} {}
//--- other-target.mlir
module attributes {tern.target = #tern.target<name = "cpu", versions = [#tern.target<name = "cpu", cpu = "b">]>} {
  func.func @f() attributes {tern.target = #tern.target<name = "cpu", cpu = "c">} {
    return
  }
}
//--- no-version.mlir
module attributes {tern.model = {}, tern.target = #tern.target<name = "cpu", versions = [#tern.target<name = "cpu", cpu = "b">]>,
                   tern.weights = #tern.weights<>} {
  func.func @forward() {
    return
  }
}
//--- wrong-version.mlir
module attributes {tern.model = {}, tern.target = #tern.target<name = "cpu", versions = [#tern.target<name = "cpu", cpu = "b">]>,
                   tern.weights = #tern.weights<>} {
  func.func @forward() {
    return
  }
  func.func @forward_version1() {
    return
  }
}
