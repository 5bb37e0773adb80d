// RUN: ternac-opt %s --convert-tern-lut-to-aarch64 --split-input-file | FileCheck %s

// 64 rows share the loading of a table: two look-ups of each half of a byte in
// each of four registers.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "byte_shuffle"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @neon
  // CHECK: func.func private @tern_matmul_lut_tile2col_64x64(
  // CHECK-COUNT-16: llvm.call_intrinsic "llvm.aarch64.neon.tbl1.v16i8"(%{{.*}}, %{{.*}}) : (vector<16xi8>, vector<16xi8>) -> vector<16xi8>
  // CHECK-NOT: tern.matmul
  func.func @neon(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "byte_shuffle", "scalable_128"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @sve
  // CHECK: func.func private @tern_matmul_lut_tile2col_64x64(
  // CHECK: vector.scalable.insert %{{.*}} : vector<32xi8> into vector<[16]xi8>
  // CHECK: llvm.call_intrinsic "llvm.aarch64.sve.tbl.nxv16i8"(%{{.*}}, %{{.*}}) : (vector<[16]xi8>, vector<[16]xi8>) -> vector<[16]xi8>
  // CHECK-NOT: neon
  func.func @sve(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

// Tables of base-3 bytes are left to the generic lowering.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "byte_shuffle"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @base3
  // CHECK: tern.matmul
  func.func @base3(%q: memref<?x65xi8>, %sum: memref<?xi32>, %w: memref<832xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
      : (memref<?x65xi8>, memref<?xi32>, memref<832xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

// So are those for other machines.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["byte_shuffle"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @other
  // CHECK: tern.matmul
  func.func @other(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}
