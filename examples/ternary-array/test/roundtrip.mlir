// RUN: ternac-opt --load-target=%plugin %s | ternac-opt --load-target=%plugin | FileCheck %s

// CHECK-LABEL: tarray.program @all
tarray.program @all {
  // CHECK-NEXT: tarray.descriptor 3, buffer 7, row_bytes 64
  tarray.descriptor 3, buffer 7, row_bytes 64
  // CHECK-NEXT: tarray.load_activations 3, block 1, blocks 4
  tarray.load_activations 3, block 1, blocks 4
  // CHECK-NEXT: tarray.clear_sums
  tarray.clear_sums
  // CHECK-NEXT: tarray.load_weights 3, block 2, blocks 128
  tarray.load_weights 3, block 2, blocks 128
  // CHECK-NEXT: tarray.accumulate blocks 4
  tarray.accumulate blocks 4
  // CHECK-NEXT: tarray.store_sums 3, column 32, lanes 16
  tarray.store_sums 3, column 32, lanes 16
}
