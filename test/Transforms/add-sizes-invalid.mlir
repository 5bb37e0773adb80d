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

// -----

func.func @looped(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<f32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c9 = arith.constant 9 : index
  %zero = arith.constant dense<0.0> : tensor<f32>
  %r = scf.for %i = %c0 to %c9 step %c1 iter_args(%s = %zero) -> tensor<f32> {
    // expected-error @below {{is in a loop or a branch and has a tensor of a dynamic size, for which nobody can check that it fits; expected static sizes there}}
    %d = linalg.dot ins(%x, %y : tensor<?xf32>, tensor<?xf32>) outs(%s : tensor<f32>) -> tensor<f32>
    scf.yield %d : tensor<f32>
  }
  return %r : tensor<f32>
}
