// RUN: ternac-opt %s --convert-tern-to-vector=lanes=4 --split-input-file | FileCheck %s

// Every op becomes loops over this thread's share, then a barrier.

// CHECK-LABEL: func.func @add
// CHECK-SAME: %[[A:.*]]: memref<?x8xf32>, %[[B:.*]]: memref<?x8xf32>, %[[Y:.*]]: memref<?x8xf32>, %[[ENV:.*]]: !tern.environment
func.func @add(%a: memref<?x8xf32>, %b: memref<?x8xf32>, %y: memref<?x8xf32>, %env: !tern.environment) {
  // CHECK: tern.thread_range %[[ENV]]
  // CHECK: scf.for
  // CHECK-DAG: vector.load %[[A]]{{.*}} vector<4xf32>
  // CHECK-DAG: vector.load %[[B]]{{.*}} vector<4xf32>
  // CHECK: arith.addf %{{.*}} : vector<4xf32>
  // CHECK: vector.store %{{.*}}, %[[Y]]
  // CHECK: tern.barrier %[[ENV]]
  // CHECK-NOT: tern.add
  tern.add %a, %b into %y : (memref<?x8xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  return
}

// -----

// bf16 widens by a shift of its bits; f16 without the instruction as well.

// CHECK-LABEL: func.func @embedding
func.func @embedding(%t: memref<?xi32>, %e: memref<32x8xbf16>, %y: memref<?x8xf32>, %env: !tern.environment) {
  // CHECK: %[[TOKEN:.*]] = memref.load %{{.*}} : memref<?xi32>
  // CHECK: vector.load %{{.*}} : memref<32x8xbf16>, vector<4xbf16>
  // CHECK: vector.store %{{.*}} : memref<?x8xf32>, vector<4xf32>
  // CHECK: tern.barrier
  // CHECK-NOT: tern.embedding
  tern.embedding %t, %e into %y : (memref<?xi32>, memref<32x8xbf16>, memref<?x8xf32>) -> ()
  return
}

// -----

// CHECK-LABEL: func.func @gather_rows
func.func @gather_rows(%x: memref<?x8xf32>, %r: memref<?xi32>, %y: memref<?x8xf32>, %env: !tern.environment) {
  // CHECK: tern.thread_range
  // CHECK: memref.load %{{.*}} : memref<?xi32>
  // CHECK: vector.load
  // CHECK: vector.store
  // CHECK: tern.barrier
  // CHECK-NOT: tern.gather_rows
  tern.gather_rows %x, %r into %y : (memref<?x8xf32>, memref<?xi32>, memref<?x8xf32>) -> ()
  return
}

// -----

// CHECK-LABEL: func.func @rms_norm
func.func @rms_norm(%x: memref<?x8xf32>, %g: memref<8xf32>, %y: memref<?x8xf32>, %env: !tern.environment) {
  // CHECK: tern.thread_range
  // CHECK: scf.for
  // CHECK: vector.load
  // CHECK: math.sqrt
  // CHECK: vector.store
  // CHECK: tern.barrier
  // CHECK-NOT: tern.rms_norm
  tern.rms_norm %x, %g into %y {eps = 1.0 : f32} : (memref<?x8xf32>, memref<8xf32>, memref<?x8xf32>) -> ()
  return
}

// -----

// CHECK-LABEL: func.func @rope
func.func @rope(%x: memref<?x16xf32>, %p: memref<?xi32>, %t: memref<64x8xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
  // CHECK: tern.thread_range
  // CHECK: memref.load %{{.*}} : memref<?xi32>
  // CHECK: arith.subf
  // CHECK: tern.barrier
  // CHECK-NOT: tern.rope
  tern.rope %x, %p, %t into %y : (memref<?x16xf32>, memref<?xi32>, memref<64x8xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// CHECK-LABEL: func.func @relu2
func.func @relu2(%g: memref<?x8xf32>, %u: memref<?x8xf32>, %y: memref<?x8xf32>, %env: !tern.environment) {
  // CHECK: %[[POSITIVE:.*]] = arith.select %{{.*}} : vector<4xi1>, vector<4xf32>
  // CHECK: arith.mulf %[[POSITIVE]], %[[POSITIVE]] : vector<4xf32>
  // CHECK: tern.barrier
  // CHECK-NOT: tern.gate
  tern.gate <relu2> %g, %u into %y : (memref<?x8xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  return
}

// -----

// CHECK-LABEL: func.func @silu
func.func @silu(%g: memref<?x8xf32>, %u: memref<?x8xf32>, %y: memref<?x8xf32>, %env: !tern.environment) {
  // No call to expf: the exponential is a polynomial.
  // CHECK-NOT: math.exp
  // CHECK: arith.divf
  // CHECK-NOT: math.exp
  // CHECK: tern.barrier
  tern.gate <silu> %g, %u into %y : (memref<?x8xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  return
}

// -----

// CHECK-LABEL: func.func @linear
func.func @linear(%x: memref<?x8xf32>, %w: memref<6x8xf16>, %y: memref<?x6xf32>, %env: !tern.environment) {
  // CHECK: tern.thread_range
  // CHECK: vector.load %{{.*}} : memref<6x8xf16>, vector<4xf16>
  // CHECK: memref.store %{{.*}} : memref<?x6xf32>
  // CHECK: tern.barrier
  // CHECK-NOT: tern.linear
  tern.linear %x, %w into %y : (memref<?x8xf32>, memref<6x8xf16>, memref<?x6xf32>) -> ()
  return
}

// -----

// Several rows: two partial sums for each of three outputs and four rows.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["vector_registers_32"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @linear_blocks
  func.func @linear_blocks(%x: memref<?x32xf32>, %w: memref<6x32xbf16>, %y: memref<?x6xf32>, %env: !tern.environment) {
    // CHECK: } else {
    // CHECK: scf.for {{.*}} -> ({{((vector<4xf32>(, )?){24})}}) {
    tern.linear %x, %w into %y : (memref<?x32xf32>, memref<6x32xbf16>, memref<?x6xf32>) -> ()
    return
  }
}

// -----

// Full registers, without a slow tail: the last of 100 columns are the end of a
// whole vector, of whose 8 lanes 4 were there before.

module attributes {tern.target = #tern.target<name = "cpu", vector_bits = 128>} {
  // CHECK-LABEL: func.func @linear_int8
  func.func @linear_int8(%x: memref<?x100xi16>, %step: memref<?xf32>, %w: memref<6x100xi8>, %s: memref<6xf32>, %y: memref<?x6xf32>, %env: !tern.environment) {
    // CHECK: tern.thread_range
    // CHECK: memref.prefetch
    // CHECK: vector.load %{{.*}} : memref<6x100xi8>, vector<8xi8>
    // CHECK: arith.muli %{{.*}} : vector<8xi32>
    // CHECK: %[[LAST:.*]] = arith.constant 92 : index
    // CHECK: %[[END:.*]] = vector.load %{{.*}}[%{{.*}}, %[[LAST]]] : memref<?x100xi16>, vector<8xi16>
    // CHECK: %[[MASK:.*]] = arith.constant dense<[0, 0, 0, 0, -1, -1, -1, -1]> : vector<8xi16>
    // CHECK: arith.andi %[[END]], %[[MASK]] : vector<8xi16>
    // CHECK: vector.store %{{.*}} : memref<?x6xf32>, vector<1xf32>
    // CHECK: } else {
    // CHECK: vector.store %{{.*}} : memref<?x6xf32>, vector<2xf32>
    // CHECK: tern.barrier
    // CHECK-NOT: tern.linear
    tern.linear %x, %w step %step scaled %s into %y : (memref<?x100xi16>, memref<6x100xi8>, memref<?xf32>, memref<6xf32>, memref<?x6xf32>) -> ()
    return
  }
}

// -----

// Several rows: the sums of six outputs and four rows stay in registers; what
// is loaded for one is used by all, and weights are fetched once. Sums are added
// up together.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["vector_registers_32"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @linear_int8_blocks
  func.func @linear_int8_blocks(%x: memref<?x64xi16>, %step: memref<?xf32>, %w: memref<12x64xi8>, %s: memref<12xf32>, %y: memref<?x12xf32>, %env: !tern.environment) {
    // CHECK: tern.thread_range %{{.*}}, %{{.*}} step 6
    // CHECK: } else {
    // CHECK: scf.for {{.*}} -> ({{((vector<16xi32>(, )?){24})}}) {
    // CHECK: %[[FIRST:.*]] = arith.cmpi eq
    // CHECK-NEXT: scf.if %[[FIRST]] {
    // CHECK-COUNT-3: memref.prefetch
    // CHECK: }
    // CHECK-COUNT-4: vector.load %{{.*}} : memref<?x64xi16>, vector<32xi16>
    // CHECK: vector.load %{{.*}} : memref<12x64xi8>, vector<32xi8>
    // CHECK: arith.extsi %{{.*}} : vector<32xi8> to vector<32xi16>
    // CHECK-COUNT-4: arith.muli %{{.*}} : vector<32xi32>
    // CHECK: vector.load %{{.*}} : memref<12x64xi8>, vector<32xi8>
    // CHECK: scf.yield
    // CHECK: vector.load %{{.*}} : memref<12xf32>, vector<6xf32>
    // CHECK: vector.shuffle %{{.*}}, %{{.*}} [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23] : vector<16xi32>, vector<16xi32>
    // CHECK: vector.extract_strided_slice %{{.*}} {offsets = [18], sizes = [6], strides = [1]} : vector<24xi32> to vector<6xi32>
    // CHECK: vector.store %{{.*}} : memref<?x12xf32>, vector<6xf32>
    tern.linear %x, %w step %step scaled %s into %y : (memref<?x64xi16>, memref<12x64xi8>, memref<?xf32>, memref<12xf32>, memref<?x12xf32>) -> ()
    return
  }
}

// -----

// A lane is a row of the weight: nothing is summed across lanes.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["vector_registers_32"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @linear_int4
  func.func @linear_int4(%x: memref<?x64xi16>, %step: memref<?xf32>, %w: memref<1152xi8>, %y: memref<?x17xf32>, %env: !tern.environment) {
    // CHECK: tern.thread_range %{{.*}}, %{{.*}} step 1
    // CHECK: memref.prefetch
    // CHECK: vector.load %{{.*}} : memref<1152xi8>, vector<64xi8>
    // CHECK: arith.shrui %{{.*}} : vector<32xi16>
    // CHECK: arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
    // CHECK-NOT: vector.reduction
    // CHECK: vector.store %{{.*}} : memref<?x17xf32>, vector<16xf32>
    // CHECK: vector.store %{{.*}} : memref<?x17xf32>, vector<1xf32>
    tern.linear %x, %w step %step into %y : (memref<?x64xi16>, memref<1152xi8>, memref<?xf32>, memref<?x17xf32>) -> ()
    return
  }
}

// -----

// CHECK-LABEL: func.func @quantize
func.func @quantize(%x: memref<?x8xf32>, %g: memref<8xf32>, %q: memref<?x16xi8>, %step: memref<?xf32>, %sum: memref<?xi32>, %env: !tern.environment) {
  // CHECK: tern.thread_range
  // CHECK: math.absf
  // CHECK: vector.store %{{.*}} : memref<?x16xi8>
  // CHECK: tern.barrier
  // CHECK-NOT: tern.quantize
  tern.quantize %x norm %g into %q, %step, %sum {eps = 1.0 : f32} : (memref<?x8xf32>, memref<8xf32>, memref<?x16xi8>, memref<?xf32>, memref<?xi32>) -> ()
  return
}

// -----

// CHECK-LABEL: func.func @rescale
func.func @rescale(%a: memref<?x8xi32>, %step: memref<?xf32>, %s: memref<2xf32>, %y: memref<?x8xf32>, %env: !tern.environment) {
  // CHECK: tern.thread_range
  // CHECK: arith.sitofp %{{.*}} : vector<4xi32> to vector<4xf32>
  // CHECK: arith.addf
  // CHECK: tern.barrier
  // CHECK-NOT: tern.rescale
  tern.rescale %a, %step, %s plus %y into %y {segments = array<i64: 4, 4>} : (memref<?x8xi32>, memref<?xf32>, memref<2xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  return
}

// -----

// A cache becomes the pool of blocks and the block table.

// CHECK-LABEL: func.func @attention
// CHECK-SAME: (%{{[^:]*}}: memref<?x16xf32>, %{{[^:]*}}: memref<?x8xf32>, %[[POOL:[^:]*]]: memref<?xf16>, %[[TABLE:[^:]*]]: memref<?x?xi32>,
// CHECK-NOT: tern.kv_cache
func.func @attention(%q: memref<?x16xf32>, %k: memref<?x8xf32>, %c: !tern.kv_cache<2x1x8xf16>, %l: index, %p: memref<?xi32>,
                     %y: memref<?x16xf32>, %scratch: memref<?x160xf32>, %partials: memref<1003520xf32>, %env: !tern.environment) {
  // CHECK: memref.load %[[TABLE]]
  // CHECK: vector.store %{{.*}}, %[[POOL]]
  // CHECK: tern.barrier
  // CHECK-NOT: tern.kv_append
  tern.kv_append %k, %k, %c[%l] at %p of %p
    : (memref<?x8xf32>, memref<?x8xf32>, !tern.kv_cache<2x1x8xf16>, index, memref<?xi32>, memref<?xi32>) -> ()
  // From 16 rows on, tiles of rows go to the thread that asks first; threads
  // without a scratch ask when there is nothing left.
  // CHECK: %[[ROWS:.*]] = memref.dim %{{.*}} : memref<?x16xf32>
  // CHECK: %[[MANY:.*]] = arith.cmpi uge, %[[ROWS]], %c16
  // CHECK: scf.if %[[MANY]]
  // CHECK: tern.thread_range %{{.*}}, %c64{{[_0-9]*}} step 1
  // CHECK: scf.if
  // CHECK: tern.claim
  // CHECK: memref.prefetch %[[POOL]]{{.*}}, locality<2>
  // CHECK: vector.load %[[POOL]]
  // CHECK: tern.barrier
  // CHECK: scf.if
  // CHECK-NEXT: tern.claim
  // CHECK: } else {
  // Below, they split the blocks of a row, fetch far and near ahead, wait, and
  // merge heads.
  // CHECK: tern.thread_range
  // CHECK: memref.prefetch %[[POOL]]{{.*}}, locality<2>
  // CHECK: memref.prefetch %[[POOL]]{{.*}}, locality<3>
  // CHECK: vector.load %[[POOL]]
  // CHECK: memref.prefetch %[[POOL]]{{.*}}, locality<2>
  // CHECK: memref.prefetch %[[POOL]]{{.*}}, locality<3>
  // CHECK: tern.barrier
  // CHECK: tern.thread_range
  // CHECK: tern.barrier
  // CHECK-NOT: tern.attention
  tern.attention %q, %c[%l] at %p of %p into %y, %scratch, %partials
    : (memref<?x16xf32>, !tern.kv_cache<2x1x8xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x16xf32>, memref<?x160xf32>, memref<1003520xf32>) -> ()
  return
}

// -----

// The numbers of an i8 cache are multiplied by scales, which lie behind them: at
// 8 * 64 bytes of a head's keys.

// CHECK-LABEL: func.func @scaled
// CHECK-SAME: %[[POOL:[^:]*]]: memref<?xi8>, %{{[^:]*}}: memref<?x?xi32>,
func.func @scaled(%k: memref<?x8xf32>, %c: !tern.kv_cache<2x1x8xi8>, %l: index, %p: memref<?xi32>, %env: !tern.environment) {
  // CHECK: %[[SCALES:.*]] = memref.view %[[POOL]]
  // CHECK: math.absf
  // CHECK: memref.store %{{.*}}, %[[SCALES]]
  // CHECK: memref.store %{{.*}}, %[[POOL]]{{.*}} : memref<?xi8>
  // CHECK: memref.store %{{.*}}, %[[SCALES]]
  // CHECK: vector.store %{{.*}}, %[[POOL]]{{.*}} : memref<?xi8>, vector<4xi8>
  tern.kv_append %k, %k, %c[%l] at %p of %p
    : (memref<?x8xf32>, memref<?x8xf32>, !tern.kv_cache<2x1x8xi8>, index, memref<?xi32>, memref<?xi32>) -> ()
  return
}
