// RUN: ternac-opt %s --convert-tern-to-vector --canonicalize --cse --split-input-file | FileCheck %s

// The definition: scalar multiply and add in a function of its own.

// CHECK-LABEL: func.func @reference
// CHECK: tern.thread_range %{{.*}}, %{{.*}} step 1
// CHECK: call @tern_matmul_reference_i8_6x8(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}})
// CHECK: tern.barrier
func.func @reference(%q: memref<?x8xi8>, %sum: memref<?xi32>, %w: memref<48xi8>, %y: memref<?x6xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 8 : i64, config = #tern.lowering_config<strategy = reference>, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>}
    : (memref<?x8xi8>, memref<?xi32>, memref<48xi8>, memref<?x6xi32>) -> ()
  return
}
// CHECK: func.func private @tern_matmul_reference_i8_6x8(
// CHECK-COUNT-3: scf.for
// CHECK: arith.muli %{{.*}} : i32
// CHECK: arith.addi %{{.*}} : i32
// CHECK-NOT: tern.

// -----

// Without multiplication: nothing in the loops multiplies, not even an index.

// CHECK-LABEL: func.func @tile2
// CHECK: tern.thread_range %{{.*}}, %{{.*}} step 16
// CHECK: call @tern_matmul_add_sub_tile2_32x64(
func.func @tile2(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
  return
}
// CHECK: func.func private @tern_matmul_add_sub_tile2_32x64(
// CHECK: scf.for
// CHECK-NOT: arith.mul
// CHECK-NOT: arith.div
// CHECK: return

// -----

// CHECK-LABEL: func.func @row2
// CHECK: tern.thread_range %{{.*}}, %{{.*}} step 1
// CHECK: call @tern_matmul_add_sub_row2_6x256(
func.func @row2(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<384xi8>, %y: memref<?x6xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
    : (memref<?x256xi8>, memref<?xi32>, memref<384xi8>, memref<?x6xi32>) -> ()
  return
}
// CHECK: func.func private @tern_matmul_add_sub_row2_6x256(
// CHECK: scf.for
// CHECK-NOT: arith.mul
// CHECK: return

// -----

// One kernel per shape and layout; rows of q wider than it needs are another.

// CHECK-LABEL: func.func @variants
// CHECK: call @tern_matmul_add_sub_tile2_16x64(
// CHECK: call @tern_matmul_add_sub_tile2_16x64(
// CHECK: call @tern_matmul_add_sub_tile2_16x64_q128(
func.func @variants(%q: memref<?x64xi8>, %wide: memref<?x128xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  tern.matmul %wide, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x128xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  return
}
// CHECK-COUNT-2: func.func private @tern_matmul_
// CHECK-NOT: func.func private @tern_matmul_
