// RUN: ternac-opt %s --convert-tern-tile-to-x86 --split-input-file --verify-diagnostics | FileCheck %s

// Two tiles of rows by two of codes; what the host does not grant is left to dot.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "tile_matmul", "x86_vnni_512", "x86_amx_int8"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @tiles
  // CHECK: %[[GRANTED:.*]] = tern.granted %{{.*}}, 1
  // CHECK: scf.if %[[GRANTED]]
  // CHECK: call @tern_matmul_tile_tile2_32x64(
  // CHECK: } else {
  // CHECK: tern.matmul {{.*}} config = #tern.lowering_config<strategy = dot>
  // CHECK: func.func private @tern_matmul_tile_tile2_32x64(
  // CHECK-COUNT-4: amx.tile_load {{.*}} into !amx.tile<16x16xi32>
  // CHECK: %[[X0:.*]] = amx.tile_load %{{.*}} into !amx.tile<16x64xi8>
  // CHECK: %[[W0:.*]] = amx.tile_load %{{.*}} into !amx.tile<16x64xi8>
  // CHECK: amx.tile_muli %[[X0]], %[[W0]] zext
  // CHECK: %[[W1:.*]] = amx.tile_load %{{.*}} into !amx.tile<16x64xi8>
  // CHECK: amx.tile_muli %[[X0]], %[[W1]] zext
  // CHECK: %[[X1:.*]] = amx.tile_load %{{.*}} into !amx.tile<16x64xi8>
  // CHECK: amx.tile_muli %[[X1]], %[[W0]] zext
  // CHECK: amx.tile_muli %[[X1]], %[[W1]] zext
  // CHECK-COUNT-4: amx.tile_store
  func.func @tiles(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

// Rows too wide to be copied: fewer than fill a tile are left to dot as well.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "tile_matmul", "x86_vnni_512", "x86_amx_int8"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @wide
  // CHECK: %[[GRANTED:.*]] = tern.granted
  // CHECK: %[[FULL:.*]] = arith.cmpi uge
  // CHECK: %[[CAN:.*]] = arith.andi %[[GRANTED]], %[[FULL]]
  // CHECK: scf.if %[[CAN]]
  func.func @wide(%q: memref<?x65600xi8>, %sum: memref<?xi32>, %w: memref<262400xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 65600 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x65600xi8>, memref<?xi32>, memref<262400xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

// Matmuls for other machines are not its business.

// CHECK-LABEL: func.func @incapable
// CHECK: tern.matmul
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "x86_vnni_512"], vector_bits = 512>} {
  func.func @incapable(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

// A tile reads 64 columns.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "tile_matmul", "x86_vnni_512", "x86_amx_int8"], vector_bits = 512>} {
  func.func @narrow(%q: memref<?x48xi8>, %sum: memref<?xi32>, %w: memref<192xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    // expected-error@+1 {{strategy 'tile' expected rows of q of at least 64 columns, but got 48}}
    tern.matmul %q, %sum, %w into %y {cols = 48 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x48xi8>, memref<?xi32>, memref<192xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "tile_matmul", "x86_vnni_512", "x86_amx_int8"], vector_bits = 512>} {
  func.func @rows(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<64xi8>, %y: memref<?x1xi32>, %env: !tern.environment) {
    // expected-error@+1 {{strategy 'tile' expected a packing of tiles of 16 rows by 4 bytes whose superblocks fit 640 columns (tile2, base3), but got}}
    tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
      : (memref<?x256xi8>, memref<?xi32>, memref<64xi8>, memref<?x1xi32>) -> ()
    return
  }
}
