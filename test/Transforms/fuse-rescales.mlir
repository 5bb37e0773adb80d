// RUN: ternac-opt %s --tern-fuse-rescales --split-input-file | FileCheck %s

#tile = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>
#dot = #tern.lowering_config<strategy = dot>

// CHECK-LABEL: func.func @residual
// CHECK-SAME: %[[Q:.*]]: tensor<?x16xi8>, %[[SUM:.*]]: tensor<?xi32>, %[[W:.*]]: tensor<64xi8>, %[[STEP:.*]]: tensor<?xf32>, %[[S:.*]]: tensor<2xf32>, %[[R:.*]]: tensor<?x16xf32>
func.func @residual(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<64xi8>, %step: tensor<?xf32>, %s: tensor<2xf32>, %r: tensor<?x16xf32>) -> tensor<?x16xf32> {
  // CHECK-NEXT: %[[Y:.*]] = tern.matmul %[[Q]], %[[SUM]], %[[W]] rescale %[[STEP]], %[[S]] plus %[[R]] {cols = 16 : i64, {{.*}}segments = array<i64: 6, 10>, tern.bits_per_weight = 2.0{{.*}}-> tensor<?x16xf32>
  // CHECK-NEXT: return %[[Y]]
  %0 = tern.matmul %q, %sum, %w {cols = 16 : i64, config = #dot, packing = #tile, tern.bits_per_weight = 2.0 : f32} : (tensor<?x16xi8>, tensor<?xi32>, tensor<64xi8>) -> tensor<?x16xi32>
  %1 = tern.rescale %0, %step, %s plus %r {segments = array<i64: 6, 10>} : (tensor<?x16xi32>, tensor<?xf32>, tensor<2xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  return %1 : tensor<?x16xf32>
}

// -----

// A kernel without multiplication has none at its end either.

// CHECK-LABEL: func.func @add_sub
// CHECK: tern.rescale
func.func @add_sub(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<64xi8>, %step: tensor<?xf32>, %s: tensor<1xf32>) -> tensor<?x16xf32> {
  %0 = tern.matmul %q, %sum, %w {cols = 16 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : (tensor<?x16xi8>, tensor<?xi32>, tensor<64xi8>) -> tensor<?x16xi32>
  %1 = tern.rescale %0, %step, %s {segments = array<i64: 16>} : (tensor<?x16xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x16xf32>
  return %1 : tensor<?x16xf32>
}

// -----

// The sums are needed by themselves.

// CHECK-LABEL: func.func @two_uses
// CHECK: tern.rescale
func.func @two_uses(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<64xi8>, %step: tensor<?xf32>, %s: tensor<1xf32>) -> (tensor<?x16xf32>, tensor<?x16xi32>) {
  %0 = tern.matmul %q, %sum, %w {cols = 16 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : (tensor<?x16xi8>, tensor<?xi32>, tensor<64xi8>) -> tensor<?x16xi32>
  %1 = tern.rescale %0, %step, %s {segments = array<i64: 16>} : (tensor<?x16xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x16xf32>
  return %1, %0 : tensor<?x16xf32>, tensor<?x16xi32>
}

// -----

// Not yet packed: no strategy is chosen.

// CHECK-LABEL: func.func @trits
// CHECK: tern.rescale
func.func @trits(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<16x16x!tern.trit>, %step: tensor<?xf32>, %s: tensor<1xf32>) -> tensor<?x16xf32> {
  %0 = tern.matmul %q, %sum, %w : (tensor<?x16xi8>, tensor<?xi32>, tensor<16x16x!tern.trit>) -> tensor<?x16xi32>
  %1 = tern.rescale %0, %step, %s {segments = array<i64: 16>} : (tensor<?x16xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x16xf32>
  return %1 : tensor<?x16xf32>
}
