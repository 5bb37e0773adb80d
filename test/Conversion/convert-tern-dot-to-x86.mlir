// RUN: ternac-opt %s --convert-tern-dot-to-x86 --split-input-file --verify-diagnostics | FileCheck %s

// The instruction follows from the target's capability.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "x86_vnni_512"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @vnni_512
  // CHECK: %[[C48:.*]] = arith.constant 48 : index
  // CHECK: %[[MANY:.*]] = arith.cmpi uge, %{{.*}}, %[[C48]]
  // CHECK: scf.if %[[MANY]]
  // CHECK: call @tern_matmul_dot_tile2_32x64_many(
  // CHECK: } else {
  // CHECK: call @tern_matmul_dot_tile2_32x64(
  // Many rows: codes are unpacked first, and the sums of 6 rows by 64 outputs
  // carried.
  // CHECK: func.func private @tern_matmul_dot_tile2_32x64_many(
  // CHECK: vector.store %{{.*}} : memref<{{.*}}xi8>, vector<64xi8>
  // CHECK: scf.for {{.*}} -> (vector<16xi32>
  // CHECK-COUNT-24: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
  // CHECK-NOT: vpdpbusd
  // CHECK: func.func private @tern_matmul_dot_tile2_32x64(
  // CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}) : (vector<16xi32>,
  // CHECK-NOT: pmadd
  func.func @vnni_512(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "x86_vnni_256"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @vnni_256
  // CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"(%{{.*}}) : (vector<8xi32>,
  // CHECK-NOT: pmadd
  func.func @vnni_256(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "x86_maddubs_256"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @maddubs_256
  // CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%{{.*}}) : (vector<32xi8>, vector<32xi8>)
  // CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%{{.*}}) : (vector<16xi16>, vector<16xi16>)
  // CHECK-NOT: vpdpbusd
  func.func @maddubs_256(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<384xi8>, %y: memref<?x6xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
      : (memref<?x256xi8>, memref<?xi32>, memref<384xi8>, memref<?x6xi32>) -> ()
    return
  }
}

// -----

// Pairs of products are added in i16 while they fit: for eight blocks, where the
// upper of two digits is left in its place.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "x86_maddubs_256"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @pairs
  // CHECK: func.func private @tern_matmul_dot_tile2_16x256(
  // CHECK-DAG: %[[STEP:.*]] = arith.constant 128 : index
  // CHECK-DAG: %[[END:.*]] = arith.constant 256 : index
  // CHECK: scf.for %{{.*}} = %{{.*}} to %[[END]] step %[[STEP]]
  // CHECK: scf.for
  // CHECK: arith.addi %{{.*}} : vector<32xi16>
  // CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
  // CHECK: arith.shrsi %{{.*}} : vector<16xi32>
  func.func @pairs(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x256xi8>, memref<?xi32>, memref<1024xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "x86_madd_128"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @madd_128
  // CHECK: llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"(%{{.*}}) : (vector<8xi16>, vector<8xi16>)
  // CHECK-NOT: pmadd.ub
  func.func @madd_128(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "x86_maddubs_128"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @maddubs_128
  // CHECK: llvm.call_intrinsic "llvm.x86.ssse3.pmadd.ub.sw.128"(%{{.*}}) : (vector<16xi8>, vector<16xi8>)
  // CHECK: llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"(%{{.*}}) : (vector<8xi16>, vector<8xi16>)
  func.func @maddubs_128(%q: memref<?x80xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 80 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<base3, rows = 16, group = 4, blocks = 1>}
      : (memref<?x80xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

// Other strategies are not its business.

// CHECK-LABEL: func.func @add_sub
// CHECK: tern.matmul
func.func @add_sub(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
  return
}

// -----

// Nor are other machines; a function may have a target of its own.

// CHECK-LABEL: func.func @no_instruction
// CHECK: tern.matmul
// CHECK-LABEL: func.func @own_target
// CHECK-NOT: tern.matmul
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["fma"]>} {
  func.func @no_instruction(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
  func.func @own_target(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment)
      attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "x86_vnni_512"], vector_bits = 512>} {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}
