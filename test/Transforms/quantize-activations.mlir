// RUN: ternac-opt %s --tern-quantize-activations --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @explicit
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[W:.*]]: tensor<8x16x!tern.trit>, %[[S:.*]]: tensor<1xf32>
func.func @explicit(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[Q:.*]]:3 = tern.quantize %[[X]] : (tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  // CHECK: %[[A:.*]] = tern.matmul %[[Q]]#0, %[[Q]]#2, %[[W]] : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>) -> tensor<?x8xi32>
  // CHECK: %[[Y:.*]] = tern.rescale %[[A]], %[[Q]]#1, %[[S]] {segments = array<i64: 8>}
  // CHECK-NOT: tern.bitlinear
  // CHECK: return %[[Y]]
  %y = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @norm_moves_into_quantize
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[G:.*]]: tensor<16xf32>
func.func @norm_moves_into_quantize(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
  // CHECK: tern.quantize %[[X]] norm %[[G]] {eps = 2.000000e+00 : f32}
  %y = tern.bitlinear %x, %w, %s norm %g {eps = 2.0 : f32, segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>, tensor<16xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @shared
func.func @shared(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %[[Q:.*]]:3 = tern.quantize
  // CHECK: tern.matmul %[[Q]]#0, %[[Q]]#2
  // CHECK-NOT: tern.quantize
  // CHECK: tern.matmul %[[Q]]#0, %[[Q]]#2
  %y = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %z = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// Neither another norm nor another epsilon is the same quantisation.

// CHECK-LABEL: func.func @not_shared
// CHECK-COUNT-3: tern.quantize
func.func @not_shared(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  %y = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %z = tern.bitlinear %x, %w, %s norm %g {eps = 2.0 : f32, segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>, tensor<16xf32>) -> tensor<?x8xf32>
  %a = tern.bitlinear %x, %w, %s norm %g {eps = 3.0 : f32, segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>, tensor<16xf32>) -> tensor<?x8xf32>
  return %y, %z, %a : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// A quantisation inside a loop does not serve what comes after it.

// CHECK-LABEL: func.func @another_block
// CHECK: scf.for
// CHECK: tern.quantize
// CHECK: }
// CHECK: tern.quantize
func.func @another_block(%x: tensor<?x16xf32>, %w: tensor<16x16x!tern.trit>, %s: tensor<1xf32>, %n: index) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%v = %x) -> tensor<?x16xf32> {
    %y = tern.bitlinear %x, %w, %s {segments = array<i64: 16>} : (tensor<?x16xf32>, tensor<16x16x!tern.trit>, tensor<1xf32>) -> tensor<?x16xf32>
    scf.yield %y : tensor<?x16xf32>
  }
  %z = tern.bitlinear %x, %w, %s {segments = array<i64: 16>} : (tensor<?x16xf32>, tensor<16x16x!tern.trit>, tensor<1xf32>) -> tensor<?x16xf32>
  return %r, %z : tensor<?x16xf32>, tensor<?x16xf32>
}

// -----

// Rows that meet integers are integers.

// CHECK-LABEL: func.func @dense_int8
// CHECK-SAME: %[[X:.*]]: tensor<?x24xf32>, %[[W:.*]]: tensor<8x24xi8>, %[[S:.*]]: tensor<8xf32>
func.func @dense_int8(%x: tensor<?x24xf32>, %w: tensor<8x24xi8>, %s: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[Q:.*]]:2 = tern.quantize %[[X]] : (tensor<?x24xf32>) -> (tensor<?x24xi16>, tensor<?xf32>)
  // CHECK: tern.linear %[[Q]]#0, %[[W]] step %[[Q]]#1 scaled %[[S]] : (tensor<?x24xi16>, tensor<8x24xi8>, tensor<?xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %y = tern.linear %x, %w scaled %s : (tensor<?x24xf32>, tensor<8x24xi8>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// The layout of 4-bit integers reads whole spans.

// CHECK-LABEL: func.func @dense_int4
// CHECK-SAME: %[[X:.*]]: tensor<?x70xf32>, %[[W:.*]]: tensor<2304xi8>
func.func @dense_int4(%x: tensor<?x70xf32>, %w: tensor<2304xi8>) -> tensor<?x17xf32> {
  // CHECK: %[[Q:.*]]:2 = tern.quantize %[[X]] : (tensor<?x70xf32>) -> (tensor<?x128xi16>, tensor<?xf32>)
  // CHECK: tern.linear %[[Q]]#0, %[[W]] step %[[Q]]#1 : (tensor<?x128xi16>, tensor<2304xi8>, tensor<?xf32>) -> tensor<?x17xf32>
  %y = tern.linear %x, %w : (tensor<?x70xf32>, tensor<2304xi8>) -> tensor<?x17xf32>
  return %y : tensor<?x17xf32>
}

// -----

// CHECK-LABEL: func.func @dense_floats
// CHECK-NOT: tern.quantize
func.func @dense_floats(%x: tensor<?x16xf32>, %w: tensor<8x16xbf16>) -> tensor<?x8xf32> {
  // CHECK: tern.linear %{{.*}}, %{{.*}} : (tensor<?x16xf32>, tensor<8x16xbf16>) -> tensor<?x8xf32>
  %y = tern.linear %x, %w : (tensor<?x16xf32>, tensor<8x16xbf16>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Without rounding there is nothing to quantise.

// CHECK-LABEL: func.func @weight_only
// CHECK-SAME: %[[X:.*]]: tensor<?x80xf32>, %[[W:.*]]: tensor<8x80x!tern.trit>, %[[S:.*]]: tensor<2xf32>
func.func @weight_only(%x: tensor<?x80xf32>, %w: tensor<8x80x!tern.trit>, %s: tensor<2xf32>) -> tensor<?x8xf32> {
  // CHECK-NOT: tern.quantize
  // CHECK: %[[Y:.*]] = tern.ternary_linear %[[X]], %[[W]], %[[S]] {segments = array<i64: 3, 5>}
  // CHECK: return %[[Y]]
  %y = tern.bitlinear %x, %w, %s {segments = array<i64: 3, 5>, weight_only} : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<2xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// One group is a matter of the rescale; several are not.

// CHECK-LABEL: func.func @groups
// CHECK-SAME: %[[X:.*]]: tensor<?x80xf32>, %[[W:.*]]: tensor<8x80x!tern.trit>, %[[R:.*]]: tensor<1x8xf32>, %[[S:.*]]: tensor<2x8xf32>
func.func @groups(%x: tensor<?x80xf32>, %w: tensor<8x80x!tern.trit>, %r: tensor<1x8xf32>, %s: tensor<2x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %[[Q:.*]]:3 = tern.quantize %[[X]]
  // CHECK: %[[A:.*]] = tern.matmul %[[Q]]#0, %[[Q]]#2, %[[W]]
  // CHECK: tern.rescale %[[A]], %[[Q]]#1, %[[R]] : (tensor<?x8xi32>, tensor<?xf32>, tensor<1x8xf32>) -> tensor<?x8xf32>
  // CHECK: tern.ternary_linear %[[Q]]#0, %[[W]], %[[S]] step %[[Q]]#1 {group = 64 : i64}
  %y = tern.bitlinear %x, %w, %r {group = 80 : i64} : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<1x8xf32>) -> tensor<?x8xf32>
  %z = tern.bitlinear %x, %w, %s {group = 64 : i64} : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<2x8xf32>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}
