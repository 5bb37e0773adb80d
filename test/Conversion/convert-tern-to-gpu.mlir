// RUN: ternac-opt %s --convert-tern-to-gpu --canonicalize --cse --split-input-file --verify-diagnostics | FileCheck %s

// A block has rows, its threads have columns, four at a time; the host only asks
// for sizes.

// CHECK-LABEL: func.func @add
// CHECK-DAG: %[[COLUMNS:.*]] = arith.constant 16 : index
// CHECK-DAG: %[[THREADS:.*]] = arith.constant 64 : index
// CHECK: %[[ROWS:.*]] = memref.dim
// CHECK: %[[BLOCKS:.*]] = arith.minui %[[ROWS]]
// CHECK: gpu.launch blocks(%[[BLOCK:.*]], %{{.*}}, %{{.*}}) in (%[[GRID:.*]] = %[[BLOCKS]], {{.*}}) threads(%[[THREAD:.*]], %{{.*}}, %{{.*}}) in (%{{.*}} = %[[THREADS]]
// CHECK: scf.for %[[ROW:.*]] = %[[BLOCK]] to %[[ROWS]] step %[[GRID]]
// CHECK: %[[FIRST:.*]] = arith.muli %[[THREAD]], %c4
// CHECK: scf.for %[[COLUMN:.*]] = %[[FIRST]] to %[[COLUMNS]] step %c256
// CHECK: vector.load %{{.*}}[%[[ROW]], %[[COLUMN]]] {alignment = 16 : i64} : memref<?x16xf32>, vector<4xf32>
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

// Rows that are not of whole vectors are read one number at a time, and numbers
// that are not aligned too.

// CHECK-LABEL: func.func @odd
// CHECK: scf.for %{{.*}} to %c15 step %c64
// CHECK: vector.load %{{.*}} : memref<?x15xf32>, vector<1xf32>
// CHECK: gpu.launch
// CHECK: %[[FIRST:.*]] = memref.load %{{.*}} : memref<?x16xf32, strided<[33, 1]>>
// CHECK: vector.from_elements %[[FIRST]]
func.func @odd(%a: memref<?x15xf32>, %b: memref<?x16xf32, strided<[33, 1]>>, %env: !tern.environment) {
  tern.add %a, %a into %a : (memref<?x15xf32>, memref<?x15xf32>, memref<?x15xf32>) -> ()
  tern.add %b, %b into %b : (memref<?x16xf32, strided<[33, 1]>>, memref<?x16xf32, strided<[33, 1]>>, memref<?x16xf32, strided<[33, 1]>>) -> ()
  return
}

// -----

// One thread stores what all have the same.

// CHECK-LABEL: func.func @quantize
// CHECK: %[[IS_FIRST:.*]] = arith.cmpi eq, %{{.*}}, %c0
// CHECK: scf.if %[[IS_FIRST]]
// CHECK-NEXT: memref.store %{{.*}} : memref<?xf32>
// CHECK: scf.if %[[IS_FIRST]]
// CHECK-NEXT: memref.store %{{.*}} : memref<?xi32>
func.func @quantize(%x: memref<?x16xf32>, %q: memref<?x16xi8>, %step: memref<?xf32>, %sum: memref<?xi32>, %env: !tern.environment) {
  tern.quantize %x into %q, %step, %sum : (memref<?x16xf32>, memref<?x16xi8>, memref<?xf32>, memref<?xi32>) -> ()
  return
}

// -----

// Ops of a group are one kernel, after the last view that any of them needs.

// CHECK-LABEL: func.func @group
// CHECK: memref.view
// CHECK: gpu.launch
// CHECK: arith.addf
// CHECK: vector.store
// CHECK: gpu.barrier
// CHECK: math.sqrt
// CHECK: {tern.kernel = "tern_add_rms_norm"}
// CHECK-NOT: gpu.launch
func.func @group(%a: memref<?x16xf32>, %n: index, %w: memref<?xi8>, %env: !tern.environment) {
  %c0 = arith.constant 0 : index
  tern.add %a, %a into %a {tern.row_group = 3 : i64} : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  %g = memref.view %w[%n][] : memref<?xi8> to memref<16xf32>
  tern.rms_norm %a, %g into %a {eps = 1.0 : f32, tern.row_group = 3 : i64} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// Where threads exchange values in subgroups, blocks have as many threads as
// pay, and one number of each subgroup goes through the memory of the block.
// Heads of a row are the subgroups'.

module attributes {tern.target = #tern.target<name = "some", capabilities = ["subgroup_32"], vector_bits = 32>} {
  // CHECK-LABEL: func.func @wide
  // CHECK: gpu.launch {{.*}} threads({{.*}}) in (%{{.*}} = %c640, {{.*}}) workgroup(%[[SHARED:.*]] : memref<32xf32, #gpu.address_space<workgroup>>)
  // CHECK-COUNT-5: gpu.shuffle xor
  // CHECK: memref.store %{{.*}}, %[[SHARED]]
  // CHECK: gpu.barrier
  // CHECK: memref.load %[[SHARED]]
  // CHECK-COUNT-5: gpu.shuffle xor
  // CHECK: gpu.barrier
  func.func @wide(%a: memref<?x2560xf32>, %g: memref<2560xf32>, %env: !tern.environment) {
    tern.rms_norm %a, %g into %a {eps = 1.0 : f32} : (memref<?x2560xf32>, memref<2560xf32>, memref<?x2560xf32>) -> ()
    return
  }

  // CHECK-LABEL: func.func @rope
  // CHECK: gpu.launch {{.*}} threads(%[[THREAD:.*]], %{{.*}}, %{{.*}}) in (%{{.*}} = %c128
  // CHECK-DAG: %[[SUBGROUP:.*]] = arith.divui %[[THREAD]], %c32
  // CHECK-DAG: %[[LANE:.*]] = arith.remui %[[THREAD]], %c32
  // CHECK: scf.for %{{.*}} = %[[SUBGROUP]] to %c8 step %c4
  func.func @rope(%x: memref<?x512xf32>, %p: memref<?xi32>, %t: memref<256x64xf32>, %env: !tern.environment) {
    tern.rope %x, %p, %t into %x : (memref<?x512xf32>, memref<?xi32>, memref<256x64xf32>, memref<?x512xf32>) -> ()
    return
  }
}

// -----

// Attention reads the cache by its block table: the arguments of the function
// that stand for it. If rows are few, chunks of positions are blocks', whose
// results a kernel of rows merges; whether they are is for the number of rows.
// Of many rows, tiles of one sequence are blocks', and the rows of other tiles.

// CHECK-LABEL: func.func @attention
// CHECK-SAME: %[[Q:.*]]: memref<?x16xf32>, %[[POOL:.*]]: memref<?xf16>, %[[TABLE:.*]]: memref<?x?xi32>
// CHECK: %[[ROWS:.*]] = memref.dim %[[Q]], %c0
// CHECK: memref.dim %[[TABLE]], %c1
// CHECK: arith.cmpi ult, %[[ROWS]], %c33
// CHECK: scf.if
// CHECK: gpu.launch
// CHECK: memref.load %[[TABLE]]
// CHECK: vector.load %[[POOL]]
// CHECK: {tern.kernel = "tern_attention_chunk"}
// CHECK: else
// CHECK: gpu.launch
// CHECK: arith.xori
// CHECK: %[[SPLIT:.*]] = arith.cmpi ugt, %{{.*}}, %c0
// CHECK: scf.if %[[SPLIT]]
// CHECK: {tern.kernel = "tern_attention_rows"}
// CHECK: gpu.launch
// CHECK: arith.xori
// CHECK: %[[WHOLE:.*]] = arith.cmpi ult, %{{.*}}, %c1
// CHECK: scf.if %[[WHOLE]]
// CHECK: vector.load %[[POOL]]
// CHECK: {tern.kernel = "tern_attention_tile"}
// CHECK: gpu.launch
// CHECK-NOT: memref<?xf16>
// CHECK: {tern.kernel = "tern_attention_merge"}
func.func @attention(%q: memref<?x16xf32>, %c: !tern.kv_cache<1x2x8xf16>, %l: index, %p: memref<?xi32>, %s: memref<?xi32>, %y: memref<?x16xf32>, %a: memref<?x160xf32>, %b: memref<1003520xf32>, %env: !tern.environment) {
  tern.attention %q, %c[%l] at %p of %s into %y, %a, %b : (memref<?x16xf32>, !tern.kv_cache<1x2x8xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x16xf32>, memref<?x160xf32>, memref<1003520xf32>) -> ()
  return
}

// -----

func.func @long_heads(%q: memref<?x514xf32>, %c: !tern.kv_cache<1x1x514xf16>, %l: index, %p: memref<?xi32>, %s: memref<?xi32>, %y: memref<?x514xf32>, %a: memref<?x80xf32>, %b: memref<9608192xf32>, %env: !tern.environment) {
  // expected-error@+1 {{has no lowering to kernels for heads of 514 columns}}
  tern.attention %q, %c[%l] at %p of %s into %y, %a, %b : (memref<?x514xf32>, !tern.kv_cache<1x1x514xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x514xf32>, memref<?x80xf32>, memref<9608192xf32>) -> ()
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

// -----

// Few rows: the host chooses a kernel by their number. Bytes of four tiles are
// on their way before the first is used, codes stay at their place.

// CHECK-LABEL: func.func @dot
// CHECK: %[[IS_ONE:.*]] = arith.cmpi ule
// CHECK: scf.if %[[IS_ONE]]
// CHECK: gpu.launch
// CHECK-SAME: threads({{.*}}) in (%{{.*}} = %c128
// CHECK-COUNT-4: vector.load %{{.*}} {alignment = 16 : i64} : memref<8192xi8>, vector<16xi8>
// CHECK-NOT: memref<8192xi8>
// CHECK: vector.load {{.*}} : memref<?x2048xi8>, vector<16xi8>
// CHECK: arith.andi %{{.*}}, %c50529027_i32
// CHECK-COUNT-64: tern.dot4
// CHECK-COUNT-12: gpu.shuffle xor
// CHECK: gpu.barrier
// CHECK: arith.subi
// CHECK: arith.sitofp
// CHECK: {tern.kernel = "tern_matmul_dot_tile2_16x2048"}
// CHECK: } else {
// CHECK: {tern.kernel = "tern_matmul_dot_tile2_16x2048"}
module attributes {tern.target = #tern.target<name = "example", capabilities = ["int8_dot", "subgroup_32"]>} {
  func.func @dot(%q: memref<?x2048xi8>, %sum: memref<?xi32>, %w: memref<8192xi8>, %step: memref<?xf32>, %scale: memref<1xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w rescale %step, %scale into %y {cols = 2048 : i64, segments = array<i64: 16>, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : (memref<?x2048xi8>, memref<?xi32>, memref<8192xi8>, memref<?xf32>, memref<1xf32>, memref<?x16xf32>) -> ()
    return
  }
}

// -----

// Without a dot product or subgroups: products, and sums through the memory of
// the block.

// CHECK-LABEL: func.func @dot_of_base3
// CHECK: gpu.launch
// CHECK-SAME: workgroup(%{{.*}} : memref<512xi32, #gpu.address_space<workgroup>>)
// CHECK: vector.load {{.*}} : memref<1024xi8>, vector<16xi8>
// CHECK-COUNT-5: vector.load {{.*}} : memref<?x320xi8>, vector<4xi8>
// CHECK-NOT: tern.dot4
// CHECK-NOT: gpu.shuffle
// CHECK: {tern.kernel = "tern_matmul_dot_base3b16_16x320"}
func.func @dot_of_base3(%q: memref<?x320xi8>, %sum: memref<?xi32>, %w: memref<1024xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 320 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<base3, rows = 16, group = 4, blocks = 16>} : (memref<?x320xi8>, memref<?xi32>, memref<1024xi8>, memref<?x16xi32>) -> ()
  return
}

// -----

// Many rows: weights to registers, activations to the memory of the block.

// CHECK-LABEL: func.func @tile
// CHECK: gpu.launch
// CHECK-SAME: workgroup(%[[STAGED:.*]] : memref<1280xvector<4xi32>, #gpu.address_space<workgroup>>)
// CHECK-COUNT-4: vector.load {{.*}} : memref<3072xi8>, vector<16xi8>
// CHECK: gpu.barrier
// CHECK: memref.store %{{.*}}, %[[STAGED]]
// CHECK: gpu.barrier
// CHECK: memref.load %[[STAGED]]
// CHECK: tern.dot_tile %{{.*}}, %{{.*}}, %{{.*}} : vector<4xi32>, vector<2xi32>, vector<4xi32>
// CHECK: {tern.kernel = "tern_matmul_tile_tile2_40x256"}
func.func @tile(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<3072xi8>, %y: memref<?x40xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = tile>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : (memref<?x256xi8>, memref<?xi32>, memref<3072xi8>, memref<?x40xi32>) -> ()
  return
}

// -----

func.func @slice(%q: memref<?x64xi8, strided<[80, 1], offset: 1>>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
  // expected-error@+1 {{'tern.matmul' op expected rows of q of whole words, but got 'memref<?x64xi8, strided<[80, 1], offset: 1>>'}}
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 4>} : (memref<?x64xi8, strided<[80, 1], offset: 1>>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  return
}

// -----

func.func @packing(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<128xi8>, %y: memref<?x8xi32>, %env: !tern.environment) {
  // expected-error@+1 {{'tern.matmul' op expected a packing that kernels of strategy 'dot' read, but got 'bits2r8g16'}}
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 8, group = 16, blocks = 1>} : (memref<?x64xi8>, memref<?xi32>, memref<128xi8>, memref<?x8xi32>) -> ()
  return
}

// -----

// The head: each thread loads from four rows of W before it adds low and high
// bytes of x.

// CHECK-LABEL: func.func @head
// CHECK: gpu.launch
// CHECK-COUNT-4: vector.load {{.*}} : memref<64x512xi8>, vector<16xi8>
// CHECK-COUNT-2: vector.load {{.*}} : memref<?x512xi16>, vector<8xi16>
// CHECK: tern.dot4 %
// CHECK: tern.dot4 signed %
// CHECK: {tern.kernel = "tern_linear"}
module attributes {tern.target = #tern.target<name = "example", capabilities = ["int8_dot"]>} {
  func.func @head(%x: memref<?x512xi16>, %w: memref<64x512xi8>, %step: memref<?xf32>, %scale: memref<64xf32>, %y: memref<?x64xf32>, %env: !tern.environment) {
    tern.linear %x, %w step %step scaled %scale into %y : (memref<?x512xi16>, memref<64x512xi8>, memref<?xf32>, memref<64xf32>, memref<?x64xf32>) -> ()
    return
  }
}
