// RUN: ternac-opt %s --tern-fuse-projections --split-input-file | FileCheck %s

// The stacked weight has the sources of all; their scales stay apart.

// CHECK: tern.global @layers.q_k : tensor<2x12x16x!tern.trit> = <trits, sources = [<"q.{}", {{.*}}rows = 8{{.*}}>, <"k.{}", {{.*}}rows = 4{{.*}}>]>
// CHECK: tern.global @layers.q_scale_k_scale : tensor<2x2xf32> = <scales, sense = reciprocal, sources = [<"qs.{}", {{.*}}>, <"ks.{}", {{.*}}>]>
tern.global @layers.q : tensor<2x8x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"q.{}", packed_rows, rows = 8, cols = 16, first_layer = 0>]>
tern.global @layers.q_scale : tensor<2x1xf32> = #tern.stored<scales, sense = reciprocal, sources = [#tern.source<"qs.{}", bf16, rows = 1, cols = 1, first_layer = 0>]>
tern.global @layers.k : tensor<2x4x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"k.{}", packed_rows, rows = 4, cols = 16, first_layer = 0>]>
tern.global @layers.k_scale : tensor<2x1xf32> = #tern.stored<scales, sense = reciprocal, sources = [#tern.source<"ks.{}", bf16, rows = 1, cols = 1, first_layer = 0>]>

// CHECK-LABEL: func.func @fuse
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32>, %[[L:.*]]: index
func.func @fuse(%x: tensor<?x16xf32>, %l: index) -> (tensor<?x8xf32>, tensor<?x4xf32>) {
  // CHECK-DAG: %[[W:.*]] = tern.load_global @layers.q_k[%[[L]]] : tensor<12x16x!tern.trit>
  // CHECK-DAG: %[[S:.*]] = tern.load_global @layers.q_scale_k_scale[%[[L]]] : tensor<2xf32>
  // CHECK: %[[Y:.*]] = tern.bitlinear %[[X]], %[[W]], %[[S]] {segments = array<i64: 8, 4>}
  // CHECK: %[[N:.*]] = tensor.dim %[[Y]]
  // CHECK: %[[Q:.*]] = tensor.extract_slice %[[Y]][0, 0] [%[[N]], 8] [1, 1] : tensor<?x12xf32> to tensor<?x8xf32>
  // CHECK: %[[K:.*]] = tensor.extract_slice %[[Y]][0, 8] [%[[N]], 4] [1, 1] : tensor<?x12xf32> to tensor<?x4xf32>
  // CHECK-NOT: tern.bitlinear
  // CHECK: return %[[Q]], %[[K]]
  %wq = tern.load_global @layers.q[%l] : tensor<8x16x!tern.trit>
  %sq = tern.load_global @layers.q_scale[%l] : tensor<1xf32>
  %q = tern.bitlinear %x, %wq, %sq {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %wk = tern.load_global @layers.k[%l] : tensor<4x16x!tern.trit>
  %sk = tern.load_global @layers.k_scale[%l] : tensor<1xf32>
  %k = tern.bitlinear %x, %wk, %sk {segments = array<i64: 4>} : (tensor<?x16xf32>, tensor<4x16x!tern.trit>, tensor<1xf32>) -> tensor<?x4xf32>
  return %q, %k : tensor<?x8xf32>, tensor<?x4xf32>
}

// -----

// Weights of no layer.

tern.global @a : tensor<8x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"a", packed_rows, rows = 8, cols = 16, first_layer = 0>]>
tern.global @b : tensor<4x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"b", packed_rows, rows = 4, cols = 16, first_layer = 0>]>
tern.global @s : tensor<1xf32> = #tern.stored<scales, sources = [#tern.source<"s", bf16, rows = 1, cols = 1, first_layer = 0>]>

// CHECK: tern.global @a_b : tensor<12x16x!tern.trit>
// CHECK-LABEL: func.func @no_layer
func.func @no_layer(%x: tensor<2x16xf32>) -> (tensor<2x8xf32>, tensor<2x4xf32>) {
  // CHECK: tern.bitlinear %{{.*}} {segments = array<i64: 8, 4>} : (tensor<2x16xf32>, tensor<12x16x!tern.trit>, tensor<2xf32>) -> tensor<2x12xf32>
  // CHECK: tensor.extract_slice %{{.*}}[0, 0] [2, 8] [1, 1] : tensor<2x12xf32> to tensor<2x8xf32>
  // CHECK: tensor.extract_slice %{{.*}}[0, 8] [2, 4] [1, 1] : tensor<2x12xf32> to tensor<2x4xf32>
  %wa = tern.load_global @a : tensor<8x16x!tern.trit>
  %wb = tern.load_global @b : tensor<4x16x!tern.trit>
  %s = tern.load_global @s : tensor<1xf32>
  %0 = tern.bitlinear %x, %wa, %s {segments = array<i64: 8>} : (tensor<2x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<2x8xf32>
  %1 = tern.bitlinear %x, %wb, %s {segments = array<i64: 4>} : (tensor<2x16xf32>, tensor<4x16x!tern.trit>, tensor<1xf32>) -> tensor<2x4xf32>
  return %0, %1 : tensor<2x8xf32>, tensor<2x4xf32>
}

// -----

tern.global @a : tensor<2x8x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"a", packed_rows, rows = 8, cols = 16, first_layer = 0>]>
tern.global @s : tensor<2x1xf32> = #tern.stored<scales, sources = [#tern.source<"s", bf16, rows = 1, cols = 1, first_layer = 0>]>
tern.global @absmean : tensor<2x1xf32> = #tern.stored<scales, sense = absmean, sources = [#tern.source<"s", bf16, rows = 1, cols = 1, first_layer = 0>]>

// One sense is stored for all scales of a global.

// CHECK-LABEL: func.func @senses_differ
// CHECK-COUNT-2: segments = array<i64: 8>
// CHECK-NOT: segments = array<i64: 8, 8>
func.func @senses_differ(%x: tensor<?x16xf32>, %l: index) {
  %w = tern.load_global @a[%l] : tensor<8x16x!tern.trit>
  %s = tern.load_global @s[%l] : tensor<1xf32>
  %m = tern.load_global @absmean[%l] : tensor<1xf32>
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %1 = tern.bitlinear %x, %w, %m {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @inputs_differ
// CHECK-COUNT-2: segments = array<i64: 8>
// CHECK-NOT: segments = array<i64: 8, 8>
func.func @inputs_differ(%x: tensor<?x16xf32>, %z: tensor<?x16xf32>, %l: index) {
  %w = tern.load_global @a[%l] : tensor<8x16x!tern.trit>
  %s = tern.load_global @s[%l] : tensor<1xf32>
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %1 = tern.bitlinear %z, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @layers_differ
// CHECK-COUNT-2: segments = array<i64: 8>
// CHECK-NOT: segments = array<i64: 8, 8>
func.func @layers_differ(%x: tensor<?x16xf32>, %l: index, %m: index) {
  %w = tern.load_global @a[%l] : tensor<8x16x!tern.trit>
  %s = tern.load_global @s[%l] : tensor<1xf32>
  %v = tern.load_global @a[%m] : tensor<8x16x!tern.trit>
  %t = tern.load_global @s[%m] : tensor<1xf32>
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %1 = tern.bitlinear %x, %v, %t {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @not_a_global
// CHECK-COUNT-2: segments = array<i64: 8>
// CHECK-NOT: segments = array<i64: 8, 8>
func.func @not_a_global(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  %0 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %1 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @own_norm
// CHECK-COUNT-2: segments = array<i64: 8>
// CHECK-NOT: segments = array<i64: 8, 8>
func.func @own_norm(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %l: index) {
  %w = tern.load_global @a[%l] : tensor<8x16x!tern.trit>
  %s = tern.load_global @s[%l] : tensor<1xf32>
  %0 = tern.bitlinear %x, %w, %s norm %g {eps = 1.0 : f32, segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>, tensor<16xf32>) -> tensor<?x8xf32>
  %1 = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// Scales of groups lie side by side, group by group.

tern.global @layers.q : tensor<2x8x80x!tern.trit> = #tern.stored<trits, sense = magnitude, sources = [#tern.source<"q.{}", f16, rows = 8, cols = 80, first_layer = 0>]>
tern.global @layers.q_scale : tensor<2x2x8xf32> = #tern.stored<scales, sense = magnitude, group = 64, sources = [#tern.source<"q.{}", f16, rows = 8, cols = 80, first_layer = 0>]>
tern.global @layers.k : tensor<2x4x80x!tern.trit> = #tern.stored<trits, sense = magnitude, sources = [#tern.source<"k.{}", f16, rows = 4, cols = 80, first_layer = 0>]>
tern.global @layers.k_scale : tensor<2x2x4xf32> = #tern.stored<scales, sense = magnitude, group = 64, sources = [#tern.source<"k.{}", f16, rows = 4, cols = 80, first_layer = 0>]>

// CHECK: tern.global @layers.q_k : tensor<2x12x80x!tern.trit> = <trits, sense = magnitude, sources
// CHECK: tern.global @layers.q_scale_k_scale : tensor<2x2x12xf32> = <scales, sense = magnitude, group = 64, sources
// CHECK-LABEL: func.func @groups
func.func @groups(%x: tensor<?x80xf32>, %l: index) -> (tensor<?x8xf32>, tensor<?x4xf32>) {
  // CHECK: tern.bitlinear %{{.*}}, %{{.*}}, %{{.*}} {group = 64 : i64, weight_only} : (tensor<?x80xf32>, tensor<12x80x!tern.trit>, tensor<2x12xf32>) -> tensor<?x12xf32>
  %wq = tern.load_global @layers.q[%l] : tensor<8x80x!tern.trit>
  %sq = tern.load_global @layers.q_scale[%l] : tensor<2x8xf32>
  %q = tern.bitlinear %x, %wq, %sq {group = 64 : i64, weight_only} : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<2x8xf32>) -> tensor<?x8xf32>
  %wk = tern.load_global @layers.k[%l] : tensor<4x80x!tern.trit>
  %sk = tern.load_global @layers.k_scale[%l] : tensor<2x4xf32>
  %k = tern.bitlinear %x, %wk, %sk {group = 64 : i64, weight_only} : (tensor<?x80xf32>, tensor<4x80x!tern.trit>, tensor<2x4xf32>) -> tensor<?x4xf32>
  return %q, %k : tensor<?x8xf32>, tensor<?x4xf32>
}

// -----

// Layers that treat activations differently stay apart.

tern.global @a : tensor<8x16x!tern.trit> = #tern.stored<trits, sources = [#tern.source<"a", packed_rows, rows = 8, cols = 16, first_layer = 0>]>
tern.global @s : tensor<1xf32> = #tern.stored<scales, sources = [#tern.source<"s", bf16, rows = 1, cols = 1, first_layer = 0>]>

// CHECK-LABEL: func.func @apart
func.func @apart(%x: tensor<?x16xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK-COUNT-2: tern.bitlinear {{.*}} -> tensor<?x8xf32>
  %w = tern.load_global @a : tensor<8x16x!tern.trit>
  %s = tern.load_global @s : tensor<1xf32>
  %y = tern.bitlinear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  %z = tern.bitlinear %x, %w, %s {segments = array<i64: 8>, weight_only} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}
