// RUN: ternac-opt %s --convert-tern-lut-to-riscv --split-input-file | FileCheck %s

// The halves of two-bit bytes, a register at a time; two of them share the tables.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["riscv", "byte_shuffle"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @gather_128
  // CHECK: func.func private @tern_matmul_lut_tile2col_64x64(
  // CHECK: %[[BYTES:.*]] = vector.load %{{.*}} : memref<1024xi8>, vector<16xi8>
  // CHECK: %[[LOW:.*]] = arith.andi %[[BYTES]], %{{.*}} : vector<16xi8>
  // CHECK: %[[ANY:.*]] = llvm.mlir.poison : vector<[8]xi8>
  // CHECK-DAG: %[[TABLE:.*]] = vector.scalable.insert %{{.*}}, %[[ANY]][0] : vector<16xi8> into vector<[8]xi8>
  // CHECK-DAG: %[[INDEX:.*]] = vector.scalable.insert %[[LOW]], %[[ANY]][0] : vector<16xi8> into vector<[8]xi8>
  // CHECK-DAG: %[[LANES:.*]] = llvm.mlir.constant(16 : i64) : i64
  // CHECK: %[[FOUND:.*]] = llvm.call_intrinsic "llvm.riscv.vrgather.vv"(%[[ANY]], %[[TABLE]], %[[INDEX]], %[[LANES]]) : (vector<[8]xi8>, vector<[8]xi8>, vector<[8]xi8>, i64) -> vector<[8]xi8>
  // CHECK: vector.scalable.extract %[[FOUND]][0] : vector<16xi8> from vector<[8]xi8>
  // CHECK-COUNT-7: llvm.call_intrinsic "llvm.riscv.vrgather.vv"
  // CHECK-NOT: tern.matmul
  func.func @gather_128(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

// Longer registers hold more bytes.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["riscv", "byte_shuffle"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @gather_256
  // CHECK: func.func private @tern_matmul_lut_tile2col_64x64(
  // CHECK: vector.scalable.insert %{{.*}} : vector<32xi8> into vector<[8]xi8>
  // CHECK-NOT: tern.matmul
  func.func @gather_256(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

// Scalars and other families are left alone.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["riscv"], vector_bits = 64>} {
  // CHECK-LABEL: func.func @scalar
  // CHECK: tern.matmul
  func.func @scalar(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["byte_shuffle"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @other_family
  // CHECK: tern.matmul
  func.func @other_family(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}
