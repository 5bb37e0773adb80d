// RUN: ternac-opt %s --allow-unregistered-dialect --tern-plan-workspace --canonicalize --cse --split-input-file | FileCheck %s

// A buffer is a view at a number of bytes per row, times the rows. 16 f32 are 64
// bytes per row. No buffer is of a fixed size.

// CHECK-LABEL: func.func @chain
// CHECK-SAME: %[[X:[^:]*]]: memref<?x16xf32>, %{{[^:]*}}: memref<16xf32>, %[[WORKSPACE:[^:]*]]: memref<?xi8> {tern.workspace})
// CHECK-SAME: attributes {tern.workspace_bytes_fixed = 0 : i64, tern.workspace_bytes_per_row = 128 : i64}
func.func @chain(%x: memref<?x16xf32>, %g: memref<16xf32>, %workspace: memref<?xi8> {tern.workspace}) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x16xf32>
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[BYTES:.*]] = arith.constant 64 : index
  // CHECK: %[[N:.*]] = memref.dim %[[X]], %[[ZERO]]
  // CHECK: %[[SHIFT:.*]] = arith.muli %[[N]], %[[BYTES]] : index
  // CHECK-NOT: memref.alloc
  %a = memref.alloc(%n) : memref<?x16xf32>
  // CHECK: %[[A:.*]] = memref.view %[[WORKSPACE]][%[[ZERO]]][%[[N]]] : memref<?xi8> to memref<?x16xf32>
  // CHECK: tern.rms_norm %[[X]], %{{.*}} into %[[A]] {
  tern.rms_norm %x, %g into %a {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  %b = memref.alloc(%n) : memref<?x16xf32>
  // CHECK: %[[B:.*]] = memref.view %[[WORKSPACE]][%[[SHIFT]]][%[[N]]] : memref<?xi8> to memref<?x16xf32>
  // CHECK: tern.rms_norm %[[A]], %{{.*}} into %[[B]] {
  tern.rms_norm %a, %g into %b {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  // The first buffer is dead: the third has its bytes.
  %c = memref.alloc(%n) : memref<?x16xf32>
  // CHECK: tern.rms_norm %[[B]], %{{.*}} into %[[A]]
  tern.rms_norm %b, %g into %c {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  // CHECK: tern.rms_norm %[[A]], %{{.*}} into %[[X]]
  tern.rms_norm %c, %g into %x {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// A use of a view is a use of the buffer; sizes are rounded up to 64 bytes per
// row, so that every buffer is aligned.

// CHECK-LABEL: func.func @views
// CHECK-SAME: tern.workspace_bytes_per_row = 192 : i64
func.func @views(%x: memref<?x8xf32>, %g: memref<4xf32>, %workspace: memref<?xi8> {tern.workspace}) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x8xf32>
  %a = memref.alloc(%n) : memref<?x8xf32>
  tern.add %x, %x into %a : (memref<?x8xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  %v = memref.subview %a[0, 4] [%n, 4] [1, 1] : memref<?x8xf32> to memref<?x4xf32, strided<[8, 1], offset: 4>>
  %b = memref.alloc(%n) : memref<?x8xf32>
  tern.add %x, %x into %b : (memref<?x8xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  %c = memref.alloc(%n) : memref<?x4xf32>
  tern.rms_norm %v, %g into %c {eps = 1.0 : f32} : (memref<?x4xf32, strided<[8, 1], offset: 4>>, memref<4xf32>, memref<?x4xf32>) -> ()
  tern.add %b, %b into %x : (memref<?x8xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  return
}

// -----

// What a loop reads from outside lives through all its iterations, whatever
// comes last in its body; what it allocates shares bytes from one iteration to
// the next.

// CHECK-LABEL: func.func @loop
// CHECK-SAME: tern.workspace_bytes_per_row = 192 : i64
func.func @loop(%x: memref<?x16xf32>, %g: memref<16xf32>, %workspace: memref<?xi8> {tern.workspace}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %n = memref.dim %x, %c0 : memref<?x16xf32>
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK: %[[OUTER:.*]] = memref.view %{{.*}}[%[[ZERO]]]
  %outer = memref.alloc(%n) : memref<?x16xf32>
  tern.rms_norm %x, %g into %outer {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  // CHECK: scf.for
  scf.for %i = %c0 to %c4 step %c1 {
    %a = memref.alloc(%n) : memref<?x16xf32>
    // CHECK: tern.rms_norm %[[OUTER]], %{{.*}} into %[[A:.*]] {
    tern.rms_norm %outer, %g into %a {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
    %b = memref.alloc(%n) : memref<?x16xf32>
    // CHECK: tern.rms_norm %[[A]], %{{.*}} into %[[B:.*]] {
    tern.rms_norm %a, %g into %b {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
    %c = memref.alloc(%n) : memref<?x16xf32>
    // CHECK: tern.rms_norm %[[B]], %{{.*}} into %[[A]] {
    tern.rms_norm %b, %g into %c {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
    tern.rms_norm %c, %g into %x {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  }
  return
}

// -----

// Buffers of a static size lie before all that grow with the rows; they share
// bytes among themselves. 33 f32 take 192 bytes.

// CHECK-LABEL: func.func @fixed
// CHECK-SAME: tern.workspace_bytes_fixed = 256 : i64, tern.workspace_bytes_per_row = 64 : i64
func.func @fixed(%x: memref<?x16xf32>, %y: memref<16xf32>, %workspace: memref<?xi8> {tern.workspace}) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x16xf32>
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[BEHIND:.*]] = arith.constant 192 : index
  // CHECK-DAG: %[[FIXED:.*]] = arith.constant 256 : index
  // CHECK-DAG: memref.view %{{.*}}[%[[ZERO]]][] : memref<?xi8> to memref<33xf32>
  %a = memref.alloc() : memref<33xf32>
  // CHECK-DAG: %[[B:.*]] = memref.view %{{.*}}[%[[BEHIND]]][] : memref<?xi8> to memref<16xf32>
  %b = memref.alloc() : memref<16xf32>
  // CHECK-DAG: %[[ROWS:.*]] = memref.view %{{.*}}[%[[FIXED]]][%{{.*}}] : memref<?xi8> to memref<?x16xf32>
  %rows = memref.alloc(%n) : memref<?x16xf32>
  memref.copy %y, %b : memref<16xf32> to memref<16xf32>
  // CHECK: tern.rms_norm %{{.*}}, %[[B]] into %[[ROWS]] {
  tern.rms_norm %x, %b into %rows {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  %first = memref.load %a[%c0] : memref<33xf32>
  memref.store %first, %y[%c0] : memref<16xf32>
  // The larger is dead: this one has its bytes.
  // CHECK: %[[C:.*]] = memref.view %{{.*}}[%[[ZERO]]][] : memref<?xi8> to memref<16xf32>
  %c = memref.alloc() : memref<16xf32>
  memref.copy %y, %c : memref<16xf32> to memref<16xf32>
  // CHECK: tern.rms_norm %[[ROWS]], %[[C]]
  tern.rms_norm %rows, %c into %x {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// Nothing to place.

// CHECK-LABEL: func.func @nothing
// CHECK-SAME: tern.workspace_bytes_fixed = 0 : i64, tern.workspace_bytes_per_row = 0 : i64
func.func @nothing() {
  return
}

// -----

// Buffers whose size has nothing to do with the rows come first, and share their
// bytes among themselves: 4 x 24 i16 are 192 bytes, 3 i16 round up to 64.

// CHECK-LABEL: func.func @fixed
// CHECK-SAME: %[[X:[^:]*]]: memref<?x16xf32>, %[[WORKSPACE:[^:]*]]: memref<?xi8> {tern.workspace})
// CHECK-SAME: attributes {tern.workspace_bytes_fixed = 256 : i64, tern.workspace_bytes_per_row = 128 : i64}
func.func @fixed(%x: memref<?x16xf32>, %workspace: memref<?xi8> {tern.workspace}) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x16xf32>
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[SMALL:.*]] = arith.constant 192 : index
  // CHECK-DAG: %[[BYTES:.*]] = arith.constant 64 : index
  // CHECK-DAG: %[[FIXED:.*]] = arith.constant 256 : index
  // CHECK: %[[N:.*]] = memref.dim %[[X]], %[[ZERO]]
  // CHECK: %[[SHIFT:.*]] = arith.muli %[[N]], %[[BYTES]] : index
  // CHECK: %[[SECOND:.*]] = arith.addi %[[SHIFT]], %[[FIXED]] : index
  // CHECK-NOT: memref.alloc
  // CHECK: memref.view %[[WORKSPACE]][%[[ZERO]]][] : memref<?xi8> to memref<4x24xi16>
  %a = memref.alloc() : memref<4x24xi16>
  // CHECK: memref.view %[[WORKSPACE]][%[[SMALL]]][] : memref<?xi8> to memref<3xi16>
  %b = memref.alloc() : memref<3xi16>
  // CHECK: memref.view %[[WORKSPACE]][%[[FIXED]]][%[[N]]] : memref<?xi8> to memref<?x16xf32>
  %c = memref.alloc(%n) : memref<?x16xf32>
  // CHECK: memref.view %[[WORKSPACE]][%[[SECOND]]][%[[N]]] : memref<?xi8> to memref<?x16xf32>
  %d = memref.alloc(%n) : memref<?x16xf32>
  tern.add %x, %x into %c : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  tern.add %c, %c into %d : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  tern.add %c, %d into %x : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  "test.use"(%a, %b) : (memref<4x24xi16>, memref<3xi16>) -> ()
  // CHECK: memref.view %[[WORKSPACE]][%[[ZERO]]][] : memref<?xi8> to memref<96xi16>
  %e = memref.alloc() : memref<96xi16>
  "test.use"(%e) : (memref<96xi16>) -> ()
  return
}

// -----

// Buffers of a group live as long as the group: rows are of different ops at a
// time.

// CHECK-LABEL: func.func @group
// CHECK-SAME: tern.workspace_bytes_per_row = 192 : i64
func.func @group(%x: memref<?x16xf32>, %workspace: memref<?xi8> {tern.workspace}) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x16xf32>
  %a = memref.alloc(%n) : memref<?x16xf32>
  tern.add %x, %x into %a {tern.row_group = 0 : i64} : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  %b = memref.alloc(%n) : memref<?x16xf32>
  tern.add %a, %a into %b {tern.row_group = 0 : i64} : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  %c = memref.alloc(%n) : memref<?x16xf32>
  tern.add %b, %b into %c {tern.row_group = 0 : i64} : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  // Behind the group bytes are free again.
  %d = memref.alloc(%n) : memref<?x16xf32>
  tern.add %c, %c into %d : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// An exported function's buffers of dynamic sizes have a place behind the fixed ones, class by class; the function of the sizes adds them up.
// CHECK-LABEL: func.func @exported(
// CHECK-SAME: %[[A:.*]]: memref<?xf32>, %[[B:.*]]: memref<?xf32>
// CHECK-SAME: tern.workspace_bytes_fixed = 64 : i64, tern.workspace_bytes_per_row = 0 : i64
// CHECK: memref.view %{{.*}} to memref<4xf32>
// CHECK: memref.view %{{.*}} to memref<?x?xf32>
// CHECK-NOT: memref.alloc
// CHECK: func.func private @exported.sizes(%[[N:.*]]: index, %[[M:.*]]: index) -> (i1, index)
// CHECK: %[[FOUR:.*]] = arith.constant 4 : index
// CHECK: %[[ROW:.*]] = arith.muli %[[N]], %[[FOUR]]
// CHECK: arith.muli %[[ROW]], %[[M]]
// CHECK: %[[LEFT:.*]] = arith.divui %{{.*}}, %{{.*}} : index
// CHECK: %[[SOUND:.*]] = arith.cmpi ult, %[[ROW]], %{{.*}} : index
// CHECK: return %{{.*}}, %{{.*}} : i1, index
func.func @exported(%a: memref<?xf32>, %b: memref<?xf32>, %workspace: memref<?xi8> {tern.workspace})
    attributes {tern.exported = {arguments = ["a", "b"], results = [], type = (tensor<?xf32>, tensor<?xf32>) -> ()}} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %a, %c0 : memref<?xf32>
  %m = memref.dim %b, %c0 : memref<?xf32>
  %x = memref.alloc() : memref<4xf32>
  memref.store %zero, %x[%c0] : memref<4xf32>
  %y = memref.alloc(%n, %m) : memref<?x?xf32>
  memref.store %zero, %y[%c0, %c0] : memref<?x?xf32>
  return
}
func.func private @exported.sizes(%n: index, %m: index) -> (i1) attributes {tern.sizes} {
  %true = arith.constant true
  return %true : i1
}
