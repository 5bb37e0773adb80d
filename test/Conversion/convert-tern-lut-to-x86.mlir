// RUN: ternac-opt %s --convert-tern-lut-to-x86 --split-input-file --verify-diagnostics | FileCheck %s

// Base-3 bytes: two planes of 128 bytes each, the sign of a sum applied to both.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "byte_permute"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @permute
  // More than 7 rows of q, of a block of 16, are looked up side by side.
  // CHECK: %[[REST:.*]] = arith.remui %{{.*}}, %{{.*}} : index
  // CHECK: arith.cmpi ugt, %[[REST]], %[[C7:.*]] : index
  // CHECK: call @tern_matmul_lut_base3col_320x64_many(
  // CHECK: call @tern_build_tables_base3col_64(
  // CHECK: tern.barrier
  // CHECK: call @tern_matmul_lut_base3col_320x64(
  // CHECK: func.func private @tern_matmul_lut_base3col_320x64(
  // Four tiles share a table.
  // CHECK: scf.for
  // CHECK-COUNT-4: vector.load %{{.*}} : memref<?xi16>, vector<32xi16>
  // CHECK: memref.prefetch %{{.*}}, read, locality<2>, data : memref<4160xi8>
  // CHECK: math.absi %{{.*}} : vector<64xi8>
  // CHECK-COUNT-8: llvm.call_intrinsic "llvm.x86.avx512.vpermi2var.qi.512"(%{{.*}}, %{{.*}}, %{{.*}}) : (vector<64xi8>, vector<64xi8>, vector<64xi8>) -> vector<64xi8>
  // CHECK: scf.yield
  func.func @permute(%q: memref<?x65xi8>, %sum: memref<?xi32>, %w: memref<4160xi8>, %y: memref<?x320xi32>, %tables: memref<4x20480xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
      : (memref<?x65xi8>, memref<?xi32>, memref<4160xi8>, memref<?x320xi32>, memref<4x20480xi16>) -> ()
    return
  }
}

// -----

// The halves of two-bit bytes, on registers of the target's width.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "byte_shuffle"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @shuffle_512
  // CHECK: func.func private @tern_matmul_lut_tile2col_64x64(
  // CHECK: llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%{{.*}}, %{{.*}}) : (vector<64xi8>, vector<64xi8>) -> vector<64xi8>
  // CHECK-NOT: tern.matmul
  func.func @shuffle_512(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "byte_shuffle"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @shuffle_256
  // CHECK: func.func private @tern_matmul_lut_tile2col_64x64(
  // CHECK: llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"(%{{.*}}, %{{.*}}) : (vector<32xi8>, vector<32xi8>) -> vector<32xi8>
  // CHECK-NOT: tern.matmul
  func.func @shuffle_256(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "byte_shuffle"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @shuffle_128
  // CHECK: func.func private @tern_matmul_lut_tile2col_64x64(
  // CHECK: llvm.call_intrinsic "llvm.x86.ssse3.pshuf.b.128"(%{{.*}}, %{{.*}}) : (vector<16xi8>, vector<16xi8>) -> vector<16xi8>
  // CHECK-NOT: tern.matmul
  func.func @shuffle_128(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

// What has no registers to suit is left to the generic lowering.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "byte_shuffle"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @no_permute
  // CHECK: tern.matmul
  func.func @no_permute(%q: memref<?x65xi8>, %sum: memref<?xi32>, %w: memref<832xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
      : (memref<?x65xi8>, memref<?xi32>, memref<832xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = [], vector_bits = 512>} {
  // CHECK-LABEL: func.func @nothing
  // CHECK: tern.matmul
  func.func @nothing(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "byte_shuffle"], vector_bits = 128>} {
  func.func @no_environment(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>) {
    // expected-error@+1 {{expected a function with an argument of type !tern.environment}}
    tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<1024xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
    return
  }
}
