// RUN: ternac-opt %s --tern-bufferize --canonicalize --cse --split-input-file | FileCheck %s

// Results, workspace, weights and environment become arguments; the last op
// writes to where the result goes.

// CHECK-LABEL: func.func @signature
// CHECK-SAME: (%[[X:[^:]*]]: memref<?x16xf32>, %[[G:[^:]*]]: memref<16xf32>, %[[OUT:[^:]*]]: memref<?x16xf32>,
// CHECK-SAME: %{{[^:]*}}: memref<?xi8> {tern.workspace}, %{{[^:]*}}: memref<?xi8> {tern.weights}, %{{[^:]*}}: !tern.environment)
func.func @signature(%x: tensor<?x16xf32>, %g: tensor<16xf32>) -> tensor<?x16xf32> {
  // CHECK-NEXT: tern.rms_norm %[[X]], %[[G]] into %[[OUT]] {eps = 1.000000e+00 : f32}
  // CHECK-NEXT: return
  %y = tern.rms_norm %x, %g {eps = 1.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// A weight is a view of the weight segment at its place in the plan.

module attributes {tern.weights = #tern.weights<entries = [
    <name = "norm", offset = 64, layer_bytes = 128, layers = 2, rows = 1, cols = 16, element = f32, stored = <dense>>,
    <name = "head", offset = 320, layer_bytes = 192, layers = 1, rows = 8, cols = 16, element = f32, stored = <row_int8>>]>} {
  tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [#tern.source<"n.{}", bf16, rows = 1, cols = 16, first_layer = 0>]>
  tern.global @head : tensor<8x16xi8> = #tern.stored<row_int8, sources = [#tern.source<"h", bf16, rows = 8, cols = 16, first_layer = 0>]>
  // CHECK-LABEL: func.func @weights
  // CHECK-SAME: %[[L:[^:]*]]: index, {{.*}}%[[WEIGHTS:[^:]*]]: memref<?xi8> {tern.weights}
  func.func @weights(%x: tensor<?x16xf32>, %l: index) -> tensor<?x8xf32> {
    // CHECK-DAG: %[[LAYER_BYTES:.*]] = arith.constant 128 : index
    // CHECK-DAG: %[[OFFSET:.*]] = arith.constant 64 : index
    // CHECK-DAG: %[[HEAD:.*]] = arith.constant 320 : index
    // 8 x 16 bytes, then the scales.
    // CHECK-DAG: %[[SCALES:.*]] = arith.constant 448 : index
    // CHECK: %[[LAYER:.*]] = arith.muli %[[L]], %[[LAYER_BYTES]] : index
    // CHECK: %[[PLACE:.*]] = arith.addi %[[LAYER]], %[[OFFSET]] : index
    // CHECK: %[[NORM:.*]] = memref.view %[[WEIGHTS]][%[[PLACE]]][] : memref<?xi8> to memref<16xf32>
    // CHECK: tern.rms_norm %{{.*}}, %[[NORM]]
    // CHECK: memref.view %[[WEIGHTS]][%[[HEAD]]][] : memref<?xi8> to memref<8x16xi8>
    // CHECK: memref.view %[[WEIGHTS]][%[[SCALES]]][] : memref<?xi8> to memref<8xf32>
    %g = tern.load_global @norm[%l] : tensor<16xf32>
    %a = tern.rms_norm %x, %g {eps = 1.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %h:2 = tern.load_global @head : tensor<8x16xi8>, tensor<8xf32>
    %y = tern.linear %a, %h#0 scaled %h#1 : (tensor<?x16xf32>, tensor<8x16xi8>, tensor<8xf32>) -> tensor<?x8xf32>
    return %y : tensor<?x8xf32>
  }
  // CHECK-NOT: tern.global
}

// -----

// Inside a loop the residual is added in place: one buffer for all layers, no
// copy of it, and the cache is no loop value any more.

// CHECK-LABEL: func.func @layers
// CHECK-SAME: %[[C:[^:]*]]: !tern.kv_cache<2x1x16xf32>
// CHECK-NOT: memref.copy
func.func @layers(%t: tensor<?xi32>, %e: tensor<8x16xf32>, %w: tensor<16x16xf32>, %s: tensor<1xf32>, %c: !tern.kv_cache<2x1x16xf32>,
                  %b: tensor<256xi8>) -> (tensor<?x16xf32>, !tern.kv_cache<2x1x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  // CHECK: tern.embedding %{{.*}}, %{{.*}} into %[[X:.*]] :
  %x = tern.embedding %t, %e : (tensor<?xi32>, tensor<8x16xf32>) -> tensor<?x16xf32>
  // CHECK: scf.for %[[L:.*]] = %{{.*}} to %{{.*}} step %{{[a-z0-9_]*}} {
  %r:2 = scf.for %l = %c0 to %c2 step %c1 iter_args(%h = %x, %d = %c) -> (tensor<?x16xf32>, !tern.kv_cache<2x1x16xf32>) {
    // CHECK: tern.kv_append %[[X]], %[[X]], %[[C]][%[[L]]]
    %f = tern.kv_append %h, %h, %d[%l] at %t of %t
      : (tensor<?x16xf32>, tensor<?x16xf32>, !tern.kv_cache<2x1x16xf32>, index, tensor<?xi32>, tensor<?xi32>) -> !tern.kv_cache<2x1x16xf32>
    // The scratch of attention: 80 f32 for each of one head, and 64 tiles.
    // CHECK: %[[SCRATCH:.*]] = memref.alloc(%{{.*}}) {{.*}} : memref<?x80xf32>
    // CHECK: %[[PARTIALS:.*]] = memref.alloc() {{.*}} : memref<1064960xf32>
    // CHECK: tern.attention %[[X]], %[[C]][%[[L]]] at %{{.*}} of %{{.*}} into %[[A:.*]], %[[SCRATCH]], %[[PARTIALS]]
    %a = tern.attention %h, %f[%l] at %t of %t
      : (tensor<?x16xf32>, !tern.kv_cache<2x1x16xf32>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x16xf32>
    // CHECK: tern.quantize %[[A]] into
    %q:3 = tern.quantize %a : (tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
    %m = tern.matmul %q#0, %q#2, %b {cols = 16 : i64, config = #tern.lowering_config<strategy = reference>, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>}
      : (tensor<?x16xi8>, tensor<?xi32>, tensor<256xi8>) -> tensor<?x16xi32>
    // CHECK: tern.rescale %{{.*}}, %{{.*}}, %{{.*}} plus %[[X]] into %[[X]]
    %y = tern.rescale %m, %q#1, %s plus %h {segments = array<i64: 16>} : (tensor<?x16xi32>, tensor<?xf32>, tensor<1xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    scf.yield %y, %f : tensor<?x16xf32>, !tern.kv_cache<2x1x16xf32>
  }
  // CHECK: tern.linear %[[X]]
  %z = tern.linear %r#0, %w : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
  return %z, %r#1 : tensor<?x16xf32>, !tern.kv_cache<2x1x16xf32>
}

// -----

// Slices of a fused projection are views of its rows.

// CHECK-LABEL: func.func @slices
// CHECK-NOT: memref.copy
func.func @slices(%x: tensor<?x16xf32>, %w: tensor<8x16xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  // CHECK: tern.linear %{{.*}} into %[[Y:.*]] :
  %y = tern.linear %x, %w : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
  %n = tensor.dim %y, %c0 : tensor<?x8xf32>
  // CHECK-DAG: %[[A:.*]] = memref.subview %[[Y]][0, 0]
  // CHECK-DAG: %[[B:.*]] = memref.subview %[[Y]][0, 4]
  // CHECK: tern.gate <relu2> %[[A]], %[[B]] into
  %a = tensor.extract_slice %y[0, 0] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %b = tensor.extract_slice %y[0, 4] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %g = tern.gate <relu2> %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %g : tensor<?x4xf32>
}

// -----

// What the caller passes in is not changed.

// CHECK-LABEL: func.func @arguments_stay
// CHECK-SAME: %[[R:[^:]*]]: memref<?x8xf32>
// CHECK-NOT: into %[[R]]
func.func @arguments_stay(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>, %r: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = tern.rescale %a, %step, %s plus %r {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// The scratch of lut, whatever the rows of the call: tables for 4 rows of q, or
// sums of 64 padded rows of the matrix for 256.

// CHECK-LABEL: func.func @tables
// CHECK: %[[TABLES:.*]] = memref.alloc() {{.*}}: memref<4x4096xi16>
// CHECK: tern.matmul %{{.*}}, %{{.*}}, %{{.*}} into %{{.*}}, %[[TABLES]] {
// CHECK-SAME: (memref<?x20xi8>, memref<?xi32>, memref<256xi8>, memref<?x8xi32>, memref<4x4096xi16>) -> ()
func.func @tables(%q: tensor<?x20xi8>, %sum: tensor<?xi32>, %w: tensor<256xi8>) -> tensor<?x8xi32> {
  %y = tern.matmul %q, %sum, %w {cols = 20 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
    : (tensor<?x20xi8>, tensor<?xi32>, tensor<256xi8>) -> tensor<?x8xi32>
  return %y : tensor<?x8xi32>
}

// -----

// CHECK-LABEL: func.func @wide_tables
// CHECK: memref.alloc() {{.*}}: memref<4x5120xi16>
func.func @wide_tables(%q: tensor<?x100xi8>, %sum: tensor<?xi32>, %w: tensor<1280xi8>) -> tensor<?x8xi32> {
  %y = tern.matmul %q, %sum, %w {cols = 100 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
    : (tensor<?x100xi8>, tensor<?xi32>, tensor<1280xi8>) -> tensor<?x8xi32>
  return %y : tensor<?x8xi32>
}
