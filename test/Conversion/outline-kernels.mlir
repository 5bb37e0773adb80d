// RUN: ternac-opt %s --tern-outline-kernels --split-input-file --verify-diagnostics | FileCheck %s

// Equal kernels are there once, constants in them, and what they capture is
// passed to them.

// CHECK-LABEL: func.func @twice
// CHECK-SAME: %[[A:.*]]: memref<?xf32>, %[[B:.*]]: memref<?xf32>
// CHECK: gpu.launch_func @kernels::@fill {{.*}} args(%[[A]] : memref<?xf32>)
// CHECK: gpu.launch_func @kernels::@fill {{.*}} args(%[[B]] : memref<?xf32>)
// CHECK: gpu.launch_func @kernels::@fill_0 {{.*}} args(%[[B]] : memref<?xf32>)
// CHECK: gpu.module @kernels
// CHECK: gpu.func @fill(%{{.*}}: memref<?xf32>) kernel attributes {known_block_size = array<i32: 1, 1, 1>}
// CHECK: arith.constant 1.0
// CHECK: gpu.func @fill_0
// CHECK: arith.constant 2.0
// CHECK-NOT: gpu.func
func.func @twice(%a: memref<?xf32>, %b: memref<?xf32>, %n: index) {
  %c1 = arith.constant 1 : index
  %one = arith.constant 1.0 : f32
  %two = arith.constant 2.0 : f32
  gpu.launch blocks(%i, %by, %bz) in (%gx = %n, %gy = %c1, %gz = %c1)
             threads(%t, %ty, %tz) in (%sx = %c1, %sy = %c1, %sz = %c1) {
    memref.store %one, %a[%i] : memref<?xf32>
    gpu.terminator
  } {tern.kernel = "fill"}
  gpu.launch blocks(%i, %by, %bz) in (%gx = %n, %gy = %c1, %gz = %c1)
             threads(%t, %ty, %tz) in (%sx = %c1, %sy = %c1, %sz = %c1) {
    memref.store %one, %b[%i] : memref<?xf32>
    gpu.terminator
  } {tern.kernel = "fill"}
  gpu.launch blocks(%i, %by, %bz) in (%gx = %n, %gy = %c1, %gz = %c1)
             threads(%t, %ty, %tz) in (%sx = %c1, %sy = %c1, %sz = %c1) {
    memref.store %two, %b[%i] : memref<?xf32>
    gpu.terminator
  } {tern.kernel = "fill"}
  return
}

// -----

func.func @host_loads(%a: memref<?xf32>, %i: index) -> f32 {
  // expected-error@+1 {{expected memory to be touched by kernels only}}
  %x = memref.load %a[%i] : memref<?xf32>
  return %x : f32
}

// -----

// expected-error@+1 {{expected no symbol 'kernels'}}
module {
  func.func private @kernels()
  func.func @f(%n: index) {
    gpu.launch blocks(%i, %by, %bz) in (%gx = %n, %gy = %n, %gz = %n)
               threads(%t, %ty, %tz) in (%sx = %n, %sy = %n, %sz = %n) {
      gpu.terminator
    }
    return
  }
}
