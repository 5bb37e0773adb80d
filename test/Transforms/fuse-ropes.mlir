// RUN: ternac-opt %s --tern-fuse-ropes --split-input-file | FileCheck %s

// Queries, keys and values of a fused projection, of any number of rows.

// CHECK-LABEL: func.func @projection
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[P:.*]]: tensor<?xi32>, %[[T:.*]]: tensor<32x4xf32>, %[[N:.*]]: index
func.func @projection(%x: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<32x4xf32>, %n: index) -> (tensor<?x8xf32>, tensor<?x4xf32>) {
  // CHECK: %[[BOTH:.*]] = tensor.extract_slice %[[X]][0, 0] [%[[N]], 12] [1, 1]
  // CHECK-NEXT: %[[Y:.*]] = tern.rope %[[BOTH]], %[[P]], %[[T]]
  // CHECK-NEXT: %[[Q:.*]] = tensor.extract_slice %[[Y]][0, 0] [%[[N]], 8] [1, 1]
  // CHECK-NEXT: %[[K:.*]] = tensor.extract_slice %[[Y]][0, 8] [%[[N]], 4] [1, 1]
  // CHECK-NEXT: return %[[Q]], %[[K]]
  %a = tensor.extract_slice %x[0, 0] [%n, 8] [1, 1] : tensor<?x16xf32> to tensor<?x8xf32>
  %b = tensor.extract_slice %x[0, 8] [%n, 4] [1, 1] : tensor<?x16xf32> to tensor<?x4xf32>
  %q = tern.rope %a, %p, %t : (tensor<?x8xf32>, tensor<?xi32>, tensor<32x4xf32>) -> tensor<?x8xf32>
  %k = tern.rope %b, %p, %t : (tensor<?x4xf32>, tensor<?xi32>, tensor<32x4xf32>) -> tensor<?x4xf32>
  return %q, %k : tensor<?x8xf32>, tensor<?x4xf32>
}

// -----

// Columns that are no neighbours, other positions, another table.

// CHECK-LABEL: func.func @apart
// CHECK-COUNT-2: tern.rope
func.func @apart(%x: tensor<8x16xf32>, %p: tensor<8xi32>, %t: tensor<32x4xf32>) -> (tensor<8x8xf32>, tensor<8x4xf32>) {
  %a = tensor.extract_slice %x[0, 0] [8, 8] [1, 1] : tensor<8x16xf32> to tensor<8x8xf32>
  %b = tensor.extract_slice %x[0, 12] [8, 4] [1, 1] : tensor<8x16xf32> to tensor<8x4xf32>
  %q = tern.rope %a, %p, %t : (tensor<8x8xf32>, tensor<8xi32>, tensor<32x4xf32>) -> tensor<8x8xf32>
  %k = tern.rope %b, %p, %t : (tensor<8x4xf32>, tensor<8xi32>, tensor<32x4xf32>) -> tensor<8x4xf32>
  return %q, %k : tensor<8x8xf32>, tensor<8x4xf32>
}

// -----

// CHECK-LABEL: func.func @positions
// CHECK-COUNT-2: tern.rope
func.func @positions(%x: tensor<8x12xf32>, %p: tensor<8xi32>, %o: tensor<8xi32>, %t: tensor<32x4xf32>) -> (tensor<8x8xf32>, tensor<8x4xf32>) {
  %a = tensor.extract_slice %x[0, 0] [8, 8] [1, 1] : tensor<8x12xf32> to tensor<8x8xf32>
  %b = tensor.extract_slice %x[0, 8] [8, 4] [1, 1] : tensor<8x12xf32> to tensor<8x4xf32>
  %q = tern.rope %a, %p, %t : (tensor<8x8xf32>, tensor<8xi32>, tensor<32x4xf32>) -> tensor<8x8xf32>
  %k = tern.rope %b, %o, %t : (tensor<8x4xf32>, tensor<8xi32>, tensor<32x4xf32>) -> tensor<8x4xf32>
  return %q, %k : tensor<8x8xf32>, tensor<8x4xf32>
}

// -----

// CHECK-LABEL: func.func @no_slices
// CHECK-COUNT-2: tern.rope
func.func @no_slices(%x: tensor<8x8xf32>, %y: tensor<8x4xf32>, %p: tensor<8xi32>, %t: tensor<32x4xf32>) -> (tensor<8x8xf32>, tensor<8x4xf32>) {
  %q = tern.rope %x, %p, %t : (tensor<8x8xf32>, tensor<8xi32>, tensor<32x4xf32>) -> tensor<8x8xf32>
  %k = tern.rope %y, %p, %t : (tensor<8x4xf32>, tensor<8xi32>, tensor<32x4xf32>) -> tensor<8x4xf32>
  return %q, %k : tensor<8x8xf32>, tensor<8x4xf32>
}
