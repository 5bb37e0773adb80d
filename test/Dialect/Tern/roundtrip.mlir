// RUN: ternac-opt %s | ternac-opt | FileCheck %s
// RUN: ternac-opt %s --mlir-print-op-generic | ternac-opt | FileCheck %s

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

// CHECK-LABEL: tern.global @trits : tensor<2x8x16x!tern.trit> = <trits, sources = [<"a.{}", packed_rows, rows = 8, cols = 16, first_layer = 0, files = [0], offsets = [8, 40]>]>
tern.global @trits : tensor<2x8x16x!tern.trit> = #tern.stored<trits, sources = [
  #tern.source<"a.{}", packed_rows, rows = 8, cols = 16, first_layer = 0, files = [0], offsets = [8, 40]>]>
// CHECK: tern.global @packed : tensor<2x128xi8> = <trits, packing = <signed8, rows = 1, group = 1, blocks = 1>, sources = [{{.*}}]>
tern.global @packed : tensor<2x128xi8> = #tern.stored<trits, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>, sources = [
  #tern.source<"a.{}", f32, rows = 8, cols = 16, first_layer = 0>]>
// CHECK: tern.global @norm : tensor<2x16xf32> = <dense,
tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [
  #tern.source<"n.{}", bf16, rows = 1, cols = 16, first_layer = 0>]>
// CHECK: tern.global @table : tensor<8x16xbf16> = <dense,
tern.global @table : tensor<8x16xbf16> = #tern.stored<dense, sources = [
  #tern.source<"t", bf16, rows = 8, cols = 16, first_layer = 0>]>
// CHECK: tern.global @scales : tensor<2x1xf32> = <scales, sense = reciprocal, sources = [{{.*}}]> {private_note}
tern.global @scales : tensor<2x1xf32> = #tern.stored<scales, sense = reciprocal, sources = [
  #tern.source<"s.{}", bf16, rows = 1, cols = 1, first_layer = 0>]> {private_note}
// CHECK: tern.global @head : tensor<8x16xi8> = <row_int8,
tern.global @head : tensor<8x16xi8> = #tern.stored<row_int8, sources = [
  #tern.source<"t", bf16, rows = 8, cols = 16, first_layer = 0>]>
// CHECK: tern.global @rope : tensor<64x8xf32> = <rope, theta = 1.000000e+04 : f64>
tern.global @rope : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e+04 : f64>

// CHECK-LABEL: func.func @load_global
// CHECK-SAME: %[[LAYER:.*]]: index
func.func @load_global(%layer: index) {
  // CHECK: tern.load_global @trits[%[[LAYER]]] : tensor<8x16x!tern.trit>
  %0 = tern.load_global @trits[%layer] : tensor<8x16x!tern.trit>
  // CHECK: tern.load_global @table : tensor<8x16xbf16>
  %1 = tern.load_global @table : tensor<8x16xbf16>
  // CHECK: %{{.*}}:2 = tern.load_global @head : tensor<8x16xi8>, tensor<8xf32>
  %2:2 = tern.load_global @head : tensor<8x16xi8>, tensor<8xf32>
  return
}

// CHECK-LABEL: func.func @constant
func.func @constant() -> tensor<2x3x!tern.trit> {
  // CHECK: tern.constant <"+0--0+"> : tensor<2x3x!tern.trit>
  %w = tern.constant <"+0--0+"> : tensor<2x3x!tern.trit>
  return %w : tensor<2x3x!tern.trit>
}

// CHECK-LABEL: func.func @pack
// CHECK-SAME: %[[W:.*]]: tensor<16x16x!tern.trit>
func.func @pack(%w: tensor<16x16x!tern.trit>) -> tensor<64xi8> {
  // CHECK: tern.pack %[[W]] {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<16x16x!tern.trit> -> tensor<64xi8>
  %p = tern.pack %w {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : tensor<16x16x!tern.trit> -> tensor<64xi8>
  return %p : tensor<64xi8>
}

// CHECK-LABEL: func.func @unpack
// CHECK-SAME: %[[P:.*]]: tensor<64xi8>
func.func @unpack(%p: tensor<64xi8>) -> tensor<16x16x!tern.trit> {
  // CHECK: tern.unpack %[[P]] {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<64xi8> -> tensor<16x16x!tern.trit>
  %w = tern.unpack %p {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : tensor<64xi8> -> tensor<16x16x!tern.trit>
  return %w : tensor<16x16x!tern.trit>
}

//===----------------------------------------------------------------------===//
// Value form
//===----------------------------------------------------------------------===//

tern.global @dense : tensor<2x16x16xbf16> = #tern.stored<dense, sources = [
  #tern.source<"d.{}", bf16, rows = 16, cols = 16, first_layer = 0>]>
tern.global @square : tensor<2x16x16x!tern.trit> = #tern.stored<trits, sources = [
  #tern.source<"e.{}", bf16, rows = 16, cols = 16, first_layer = 0>]>

// CHECK-LABEL: func.func @decoder_layer
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[C:.*]]: !tern.kv_cache<2x2x8xf16>, %[[L:.*]]: index, %[[P:.*]]: tensor<?xi32>, %[[S:.*]]: tensor<?xi32>
func.func @decoder_layer(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x2x8xf16>, %l: index,
                         %p: tensor<?xi32>, %s: tensor<?xi32>) -> tensor<?x16xf32> {
  // CHECK: tern.decoder_layer %[[X]], %[[C]][%[[L]]] at %[[P]] of %[[S]] {activation = #tern.activation<silu>,
  // CHECK-SAME: eps = {{.*}} : f32, first_layer = 0 : i64, heads = 2 : i64, weights = {
  // CHECK-SAME: windows = array<i64: 64>}
  // CHECK-SAME: : tensor<?x16xf32>, <2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %s {
      activation = #tern.activation<silu>, eps = 1.0e-5 : f32, first_layer = 0 : i64, heads = 2 : i64,
      weights = {input_norm = @norm, post_attention_norm = @norm, rope = @rope, q_proj = @dense,
                 k_proj = @dense, v_proj = @dense, o_proj = @dense, gate_proj = @dense,
                 up_proj = @dense, down_proj = @square, down_proj_scale = @scales},
      windows = array<i64: 64>}
    : tensor<?x16xf32>, !tern.kv_cache<2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
  return %y : tensor<?x16xf32>
}

// CHECK-LABEL: func.func @bitlinear
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[W:.*]]: tensor<8x16x!tern.trit>, %[[S:.*]]: tensor<2xf32>, %[[G:.*]]: tensor<16xf32>
func.func @bitlinear(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<2xf32>, %g: tensor<16xf32>) {
  // CHECK: tern.bitlinear %[[X]], %[[W]], %[[S]] {segments = array<i64: 6, 2>}
  // CHECK-SAME: : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<2xf32>) -> tensor<?x8xf32>
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 6, 2>}
    : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<2xf32>) -> tensor<?x8xf32>
  // CHECK: tern.bitlinear %[[X]], %[[W]], %[[S]] norm %[[G]] {eps = 1.000000e+00 : f32, segments = array<i64: 6, 2>}
  %1 = tern.bitlinear %x, %w, %s norm %g {eps = 1.0 : f32, segments = array<i64: 6, 2>}
    : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<2xf32>, tensor<16xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @scales_of_groups
// CHECK-SAME: %[[X:.*]]: tensor<?x80xf32>, %[[W:.*]]: tensor<8x80x!tern.trit>, %[[S:.*]]: tensor<3x8xf32>, %[[Q:.*]]: tensor<?x96xi8>, %[[STEP:.*]]: tensor<?xf32>
func.func @scales_of_groups(%x: tensor<?x80xf32>, %w: tensor<8x80x!tern.trit>, %s: tensor<3x8xf32>, %q: tensor<?x96xi8>, %step: tensor<?xf32>) {
  // CHECK: tern.bitlinear %[[X]], %[[W]], %[[S]] {group = 32 : i64, weight_only}
  // CHECK-SAME: : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<3x8xf32>) -> tensor<?x8xf32>
  %0 = tern.bitlinear %x, %w, %s {group = 32 : i64, weight_only}
    : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<3x8xf32>) -> tensor<?x8xf32>
  // CHECK: tern.ternary_linear %[[X]], %[[W]], %[[S]] {group = 32 : i64}
  // CHECK-SAME: : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<3x8xf32>) -> tensor<?x8xf32>
  %1 = tern.ternary_linear %x, %w, %s {group = 32 : i64}
    : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<3x8xf32>) -> tensor<?x8xf32>
  // CHECK: tern.ternary_linear %[[Q]], %[[W]], %[[S]] step %[[STEP]] {group = 32 : i64}
  %2 = tern.ternary_linear %q, %w, %s step %step {group = 32 : i64}
    : (tensor<?x96xi8>, tensor<8x80x!tern.trit>, tensor<3x8xf32>, tensor<?xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @ternary_linear_buffers
func.func @ternary_linear_buffers(%x: memref<?x16xf32>, %w: memref<128xi8>, %s: memref<2xf32>, %y: memref<?x8xf32>) {
  // CHECK: tern.ternary_linear %{{.*}}, %{{.*}}, %{{.*}} into %{{.*}} {cols = 16 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>, segments = array<i64: 3, 5>}
  tern.ternary_linear %x, %w, %s into %y {cols = 16 : i64, config = #tern.lowering_config<strategy = add_sub>,
      packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>, segments = array<i64: 3, 5>}
    : (memref<?x16xf32>, memref<128xi8>, memref<2xf32>, memref<?x8xf32>) -> ()
  return
}

// CHECK-LABEL: func.func @rows
// CHECK-SAME: %[[T:.*]]: tensor<?xi32>, %[[E:.*]]: tensor<32x16xbf16>, %[[R:.*]]: tensor<?xi32>, %[[G:.*]]: tensor<16xf32>, %[[TABLE:.*]]: tensor<64x8xf32>
func.func @rows(%t: tensor<?xi32>, %e: tensor<32x16xbf16>, %r: tensor<?xi32>, %g: tensor<16xf32>,
                %table: tensor<64x8xf32>) {
  // CHECK: %[[X:.*]] = tern.embedding %[[T]], %[[E]] : (tensor<?xi32>, tensor<32x16xbf16>) -> tensor<?x16xf32>
  %x = tern.embedding %t, %e : (tensor<?xi32>, tensor<32x16xbf16>) -> tensor<?x16xf32>
  // CHECK: tern.gather_rows %[[X]], %[[R]] : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
  %0 = tern.gather_rows %x, %r : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
  // CHECK: tern.add %[[X]], %[[X]] : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  %1 = tern.add %x, %x : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  // CHECK: tern.rms_norm %[[X]], %[[G]] {eps = 1.000000e+00 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %2 = tern.rms_norm %x, %g {eps = 1.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  // CHECK: tern.rope %[[X]], %[[R]], %[[TABLE]] : (tensor<?x16xf32>, tensor<?xi32>, tensor<64x8xf32>) -> tensor<?x16xf32>
  %3 = tern.rope %x, %r, %table : (tensor<?x16xf32>, tensor<?xi32>, tensor<64x8xf32>) -> tensor<?x16xf32>
  // CHECK: tern.gate <relu2> %[[X]], %[[X]] : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  %4 = tern.gate <relu2> %x, %x : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  // CHECK: tern.gate <silu> %[[X]], %[[X]]
  %5 = tern.gate <silu> %x, %x : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: func.func @attention
// CHECK-SAME: %[[Q:.*]]: tensor<?x16xf32>, %[[K:.*]]: tensor<?x8xf32>, %[[C:.*]]: !tern.kv_cache<2x1x8xf16>, %[[L:.*]]: index, %[[P:.*]]: tensor<?xi32>, %[[S:.*]]: tensor<?xi32>
func.func @attention(%q: tensor<?x16xf32>, %k: tensor<?x8xf32>, %c: !tern.kv_cache<2x1x8xf16>,
                     %l: index, %p: tensor<?xi32>, %s: tensor<?xi32>) {
  // CHECK: %[[D:.*]] = tern.kv_append %[[K]], %[[K]], %[[C]][%[[L]]] at %[[P]] of %[[S]]
  // CHECK-SAME: : (tensor<?x8xf32>, tensor<?x8xf32>, !tern.kv_cache<2x1x8xf16>, index, tensor<?xi32>, tensor<?xi32>) -> !tern.kv_cache<2x1x8xf16>
  %d = tern.kv_append %k, %k, %c[%l] at %p of %s
    : (tensor<?x8xf32>, tensor<?x8xf32>, !tern.kv_cache<2x1x8xf16>, index, tensor<?xi32>, tensor<?xi32>) -> !tern.kv_cache<2x1x8xf16>
  // CHECK: tern.attention %[[Q]], %[[D]][%[[L]]] at %[[P]] of %[[S]]
  // CHECK-SAME: : (tensor<?x16xf32>, !tern.kv_cache<2x1x8xf16>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x16xf32>
  %y = tern.attention %q, %d[%l] at %p of %s
    : (tensor<?x16xf32>, !tern.kv_cache<2x1x8xf16>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x16xf32>
  // CHECK: tern.attention {{.*}} {narrow, windows = array<i64: 4, 0>}
  %z = tern.attention %y, %d[%l] at %p of %s {narrow, windows = array<i64: 4, 0>}
    : (tensor<?x16xf32>, !tern.kv_cache<2x1x8xf16>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: func.func @linear
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[F:.*]]: tensor<8x16xf16>, %[[I:.*]]: tensor<8x16xi8>, %[[S:.*]]: tensor<8xf32>
func.func @linear(%x: tensor<?x16xf32>, %f: tensor<8x16xf16>, %i: tensor<8x16xi8>, %s: tensor<8xf32>) {
  // CHECK: tern.linear %[[X]], %[[F]] : (tensor<?x16xf32>, tensor<8x16xf16>) -> tensor<?x8xf32>
  %0 = tern.linear %x, %f : (tensor<?x16xf32>, tensor<8x16xf16>) -> tensor<?x8xf32>
  // CHECK: tern.linear %[[X]], %[[I]] scaled %[[S]] : (tensor<?x16xf32>, tensor<8x16xi8>, tensor<8xf32>) -> tensor<?x8xf32>
  %1 = tern.linear %x, %i scaled %s : (tensor<?x16xf32>, tensor<8x16xi8>, tensor<8xf32>) -> tensor<?x8xf32>
  // CHECK: %[[Q:.*]]:2 = tern.quantize %[[X]] : (tensor<?x16xf32>) -> (tensor<?x16xi16>, tensor<?xf32>)
  %q:2 = tern.quantize %x : (tensor<?x16xf32>) -> (tensor<?x16xi16>, tensor<?xf32>)
  // CHECK: tern.linear %[[Q]]#0, %[[I]] step %[[Q]]#1 scaled %[[S]] : (tensor<?x16xi16>, tensor<8x16xi8>, tensor<?xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %2 = tern.linear %q#0, %i step %q#1 scaled %s : (tensor<?x16xi16>, tensor<8x16xi8>, tensor<?xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @integers
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[G:.*]]: tensor<16xf32>, %[[W:.*]]: tensor<8x16x!tern.trit>, %[[B:.*]]: tensor<128xi8>, %[[S:.*]]: tensor<1xf32>
func.func @integers(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>,
                    %b: tensor<128xi8>, %s: tensor<1xf32>) {
  // CHECK: %[[Q:.*]]:3 = tern.quantize %[[X]] : (tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  %q:3 = tern.quantize %x : (tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  // CHECK: tern.quantize %[[X]] norm %[[G]] {eps = 1.000000e+00 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> (tensor<?x64xi8>, tensor<?xf32>, tensor<?xi32>)
  %padded:3 = tern.quantize %x norm %g {eps = 1.0 : f32}
    : (tensor<?x16xf32>, tensor<16xf32>) -> (tensor<?x64xi8>, tensor<?xf32>, tensor<?xi32>)
  // CHECK: %[[A:.*]] = tern.matmul %[[Q]]#0, %[[Q]]#2, %[[W]] : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>) -> tensor<?x8xi32>
  %a = tern.matmul %q#0, %q#2, %w
    : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>) -> tensor<?x8xi32>
  // CHECK: tern.matmul %[[Q]]#0, %[[Q]]#2, %[[B]] {cols = 16 : i64, config = #tern.lowering_config<strategy = reference>, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>} : (tensor<?x16xi8>, tensor<?xi32>, tensor<128xi8>) -> tensor<?x8xi32>
  %p = tern.matmul %q#0, %q#2, %b {cols = 16 : i64, config = #tern.lowering_config<strategy = reference>,
      packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>}
    : (tensor<?x16xi8>, tensor<?xi32>, tensor<128xi8>) -> tensor<?x8xi32>
  // CHECK: %[[Y:.*]] = tern.rescale %[[A]], %[[Q]]#1, %[[S]] {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  %y = tern.rescale %a, %q#1, %s {segments = array<i64: 8>}
    : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  // CHECK: tern.rescale %[[A]], %[[Q]]#1, %[[S]] plus %[[Y]] {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %z = tern.rescale %a, %q#1, %s plus %y {segments = array<i64: 8>}
    : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

//===----------------------------------------------------------------------===//
// Buffer form
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func @row_buffers
// CHECK-SAME: %[[T:.*]]: memref<?xi32>, %[[E:.*]]: memref<32x16xbf16>, %[[G:.*]]: memref<16xf32>, %[[TABLE:.*]]: memref<64x8xf32>, %[[X:.*]]: memref<?x16xf32>, %[[Y:.*]]: memref<?x16xf32>
func.func @row_buffers(%t: memref<?xi32>, %e: memref<32x16xbf16>, %g: memref<16xf32>,
                       %table: memref<64x8xf32>, %x: memref<?x16xf32>, %y: memref<?x16xf32>) {
  // CHECK: tern.embedding %[[T]], %[[E]] into %[[X]] : (memref<?xi32>, memref<32x16xbf16>, memref<?x16xf32>) -> ()
  tern.embedding %t, %e into %x : (memref<?xi32>, memref<32x16xbf16>, memref<?x16xf32>) -> ()
  // CHECK: tern.gather_rows %[[X]], %[[T]] into %[[Y]] : (memref<?x16xf32>, memref<?xi32>, memref<?x16xf32>) -> ()
  tern.gather_rows %x, %t into %y : (memref<?x16xf32>, memref<?xi32>, memref<?x16xf32>) -> ()
  // CHECK: tern.add %[[X]], %[[X]] into %[[Y]] : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  tern.add %x, %x into %y : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  // CHECK: tern.rms_norm %[[X]], %[[G]] into %[[Y]] {eps = 1.000000e+00 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  tern.rms_norm %x, %g into %y {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
  // CHECK: tern.rope %[[X]], %[[T]], %[[TABLE]] into %[[Y]] : (memref<?x16xf32>, memref<?xi32>, memref<64x8xf32>, memref<?x16xf32>) -> ()
  tern.rope %x, %t, %table into %y : (memref<?x16xf32>, memref<?xi32>, memref<64x8xf32>, memref<?x16xf32>) -> ()
  // CHECK: tern.gate <relu2> %[[X]], %[[X]] into %[[Y]] : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  tern.gate <relu2> %x, %x into %y : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  return
}

// CHECK-LABEL: func.func @attention_buffers
// CHECK-SAME: %[[Q:.*]]: memref<?x16xf32>, %[[K:.*]]: memref<?x8xf32>, %[[C:.*]]: !tern.kv_cache<2x1x8xf16>, %[[L:.*]]: index, %[[P:.*]]: memref<?xi32>, %[[Y:.*]]: memref<?x16xf32>, %[[SCRATCH:.*]]: memref<?x160xf32>, %[[PARTIALS:.*]]: memref<1003520xf32>
func.func @attention_buffers(%q: memref<?x16xf32>, %k: memref<?x8xf32>, %c: !tern.kv_cache<2x1x8xf16>,
                             %l: index, %p: memref<?xi32>, %y: memref<?x16xf32>, %scratch: memref<?x160xf32>, %partials: memref<1003520xf32>) {
  // CHECK: tern.kv_append %[[K]], %[[K]], %[[C]][%[[L]]] at %[[P]] of %[[P]]
  // CHECK-SAME: : (memref<?x8xf32>, memref<?x8xf32>, !tern.kv_cache<2x1x8xf16>, index, memref<?xi32>, memref<?xi32>) -> ()
  tern.kv_append %k, %k, %c[%l] at %p of %p
    : (memref<?x8xf32>, memref<?x8xf32>, !tern.kv_cache<2x1x8xf16>, index, memref<?xi32>, memref<?xi32>) -> ()
  // CHECK: tern.attention %[[Q]], %[[C]][%[[L]]] at %[[P]] of %[[P]] into %[[Y]], %[[SCRATCH]], %[[PARTIALS]]
  // CHECK-SAME: : (memref<?x16xf32>, !tern.kv_cache<2x1x8xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x16xf32>, memref<?x160xf32>, memref<1003520xf32>) -> ()
  tern.attention %q, %c[%l] at %p of %p into %y, %scratch, %partials
    : (memref<?x16xf32>, !tern.kv_cache<2x1x8xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x16xf32>, memref<?x160xf32>, memref<1003520xf32>) -> ()
  return
}

// CHECK-LABEL: func.func @integer_buffers
// CHECK-SAME: %[[X:.*]]: memref<?x16xf32>, %[[G:.*]]: memref<16xf32>, %[[W:.*]]: memref<128xi8>, %[[S:.*]]: memref<1xf32>, %[[Q:.*]]: memref<?x16xi8>, %[[STEP:.*]]: memref<?xf32>, %[[SUM:.*]]: memref<?xi32>, %[[A:.*]]: memref<?x8xi32>, %[[Y:.*]]: memref<?x8xf32>
func.func @integer_buffers(%x: memref<?x16xf32>, %g: memref<16xf32>, %w: memref<128xi8>, %s: memref<1xf32>,
                           %q: memref<?x16xi8>, %step: memref<?xf32>, %sum: memref<?xi32>,
                           %a: memref<?x8xi32>, %y: memref<?x8xf32>) {
  // CHECK: tern.quantize %[[X]] norm %[[G]] into %[[Q]], %[[STEP]], %[[SUM]] {eps = 1.000000e+00 : f32}
  // CHECK-SAME: : (memref<?x16xf32>, memref<16xf32>, memref<?x16xi8>, memref<?xf32>, memref<?xi32>) -> ()
  tern.quantize %x norm %g into %q, %step, %sum {eps = 1.0 : f32}
    : (memref<?x16xf32>, memref<16xf32>, memref<?x16xi8>, memref<?xf32>, memref<?xi32>) -> ()
  // CHECK: tern.matmul %[[Q]], %[[SUM]], %[[W]] into %[[A]] {cols = 16 : i64,
  // CHECK-SAME: : (memref<?x16xi8>, memref<?xi32>, memref<128xi8>, memref<?x8xi32>) -> ()
  tern.matmul %q, %sum, %w into %a {cols = 16 : i64, config = #tern.lowering_config<strategy = reference>,
      packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>}
    : (memref<?x16xi8>, memref<?xi32>, memref<128xi8>, memref<?x8xi32>) -> ()
  // CHECK: tern.rescale %[[A]], %[[STEP]], %[[S]] plus %[[Y]] into %[[Y]] {segments = array<i64: 8>}
  // CHECK-SAME: : (memref<?x8xi32>, memref<?xf32>, memref<1xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  tern.rescale %a, %step, %s plus %y into %y {segments = array<i64: 8>}
    : (memref<?x8xi32>, memref<?xf32>, memref<1xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  return
}

// CHECK-LABEL: func.func @linear_buffers
// CHECK-SAME: %[[X:.*]]: memref<?x16xf32>, %[[W:.*]]: memref<8x16xi8>, %[[S:.*]]: memref<8xf32>, %[[Y:.*]]: memref<?x8xf32>
func.func @linear_buffers(%x: memref<?x16xf32>, %w: memref<8x16xi8>, %s: memref<8xf32>, %y: memref<?x8xf32>) {
  // CHECK: tern.linear %[[X]], %[[W]] scaled %[[S]] into %[[Y]] : (memref<?x16xf32>, memref<8x16xi8>, memref<8xf32>, memref<?x8xf32>) -> ()
  tern.linear %x, %w scaled %s into %y : (memref<?x16xf32>, memref<8x16xi8>, memref<8xf32>, memref<?x8xf32>) -> ()
  return
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func @threads
// CHECK-SAME: %[[ENV:.*]]: !tern.environment, %[[N:.*]]: index
func.func @threads(%env: !tern.environment, %n: index) -> (index, index) {
  // CHECK: tern.barrier %[[ENV]]
  tern.barrier %env
  // CHECK: %[[BEGIN:.*]], %[[END:.*]] = tern.thread_range %[[ENV]], %[[N]] step 16
  %begin, %end = tern.thread_range %env, %n step 16
  // CHECK: return %[[BEGIN]], %[[END]]
  return %begin, %end : index, index
}
