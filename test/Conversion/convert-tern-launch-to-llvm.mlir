// RUN: ternac-opt %s --convert-tern-to-llvm --split-input-file --verify-diagnostics | FileCheck %s

// Dimensions are six i32, words as many i64 as the arguments have: both lie in
// arrays of the first block, whatever loop the launch is in.

// CHECK: module attributes {tern.device = "gpu"}
// CHECK-LABEL: func.func @launch
// CHECK-SAME: %[[Q:[^:]*]]: memref<?x8xi8, strided<[16, 1], offset: ?>>, %[[N:[^:]*]]: index, %[[ENV:.*]]: !llvm.ptr
func.func @launch(%q: memref<?x8xi8, strided<[16, 1], offset: ?>>, %n: index, %env: !tern.environment) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK-DAG: %[[SIZES:.*]] = llvm.alloca %{{.*}} x !llvm.array<6 x i32>
  // CHECK-DAG: %[[WORDS:.*]] = llvm.alloca %{{.*}} x !llvm.array<6 x i64>
  // CHECK: scf.for
  scf.for %i = %c0 to %n step %c1 {
    // CHECK: llvm.ptrtoint
    // CHECK: llvm.getelementptr %[[ENV]][0, 9]
    // CHECK: %[[MODULE:.*]] = llvm.load
    // CHECK: %[[KERNEL:.*]] = llvm.mlir.constant(7 : i32) : i32
    // CHECK: llvm.call %{{.*}}(%{{.*}}, %[[MODULE]], %[[KERNEL]], %[[SIZES]], %{{.*}}, %[[WORDS]], %{{.*}}) : !llvm.ptr, (!llvm.ptr, i64, i32, !llvm.ptr, !llvm.ptr, !llvm.ptr, i32) -> i32
    // CHECK: llvm.getelementptr %[[ENV]][0, 8]
    // CHECK: llvm.or
    tern.launch %env, "gpu" "tern_add" 7 [%n, %c1, %c1, %c1, %c1, %c1] (%q, %i) : memref<?x8xi8, strided<[16, 1], offset: ?>>, index
  }
  return
}

// -----

llvm.mlir.global internal constant @commands("\01\02\03")
func.func @two(%q: memref<?xi8>, %n: index, %env: !tern.environment) {
  tern.submit %env, "array" @commands(%q) : memref<?xi8>
  // expected-error@+1 {{expected one device for all, 'array', but got 'gpu'}}
  tern.launch %env, "gpu" "tern_add" 0 [%n, %n, %n, %n, %n, %n] (%q) : memref<?xi8>
  return
}
