// RUN: ternac-opt %s --convert-tern-to-vector --canonicalize --cse --split-input-file | FileCheck %s

// The definition: scalar multiply and add in a function of its own.

// CHECK-LABEL: func.func @reference
// CHECK: tern.thread_range %{{.*}}, %{{.*}} step 1
// CHECK: call @tern_matmul_reference_i8_6x8(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}})
// CHECK: tern.barrier
func.func @reference(%q: memref<?x8xi8>, %sum: memref<?xi32>, %w: memref<48xi8>, %y: memref<?x6xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 8 : i64, config = #tern.lowering_config<strategy = reference>, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>}
    : (memref<?x8xi8>, memref<?xi32>, memref<48xi8>, memref<?x6xi32>) -> ()
  return
}
// CHECK: func.func private @tern_matmul_reference_i8_6x8(
// CHECK-COUNT-3: scf.for
// CHECK: arith.muli %{{.*}} : i32
// CHECK: arith.addi %{{.*}} : i32
// CHECK-NOT: tern.

// -----

// Without multiplication: nothing in the loops multiplies, not even an index.

// CHECK-LABEL: func.func @tile2
// CHECK: tern.thread_range %{{.*}}, %{{.*}} step 16
// CHECK: call @tern_matmul_add_sub_tile2_32x64(
func.func @tile2(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
  return
}
// CHECK: func.func private @tern_matmul_add_sub_tile2_32x64(
// CHECK: scf.for
// CHECK-NOT: arith.mul
// CHECK-NOT: arith.div
// CHECK: return

// -----

// CHECK-LABEL: func.func @row2
// CHECK: tern.thread_range %{{.*}}, %{{.*}} step 1
// CHECK: call @tern_matmul_add_sub_row2_6x256(
func.func @row2(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<384xi8>, %y: memref<?x6xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
    : (memref<?x256xi8>, memref<?xi32>, memref<384xi8>, memref<?x6xi32>) -> ()
  return
}
// CHECK: func.func private @tern_matmul_add_sub_row2_6x256(
// CHECK: scf.for
// CHECK-NOT: arith.mul
// CHECK: return

// -----

// One kernel per shape and layout; rows of q wider than it needs are another.

// CHECK-LABEL: func.func @variants
// CHECK: call @tern_matmul_add_sub_tile2_16x64(
// CHECK: call @tern_matmul_add_sub_tile2_16x64(
// CHECK: call @tern_matmul_add_sub_tile2_16x64_q128(
func.func @variants(%q: memref<?x64xi8>, %wide: memref<?x128xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  tern.matmul %wide, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x128xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  return
}
// CHECK-COUNT-2: func.func private @tern_matmul_
// CHECK-NOT: func.func private @tern_matmul_

// -----

// Bit planes: the bits of the activations are written to the stack first; what
// the adders carry, and the sign bits, are counted in bytes.

// CHECK-LABEL: func.func @planes
// CHECK: tern.thread_range %{{.*}}, %{{.*}} step 16
// CHECK: call @tern_matmul_add_sub_planes_32x64(
func.func @planes(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
  return
}
// CHECK: func.func private @tern_matmul_add_sub_planes_32x64(
// CHECK: %[[BITS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<32768xi8>
// CHECK: scf.for
// CHECK: vector.bitcast %{{.*}} : vector<32xi1> to vector<4xi8>
// CHECK: vector.store %{{.*}}, %[[BITS]]
// CHECK-COUNT-2: math.ctpop %{{.*}} : vector<64xi8>
// CHECK-NOT: arith.mul
// CHECK: return

// -----

// Blocks of 16 rows of q side by side, up to 16 blocks at a time, whose tiles are
// shared out; so is the last block if more than one row is left. Then tables of
// the sums, 4 rows of q at a time: each thread builds its share, waits, and
// computes its rows. Before tables are overwritten the threads wait again.

// CHECK-LABEL: func.func @lut
// CHECK-SAME: %{{[^:]*}}: memref<?x20xi8>
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C4:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
// CHECK-DAG: %[[C256:.*]] = arith.constant 256 : index
// CHECK: tern.thread_range %{{.*}}, %[[C4]] step 4
// CHECK: tern.thread_range %{{.*}}, %{{.*}} step 64
// CHECK: %[[REST:.*]] = arith.remui %[[N:.*]], %[[C16]]
// CHECK: %[[MORE:.*]] = arith.cmpi ugt, %[[REST]], %[[C1]]
// CHECK: %[[WHOLE:.*]] = arith.subi %[[N]], %[[REST]]
// CHECK: %[[MANY:.*]] = arith.select %[[MORE]], %[[N]], %[[WHOLE]]
// CHECK: scf.for %[[STEP:.*]] = %[[C0]] to %[[MANY]] step %[[C256]] {
// CHECK: %[[LATER:.*]] = arith.cmpi ne, %[[STEP]], %[[C0]]
// CHECK: scf.if %[[LATER]] {
// CHECK-NEXT: tern.barrier
// CHECK: %[[BLOCKS:.*]] = arith.ceildivui %{{.*}}, %[[C16]]
// CHECK: tern.thread_range %{{.*}}, %[[BLOCKS]] step 1
// CHECK: scf.for
// CHECK-NOT: tern.barrier
// CHECK: call @tern_matmul_lut_base3col_40x18_many(
// CHECK: scf.for %[[FIRST:.*]] = %[[MANY]] to %[[N]] step %[[C4]] {
// CHECK: %[[LATER:.*]] = arith.cmpi ne, %[[FIRST]], %[[C0]]
// CHECK: scf.if %[[LATER]] {
// CHECK-NEXT: tern.barrier
// CHECK: %[[LEFT:.*]] = arith.subi %[[N]], %[[FIRST]]
// CHECK: %[[COUNT:.*]] = arith.minui %[[LEFT]], %[[C4]]
// CHECK: call @tern_build_tables_base3col_18(%{{.*}}, %{{.*}}, %[[FIRST]], %[[COUNT]], %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}})
// CHECK: tern.barrier
// CHECK: call @tern_matmul_lut_base3col_40x18(%{{.*}}, %{{.*}}, %{{.*}}, %[[FIRST]], %[[COUNT]], %{{.*}}, %{{.*}})
// CHECK: tern.barrier
func.func @lut(%q: memref<?x20xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x40xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y, %tables {cols = 18 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
    : (memref<?x20xi8>, memref<?xi32>, memref<256xi8>, memref<?x40xi32>, memref<4x4096xi16>) -> ()
  return
}
// The 27 sums of three digits, plus each of the 9 sums of the other two.
// CHECK: func.func private @tern_build_tables_base3col_18(
// CHECK: scf.for
// CHECK: scf.for
// CHECK-NOT: arith.mul
// CHECK-COUNT-9: vector.store %{{.*}}, %{{.*}} : memref<?xi16>, vector<32xi16>
// CHECK-NOT: vector.store
// CHECK: return
// A byte is an index; 64 rows are added at once.
// CHECK: func.func private @tern_matmul_lut_base3col_40x18(
// CHECK: scf.for
// CHECK-NOT: arith.mul
// CHECK: memref.load %{{.*}} : memref<256xi8>
// CHECK: arith.index_castui
// CHECK: memref.load %{{.*}} : memref<?xi16>
// CHECK: arith.addi %{{.*}} : vector<64xi16>
// CHECK-NOT: arith.mul
// CHECK: return
// CHECK: func.func private @tern_matmul_lut_base3col_40x18_many(
// CHECK-NOT: arith.mul
// Activations of 48 groups, tables of 4, a square of sums.
// CHECK: memref.alloca() {alignment = 64 : i64} : memref<3840xi16>
// CHECK: memref.alloca() {alignment = 64 : i64} : memref<15552xi16>
// CHECK: memref.alloca() {alignment = 64 : i64} : memref<256xi16>
// A stretch of groups, here all. Their activations are transposed,
// CHECK: scf.for
// CHECK-COUNT-16: vector.load %{{.*}} : memref<?xi8>, vector<16xi8>
// CHECK: math.absi %{{.*}} : vector<16xi16>
// and if the sums could leave i16, they are added to the results.
// CHECK: %[[SIZE:.*]] = vector.reduction <maxui>, %{{.*}} : vector<16xi16> into i16
// CHECK: %[[FULL:.*]] = arith.cmpi ugt, %[[SIZE]], %{{.*}} : i16
// CHECK: scf.if %[[FULL]] {
// CHECK: arith.extsi %{{.*}} : vector<16xi16> to vector<16xi32>
// A table of 243 vectors: three digits in loops, two as nine vectors.
// CHECK-COUNT-9: vector.store %{{.*}} : memref<15552xi16>, vector<16xi16>
// Bytes of eight rows are a word; each is an index of a vector of tokens.
// CHECK: vector.bitcast %{{.*}} : vector<8xi8> to vector<1xi64>
// CHECK: %[[SUM:.*]] = vector.load %{{.*}} : memref<?xi16>, vector<16xi16>
// CHECK: arith.andi %{{.*}}, %{{.*}} : i64
// CHECK: arith.index_castui
// CHECK: %[[FOUND:.*]] = vector.load %{{.*}} : memref<15552xi16>, vector<16xi16>
// CHECK: %[[ADDED:.*]] = arith.addi %[[SUM]], %[[FOUND]] : vector<16xi16>
// CHECK-NOT: arith.mul
// CHECK: return

// -----

// One row of q is no block.

// CHECK-LABEL: func.func @lut_one_row
// CHECK-NOT: _many
func.func @lut_one_row(%q: memref<1x20xi8>, %sum: memref<1xi32>, %w: memref<256xi8>, %y: memref<1x40xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y, %tables {cols = 18 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
    : (memref<1x20xi8>, memref<1xi32>, memref<256xi8>, memref<1x40xi32>, memref<4x4096xi16>) -> ()
  return
}

// -----

// Where a register's i32 are counted by one instruction there are no adders.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["vector_popcount"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @count_words
  // CHECK: func.func private @tern_matmul_add_sub_planes_32x64(
  // CHECK-COUNT-9: math.ctpop %{{.*}} : vector<16xi32>
  // CHECK-NOT: math.ctpop %{{.*}} : vector<64xi8>
  // CHECK: return
  func.func @count_words(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

// Where those of bytes are, neither.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["byte_popcount"], vector_bits = 128>} {
  // CHECK-LABEL: func.func @count_bytes
  // CHECK: func.func private @tern_matmul_add_sub_planes_32x64(
  // CHECK-NOT: arith.ori
  // CHECK-COUNT-9: math.ctpop %{{.*}} : vector<64xi8>
  // CHECK-NOT: arith.ori
  // CHECK: return
  func.func @count_bytes(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
    return
  }
}

// -----

// Two-bit bytes: no table has an entry for code 3. Rows of q that are wider than
// the matrix needs have a builder of their own.

// CHECK-LABEL: func.func @lut_two_bit
// CHECK: call @tern_matmul_lut_tile2col_64x20_q24_many(
// CHECK: call @tern_build_tables_tile2col_20_q24(
// CHECK: call @tern_matmul_lut_tile2col_64x20(
func.func @lut_two_bit(%q: memref<?x24xi8>, %sum: memref<?xi32>, %w: memref<320xi8>, %y: memref<?x64xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y, %tables {cols = 20 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>}
    : (memref<?x24xi8>, memref<?xi32>, memref<320xi8>, memref<?x64xi32>, memref<4x4096xi16>) -> ()
  return
}
// CHECK: func.func private @tern_build_tables_tile2col_20_q24(
// CHECK-COUNT-9: vector.store %{{.*}}, %{{.*}} : memref<?xi16>, vector<16xi16>
// CHECK-NOT: vector.store
// CHECK: return

// -----

// Of 1024 rows three quarters are shared out evenly, and the others in pieces of
// at least 32 KiB of weights: 1024 bytes a tile of 16 rows, so 512 rows, of which
// no whole number fits a quarter.

// CHECK-LABEL: func.func @too_small_for_pieces
// CHECK-NOT: tern.claim
// CHECK: call @tern_matmul_add_sub_tile2_1024x256(
// CHECK-NOT: tern.claim
// CHECK: tern.barrier
func.func @too_small_for_pieces(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<65536xi8>, %y: memref<?x1024xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x256xi8>, memref<?xi32>, memref<65536xi8>, memref<?x1024xi32>) -> ()
  return
}

// -----

// 4096 bytes a tile: pieces of 8 tiles.

// CHECK-LABEL: func.func @pieces
// CHECK-DAG: %[[REST:.*]] = arith.constant 256 : index
// CHECK-DAG: %[[SHARED:.*]] = arith.constant 768 : index
// CHECK: %[[BEGIN:.*]], %[[END:.*]] = tern.thread_range %{{.*}}, %[[SHARED]] step 16
// CHECK: scf.while (%[[B:.*]] = %[[BEGIN]], %[[E:.*]] = %[[END]])
// CHECK-NEXT: call @tern_matmul_add_sub_tile2_1024x1024({{.*}}, %[[B]], %[[E]])
// CHECK-NEXT: %[[FROM:.*]], %[[TO:.*]] = tern.claim %{{.*}}, %[[REST]] step 128
// CHECK-NEXT: %[[MORE:.*]] = arith.cmpi ult, %[[FROM]], %[[TO]]
// CHECK-DAG: arith.addi %[[FROM]], %[[SHARED]]
// CHECK-DAG: arith.addi %[[TO]], %[[SHARED]]
// CHECK: scf.condition(%[[MORE]])
// CHECK: tern.barrier
func.func @pieces(%q: memref<?x1024xi8>, %sum: memref<?xi32>, %w: memref<262144xi8>, %y: memref<?x1024xi32>, %env: !tern.environment) {
  tern.matmul %q, %sum, %w into %y {cols = 1024 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x1024xi8>, memref<?xi32>, memref<262144xi8>, memref<?x1024xi32>) -> ()
  return
}
