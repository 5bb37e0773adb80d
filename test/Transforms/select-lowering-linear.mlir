// RUN: split-file %s %t
// RUN: ternac-opt %t/model.mlir --tern-select-lowering='strategies=dot,add_sub linear-strategies=add_sub' --tern-pack-weights | FileCheck %s
// RUN: ternac-opt %t/model.mlir --tern-select-lowering='strategies=reference linear-strategies=reference' | FileCheck %s --check-prefix=REFERENCE
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=dot,add_sub linear-strategies=add_sub strategy=dot' 2>&1 | FileCheck %s --check-prefix=DOT
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=dot,add_sub linear-strategies=add_sub packing=tile2' 2>&1 | FileCheck %s --check-prefix=PACKING
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=dot,add_sub' 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not ternac-opt %t/both.mlir --tern-select-lowering='strategies=dot,add_sub linear-strategies=add_sub' 2>&1 | FileCheck %s --check-prefix=BOTH

// Layers with f32 sums have a packing and strategies of their own; columns of x stay as they are.
// CHECK: tern.ternary_linear %{{.*}}, %{{.*}}, %{{.*}} {cols = 40 : i64, config = #tern.lowering_config<strategy = add_sub>, group = 40 : i64,
// CHECK-SAME: packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>
// CHECK-SAME: (tensor<?x40xf32>, tensor<512xi8>, tensor<1x32xf32>) -> tensor<?x32xf32>
// REFERENCE: config = #tern.lowering_config<strategy = reference>{{.*}}packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>

// DOT: error: strategy 'dot' is none of target 'cpu' for layers of f32 sums; it has: auto, add_sub
// PACKING: error: no strategy of target 'cpu' for layers of f32 sums reads the packing 'tile2'; expected auto, planes
// NONE: error: 'tern.ternary_linear' op target 'cpu' has no code yet for ternary layers without rounded activations or with groups of scales; compile for another target
// BOTH: error: 'tern.ternary_linear' op expected no other kind of op to read its weight, but tern.matmul does, too

//--- model.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "x86-64-v3", capabilities = ["int8_dot"]>} {
  func.func @f(%x: tensor<?x40xf32>, %w: tensor<32x40x!tern.trit>, %s: tensor<1x32xf32>) -> tensor<?x32xf32> {
    %0 = tern.ternary_linear %x, %w, %s {group = 40 : i64} : (tensor<?x40xf32>, tensor<32x40x!tern.trit>, tensor<1x32xf32>) -> tensor<?x32xf32>
    return %0 : tensor<?x32xf32>
  }
}

//--- both.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "x86-64-v3", capabilities = ["int8_dot"]>} {
  tern.global @w : tensor<32x40x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"w", packed_rows, rows = 32, cols = 40, first_layer = 0>]>
  func.func @f(%x: tensor<?x40xf32>, %q: tensor<?x40xi8>, %sum: tensor<?xi32>, %s: tensor<1x32xf32>) -> (tensor<?x32xi32>, tensor<?x32xf32>) {
    %w = tern.load_global @w : tensor<32x40x!tern.trit>
    %0 = tern.matmul %q, %sum, %w : (tensor<?x40xi8>, tensor<?xi32>, tensor<32x40x!tern.trit>) -> tensor<?x32xi32>
    %1 = tern.ternary_linear %x, %w, %s {group = 40 : i64} : (tensor<?x40xf32>, tensor<32x40x!tern.trit>, tensor<1x32xf32>) -> tensor<?x32xf32>
    return %0, %1 : tensor<?x32xi32>, tensor<?x32xf32>
  }
}
