// A ternary layer of a shape that pads rows and columns.
module attributes {tern.weights = #tern.weights<synthetic_seed = 7 : i64>} {
  tern.global @w : tensor<40x200x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"w", packed_rows, rows = 40, cols = 200, first_layer = 0>]>
  tern.global @s : tensor<1xf32> = #tern.stored<scales, sources = [#tern.source<"s", f32, rows = 1, cols = 1, first_layer = 0>]>
  func.func @layer(%x: tensor<?x200xf32>) -> tensor<?x40xf32> {
    %w = tern.load_global @w : tensor<40x200x!tern.trit>
    %s = tern.load_global @s : tensor<1xf32>
    %y = tern.bitlinear %x, %w, %s {segments = array<i64: 40>}
      : (tensor<?x200xf32>, tensor<40x200x!tern.trit>, tensor<1xf32>) -> tensor<?x40xf32>
    return %y : tensor<?x40xf32>
  }
}
