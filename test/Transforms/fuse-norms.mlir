// RUN: ternac-opt %s --tern-fuse-norms --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @fuse
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[G:.*]]: tensor<16xf32>, %[[W:.*]]: tensor<8x16x!tern.trit>, %[[S:.*]]: tensor<1xf32>
func.func @fuse(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
  // CHECK-NOT: tern.rms_norm
  // CHECK: %[[Y:.*]] = tern.bitlinear %[[X]], %[[W]], %[[S]] norm %[[G]] {eps = 2.000000e+00 : f32, segments = array<i64: 8>}
  // CHECK-NEXT: return %[[Y]]
  %a = tern.rms_norm %x, %g {eps = 2.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %y = tern.bitlinear %a, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Another reader needs the normalised rows.

// CHECK-LABEL: func.func @two_uses
func.func @two_uses(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>)
    -> (tensor<?x8xf32>, tensor<?x16xf32>) {
  // CHECK: %[[A:.*]] = tern.rms_norm
  // CHECK: tern.bitlinear %[[A]], %{{.*}}, %{{.*}} {segments
  %a = tern.rms_norm %x, %g {eps = 2.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %y = tern.bitlinear %a, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return %y, %a : tensor<?x8xf32>, tensor<?x16xf32>
}

// -----

// Two bitlinears would normalise twice.

// CHECK-LABEL: func.func @two_bitlinears
func.func @two_bitlinears(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  // CHECK: %[[A:.*]] = tern.rms_norm
  // CHECK-COUNT-2: tern.bitlinear %[[A]],
  %a = tern.rms_norm %x, %g {eps = 2.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %y = tern.bitlinear %a, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %z = tern.bitlinear %a, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// A norm of a norm: only one is part of a bitlinear.

// CHECK-LABEL: func.func @twice
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[G:.*]]: tensor<16xf32>
func.func @twice(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[A:.*]] = tern.rms_norm %[[X]], %[[G]]
  // CHECK-NOT: tern.rms_norm
  // CHECK: tern.bitlinear %[[A]], %{{.*}}, %{{.*}} norm %[[G]]
  %a = tern.rms_norm %x, %g {eps = 2.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %y = tern.bitlinear %a, %w, %s norm %g {eps = 2.0 : f32, segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>, tensor<16xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// A bitlinear that does not quantise has no place for a norm.

// CHECK-LABEL: func.func @weight_only
func.func @weight_only(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[A:.*]] = tern.rms_norm
  // CHECK: tern.bitlinear %[[A]], %{{.*}}, %{{.*}} {segments = array<i64: 8>, weight_only}
  %a = tern.rms_norm %x, %g {eps = 2.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %y = tern.bitlinear %a, %w, %s {segments = array<i64: 8>, weight_only} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
