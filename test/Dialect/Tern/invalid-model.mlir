// RUN: ternac-opt %s --verify-diagnostics --split-input-file

// Decoder layers and bitlinears; the constraint's number is that of the
// description.

#w = {input_norm = @w, post_attention_norm = @w, rope = @w, q_proj = @w, k_proj = @w, v_proj = @w,
      o_proj = @w, gate_proj = @w, up_proj = @w}
tern.global @w : tensor<2x8x16xf32> = #tern.stored<dense, sources = [#tern.source<"w", bf16, rows = 8, cols = 16, first_layer = 0>]>
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x1x8xf16>, %l: index, %p: tensor<?xi32>) {
  // decoder_layer C1
  // expected-error@+1 {{(C1) expected a weight 'down_proj'}}
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 0 : i64, heads = 2 : i64, weights = #w}
    : tensor<?x16xf32>, <2x1x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}

// -----

#w = {input_norm = @w, post_attention_norm = @w, rope = @w, q_proj = @w, k_proj = @w, v_proj = @w,
      o_proj = @w, gate_proj = @w, up_proj = @w, down_proj = @w, bias = @w}
tern.global @w : tensor<2x8x16xf32> = #tern.stored<dense, sources = [#tern.source<"w", bf16, rows = 8, cols = 16, first_layer = 0>]>
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x1x8xf16>, %l: index, %p: tensor<?xi32>) {
  // decoder_layer C1
  // expected-error@+1 {{(C1) unexpected weight 'bias'}}
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 0 : i64, heads = 2 : i64, weights = #w}
    : tensor<?x16xf32>, <2x1x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}

// -----

#w = {input_norm = @w, post_attention_norm = @w, rope = @w, q_proj = @w, k_proj = @w, v_proj = @w,
      o_proj = @w, gate_proj = @w, up_proj = @w, down_proj = 7}
tern.global @w : tensor<2x8x16xf32> = #tern.stored<dense, sources = [#tern.source<"w", bf16, rows = 8, cols = 16, first_layer = 0>]>
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x1x8xf16>, %l: index, %p: tensor<?xi32>) {
  // decoder_layer C2
  // expected-error@+1 {{(C2) expected a symbol for weight 'down_proj', but got 7 : i64}}
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 0 : i64, heads = 2 : i64, weights = #w}
    : tensor<?x16xf32>, <2x1x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}

// -----

#w = {input_norm = @w, post_attention_norm = @w, rope = @w, q_proj = @w, k_proj = @w, v_proj = @w,
      o_proj = @w, gate_proj = @w, up_proj = @w, down_proj = @missing}
tern.global @w : tensor<2x8x16xf32> = #tern.stored<dense, sources = [#tern.source<"w", bf16, rows = 8, cols = 16, first_layer = 0>]>
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x1x8xf16>, %l: index, %p: tensor<?xi32>) {
  // decoder_layer C2
  // expected-error@+1 {{(C2) expected a tern.global named 'missing'}}
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 0 : i64, heads = 2 : i64, weights = #w}
    : tensor<?x16xf32>, <2x1x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}

// -----

#w = {input_norm = @w, post_attention_norm = @w, rope = @w, q_proj = @w, k_proj = @w, v_proj = @w,
      o_proj = @w, gate_proj = @w, up_proj = @w, down_proj = @w}
tern.global @w : tensor<2x8x16xf32> = #tern.stored<dense, sources = [#tern.source<"w", bf16, rows = 8, cols = 16, first_layer = 0>]>
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x2x8xf16>, %l: index, %p: tensor<?xi32>) {
  // decoder_layer C3
  // expected-error@+1 {{(C3) expected heads to be a multiple of 2, but got 3}}
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 0 : i64, heads = 3 : i64, weights = #w}
    : tensor<?x16xf32>, <2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}

// -----

// bitlinear C1
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x15x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C1) expected columns of the weight to be 16, but got 15}}
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x15x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C1
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<?x8xf32>' or its memref, but got 'tensor<?x9xf32>'}}
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x9xf32>
  return
}

// -----

// bitlinear C1
func.func @f(%x: tensor<?x16xf32>, %w: tensor<?x16x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C1) expected a static shape of the weight, but got 'tensor<?x16x!tern.trit>'}}
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<?x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C2) expected the number of scales to be 1, but got 2}}
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<2xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C2) expected positive segments whose sum is 8, but got 8, 1}}
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8, 1>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<2xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C2) expected positive segments whose sum is 8, but got 9, -1}}
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 9, -1>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<2xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C2) expected 'segments' with scales of rank 1, or 'group' with scales of rank 2, but got 'tensor<1xf32>'}}
  %0 = tern.bitlinear %x, %w, %s {group = 16 : i64} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C2
func.func @f(%x: tensor<?x80xf32>, %w: tensor<8x80x!tern.trit>, %s: tensor<2x8xf32>) {
  // expected-error@+1 {{(C2) expected groups of scales to be 3, but got 2}}
  %0 = tern.bitlinear %x, %w, %s {group = 32 : i64} : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<2x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C2
func.func @f(%x: tensor<?x80xf32>, %w: tensor<8x80x!tern.trit>, %s: tensor<2x8xf32>) {
  // expected-error@+1 {{(C2) expected several groups to be of a multiple of 32 columns, but got 40}}
  %0 = tern.bitlinear %x, %w, %s {group = 40 : i64} : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<2x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C2
func.func @f(%x: tensor<?x80xf32>, %w: tensor<8x80x!tern.trit>, %s: tensor<1x8xf32>) {
  // expected-error@+1 {{(C2) expected a positive group, but got 0}}
  %0 = tern.bitlinear %x, %w, %s {group = 0 : i64} : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<1x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C4
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>, %g: tensor<16xf32>) {
  // expected-error@+1 {{(C4) expected no norm with 'weight_only'}}
  %0 = tern.bitlinear %x, %w, %s norm %g {eps = 1.0 : f32, segments = array<i64: 8>, weight_only} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>, tensor<16xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C3
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>, %g: tensor<8xf32>) {
  // expected-error@+1 {{(C3) expected elements of norm to be 16, but got 8}}
  %0 = tern.bitlinear %x, %w, %s norm %g {eps = 1.0 : f32, segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// bitlinear C3
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C3) expected 'eps' exactly with 'norm'}}
  %0 = tern.bitlinear %x, %w, %s {eps = 1.0 : f32, segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [#tern.source<"n", bf16, rows = 1, cols = 16, first_layer = 0>]>
tern.global @rope : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e4 : f64>
tern.global @w : tensor<2x16x16xf32> = #tern.stored<dense, sources = [#tern.source<"w", bf16, rows = 16, cols = 16, first_layer = 0>]>
tern.global @narrow : tensor<2x16x8xf32> = #tern.stored<dense, sources = [#tern.source<"w", bf16, rows = 16, cols = 8, first_layer = 0>]>
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x2x8xf16>, %l: index, %p: tensor<?xi32>) {
  // decoder_layer C4
  // expected-error@+1 {{(C4) expected 'o_proj' to be 'tensor<?x16x16xf32>'}}
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 0 : i64, heads = 2 : i64, weights = {input_norm = @norm, post_attention_norm = @norm, rope = @rope,
    q_proj = @w, k_proj = @w, v_proj = @w, o_proj = @narrow, gate_proj = @w, up_proj = @w, down_proj = @w}}
    : tensor<?x16xf32>, <2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}

// -----

tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [#tern.source<"n", bf16, rows = 1, cols = 16, first_layer = 0>]>
tern.global @rope : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e4 : f64>
tern.global @w : tensor<2x16x16xf32> = #tern.stored<dense, sources = [#tern.source<"w", bf16, rows = 16, cols = 16, first_layer = 0>]>
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x2x8xf16>, %l: index, %p: tensor<?xi32>) {
  // decoder_layer C5
  // expected-error@+1 {{(C5) expected 2 layers from 1 to be in a cache of 2}}
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 1 : i64, heads = 2 : i64, weights = {input_norm = @norm, post_attention_norm = @norm, rope = @rope,
    q_proj = @w, k_proj = @w, v_proj = @w, o_proj = @w, gate_proj = @w, up_proj = @w, down_proj = @w}}
    : tensor<?x16xf32>, <2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}

// -----

#w = {input_norm = @w, post_attention_norm = @w, rope = @w, q_proj = @w, k_proj = @w, v_proj = @w,
      o_proj = @w, gate_proj = @w, up_proj = @w, down_proj = @w}
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<3x2x8xf16>, %l: index, %p: tensor<?xi32>) {
  // decoder_layer C6
  // expected-error@+1 {{(C6) expected one window, or one for each of the 3 layers of the cache, but got 2}}
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 0 : i64, heads = 2 : i64, weights = #w, windows = array<i64: 8, 0>}
    : tensor<?x16xf32>, <3x2x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}

// -----

#w = {input_norm = @w, post_attention_norm = @w, rope = @w, q_proj = @w, k_proj = @w, v_proj = @w,
      o_proj = @w, gate_proj = @w, up_proj = @w, down_proj = @w}
func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x2x8xf16>, %l: index, %p: tensor<?xi32>) {
  // decoder_layer C6
  // expected-error@+1 {{(C6) expected windows of at least 0, but got -8}}
  %y, %d = tern.decoder_layer %x, %c[%l] at %p of %p {activation = #tern.activation<silu>, eps = 1.0 : f32,
    first_layer = 0 : i64, heads = 2 : i64, weights = #w, windows = array<i64: -8>}
    : tensor<?x16xf32>, <2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
  return
}
