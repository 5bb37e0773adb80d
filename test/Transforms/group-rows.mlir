// RUN: ternac-opt %s --tern-group-rows --split-input-file | FileCheck %s

// What follows each other with the same rows is a group; what reads rows of
// others is not in it.

// CHECK-LABEL: func.func @groups
func.func @groups(%x: memref<?x16xf32>, %g: memref<16xf32>, %numbers: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x16xf32>
  %m = memref.dim %numbers, %c0 : memref<?xi32>
  // CHECK: tern.add {{.*}} {tern.row_group = 0 : i64}
  tern.add %x, %x into %x : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  %a = memref.alloc(%n) : memref<?x32xf32>
  %left = memref.subview %a[0, 16] [%n, 16] [1, 1] : memref<?x32xf32> to memref<?x16xf32, strided<[32, 1], offset: 16>>
  // CHECK: tern.rms_norm {{.*}} tern.row_group = 0 : i64
  tern.rms_norm %x, %g into %left {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32, strided<[32, 1], offset: 16>>) -> ()
  %b = memref.alloc(%m) : memref<?x16xf32>
  // CHECK: tern.gather_rows
  // CHECK-NOT: tern.row_group
  tern.gather_rows %x, %numbers into %b : (memref<?x16xf32>, memref<?xi32>, memref<?x16xf32>) -> ()
  // CHECK: tern.add {{.*}} {tern.row_group = 1 : i64}
  tern.add %b, %b into %b : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  // CHECK: tern.add {{.*}} {tern.row_group = 1 : i64}
  tern.add %b, %b into %b : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  // CHECK: tern.add
  // CHECK-NOT: tern.row_group
  tern.add %x, %x into %x : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// Attention reads what all rows appended, and may be followed by others.

// CHECK-LABEL: func.func @attention
func.func @attention(%q: memref<?x16xf32>, %k: memref<?x16xf32>, %c: !tern.kv_cache<1x2x8xf16>, %l: index, %p: memref<?xi32>, %s: memref<?xi32>, %a: memref<?x160xf32>, %b: memref<1003520xf32>) {
  // CHECK: tern.add {{.*}} {tern.row_group = 0 : i64}
  tern.add %k, %k into %k : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  // CHECK: tern.kv_append {{.*}} {tern.row_group = 0 : i64}
  tern.kv_append %k, %k, %c[%l] at %p of %s : (memref<?x16xf32>, memref<?x16xf32>, !tern.kv_cache<1x2x8xf16>, index, memref<?xi32>, memref<?xi32>) -> ()
  // CHECK: tern.attention {{.*}} {tern.row_group = 1 : i64}
  tern.attention %q, %c[%l] at %p of %s into %q, %a, %b : (memref<?x16xf32>, !tern.kv_cache<1x2x8xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x16xf32>, memref<?x160xf32>, memref<1003520xf32>) -> ()
  // CHECK: tern.add {{.*}} {tern.row_group = 1 : i64}
  tern.add %q, %q into %q : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// Row r of a view may be another row of what it is a view of: a block would read
// what another block writes.

// CHECK-LABEL: func.func @shifted
// CHECK-NOT: tern.row_group
func.func @shifted(%x: memref<?x16xf32>, %m: index, %y: memref<?x16xf32>) {
  %a = memref.subview %x[0, 0] [%m, 16] [1, 1] : memref<?x16xf32> to memref<?x16xf32, strided<[16, 1]>>
  %b = memref.subview %x[1, 0] [%m, 16] [1, 1] : memref<?x16xf32> to memref<?x16xf32, strided<[16, 1], offset: 16>>
  %c = memref.subview %y[0, 0] [%m, 16] [1, 1] : memref<?x16xf32> to memref<?x16xf32, strided<[16, 1]>>
  tern.add %a, %a into %a : (memref<?x16xf32, strided<[16, 1]>>, memref<?x16xf32, strided<[16, 1]>>, memref<?x16xf32, strided<[16, 1]>>) -> ()
  tern.add %b, %b into %c : (memref<?x16xf32, strided<[16, 1], offset: 16>>, memref<?x16xf32, strided<[16, 1], offset: 16>>, memref<?x16xf32, strided<[16, 1]>>) -> ()
  return
}
