// RUN: ternac-opt %s --tern-fuse-residuals --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @second_term
// CHECK-SAME: %[[A:.*]]: tensor<?x8xi32>, %[[STEP:.*]]: tensor<?xf32>, %[[S:.*]]: tensor<1xf32>, %[[R:.*]]: tensor<?x8xf32>
func.func @second_term(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>, %r: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = tern.rescale %[[A]], %[[STEP]], %[[S]] plus %[[R]] {segments = array<i64: 8>}
  // CHECK-NEXT: return %[[Y]]
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  %1 = tern.add %r, %0 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @first_term
// CHECK-SAME: %[[R:[^:]*]]: tensor<?x8xf32>
func.func @first_term(%r: tensor<?x8xf32>, %a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = tern.rescale {{.*}} plus %[[R]]
  // CHECK-NEXT: return %[[Y]]
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  %1 = tern.add %0, %r : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

// Of two rescales one takes the other as its residual.

// CHECK-LABEL: func.func @both_terms
func.func @both_terms(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: %[[FIRST:.*]] = tern.rescale %{{.*}}, %{{.*}}, %{{.*}} {segments
  // CHECK-NEXT: tern.rescale {{.*}} plus %[[FIRST]]
  // CHECK-NOT: tern.add
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  %1 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  %2 = tern.add %0, %1 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}

// -----

// The rescaled rows are needed by themselves.

// CHECK-LABEL: func.func @two_uses
// CHECK: tern.add
func.func @two_uses(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>, %r: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  %1 = tern.add %r, %0 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0, %1 : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @with_itself
// CHECK: tern.add
func.func @with_itself(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  %1 = tern.add %0, %0 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

// A rescale has one residual.

// CHECK-LABEL: func.func @has_one
// CHECK: tern.add
func.func @has_one(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>, %r: tensor<?x8xf32>, %t: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = tern.rescale %a, %step, %s plus %r {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = tern.add %t, %0 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

// Buffers are left alone.

// CHECK-LABEL: func.func @buffers
// CHECK: tern.add
func.func @buffers(%a: memref<?x8xf32>) {
  tern.add %a, %a into %a : (memref<?x8xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  return
}
