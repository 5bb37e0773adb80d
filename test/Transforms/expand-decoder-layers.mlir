// RUN: ternac-opt %s --tern-expand-decoder-layers --split-input-file | FileCheck %s

// Everything ternary, with sub-norms.

tern.global @input_norm : tensor<2x16xf32> = #tern.stored<dense, sources = [#tern.source<"a", bf16, rows = 1, cols = 16, first_layer = 0>]>
tern.global @post_norm : tensor<2x16xf32> = #tern.stored<dense, sources = [#tern.source<"b", bf16, rows = 1, cols = 16, first_layer = 0>]>
tern.global @attention_norm : tensor<2x16xf32> = #tern.stored<dense, sources = [#tern.source<"c", bf16, rows = 1, cols = 16, first_layer = 0>]>
tern.global @ffn_norm : tensor<2x32xf32> = #tern.stored<dense, sources = [#tern.source<"d", bf16, rows = 1, cols = 32, first_layer = 0>]>
tern.global @rope : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e4 : f64>
tern.global @q : tensor<2x16x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"q", packed_rows, rows = 16, cols = 16, first_layer = 0>]>
tern.global @k : tensor<2x8x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"k", packed_rows, rows = 8, cols = 16, first_layer = 0>]>
tern.global @v : tensor<2x8x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"v", packed_rows, rows = 8, cols = 16, first_layer = 0>]>
tern.global @o : tensor<2x16x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"o", packed_rows, rows = 16, cols = 16, first_layer = 0>]>
tern.global @gate : tensor<2x32x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"g", packed_rows, rows = 32, cols = 16, first_layer = 0>]>
tern.global @up : tensor<2x32x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"u", packed_rows, rows = 32, cols = 16, first_layer = 0>]>
tern.global @down : tensor<2x16x32x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"w", packed_rows, rows = 16, cols = 32, first_layer = 0>]>
tern.global @scale : tensor<2x1xf32> = #tern.stored<scales, sources = [#tern.source<"s", bf16, rows = 1, cols = 1, first_layer = 0>]>

// CHECK-LABEL: func.func @ternary
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[CACHE:.*]]: !tern.kv_cache<6x1x8xf16>, %[[LAYER:.*]]: index, %[[P:.*]]: tensor<?xi32>, %[[S:.*]]: tensor<?xi32>
func.func @ternary(%x: tensor<?x16xf32>, %cache: !tern.kv_cache<6x1x8xf16>, %layer: index,
                   %p: tensor<?xi32>, %s: tensor<?xi32>) -> (tensor<?x16xf32>, !tern.kv_cache<6x1x8xf16>) {
  // CHECK-DAG: %[[FIRST:.*]] = arith.constant 4 : index
  // CHECK-DAG: %[[CACHE_LAYER:.*]] = arith.addi %[[LAYER]], %[[FIRST]] : index
  // CHECK-DAG: %[[ROPE:.*]] = tern.load_global @rope : tensor<64x8xf32>
  // CHECK: %[[G:.*]] = tern.load_global @input_norm[%[[LAYER]]] : tensor<16xf32>
  // CHECK: %[[A:.*]] = tern.rms_norm %[[X]], %[[G]] {eps = 2.000000e+00 : f32}
  // CHECK: %[[WQ:.*]] = tern.load_global @q[%[[LAYER]]] : tensor<16x16x!tern.trit>
  // CHECK: %[[SQ:.*]] = tern.load_global @scale[%[[LAYER]]] : tensor<1xf32>
  // CHECK: %[[Q:.*]] = tern.bitlinear %[[A]], %[[WQ]], %[[SQ]] {segments = array<i64: 16>}
  // CHECK: %[[WK:.*]] = tern.load_global @k[%[[LAYER]]]
  // CHECK: %[[K:.*]] = tern.bitlinear %[[A]], %[[WK]], %{{.*}} {segments = array<i64: 8>}
  // CHECK: %[[WV:.*]] = tern.load_global @v[%[[LAYER]]]
  // CHECK: %[[V:.*]] = tern.bitlinear %[[A]], %[[WV]], %{{.*}} {segments = array<i64: 8>}
  // CHECK: %[[RQ:.*]] = tern.rope %[[Q]], %[[P]], %[[ROPE]]
  // CHECK: %[[RK:.*]] = tern.rope %[[K]], %[[P]], %[[ROPE]]
  // CHECK: %[[NEW:.*]] = tern.kv_append %[[RK]], %[[V]], %[[CACHE]][%[[CACHE_LAYER]]] at %[[P]] of %[[S]]
  // CHECK: %[[ATTENTION:.*]] = tern.attention %[[RQ]], %[[NEW]][%[[CACHE_LAYER]]] at %[[P]] of %[[S]] :
  // CHECK: %[[SUB:.*]] = tern.rms_norm %[[ATTENTION]], %{{.*}}
  // CHECK: %[[WO:.*]] = tern.load_global @o[%[[LAYER]]]
  // CHECK: %[[O:.*]] = tern.bitlinear %[[SUB]], %[[WO]]
  // CHECK: %[[H:.*]] = tern.add %[[X]], %[[O]]
  // CHECK: %[[B:.*]] = tern.rms_norm %[[H]], %{{.*}}
  // CHECK: %[[WG:.*]] = tern.load_global @gate[%[[LAYER]]]
  // CHECK: %[[GATE:.*]] = tern.bitlinear %[[B]], %[[WG]]
  // CHECK: %[[WU:.*]] = tern.load_global @up[%[[LAYER]]]
  // CHECK: %[[UP:.*]] = tern.bitlinear %[[B]], %[[WU]]
  // CHECK: %[[PRODUCT:.*]] = tern.gate <relu2> %[[GATE]], %[[UP]]
  // CHECK: %[[FFN:.*]] = tern.rms_norm %[[PRODUCT]], %{{.*}}
  // CHECK: %[[WD:.*]] = tern.load_global @down[%[[LAYER]]]
  // CHECK: %[[D:.*]] = tern.bitlinear %[[FFN]], %[[WD]]
  // CHECK: %[[Y:.*]] = tern.add %[[H]], %[[D]]
  // CHECK-NOT: tern.decoder_layer
  // CHECK: return %[[Y]], %[[NEW]]
  %y, %d = tern.decoder_layer %x, %cache[%layer] at %p of %s {
      activation = #tern.activation<relu2>, eps = 2.0 : f32, first_layer = 4 : i64, heads = 2 : i64,
      weights = {input_norm = @input_norm, post_attention_norm = @post_norm,
        attention_sub_norm = @attention_norm, ffn_sub_norm = @ffn_norm, rope = @rope,
        q_proj = @q, q_proj_scale = @scale, k_proj = @k, k_proj_scale = @scale, v_proj = @v, v_proj_scale = @scale,
        o_proj = @o, o_proj_scale = @scale, gate_proj = @gate, gate_proj_scale = @scale,
        up_proj = @up, up_proj_scale = @scale, down_proj = @down, down_proj_scale = @scale}}
    : tensor<?x16xf32>, !tern.kv_cache<6x1x8xf16>, tensor<?xi32>, tensor<?xi32>
  return %y, %d : tensor<?x16xf32>, !tern.kv_cache<6x1x8xf16>
}

// -----

// A projection without a scale is dense; sub-norms are optional; windows are those of attention.

tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [#tern.source<"a", bf16, rows = 1, cols = 16, first_layer = 0>]>
tern.global @rope : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e4 : f64>
tern.global @square : tensor<2x16x16xbf16> = #tern.stored<dense, sources = [#tern.source<"q", bf16, rows = 16, cols = 16, first_layer = 0>]>

// CHECK-LABEL: func.func @dense
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>
func.func @dense(%x: tensor<?x16xf32>, %cache: !tern.kv_cache<2x2x8xf16>, %layer: index,
                 %p: tensor<?xi32>) -> tensor<?x16xf32> {
  // CHECK: %[[A:.*]] = tern.rms_norm %[[X]]
  // CHECK-COUNT-3: tern.linear %[[A]], %{{.*}} : (tensor<?x16xf32>, tensor<16x16xbf16>) -> tensor<?x16xf32>
  // CHECK: %[[ATTENTION:.*]] = tern.attention {{.*}} {windows = array<i64: 0, 96>}
  // CHECK-NOT: tern.rms_norm
  // CHECK: %[[O:.*]] = tern.linear %[[ATTENTION]],
  // CHECK: tern.add %[[X]], %[[O]]
  // CHECK: %[[PRODUCT:.*]] = tern.gate <silu>
  // CHECK-NOT: tern.rms_norm
  // CHECK: tern.linear %[[PRODUCT]],
  // CHECK-NOT: tern.bitlinear
  %y, %d = tern.decoder_layer %x, %cache[%layer] at %p of %p {
      activation = #tern.activation<silu>, eps = 2.0 : f32, first_layer = 0 : i64, heads = 2 : i64,
      weights = {input_norm = @norm, post_attention_norm = @norm, rope = @rope, q_proj = @square,
        k_proj = @square, v_proj = @square, o_proj = @square, gate_proj = @square, up_proj = @square,
        down_proj = @square}, windows = array<i64: 0, 96>}
    : tensor<?x16xf32>, !tern.kv_cache<2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
  return %y : tensor<?x16xf32>
}

// -----

// The option for attention comes from the facts of the model.

module attributes {tern.model = {attention = "auto"}} {
  tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [#tern.source<"a", bf16, rows = 1, cols = 16, first_layer = 0>]>
  tern.global @rope : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e4 : f64>
  tern.global @square : tensor<2x16x16xbf16> = #tern.stored<dense, sources = [#tern.source<"q", bf16, rows = 16, cols = 16, first_layer = 0>]>

  // CHECK-LABEL: func.func @narrow
  func.func @narrow(%x: tensor<?x16xf32>, %cache: !tern.kv_cache<2x2x8xf16>, %layer: index,
                    %p: tensor<?xi32>) -> tensor<?x16xf32> {
    // CHECK: tern.attention {{.*}} {narrow} :
    %y, %d = tern.decoder_layer %x, %cache[%layer] at %p of %p {
        activation = #tern.activation<silu>, eps = 2.0 : f32, first_layer = 0 : i64, heads = 2 : i64,
        weights = {input_norm = @norm, post_attention_norm = @norm, rope = @rope, q_proj = @square,
          k_proj = @square, v_proj = @square, o_proj = @square, gate_proj = @square, up_proj = @square,
          down_proj = @square}}
      : tensor<?x16xf32>, !tern.kv_cache<2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
    return %y : tensor<?x16xf32>
  }
}
