// RUN: ternac-opt %s --tern-export-functions --split-input-file --verify-diagnostics

// expected-error @below {{expected the name of an exported function to be a C identifier}}
func.func @"a.b"(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// expected-error @below {{expected the name of an exported function to be a C identifier}}
func.func @ternac_model(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// expected-error @below {{expected an exported function to have a result}}
func.func @nothing(%x: tensor<4xf32>) {
  return
}

// -----

// expected-error @below {{expected an exported function to take and return ranked tensors of i1, i8, i16, i32, i64, f16, bf16, f32 or f64, but got 'f32'}}
func.func @scalar(%x: f32) -> tensor<4xf32> {
  %y = tensor.splat %x : tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// expected-error @below {{ranked tensors of i1, i8, i16, i32, i64, f16, bf16, f32 or f64, but got 'tensor<*xf32>'}}
func.func @unranked(%x: tensor<*xf32>) -> tensor<*xf32> {
  return %x : tensor<*xf32>
}

// -----

// expected-error @below {{but got 'tensor<4xi4>'}}
func.func @narrow(%x: tensor<4xi4>) -> tensor<4xi4> {
  return %x : tensor<4xi4>
}

// -----

// expected-error @below {{expected 'tern.name' to be a string, a C identifier that is no keyword, but got "for"}}
func.func @keyword(%x: tensor<4xf32> {tern.name = "for"}) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// expected-error @below {{expected arguments and results of different names, but two are called "x"}}
func.func @twice(%x: tensor<4xf32> {tern.name = "x"}) -> (tensor<4xf32> {tern.name = "x"}) {
  return %x : tensor<4xf32>
}

// -----

// expected-error @below {{expected no other symbol 'f_sizes', which a library exports beside 'f'}}
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func @f_sizes(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// expected-error @below {{expected arguments and results of different names, but two are called "x_size0"}}
func.func @generated(%x: tensor<?xf32> {tern.name = "x"}, %y: tensor<4xf32> {tern.name = "x_size0"}) -> tensor<4xf32> {
  return %y : tensor<4xf32>
}
