// RUN: ternac-opt --load-target=%plugin %s --convert-tern-to-tarray --split-input-file --verify-diagnostics | FileCheck %s

#tile2 = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>
#array = #tern.target<name = "ternary-array", capabilities = ["ternary_array"]>

// Two tiles of rows, the last one in part; both ops share the program. Weights
// of the second are loaded before the sums of the first are stored.

// CHECK-LABEL: func.func @two
// CHECK-SAME: %[[Q:[^:]*]]: memref<?x64xi8>, %{{[^:]*}}: memref<?xi32>, %[[W:[^:]*]]: memref<512xi8>, %{{[^:]*}}: memref<?x18xi32>, %[[ENV:.*]]: !tern.environment
// CHECK: %[[N:.*]] = memref.dim
// CHECK: %[[BEGIN:.*]], %[[END:.*]] = tern.thread_range %[[ENV]], %[[N]] step 16
// CHECK: scf.for %[[ROW:.*]] = %[[BEGIN]] to %[[END]]
// CHECK: %[[LEFT:.*]] = arith.subi %[[END]], %[[ROW]]
// CHECK: %[[COUNT:.*]] = arith.minui %[[LEFT]]
// CHECK: tern.submit %[[ENV]], "ternary-array" @tern_matmul_add_sub_tile2_18x60_q64(%{{.*}}, %[[W]], %{{.*}})
// CHECK: tern.barrier %[[ENV]]
// CHECK: tern.submit %[[ENV]], "ternary-array" @tern_matmul_add_sub_tile2_18x60_q64(
// CHECK-NOT: tern.matmul

// CHECK: tarray.program @tern_matmul_add_sub_tile2_18x60_q64 {
// CHECK-NEXT: tarray.descriptor 0, buffer 0, row_bytes 64
// CHECK-NEXT: tarray.descriptor 1, buffer 1, row_bytes 64
// CHECK-NEXT: tarray.descriptor 2, buffer 2, row_bytes 72
// CHECK-NEXT: tarray.load_activations 0, block 0, blocks 4
// CHECK-NEXT: tarray.load_weights 1, block 0, blocks 4
// CHECK-NEXT: tarray.clear_sums
// CHECK-NEXT: tarray.accumulate blocks 4
// CHECK-NEXT: tarray.load_weights 1, block 4, blocks 4
// CHECK-NEXT: tarray.store_sums 2, column 0, lanes 16
// CHECK-NEXT: tarray.clear_sums
// CHECK-NEXT: tarray.accumulate blocks 4
// CHECK-NEXT: tarray.store_sums 2, column 16, lanes 2
// CHECK-NEXT: }
// CHECK-NOT: tarray.program
module attributes {tern.target = #array} {
  func.func @two(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x18xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 60 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tile2}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x18xi32>) -> ()
    tern.matmul %q, %sum, %w into %y {cols = 60 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tile2}
      : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x18xi32>) -> ()
    return
  }
}

// -----

// More columns than the memories hold: in chunks, whose sums add up, and whose
// weights are loaded before activations are replaced.

#tile2 = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>

// CHECK: tarray.program @tern_matmul_add_sub_tile2_16x2049_q2064
// CHECK: tarray.load_weights 1, block 0, blocks 128
// CHECK-NEXT: tarray.clear_sums
// CHECK-NEXT: tarray.load_activations 0, block 0, blocks 128
// CHECK-NEXT: tarray.accumulate blocks 128
// CHECK-NEXT: tarray.load_weights 1, block 128, blocks 1
// CHECK-NEXT: tarray.load_activations 0, block 128, blocks 1
// CHECK-NEXT: tarray.accumulate blocks 1
// CHECK-NEXT: tarray.store_sums 2, column 0, lanes 16
module attributes {tern.target = #tern.target<name = "ternary-array", capabilities = ["ternary_array"]>} {
  func.func @wide(%q: memref<?x2064xi8>, %sum: memref<?xi32>, %w: memref<8256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 2049 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tile2}
      : (memref<?x2064xi8>, memref<?xi32>, memref<8256xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

// Without the capability nothing changes.

#tile2 = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>

// CHECK-LABEL: func.func @other
// CHECK-NEXT: tern.matmul
module attributes {tern.target = #tern.target<name = "cpu">} {
  func.func @other(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
    tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tile2}
      : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
    return
  }
}

// -----

module attributes {tern.target = #tern.target<name = "ternary-array", capabilities = ["ternary_array"]>} {
  func.func @rows(%q: memref<?x256xi8>, %sum: memref<?xi32>, %w: memref<64xi8>, %y: memref<?x1xi32>, %env: !tern.environment) {
    // expected-error@+1 {{the ternary array reads the packing 'tile2', but got 'row2'}}
    tern.matmul %q, %sum, %w into %y {cols = 256 : i64, config = #tern.lowering_config<strategy = add_sub>,
        packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
      : (memref<?x256xi8>, memref<?xi32>, memref<64xi8>, memref<?x1xi32>) -> ()
    return
  }
}
