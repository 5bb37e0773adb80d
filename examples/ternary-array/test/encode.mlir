// RUN: ternac-opt --load-target=%plugin %s --tarray-encode | FileCheck %s

// Opcode, descriptor, two bytes of count, four of place.

// CHECK: llvm.mlir.global internal constant @words(
// CHECK-SAME: "\01\02\05\00\00\01\00\00
// CHECK-SAME: \02\02\04\00\03\00\00\00
// CHECK-SAME: \03\00\00\00\00\00\00\00
// CHECK-SAME: \04\02\80\00\00\02\01\00
// CHECK-SAME: \05\00\04\00\00\00\00\00
// CHECK-SAME: \06\02\10\00 \00\00\00")
tarray.program @words {
  tarray.descriptor 2, buffer 5, row_bytes 256
  tarray.load_activations 2, block 3, blocks 4
  tarray.clear_sums
  tarray.load_weights 2, block 66048, blocks 128
  tarray.accumulate blocks 4
  tarray.store_sums 2, column 32, lanes 16
}
