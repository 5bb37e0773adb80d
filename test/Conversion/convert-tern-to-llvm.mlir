// RUN: ternac-opt %s --convert-tern-to-llvm | FileCheck %s

// The environment is a pointer to the thread's frame: thread, threads, the
// context and the function of the barrier.

// CHECK-LABEL: func.func @barrier
// CHECK-SAME: %[[ENV:.*]]: !llvm.ptr
func.func @barrier(%env: !tern.environment) {
  // CHECK-COUNT-3: llvm.getelementptr %[[ENV]]
  // CHECK: llvm.call %{{.*}}(%{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, i32) -> ()
  // CHECK-NOT: tern.
  tern.barrier %env
  return
}

// Thread t of T begins at whole groups of 16: ceil(n / 16) * t / T * 16, at most n.

// CHECK-LABEL: func.func @range
// CHECK-SAME: %[[ENV:.*]]: !llvm.ptr, %[[N:.*]]: index
func.func @range(%env: !tern.environment, %n: index) -> (index, index) {
  // CHECK-DAG: %[[COUNT:.*]] = builtin.unrealized_conversion_cast %[[N]] : index to i64
  // CHECK-DAG: %[[STEP:.*]] = llvm.mlir.constant(16 : i64) : i64
  // CHECK: %[[GROUPS:.*]] = llvm.udiv %{{.*}}, %[[STEP]] : i64
  // CHECK: %[[PART:.*]] = llvm.mul %[[GROUPS]], %{{.*}} : i64
  // CHECK: %[[OF:.*]] = llvm.udiv %[[PART]], %{{.*}} : i64
  // CHECK: %[[BEGIN:.*]] = llvm.mul %[[OF]], %[[STEP]] : i64
  // CHECK: llvm.intr.umin(%[[BEGIN]], %[[COUNT]])
  // CHECK: llvm.intr.umin(%{{.*}}, %[[COUNT]])
  // CHECK-NOT: tern.
  %begin, %end = tern.thread_range %env, %n step 16
  return %begin, %end : index, index
}
