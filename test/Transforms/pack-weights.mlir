// RUN: ternac-opt %s --tern-pack-weights --split-input-file | FileCheck %s

// Each global has its place, a multiple of 64 bytes, in the order of the module:
// norm: 2 layers of 40 f32 (160 -> 192); w: 2 layers of 2 x 3 tiles of 64 bytes
// (20 rows are padded to 32, 40 columns to 48); s: 2 layers of one f32 (4 -> 64);
// head: 6 x 40 bytes (240 -> 256) and 6 f32 (24 -> 64). The unused one has none.

// CHECK: tern.weights = #tern.weights<synthetic_seed = 7 : i64, entries = [
// CHECK-SAME: <name = "norm", offset = 0, layer_bytes = 192, layers = 2, rows = 1, cols = 40, element = f32, stored = <dense, sources = [<{{[^>]*}}>]>>,
// CHECK-SAME: <name = "w", offset = 384, layer_bytes = 384, layers = 2, rows = 20, cols = 40, element = f32, stored = <trits, packing = <two_bit, rows = 16, group = 4, blocks = 1>, sources = [<{{[^>]*}}>]>>,
// CHECK-SAME: <name = "s", offset = 1152, layer_bytes = 64, layers = 2, rows = 1, cols = 1, element = f32, stored = <scales, sources = [<{{[^>]*}}>]>>,
// CHECK-SAME: <name = "head", offset = 1280, layer_bytes = 320, layers = 1, rows = 6, cols = 40, element = f32, stored = <row_int8, sources = [<{{[^>]*}}>]>>,
// CHECK-SAME: <name = "rope", offset = 1600, layer_bytes = 2048, layers = 1, rows = 64, cols = 8, element = f32, stored = <rope, theta = 1.000000e+04 : f64>>,
// CHECK-SAME: <name = "table", offset = 3648, layer_bytes = 256, layers = 1, rows = 3, cols = 40, element = bf16, stored = <dense, sources = [<{{[^>]*}}>]>>]>
module attributes {tern.weights = #tern.weights<synthetic_seed = 7 : i64>} {
  // CHECK: tern.global @norm : tensor<2x40xf32>
  tern.global @norm : tensor<2x40xf32> = #tern.stored<dense, sources = [#tern.source<"n.{}", bf16, rows = 1, cols = 40, first_layer = 0>]>
  // CHECK: tern.global @w : tensor<2x384xi8> = <trits, packing = <two_bit, rows = 16, group = 4, blocks = 1>, sources = [
  tern.global @w : tensor<2x20x40x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"w.{}", packed_rows, rows = 20, cols = 40, first_layer = 0>]>
  tern.global @s : tensor<2x1xf32> = #tern.stored<scales, sources = [#tern.source<"s.{}", bf16, rows = 1, cols = 1, first_layer = 0>]>
  // CHECK-NOT: @unused
  tern.global @unused : tensor<4xf32> = #tern.stored<dense, sources = [#tern.source<"u", bf16, rows = 1, cols = 4, first_layer = 0>]>
  // CHECK: tern.global @head : tensor<6x40xi8>
  tern.global @head : tensor<6x40xi8> = #tern.stored<row_int8, sources = [#tern.source<"h", bf16, rows = 6, cols = 40, first_layer = 0>]>
  tern.global @rope : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e4 : f64>
  tern.global @table : tensor<3x40xbf16> = #tern.stored<dense, sources = [#tern.source<"t", bf16, rows = 3, cols = 40, first_layer = 0>]>

  // CHECK-LABEL: func.func @f
  // CHECK-SAME: %{{.*}}: tensor<?x40xf32>, %[[L:.*]]: index
  func.func @f(%x: tensor<?x40xf32>, %l: index, %t: tensor<?xi32>)
      -> (tensor<?x20xf32>, tensor<?x6xf32>, tensor<?x40xf32>, tensor<?x40xf32>) {
    %g = tern.load_global @norm[%l] : tensor<40xf32>
    %w = tern.load_global @w[%l] : tensor<20x40x!tern.trit>
    %s = tern.load_global @s[%l] : tensor<1xf32>
    %h:2 = tern.load_global @head : tensor<6x40xi8>, tensor<6xf32>
    %unused = tern.load_global @unused : tensor<4xf32>
    // The padded layout reads 48 columns.
    // CHECK: %[[Q:.*]]:3 = tern.quantize {{.*}} -> (tensor<?x48xi8>, tensor<?xf32>, tensor<?xi32>)
    %q:3 = tern.quantize %x norm %g {eps = 1.0 : f32} : (tensor<?x40xf32>, tensor<40xf32>) -> (tensor<?x40xi8>, tensor<?xf32>, tensor<?xi32>)
    // CHECK: %[[W:.*]] = tern.load_global @w[%[[L]]] : tensor<384xi8>
    // 32 x 48 codes of 2 bits for 20 x 40 weights.
    // CHECK: tern.matmul %[[Q]]#0, %[[Q]]#2, %[[W]] {cols = 40 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>, tern.bits_per_weight = 3.840000e+00 : f32} : (tensor<?x48xi8>, tensor<?xi32>, tensor<384xi8>) -> tensor<?x20xi32>
    // CHECK-NOT: !tern.trit
    %a = tern.matmul %q#0, %q#2, %w {config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
      : (tensor<?x40xi8>, tensor<?xi32>, tensor<20x40x!tern.trit>) -> tensor<?x20xi32>
    %y = tern.rescale %a, %q#1, %s {segments = array<i64: 20>} : (tensor<?x20xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x20xf32>
    %z = tern.linear %x, %h#0 scaled %h#1 : (tensor<?x40xf32>, tensor<6x40xi8>, tensor<6xf32>) -> tensor<?x6xf32>
    %rope = tern.load_global @rope : tensor<64x8xf32>
    %r = tern.rope %x, %t, %rope : (tensor<?x40xf32>, tensor<?xi32>, tensor<64x8xf32>) -> tensor<?x40xf32>
    %table = tern.load_global @table : tensor<3x40xbf16>
    %e = tern.embedding %t, %table : (tensor<?xi32>, tensor<3x40xbf16>) -> tensor<?x40xf32>
    return %y, %z, %r, %e : tensor<?x20xf32>, tensor<?x6xf32>, tensor<?x40xf32>, tensor<?x40xf32>
  }
}

// -----

// Two matmuls share a quantisation: it has the columns of the wider layout.

// CHECK-LABEL: func.func @widest
func.func @widest(%x: tensor<?x40xf32>, %a: tensor<16x40x!tern.trit>, %b: tensor<4x40x!tern.trit>) -> (tensor<?x16xi32>, tensor<?x4xi32>) {
  // CHECK: tern.quantize {{.*}} -> (tensor<?x256xi8>,
  %q:3 = tern.quantize %x : (tensor<?x40xf32>) -> (tensor<?x40xi8>, tensor<?xf32>, tensor<?xi32>)
  // CHECK: %[[A:.*]] = tern.pack %{{.*}} : tensor<16x40x!tern.trit> -> tensor<192xi8>
  // CHECK: tern.matmul %{{.*}}#0, %{{.*}}#2, %[[A]]
  %y = tern.matmul %q#0, %q#2, %a {config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (tensor<?x40xi8>, tensor<?xi32>, tensor<16x40x!tern.trit>) -> tensor<?x16xi32>
  // CHECK: %[[B:.*]] = tern.pack %{{.*}} : tensor<4x40x!tern.trit> -> tensor<256xi8>
  // CHECK: tern.matmul %{{.*}}#0, %{{.*}}#2, %[[B]]
  %z = tern.matmul %q#0, %q#2, %b {config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
    : (tensor<?x40xi8>, tensor<?xi32>, tensor<4x40x!tern.trit>) -> tensor<?x4xi32>
  return %y, %z : tensor<?x16xi32>, tensor<?x4xi32>
}

// -----

// A layout that pads nothing changes no quantisation, whatever it comes from.

// CHECK-LABEL: func.func @unpadded
func.func @unpadded(%q: tensor<?x3xi8>, %sum: tensor<?xi32>) -> tensor<?x2xi32> {
  // CHECK: %[[W:.*]] = tern.constant <"+0--0+">
  // CHECK: %[[P:.*]] = tern.pack %[[W]] {{.*}} -> tensor<6xi8>
  // CHECK: tern.matmul %{{.*}}, %{{.*}}, %[[P]] {cols = 3 : i64
  %w = tern.constant <"+0--0+"> : tensor<2x3x!tern.trit>
  %y = tern.matmul %q, %sum, %w {config = #tern.lowering_config<strategy = reference>, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>}
    : (tensor<?x3xi8>, tensor<?xi32>, tensor<2x3x!tern.trit>) -> tensor<?x2xi32>
  return %y : tensor<?x2xi32>
}
