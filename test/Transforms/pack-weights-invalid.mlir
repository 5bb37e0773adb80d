// RUN: ternac-opt %s --tern-pack-weights --verify-diagnostics --split-input-file

func.func @no_config(%q: tensor<?x3xi8>, %sum: tensor<?xi32>, %w: tensor<2x3x!tern.trit>) -> tensor<?x2xi32> {
  // expected-error@+1 {{expected 'packing' and 'config'; run tern-select-lowering first}}
  %y = tern.matmul %q, %sum, %w : (tensor<?x3xi8>, tensor<?xi32>, tensor<2x3x!tern.trit>) -> tensor<?x2xi32>
  return %y : tensor<?x2xi32>
}

// -----

func.func @cannot_pad(%q: tensor<?x40xi8>, %sum: tensor<?xi32>, %w: tensor<16x40x!tern.trit>) -> tensor<?x16xi32> {
  // expected-error@+1 {{expected q to come from a tern.quantize, whose rows can be padded to 48 columns}}
  %y = tern.matmul %q, %sum, %w {config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (tensor<?x40xi8>, tensor<?xi32>, tensor<16x40x!tern.trit>) -> tensor<?x16xi32>
  return %y : tensor<?x16xi32>
}

// -----

// expected-error@+1 {{expected a module attribute 'tern.weights'}}
module {
  tern.global @norm : tensor<40xf32> = #tern.stored<dense, sources = [#tern.source<"n", bf16, rows = 1, cols = 40, first_layer = 0>]>
  func.func @no_weights() -> tensor<40xf32> {
    %g = tern.load_global @norm : tensor<40xf32>
    return %g : tensor<40xf32>
  }
}

// -----

module attributes {tern.weights = #tern.weights<synthetic_seed = 7 : i64>} {
  tern.global @w : tensor<16x64x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"w", packed_rows, rows = 16, cols = 64, first_layer = 0>]>
  func.func @two_packings(%q: tensor<?x256xi8>, %sum: tensor<?xi32>) -> (tensor<?x16xi32>, tensor<?x16xi32>) {
    %w = tern.load_global @w : tensor<16x64x!tern.trit>
    %r = tensor.extract_slice %q[0, 0] [1, 64] [1, 1] : tensor<?x256xi8> to tensor<1x64xi8>
    %c = tensor.cast %r : tensor<1x64xi8> to tensor<?x64xi8>
    %y = tern.matmul %c, %sum, %w {config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (tensor<?x64xi8>, tensor<?xi32>, tensor<16x64x!tern.trit>) -> tensor<?x16xi32>
    // expected-error@+1 {{that another op chose for 'w'}}
    %z = tern.matmul %c, %sum, %w {config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 1, group = 4, blocks = 1>}
      : (tensor<?x64xi8>, tensor<?xi32>, tensor<16x64x!tern.trit>) -> tensor<?x16xi32>
    return %y, %z : tensor<?x16xi32>, tensor<?x16xi32>
  }
}
