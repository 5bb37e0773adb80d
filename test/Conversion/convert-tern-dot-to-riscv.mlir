// RUN: ternac-opt %s --convert-tern-dot-to-riscv --split-input-file | FileCheck %s

// Products of bytes are added to words, one for each byte of a block, and four of these become an i32.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["riscv", "int8_products", "vector_registers_32", "unknown_vector_length"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @products
  // CHECK: call @tern_matmul_dot_tile2_16x64_many(
  // CHECK: call @tern_matmul_dot_tile2_16x64(
  // CHECK: func.func private @tern_matmul_dot_tile2_16x64_many(
  // CHECK: func.func private @tern_matmul_dot_tile2_16x64(
  // CHECK: %[[CODES:.*]] = arith.extsi %{{.*}} : vector<64xi8> to vector<64xi16>
  // CHECK: %[[X:.*]] = arith.extsi %{{.*}} : vector<64xi8> to vector<64xi16>
  // CHECK: %[[PRODUCTS:.*]] = arith.muli %[[CODES]], %[[X]] : vector<64xi16>
  // CHECK: arith.addi %{{.*}}, %[[PRODUCTS]] : vector<64xi16>
  // CHECK-NOT: tern.matmul
  func.func @products(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_products"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @other_family
  // CHECK: tern.matmul
  func.func @other_family(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
    return
  }
}
