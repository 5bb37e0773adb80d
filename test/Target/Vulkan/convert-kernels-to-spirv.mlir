// RUN: ternac-opt %s --convert-kernels-to-spirv --split-input-file --verify-diagnostics | FileCheck %s

// CHECK: module attributes {tern.kernels = {format = "spirv", names = ["first", "second"]}}
module attributes {gpu.container_module} {
  // CHECK-LABEL: func.func @f
  // CHECK-SAME: %[[A:[^:]*]]: memref<?xf32>, %[[N:[^:]*]]: index, %[[ENV:.*]]: !tern.environment
  // CHECK: %[[ONE:.*]] = arith.constant 1 : index
  // CHECK: tern.launch %[[ENV]], "vulkan" "second" 1[%[[N]], %[[ONE]], %[[ONE]], %[[ONE]], %[[ONE]], %[[ONE]]] (%[[A]], %[[N]]) : memref<?xf32>, index
  func.func @f(%a: memref<?xf32>, %n: index, %env: !tern.environment) {
    %c1 = arith.constant 1 : index
    gpu.launch_func @kernels::@second blocks in (%n, %c1, %c1) threads in (%c1, %c1, %c1) args(%a : memref<?xf32>, %n : index)
    return
  }
  // CHECK-NOT: gpu.module
  // CHECK: llvm.mlir.global internal constant @ternac.kernels.code("\03\02#\07
  gpu.module @kernels {
    gpu.func @first() kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
      gpu.return
    }
    gpu.func @second(%a: memref<?xf32>, %n: index) workgroup(%s: memref<4xf32, #gpu.address_space<workgroup>>) kernel attributes {known_block_size = array<i32: 4, 1, 1>} {
      %i = gpu.block_id x
      %t = gpu.thread_id x
      %x = memref.load %a[%i] : memref<?xf32>
      memref.store %x, %s[%t] : memref<4xf32, #gpu.address_space<workgroup>>
      gpu.barrier
      gpu.return
    }
  }
}

// -----

module attributes {gpu.container_module} {
  func.func @no_environment(%n: index) {
    // expected-error@+1 {{expected a function with an argument of type !tern.environment}}
    gpu.launch_func @kernels::@first blocks in (%n, %n, %n) threads in (%n, %n, %n)
    return
  }
  gpu.module @kernels {
    gpu.func @first() kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
      gpu.return
    }
  }
}

// -----

module attributes {gpu.container_module} {
  gpu.module @kernels {
    // expected-error@+1 {{expected a known block size}}
    gpu.func @first() kernel {
      gpu.return
    }
  }
}
