// RUN: split-file %s %t
// RUN: ternac-opt %t/planes.mlir --convert-tern-to-vector | FileCheck %s --check-prefix=PLANES
// RUN: ternac-opt %t/integers.mlir --convert-tern-to-vector | FileCheck %s --check-prefix=INTEGERS
// RUN: ternac-opt %t/reference.mlir --convert-tern-to-vector=lanes=1 | FileCheck %s --check-prefix=REFERENCE
// RUN: not ternac-opt %t/strategy.mlir --convert-tern-to-vector 2>&1 | FileCheck %s --check-prefix=STRATEGY
// RUN: not ternac-opt %t/packing.mlir --convert-tern-to-vector 2>&1 | FileCheck %s --check-prefix=PACKING

// The lowest bits of the four bytes of a row's word, inverted, are four columns, the next bits the next four. Sums are scaled once for a group.
// PLANES: call @tern_linear_add_sub_planes_16x64_g32(
// PLANES-LABEL: func.func private @tern_linear_add_sub_planes_16x64_g32(
// PLANES: vector.bitcast %{{.*}} : vector<16xi8> to vector<4xi32>
// PLANES: arith.xori
// PLANES: vector.bitcast %{{.*}} : vector<16xi8> to vector<4xi32>
// PLANES: arith.xori
// PLANES: %[[PARTS:.*]]:6 = scf.for {{.*}} iter_args(%[[P0:.*]] = %{{.*}}, %[[P1:.*]] = %{{.*}}, %{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}, %[[PLUS:.*]] = %{{.*}}, %[[MINUS:.*]] = %{{.*}})
// PLANES: %[[ONE:.*]] = arith.constant dense<1> : vector<4xi32>
// PLANES: %[[BIT:.*]] = arith.andi %[[PLUS]], %[[ONE]]
// PLANES: %[[ISPLUS:.*]] = arith.cmpi eq, %[[BIT]]
// PLANES: %[[BIT:.*]] = arith.andi %[[MINUS]],
// PLANES: %[[ISMINUS:.*]] = arith.cmpi eq, %[[BIT]]
// PLANES: %[[ADDED:.*]] = arith.addf %[[P0]], %[[X:.*]] : vector<4xf32>
// PLANES: %[[FIRST:.*]] = arith.select %[[ISPLUS]], %[[ADDED]], %[[P0]]
// PLANES: %[[SUBTRACTED:.*]] = arith.subf %[[FIRST]], %[[X]]
// PLANES: arith.select %[[ISMINUS]], %[[SUBTRACTED]], %[[FIRST]]
// PLANES: arith.constant dense<256> : vector<4xi32>
// PLANES: arith.addf %[[P1]],
// PLANES-NOT: arith.mulf
// PLANES: arith.shrui %[[PLUS]],
// PLANES: arith.shrui %[[MINUS]],
// PLANES: %[[EVEN:.*]] = arith.addf %[[SUMS:.*]]#0, %[[SUMS]]#2
// PLANES: %[[ODD:.*]] = arith.addf %[[SUMS]]#1, %[[SUMS]]#3
// PLANES: %[[SUM:.*]] = arith.addf %[[EVEN]], %[[ODD]]
// PLANES: %[[SCALED:.*]] = arith.mulf %[[SUM]], %{{.*}}
// PLANES: arith.addf %{{.*}}, %[[SCALED]]
// PLANES-NOT: math.fma

// Integers become f32 a superblock at a time.
// INTEGERS-LABEL: func.func private @tern_linear_add_sub_planes_16x40_i8_48(
// INTEGERS: memref.alloca() {alignment = 64 : i64} : memref<{{.*}}x32xf32>
// INTEGERS: arith.sitofp

// REFERENCE-LABEL: func.func private @tern_linear_reference_i8_16x40_3_13(
// REFERENCE-COUNT-4: scf.for

// STRATEGY: error: 'tern.ternary_linear' op expected the strategy 'add_sub' or 'reference' for any number of rows, but got #tern.lowering_config<strategy = dot>
// PACKING: error: 'tern.ternary_linear' op strategy 'add_sub' expected the packing 'planes', but got #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>

//--- planes.mlir
func.func @f(%x: memref<?x64xf32>, %w: memref<256xi8>, %s: memref<2x16xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
  tern.ternary_linear %x, %w, %s into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, group = 32 : i64,
      packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xf32>, memref<256xi8>, memref<2x16xf32>, memref<?x16xf32>) -> ()
  return
}

//--- integers.mlir
func.func @f(%x: memref<?x48xi8>, %w: memref<256xi8>, %s: memref<1xf32>, %step: memref<?xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
  tern.ternary_linear %x, %w, %s step %step into %y {cols = 40 : i64, config = #tern.lowering_config<strategy = add_sub>,
      packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>, segments = array<i64: 16>}
    : (memref<?x48xi8>, memref<256xi8>, memref<1xf32>, memref<?xf32>, memref<?x16xf32>) -> ()
  return
}

//--- reference.mlir
func.func @f(%x: memref<?x40xf32>, %w: memref<640xi8>, %s: memref<2xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
  tern.ternary_linear %x, %w, %s into %y {cols = 40 : i64, config = #tern.lowering_config<strategy = reference>,
      packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>, segments = array<i64: 3, 13>}
    : (memref<?x40xf32>, memref<640xi8>, memref<2xf32>, memref<?x16xf32>) -> ()
  return
}

//--- strategy.mlir
func.func @f(%x: memref<?x40xf32>, %w: memref<640xi8>, %s: memref<1xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
  tern.ternary_linear %x, %w, %s into %y {cols = 40 : i64, config = #tern.lowering_config<strategy = dot>,
      packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>, segments = array<i64: 16>}
    : (memref<?x40xf32>, memref<640xi8>, memref<1xf32>, memref<?x16xf32>) -> ()
  return
}

//--- packing.mlir
func.func @f(%x: memref<?x40xf32>, %w: memref<192xi8>, %s: memref<1xf32>, %y: memref<?x16xf32>, %env: !tern.environment) {
  tern.ternary_linear %x, %w, %s into %y {cols = 40 : i64, config = #tern.lowering_config<strategy = add_sub>,
      packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>, segments = array<i64: 16>}
    : (memref<?x40xf32>, memref<192xi8>, memref<1xf32>, memref<?x16xf32>) -> ()
  return
}
