// RUN: ternac-opt %s --convert-tern-dot-to-aarch64 --split-input-file --verify-diagnostics | FileCheck %s

// The instruction follows from the target's capability. Many rows: the sums of
// four rows by 16 outputs are carried in 16 registers.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "int8_dot", "aarch64_sdot"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @sdot
  // CHECK: %[[C17:.*]] = arith.constant 17 : index
  // CHECK: arith.cmpi uge, %{{.*}}, %[[C17]]
  // CHECK: func.func private @tern_matmul_dot_tile2_32x64_many(
  // CHECK: scf.for {{.*}} -> (vector<16xi32>, vector<16xi32>, vector<16xi32>, vector<16xi32>)
  // CHECK-COUNT-16: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%{{.*}}) : (vector<4xi32>, vector<16xi8>, vector<16xi8>)
  // CHECK-NOT: sdot
  // CHECK: func.func private @tern_matmul_dot_tile2_32x64(
  // Three digits in their place, the highest moved; each with its own sum.
  // CHECK-DAG: %[[C3:.*]] = arith.constant dense<3> : vector<64xi8>
  // CHECK-DAG: %[[C12:.*]] = arith.constant dense<12> : vector<64xi8>
  // CHECK-DAG: %[[C48:.*]] = arith.constant dense<48> : vector<64xi8>
  // CHECK-DAG: %[[C6:.*]] = arith.constant dense<6> : vector<64xi8>
  // CHECK: arith.andi %[[W:.*]], %{{.*}} : vector<64xi8>
  // CHECK: arith.andi %[[W]], %{{.*}} : vector<64xi8>
  // CHECK: arith.andi %[[W]], %{{.*}} : vector<64xi8>
  // CHECK: arith.shrui %[[W]], %{{.*}} : vector<64xi8>
  // CHECK-COUNT-16: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
  // CHECK-NOT: sdot
  // CHECK: arith.shrsi %{{.*}} : vector<16xi32>
  // CHECK: arith.shrsi
  // CHECK-NOT: arith.shrsi
  // CHECK: return
  func.func @sdot(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

// Registers of 256 bits are scalable vectors of whatever the host has.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "scalable_128", "int8_dot", "aarch64_sdot"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @scalable
  // CHECK: func.func private @tern_matmul_dot_tile2_32x64_many(
  // CHECK: vector.scalable.insert %{{.*}}, %{{.*}}[0] : vector<32xi8> into vector<[16]xi8>
  // CHECK: %[[Y:.*]] = llvm.call_intrinsic "llvm.aarch64.sve.sdot.nxv4i32"(%{{.*}}) : (vector<[4]xi32>, vector<[16]xi8>, vector<[16]xi8>) -> vector<[4]xi32>
  // CHECK: vector.scalable.extract %[[Y]][0] : vector<8xi32> from vector<[4]xi32>
  // CHECK-NOT: neon
  func.func @scalable(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "int8_dot", "aarch64_usdot"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @usdot
  // CHECK: llvm.call_intrinsic "llvm.aarch64.neon.usdot.v4i32.v16i8"(%{{.*}}) : (vector<4xi32>, vector<16xi8>, vector<16xi8>)
  // CHECK-NOT: neon.sdot
  func.func @usdot(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<384xi8>, %y: memref<?x6xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
      : (memref<?x256xi8>, memref<?xi32>, memref<384xi8>, memref<?x6xi32>) -> ()
    return
  }
}

// -----

// Without an instruction, products of words, which are summed in words while
// they fit: 127 of them, so those of 31 bytes and of 508 columns of a panel.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "int8_products"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @words
  // CHECK: func.func private @tern_matmul_dot_tile2_16x1280_many(
  // CHECK: %[[C508:.*]] = arith.constant 508 : index
  // CHECK: scf.for %{{.*}} to %[[C508]]
  // CHECK: arith.muli %{{.*}} : vector<64xi16>
  // CHECK: func.func private @tern_matmul_dot_tile2_16x1280(
  // CHECK: %[[C496:.*]] = arith.constant 496 : index
  // CHECK: scf.for %{{.*}} step %[[C496]]
  // CHECK: arith.extsi %{{.*}} : vector<64xi8> to vector<64xi16>
  // CHECK: arith.muli %{{.*}} : vector<64xi16>
  // CHECK: arith.extsi %{{.*}} : vector<16xi16> to vector<16xi32>
  // CHECK-NOT: call_intrinsic
  func.func @words(%q: memref<?x1280xi8>, %sum: memref<?xi32>, %w: memref<5120xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 1280 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x1280xi8>, memref<?xi32>, memref<5120xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

// Matmuls for other machines are not its business.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @other
  // CHECK: tern.matmul
  func.func @other(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["aarch64", "int8_dot", "aarch64_sdot"], vector_bits = 128>} {
  func.func @no_environment(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>) {
    // expected-error @+1 {{expected a function with an argument of type !tern.environment}}
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
    return
  }
}
