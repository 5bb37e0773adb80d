// RUN: ternac-opt %s --tern-export-functions --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @named
// CHECK-SAME: tern.exported = {arguments = ["x", "arg1"], results = ["y", "result1"], type = (tensor<?x16xf32>, tensor<i64>) -> (tensor<?x16xf32>, tensor<i64>)}
func.func @named(%x: tensor<?x16xf32> {tern.name = "x"}, %n: tensor<i64>) -> (tensor<?x16xf32> {tern.name = "y"}, tensor<i64>) {
  return %x, %n : tensor<?x16xf32>, tensor<i64>
}

// CHECK-LABEL: func.func private @helper
// CHECK-NOT: tern.exported
func.func private @helper(%x: index) -> index {
  return %x : index
}

// -----

// What a model exports is its table.
// CHECK: module
module attributes {tern.model = {}} {
  // CHECK-NOT: tern.exported
  func.func @forward(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    return %x : tensor<?x16xf32>
  }
}
