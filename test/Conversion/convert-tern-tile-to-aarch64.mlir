// RUN: ternac-opt %s --convert-tern-tile-to-aarch64 --split-input-file --verify-diagnostics | FileCheck %s

// Rows that fill a slot of four are multiplied in tiles; fewer are left to dot.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "int8_dot", "aarch64_sdot", "tile_matmul", "register_tiles", "aarch64_smmla"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @tiles
  // CHECK: %[[C4:.*]] = arith.constant 4 : index
  // CHECK: %[[FULL:.*]] = arith.cmpi uge, %{{.*}}, %[[C4]]
  // CHECK: scf.if %[[FULL]]
  // CHECK: call @tern_matmul_tile_tile2_32x64(
  // CHECK: } else {
  // CHECK: tern.matmul {{.*}} config = #tern.lowering_config<strategy = dot>
  // CHECK: func.func private @tern_matmul_tile_tile2_32x64(
  // Each row's 8 columns are brought together.
  // CHECK: vector.shuffle %{{.*}} [0, 4, 1, 5] : vector<4xi32>, vector<4xi32>
  // CHECK: vector.shuffle %{{.*}} [2, 6, 3, 7] : vector<4xi32>, vector<4xi32>
  // CHECK: scf.for {{.*}} -> ({{((vector<4xi32>(, )?){16})}}) {
  // CHECK-COUNT-16: llvm.call_intrinsic "llvm.aarch64.neon.smmla.v4i32.v16i8"(%{{.*}}) : (vector<4xi32>, vector<16xi8>, vector<16xi8>)
  // CHECK-NOT: smmla
  // CHECK: scf.yield
  func.func @tiles(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

// A register of 256 bits has two tiles: 32 rows of the matrix at a time.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "scalable_128", "int8_dot", "aarch64_sdot", "tile_matmul", "register_tiles", "aarch64_smmla"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @scalable
  // CHECK: func.func private @tern_matmul_tile_tile2_32x64(
  // CHECK: scf.for {{.*}} -> ({{((vector<8xi32>(, )?){16})}}) {
  // CHECK: llvm.call_intrinsic "llvm.aarch64.sve.dupq.lane.nxv16i8"(%{{.*}}) : (vector<[16]xi8>, i64) -> vector<[16]xi8>
  // CHECK-COUNT-16: llvm.call_intrinsic "llvm.aarch64.sve.smmla.nxv4i32"(%{{.*}}) : (vector<[4]xi32>, vector<[16]xi8>, vector<[16]xi8>)
  // CHECK-NOT: smmla
  // CHECK: scf.yield
  func.func @scalable(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

// Matmuls for other machines are not its business.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "int8_dot", "aarch64_sdot"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @incapable
  // CHECK: tern.matmul
  // CHECK-NOT: scf.if
  func.func @incapable(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "int8_dot", "aarch64_sdot", "tile_matmul", "register_tiles", "aarch64_smmla"], vector_bits = 128>} {
  func.func @rows(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<384xi8>, %y: memref<?x6xi32>, %env: !tern.environment) {
    // expected-error @+1 {{strategy 'tile' expected a packing of tiles of 16 rows by 4 bytes}}
    tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
      : (memref<?x256xi8>, memref<?xi32>, memref<384xi8>, memref<?x6xi32>) -> ()
    return
  }
}
