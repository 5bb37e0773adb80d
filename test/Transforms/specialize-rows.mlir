// RUN: ternac-opt %s --tern-specialize-rows --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @three
// CHECK: %[[ROWS:.*]] = memref.dim %arg0
// CHECK: %[[C16:.*]] = arith.constant 16
// CHECK: %[[MANY:.*]] = arith.cmpi ugt, %[[ROWS]], %[[C16]]
// CHECK: scf.if %[[MANY]]
// CHECK-NEXT: tern.matmul {{.*}} config = #tern.lowering_config<strategy = tile>
// CHECK: } else {
// CHECK: %[[C1:.*]] = arith.constant 1 :
// CHECK: %[[FEW:.*]] = arith.cmpi ugt, %[[ROWS]], %[[C1]]
// CHECK: scf.if %[[FEW]]
// CHECK-NEXT: tern.matmul {{.*}} config = #tern.lowering_config<strategy = dot>
// CHECK: } else {
// CHECK-NEXT: tern.matmul {{.*}} config = #tern.lowering_config<strategy = add_sub>
func.func @three(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>) {
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub, few = dot, many = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  return
}

// -----

// One row and several: one branch.
// CHECK-LABEL: func.func @two
// CHECK: arith.constant 1 :
// CHECK: scf.if
// CHECK-NEXT: tern.matmul {{.*}} config = #tern.lowering_config<strategy = tile>
// CHECK: } else {
// CHECK-NEXT: tern.matmul {{.*}} config = #tern.lowering_config<strategy = dot>
// CHECK-NOT: scf.if
func.func @two(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>) {
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot, few = tile, many = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  return
}

// -----

// CHECK-LABEL: func.func @uniform
// CHECK-NOT: scf.if
// CHECK: tern.matmul {{.*}} config = #tern.lowering_config<strategy = dot>
func.func @uniform(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>) {
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  return
}
