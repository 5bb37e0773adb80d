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

// CHECK-LABEL: func.func @granted
// CHECK-SAME: %[[ENV:.*]]: !llvm.ptr
func.func @granted(%env: !tern.environment) -> i1 {
  // CHECK: llvm.getelementptr %[[ENV]][0, 6]
  // CHECK: %[[ALL:.*]] = llvm.load
  // CHECK: %[[BIT:.*]] = llvm.and %[[ALL]]
  // CHECK: llvm.icmp "ne" %[[BIT]]
  %granted = tern.granted %env, 1
  return %granted : i1
}

// The counter, less what it was when the range began, is the number of the
// piece. Whoever gets none moves its own begin of the next range past the
// tickets of all pieces and of all threads.

// CHECK-LABEL: func.func @claim
// CHECK-SAME: %[[ENV:.*]]: !llvm.ptr, %[[N:.*]]: index
func.func @claim(%env: !tern.environment, %n: index) -> (index, index) {
  // CHECK-DAG: %[[COUNT:.*]] = builtin.unrealized_conversion_cast %[[N]] : index to i64
  // CHECK-DAG: %[[STEP:.*]] = llvm.mlir.constant(64 : i64) : i64
  // CHECK: llvm.getelementptr %[[ENV]][0, 4]
  // CHECK: %[[COUNTER:.*]] = llvm.load
  // CHECK: llvm.getelementptr %[[ENV]][0, 5]
  // CHECK: %[[CLAIMED:.*]] = llvm.load
  // CHECK: llvm.getelementptr %[[ENV]][0, 1]
  // CHECK: %[[THREADS:.*]] = llvm.load
  // CHECK: %[[TICKET:.*]] = llvm.atomicrmw add %[[COUNTER]], %{{.*}} monotonic
  // CHECK: %[[PIECE:.*]] = llvm.sub %[[TICKET]], %[[CLAIMED]]
  // CHECK: %[[FIRST:.*]] = llvm.mul %[[PIECE]], %[[STEP]]
  // CHECK: %[[BEGIN:.*]] = llvm.intr.umin(%[[FIRST]], %[[COUNT]])
  // CHECK: %[[NEXT:.*]] = llvm.add %[[BEGIN]], %[[STEP]]
  // CHECK: llvm.intr.umin(%[[NEXT]], %[[COUNT]])
  // CHECK: %[[PIECES:.*]] = llvm.udiv
  // CHECK: %[[OVER:.*]] = llvm.icmp "uge" %[[PIECE]], %[[PIECES]]
  // CHECK: %[[ALL:.*]] = llvm.add %[[PIECES]], %[[THREADS]]
  // CHECK: %[[PAST:.*]] = llvm.add %[[CLAIMED]], %[[ALL]]
  // CHECK: %[[NEW:.*]] = llvm.select %[[OVER]], %[[PAST]], %[[CLAIMED]]
  // CHECK: llvm.store %[[NEW]]
  // CHECK-NOT: tern.
  %begin, %end = tern.claim %env, %n step 64
  return %begin, %end : index, index
}
