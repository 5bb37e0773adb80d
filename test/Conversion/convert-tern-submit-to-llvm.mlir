// RUN: ternac-opt %s --convert-tern-to-llvm --split-input-file --verify-diagnostics | FileCheck %s

// The name of the device moves to the module. Buffers are { data, bytes } in an
// array of the first block, commands the bytes of a global, and a failure is
// remembered in the frame.

// CHECK: module attributes {tern.device = "array"}
// CHECK-LABEL: func.func @submit
// CHECK-SAME: %[[Q:[^:]*]]: memref<?xi8>, %[[Y:[^:]*]]: memref<4xi32, strided<[1], offset: ?>>, %{{.*}}: index, %[[ENV:.*]]: !llvm.ptr
llvm.mlir.global internal constant @commands("\01\02\03")
func.func @submit(%q: memref<?xi8>, %y: memref<4xi32, strided<[1], offset: ?>>, %n: index, %env: !tern.environment) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: %[[BUFFERS:.*]] = llvm.alloca %{{.*}} x !llvm.array<2 x struct<(ptr, i64)>>
  // CHECK: scf.for
  scf.for %i = %c0 to %n step %c1 {
    // CHECK-DAG: %[[COMMANDS:.*]] = llvm.mlir.addressof @commands
    // CHECK-DAG: %[[BYTES:.*]] = llvm.mlir.constant(3 : i64)
    // CHECK-DAG: %[[FOUR:.*]] = llvm.mlir.constant(4 : i64)
    // CHECK: llvm.mul %{{.*}}, %[[FOUR]]
    // CHECK: llvm.getelementptr %[[ENV]][0, 7]
    // CHECK: %[[DEVICE:.*]] = llvm.load
    // CHECK-DAG: llvm.getelementptr %[[DEVICE]][24]
    // CHECK-DAG: llvm.getelementptr %[[DEVICE]][16]
    // CHECK: %[[RESULT:.*]] = llvm.call %{{.*}}(%{{.*}}, %[[COMMANDS]], %[[BYTES]], %[[BUFFERS]], %{{.*}}) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, i64, !llvm.ptr, i32) -> i32
    // CHECK: llvm.getelementptr %[[ENV]][0, 8]
    // CHECK: %[[WIDE:.*]] = llvm.zext %[[RESULT]]
    // CHECK: %[[FAILED:.*]] = llvm.or %{{.*}}, %[[WIDE]]
    // CHECK: llvm.store %[[FAILED]]
    tern.submit %env, "array" @commands(%q, %y) : memref<?xi8>, memref<4xi32, strided<[1], offset: ?>>
  }
  return
}

// -----

llvm.mlir.global internal constant @commands("\01\02\03")
func.func @two(%q: memref<?xi8>, %env: !tern.environment) {
  tern.submit %env, "array" @commands(%q) : memref<?xi8>
  // expected-error@+1 {{expected one device for all, 'array', but got 'sieve'}}
  tern.submit %env, "sieve" @commands(%q) : memref<?xi8>
  return
}

// -----

func.func private @commands()
func.func @no_bytes(%q: memref<?xi8>, %env: !tern.environment) {
  // expected-error@+2 {{failed to legalize operation 'tern.submit'}}
  // expected-error@+1 {{expected @commands to be an llvm.mlir.global of i8}}
  tern.submit %env, "array" @commands(%q) : memref<?xi8>
  return
}
