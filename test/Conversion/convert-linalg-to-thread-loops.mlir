// RUN: ternac-opt %s --convert-linalg-to-thread-loops --canonicalize --split-input-file --verify-diagnostics | FileCheck %s

// Rows are shared, columns vectorised.
// CHECK-LABEL: func.func @rows
// CHECK: %[[N:.*]] = memref.dim
// CHECK: %[[BEGIN:.*]], %[[END:.*]] = tern.thread_range %{{.*}}, %[[N]] step 1
// CHECK: scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
// CHECK: scf.for
// CHECK: } {llvm.loop_annotation
// CHECK: tern.barrier
func.func @rows(%x: memref<?x16xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
  linalg.exp ins(%x : memref<?x16xf32>) outs(%y : memref<?x16xf32>)
  return
}

// -----

// The columns of B are innermost, the reduction around them.
// CHECK-LABEL: func.func @matmul
// CHECK-SAME: %[[A:.*]]: memref<?x8xf32>, %[[B:.*]]: memref<8x16xf32>, %[[C:.*]]: memref<?x16xf32>
// CHECK: scf.for %[[I:.*]] = %{{.*}}
// CHECK: scf.for %[[K:.*]] = %{{.*}}
// CHECK: scf.for %[[J:.*]] = %{{.*}}
// CHECK: memref.load %[[A]][%[[I]], %[[K]]]
// CHECK: memref.load %[[B]][%[[K]], %[[J]]]
// CHECK: memref.store %{{.*}}, %[[C]][%[[I]], %[[J]]]
// CHECK: } {llvm.loop_annotation
func.func @matmul(%a: memref<?x8xf32>, %b: memref<8x16xf32>, %c: memref<?x16xf32>, %env: !tern.environment) {
  linalg.matmul ins(%a, %b : memref<?x8xf32>, memref<8x16xf32>) outs(%c : memref<?x16xf32>)
  return
}

// -----

// With the other operand transposed there is no such loop.
// CHECK-LABEL: func.func @transposed
// CHECK-NOT: llvm.loop_annotation
// CHECK: return
func.func @transposed(%a: memref<?x8xf32>, %b: memref<16x8xf32>, %c: memref<?x16xf32>, %env: !tern.environment) {
  linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (j, k)>, affine_map<(i, j, k) -> (i, j)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<?x8xf32>, memref<16x8xf32>) outs(%c : memref<?x16xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %r = arith.mulf %p, %q : f32
    %s = arith.addf %o, %r : f32
    linalg.yield %s : f32
  }
  return
}

// -----

// One row: the columns are shared, in pieces.
// CHECK-LABEL: func.func @row
// CHECK: tern.thread_range %{{.*}}, %{{.*}} step 64
func.func @row(%x: memref<1x1024xf32>, %y: memref<1x1024xf32>, %env: !tern.environment) {
  linalg.exp ins(%x : memref<1x1024xf32>) outs(%y : memref<1x1024xf32>)
  return
}

// -----

// A sum of everything is one thread's.
// CHECK-LABEL: func.func @sum
// CHECK: %[[BEGIN:.*]], %[[END:.*]] = tern.thread_range %{{.*}}, %c1 step 1
// CHECK: scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
// CHECK: scf.for
// CHECK: tern.barrier
func.func @sum(%x: memref<?xf32>, %y: memref<f32>, %env: !tern.environment) {
  linalg.reduce {arith.addf} ins(%x : memref<?xf32>) outs(%y : memref<f32>) dimensions = [0]
  return
}

// -----

// All threads have read when one writes.
// CHECK-LABEL: func.func @increment
// CHECK: memref.load
// CHECK: tern.barrier
// CHECK: tern.thread_range
// CHECK: memref.store
// CHECK: tern.barrier
func.func @increment(%x: memref<4xf32>, %env: !tern.environment) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %a = memref.load %x[%c0] : memref<4xf32>
  %b = arith.addf %a, %one : f32
  memref.store %b, %x[%c0] : memref<4xf32>
  return
}

// -----

// All threads have loaded when one writes in place.
// CHECK-LABEL: func.func @scaled
// CHECK: memref.load
// CHECK-NEXT: tern.barrier
// CHECK: scf.for
func.func @scaled(%x: memref<?xf32>, %env: !tern.environment) {
  %c0 = arith.constant 0 : index
  %a = memref.load %x[%c0] : memref<?xf32>
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%x : memref<?xf32>) {
  ^bb0(%v: f32):
    %r = arith.divf %v, %a : f32
    linalg.yield %r : f32
  }
  return
}

// -----

// Copies of whole rows are left to convert-tern-to-vector.
// CHECK-LABEL: func.func @copies
// CHECK: memref.copy
// CHECK: tern.thread_range
// CHECK-NOT: memref.copy
func.func @copies(%a: memref<?x16xf32>, %b: memref<?x16xf32>, %c: memref<16x?xf32>, %d: memref<16x?xf32>, %env: !tern.environment) {
  memref.copy %a, %b : memref<?x16xf32> to memref<?x16xf32>
  memref.copy %c, %d : memref<16x?xf32> to memref<16x?xf32>
  return
}

// -----

// expected-error @below {{expected an argument of type !tern.environment; run tern-bufferize first}}
func.func @no_environment(%x: memref<4xf32>, %y: memref<4xf32>) {
  linalg.exp ins(%x : memref<4xf32>) outs(%y : memref<4xf32>)
  return
}

// -----

func.func @tensors(%x: tensor<4xf32>, %env: !tern.environment) -> tensor<4xf32> {
  // expected-error @below {{expected the buffer form; run tern-bufferize first}}
  %y = linalg.exp ins(%x : tensor<4xf32>) outs(%x : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
