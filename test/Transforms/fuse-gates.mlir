// RUN: ternac-opt %s --tern-fuse-gates --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @norm
// CHECK-SAME: %[[G:.*]]: tensor<?x16xf32>, %[[U:.*]]: tensor<?x16xf32>, %[[N:.*]]: tensor<16xf32>
func.func @norm(%g: tensor<?x16xf32>, %u: tensor<?x16xf32>, %n: tensor<16xf32>) -> tensor<?x16xi8> {
  // CHECK-NEXT: tern.quantize %[[G]] gated {{ ?}}<silu> %[[U]] norm %[[N]] {eps = 1.000000e+00 : f32}
  // CHECK-NEXT: return
  %x = tern.gate <silu> %g, %u : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  %q:3 = tern.quantize %x norm %n {eps = 1.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  return %q#0 : tensor<?x16xi8>
}

// -----

// The product is needed by itself.

// CHECK-LABEL: func.func @two_uses
// CHECK: tern.gate
// CHECK-NOT: gated
func.func @two_uses(%g: tensor<?x16xf32>, %u: tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?x16xf32>) {
  %x = tern.gate <relu2> %g, %u : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  %q:3 = tern.quantize %x : (tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  return %q#0, %x : tensor<?x16xi8>, tensor<?x16xf32>
}

// -----

// A quantisation has one gate.

// CHECK-LABEL: func.func @has_one
// CHECK: tern.gate <relu2>
// CHECK: tern.quantize {{.*}} gated {{ ?}}<silu>
func.func @has_one(%g: tensor<?x16xf32>, %u: tensor<?x16xf32>) -> tensor<?x16xi8> {
  %x = tern.gate <relu2> %g, %u : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  %q:3 = tern.quantize %x gated <silu> %u : (tensor<?x16xf32>, tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  return %q#0 : tensor<?x16xi8>
}
