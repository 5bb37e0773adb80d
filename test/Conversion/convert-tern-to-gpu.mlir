// RUN: ternac-opt %s --convert-tern-to-gpu --canonicalize --cse --split-input-file --verify-diagnostics | FileCheck %s

// A block has rows, its threads have columns; the host only asks for sizes.

// CHECK-LABEL: func.func @add
// CHECK-DAG: %[[COLUMNS:.*]] = arith.constant 16 : index
// CHECK-DAG: %[[THREADS:.*]] = arith.constant 64 : index
// CHECK: %[[ROWS:.*]] = memref.dim
// CHECK: %[[BLOCKS:.*]] = arith.minui %[[ROWS]]
// CHECK: gpu.launch blocks(%[[BLOCK:.*]], %{{.*}}, %{{.*}}) in (%[[GRID:.*]] = %[[BLOCKS]], {{.*}}) threads(%[[THREAD:.*]], %{{.*}}, %{{.*}}) in (%{{.*}} = %[[THREADS]]
// CHECK: scf.for %[[ROW:.*]] = %[[BLOCK]] to %[[ROWS]] step %[[GRID]]
// CHECK: scf.for %[[COLUMN:.*]] = %[[THREAD]] to %[[COLUMNS]] step %[[THREADS]]
// CHECK: vector.load %{{.*}}[%[[ROW]], %[[COLUMN]]]
// CHECK: {tern.kernel = "tern_add"}
func.func @add(%a: memref<?x16xf32>, %env: !tern.environment) {
  tern.add %a, %a into %a : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// A number of the result is a block's. No product but of the scales: trits
// select what is added and subtracted, and threads add up through the memory
// of their block.

// CHECK-LABEL: func.func @matmul
// CHECK: %[[NUMBERS:.*]] = arith.muli %{{.*}}, %{{.*}} : index
// CHECK: gpu.launch {{.*}} workgroup(%[[SHARED:.*]] : memref<64xi32, #gpu.address_space<workgroup>>)
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[NUMBERS]]
// CHECK: scf.for
// CHECK-COUNT-4: arith.subi
// CHECK-NOT: arith.subi
// CHECK: memref.store %{{.*}}, %[[SHARED]]
// CHECK: gpu.barrier
// CHECK: %[[SUM:.*]] = memref.load %[[SHARED]][%c0]
// CHECK: %[[FIRST:.*]] = arith.cmpi eq
// CHECK: scf.if %[[FIRST]]
// CHECK: arith.sitofp %[[SUM]]
// CHECK-COUNT-2: arith.mulf
// CHECK: {tern.kernel = "tern_matmul_add_sub_bits2r8g16_8x64"}
func.func @matmul(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<128xi8>, %step: memref<?xf32>, %scale: memref<2xf32>, %y: memref<?x8xf32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w rescale %step, %scale into %y {cols = 64 : i64, segments = array<i64: 3, 5>, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 8, group = 16, blocks = 1>} : (memref<?x64xi8>, memref<?xi32>, memref<128xi8>, memref<?xf32>, memref<2xf32>, memref<?x8xf32>) -> ()
  return
}

// -----

// Attention reads the cache by its block table: the arguments of the function
// that stand for it.

// CHECK-LABEL: func.func @attention
// CHECK-SAME: %{{.*}}: memref<?x16xf32>, %[[POOL:.*]]: memref<?xf16>, %[[TABLE:.*]]: memref<?x?xi32>
// CHECK: gpu.launch
// CHECK: memref.load %[[TABLE]]
// CHECK: vector.load %[[POOL]]
// CHECK: {tern.kernel = "tern_attention"}
func.func @attention(%q: memref<?x16xf32>, %c: !tern.kv_cache<1x2x8xf16>, %l: index, %p: memref<?xi32>, %s: memref<?xi32>, %y: memref<?x16xf32>, %a: memref<?x160xf32>, %b: memref<1003520xf32>, %env: !tern.environment) {
  tern.attention %q, %c[%l] at %p of %s into %y, %a, %b : (memref<?x16xf32>, !tern.kv_cache<1x2x8xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x16xf32>, memref<?x160xf32>, memref<1003520xf32>) -> ()
  return
}

// -----

func.func @dot(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<128xi8>, %y: memref<?x8xi32>, %env: !tern.environment) {
  // expected-error@+1 {{has no lowering to kernels for strategy 'dot'}}
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 8, group = 16, blocks = 1>} : (memref<?x64xi8>, memref<?xi32>, memref<128xi8>, memref<?x8xi32>) -> ()
  return
}

// -----

// expected-error@+1 {{expected an argument of type !tern.environment; run tern-bufferize first}}
func.func @no_environment(%a: memref<?x16xf32>) {
  tern.add %a, %a into %a : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

func.func @value_form(%a: tensor<?x16xf32>, %env: !tern.environment) -> tensor<?x16xf32> {
  // expected-error@+1 {{expected the buffer form; run tern-bufferize first}}
  %y = tern.add %a, %a : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
