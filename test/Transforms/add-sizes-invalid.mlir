// RUN: ternac-opt %s --tern-export-functions --tern-add-sizes --split-input-file --verify-diagnostics

func.func @by_value(%n: tensor<i64>) -> tensor<?xf32> {
  // expected-error @below {{decides on the size of a result; expected sizes that follow from those of the arguments alone}}
  %number = tensor.extract %n[] : tensor<i64>
  %size = arith.index_cast %number : i64 to index
  %y = tensor.empty(%size) : tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
// expected-error @below {{expected no symbol 'f.sizes', which computes the sizes of 'f'}}
func.func private @f.sizes()

// -----

// expected-error @below {{expected a body of one block}}
func.func @two(%x: tensor<4xf32>) -> tensor<4xf32> {
  cf.br ^bb1
^bb1:
  return %x : tensor<4xf32>
}
