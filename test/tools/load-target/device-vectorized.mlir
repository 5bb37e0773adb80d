// An op of tern that the device executes as it is may live until it becomes its
// own, and not longer.

// RUN: ternac-opt %s --load-target=%plugins/libdevice.so --tern-verify-phase=phase=vectorized -o /dev/null
// RUN: sed 's/"device", /"reference", /' %s > %t.reference.mlir
// RUN: not ternac-opt %t.reference.mlir --load-target=%plugins/libdevice.so --tern-verify-phase=phase=vectorized 2>&1 | FileCheck %s
// RUN: not ternac-opt %t.reference.mlir --tern-verify-phase=phase=vectorized 2>&1 | FileCheck %s
// CHECK: contract of phase 'vectorized': unexpected 'tern.add'; tern ops are loops over vectors
// RUN: not ternac-opt %s --load-target=%plugins/libdevice.so --tern-verify-phase=phase=llvm 2>&1 | FileCheck %s --check-prefix=LLVM
// LLVM: contract of phase 'llvm': unexpected 'tern.add'

module attributes {tern.target = #tern.target<name = "device", vector_bits = 8>} {
  func.func @f(%a: memref<?x4xf32>, %out: memref<?x4xf32>) {
    tern.add %a, %a into %out : (memref<?x4xf32>, memref<?x4xf32>, memref<?x4xf32>) -> ()
    return
  }
}
