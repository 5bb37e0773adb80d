// A module that is no model: two functions that become a library of their own.
//
//   build/bin/ternac examples/functions/mlp.mlir -o mlp.so
//   build/bin/ternac examples/functions/mlp.mlir --emit=header -o mlp.h
//   clang -I include -I . examples/functions/call.c ./mlp.so -o call && LD_LIBRARY_PATH=. ./call
//
// Private functions are inlined; tern.name is what C and Python call arguments and results.

func.func private @silu(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %empty = tensor.empty(%n) : tensor<?x8xf32>
  %y = linalg.map ins(%x : tensor<?x8xf32>) outs(%empty : tensor<?x8xf32>)
    (%a: f32, %out: f32) {
      %one = arith.constant 1.0 : f32
      %minus = arith.negf %a : f32
      %e = math.exp %minus : f32
      %d = arith.addf %one, %e : f32
      %r = arith.divf %a, %d : f32
      linalg.yield %r : f32
    }
  return %y : tensor<?x8xf32>
}

// y = silu(x W^T): a ternary layer, with activations rounded to 8 bits.
func.func @mlp(%x: tensor<?x4xf32> {tern.name = "x"}, %scale: tensor<1xf32> {tern.name = "scale"})
    -> (tensor<?x8xf32> {tern.name = "y"}) {
  %w = tern.constant <"+0-00+0-++---0+00-0++-+-000+-000"> : tensor<8x4x!tern.trit>
  %h = tern.bitlinear %x, %w, %scale {segments = array<i64: 8>}
    : (tensor<?x4xf32>, tensor<8x4x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %y = func.call @silu(%h) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// How much each row attends to each other: softmax(q k^T), of dynamic sizes both.
func.func @attend(%q: tensor<?x4xf32> {tern.name = "q"}, %k: tensor<?x4xf32> {tern.name = "k"})
    -> (tensor<?x?xf32> {tern.name = "p"}) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %q, %c0 : tensor<?x4xf32>
  %m = tensor.dim %k, %c0 : tensor<?x4xf32>
  %te = tensor.empty(%m) : tensor<4x?xf32>
  %t = linalg.transpose ins(%k : tensor<?x4xf32>) outs(%te : tensor<4x?xf32>) permutation = [1, 0]
  %se = tensor.empty(%n, %m) : tensor<?x?xf32>
  %s0 = linalg.fill ins(%zero : f32) outs(%se : tensor<?x?xf32>) -> tensor<?x?xf32>
  %s = linalg.matmul ins(%q, %t : tensor<?x4xf32>, tensor<4x?xf32>) outs(%s0 : tensor<?x?xf32>) -> tensor<?x?xf32>
  %pe = tensor.empty(%n, %m) : tensor<?x?xf32>
  %p = linalg.softmax dimension(1) ins(%s : tensor<?x?xf32>) outs(%pe : tensor<?x?xf32>) -> tensor<?x?xf32>
  return %p : tensor<?x?xf32>
}
