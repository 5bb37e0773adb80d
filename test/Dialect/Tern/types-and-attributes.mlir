// RUN: ternac-opt %s | ternac-opt | FileCheck %s
// RUN: ternac-opt %s --mlir-print-op-generic | ternac-opt | FileCheck %s

// Types.

// CHECK-LABEL: func.func private @trit(tensor<2x16x!tern.trit>)
func.func private @trit(tensor<2x16x!tern.trit>)
// CHECK-LABEL: func.func private @kv_cache(!tern.kv_cache<30x5x128xf16>, !tern.kv_cache<1x1x1xf32>)
func.func private @kv_cache(!tern.kv_cache<30x5x128xf16>, !tern.kv_cache<1x1x1xf32>)
// CHECK-LABEL: func.func private @environment(!tern.environment)
func.func private @environment(!tern.environment)

// Attributes.

// CHECK-LABEL: func.func private @trits
// CHECK-SAME: a = #tern.trits<"+0-">
// CHECK-SAME: b = #tern.trits<"">
func.func private @trits() attributes {
  a = #tern.trits<"+0-">,
  b = #tern.trits<"">}

// CHECK-LABEL: func.func private @packing
// CHECK-SAME: a = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>
// CHECK-SAME: b = #tern.packing<base3, rows = 16, group = 4, blocks = 8>
// CHECK-SAME: c = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>
// CHECK-SAME: d = #tern.packing<planes, rows = 16, group = 4, blocks = 1>
func.func private @packing() attributes {
  a = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>,
  b = #tern.packing<base3, rows = 16, group = 4, blocks = 8>,
  c = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>,
  d = #tern.packing<planes, rows = 16, group = 4, blocks = 1>}

// CHECK-LABEL: func.func private @lowering_config
// CHECK-SAME: a = #tern.lowering_config<strategy = reference>
// CHECK-SAME: b = #tern.lowering_config<strategy = add_sub>
// CHECK-SAME: c = #tern.lowering_config<strategy = dot>
// CHECK-SAME: d = #tern.lowering_config<strategy = dot, many = tile>
// CHECK-SAME: e = #tern.lowering_config<strategy = dot, few = tile>
// CHECK-SAME: f = #tern.lowering_config<strategy = dot, few = tile, many = tile>
// CHECK-SAME: g = #tern.lowering_config<strategy = lut>
func.func private @lowering_config() attributes {
  a = #tern.lowering_config<strategy = reference>,
  b = #tern.lowering_config<strategy = add_sub>,
  c = #tern.lowering_config<strategy = dot>,
  d = #tern.lowering_config<strategy = dot, many = tile>,
  e = #tern.lowering_config<strategy = dot, few = tile>,
  f = #tern.lowering_config<strategy = dot, few = tile, many = tile>,
  g = #tern.lowering_config<strategy = lut, few = lut, many = lut>}

// Fields at their default are not printed.

// CHECK-LABEL: func.func private @target
// CHECK-SAME: a = #tern.target<name = "x">
// CHECK-SAME: b = #tern.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v3", features = "+gfni", required_features = "avx2,fma", capabilities = ["fma", "int8_dot"], vector_bits = 256, l2 = 2, bandwidth = 3, peak = 4>
// CHECK-SAME: c = #tern.target<name = "cpu", cpu = "a", versions = [#tern.target<name = "cpu", cpu = "b", vector_bits = 128>, #tern.target<name = "cpu", cpu = "b">]>
func.func private @target() attributes {
  a = #tern.target<name = "x", vector_bits = 8, l2 = 0>,
  b = #tern.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v3", features = "+gfni", required_features = "avx2,fma", capabilities = ["fma", "int8_dot"], vector_bits = 256, l2 = 2, bandwidth = 3, peak = 4>,
  c = #tern.target<name = "cpu", cpu = "a", versions = [#tern.target<name = "cpu", cpu = "b", vector_bits = 128>, #tern.target<name = "cpu", cpu = "b">]>}

// CHECK-LABEL: func.func private @file
// CHECK-SAME: a = #tern.file<path = "model.safetensors", size = 1024, fingerprint = "00ff00ff00ff00ff">
func.func private @file() attributes {
  a = #tern.file<path = "model.safetensors", size = 1024, fingerprint = "00ff00ff00ff00ff">}

// CHECK-LABEL: func.func private @source
// CHECK-SAME: a = #tern.source<"layers.{}.a", f32, rows = 3, cols = 2, first_layer = 1>
// CHECK-SAME: b = #tern.source<"b", f16, rows = 3, cols = 2, first_layer = 0, files = [0], offsets = [8, 40]>
// CHECK-SAME: c = #tern.source<"c", bf16, rows = 3, cols = 2, first_layer = 0, files = [0, 1], offsets = [8, 40]>
// CHECK-SAME: d = #tern.source<"d", packed_rows, rows = 4, cols = 2, first_layer = 0>
// CHECK-SAME: e = #tern.source<"blk.{}.e", tq1_0 interleaved(2), rows = 4, cols = 256, first_layer = 0, files = [0], offsets = [8]>
// CHECK-SAME: f = [#tern.source<"f", i2_s, rows = 4, cols = 256, first_layer = 0>, #tern.source<"f", i2_s_64, rows = 4, cols = 256, first_layer = 0>, #tern.source<"f", i2_s_rows interleaved(4), rows = 4, cols = 256, first_layer = 0>]
// CHECK-SAME: g = [#tern.source<"g", tq2_0, rows = 4, cols = 256, first_layer = 0>, #tern.source<"g", iq1_bn, rows = 4, cols = 256, first_layer = 0>, #tern.source<"g", iq2_bn, rows = 4, cols = 256, first_layer = 0>]
// CHECK-SAME: h = [#tern.source<"h", q8_0, rows = 4, cols = 256, first_layer = 0>, #tern.source<"h", q6_k, rows = 4, cols = 256, first_layer = 0>]
func.func private @source() attributes {
  a = #tern.source<"layers.{}.a", f32, rows = 3, cols = 2, first_layer = 1>,
  b = #tern.source<"b", f16, rows = 3, cols = 2, first_layer = 0, files = [0], offsets = [8, 40]>,
  c = #tern.source<"c", bf16, rows = 3, cols = 2, first_layer = 0, files = [0, 1], offsets = [8, 40]>,
  d = #tern.source<"d", packed_rows, rows = 4, cols = 2, first_layer = 0>,
  e = #tern.source<"blk.{}.e", tq1_0 interleaved(2), rows = 4, cols = 256, first_layer = 0, files = [0], offsets = [8]>,
  f = [#tern.source<"f", i2_s, rows = 4, cols = 256, first_layer = 0>,
       #tern.source<"f", i2_s_64, rows = 4, cols = 256, first_layer = 0>,
       #tern.source<"f", i2_s_rows interleaved(4), rows = 4, cols = 256, first_layer = 0>],
  g = [#tern.source<"g", tq2_0, rows = 4, cols = 256, first_layer = 0>,
       #tern.source<"g", iq1_bn, rows = 4, cols = 256, first_layer = 0>,
       #tern.source<"g", iq2_bn, rows = 4, cols = 256, first_layer = 0>],
  h = [#tern.source<"h", q8_0, rows = 4, cols = 256, first_layer = 0>,
       #tern.source<"h", q6_k, rows = 4, cols = 256, first_layer = 0>]}

// CHECK-LABEL: func.func private @stored
// CHECK-SAME: a = #tern.stored<trits, packing = <two_bit, rows = 1, group = 64, blocks = 1>, sources = [<"a", f32, rows = 1, cols = 1, first_layer = 0>]>
// CHECK-SAME: b = #tern.stored<scales, sense = reciprocal>
// CHECK-SAME: c = #tern.stored<scales, sense = absmean>
// CHECK-SAME: d = #tern.stored<rope, theta = 5.000000e+05 : f64>
// CHECK-SAME: e = #tern.stored<dense>
// CHECK-SAME: f = #tern.stored<row_int8>
// CHECK-SAME: g = #tern.stored<rope, theta = 1.000000e+04 : f64, scaling = <linear, factor = 4.000000e+00 : f64>>
// CHECK-SAME: h = #tern.rope_scaling<dynamic, factor = 1.500000e+00 : f64, original_length = 2048>
// CHECK-SAME: i = #tern.rope_scaling<llama3, factor = 8.000000e+00 : f64, original_length = 8192, low = 1.000000e+00 : f64, high = 4.000000e+00 : f64>
// CHECK-SAME: j = #tern.rope_scaling<yarn, factor = 4.000000e+00 : f64, original_length = 32, low = 1.000000e+00 : f64, high = 3.200000e+01 : f64, attention_factor = 1.1386294361119891 : f64>
// CHECK-SAME: k = #tern.rope_scaling<yarn, factor = 4.000000e+00 : f64, original_length = 32, low = 1.000000e+00 : f64, high = 3.200000e+01 : f64, attention_factor = 1.000000e+00 : f64, truncate = false>
func.func private @stored() attributes {
  a = #tern.stored<trits, packing = <two_bit, rows = 1, group = 64, blocks = 1>, sources = [<"a", f32, rows = 1, cols = 1, first_layer = 0>]>,
  b = #tern.stored<scales, sense = reciprocal>,
  c = #tern.stored<scales, sense = absmean>,
  d = #tern.stored<rope, theta = 5.0e+05 : f64>,
  e = #tern.stored<dense, sense = direct>,
  f = #tern.stored<row_int8>,
  g = #tern.stored<rope, theta = 1.0e4 : f64, scaling = <linear, factor = 4.0>>,
  h = #tern.rope_scaling<dynamic, factor = 1.5, original_length = 2048>,
  i = #tern.rope_scaling<llama3, original_length = 8192, factor = 8.0 : f64, low = 1.0, high = 4.0>,
  j = #tern.rope_scaling<yarn, factor = 4.0, original_length = 32, low = 1.0, high = 32.0, attention_factor = 1.1386294361119891, truncate = true>,
  k = #tern.rope_scaling<yarn, factor = 4.0, original_length = 32, low = 1.0, high = 32.0, attention_factor = 1.0, truncate = false>}

// CHECK-LABEL: func.func private @weights
// CHECK-SAME: a = #tern.weights<>
// CHECK-SAME: b = #tern.weights<synthetic_seed = 7 : i64>
// CHECK-SAME: c = #tern.weights<files = [<path = "a", size = 1, fingerprint = "0123456789abcdef">], entries = [<name = "w", offset = 64, layer_bytes = 128, layers = 2, rows = 1, cols = 32, element = f32, stored = <dense>>]>
// CHECK-SAME: d = #tern.entry<name = "w", offset = 0, layer_bytes = 64, layers = 1, rows = 4, cols = 4, element = bf16, stored = <dense>>
func.func private @weights() attributes {
  a = #tern.weights<>,
  b = #tern.weights<synthetic_seed = 7 : i64>,
  c = #tern.weights<files = [<path = "a", size = 1, fingerprint = "0123456789abcdef">], entries = [<name = "w", offset = 64, layer_bytes = 128, layers = 2, rows = 1, cols = 32, element = f32, stored = <dense>>]>,
  d = #tern.entry<name = "w", offset = 0, layer_bytes = 64, layers = 1, rows = 4, cols = 4, element = bf16, stored = <dense>>}

// CHECK-LABEL: func.func private @activation
// CHECK-SAME: a = #tern.activation<relu2>
// CHECK-SAME: b = #tern.activation<silu>
func.func private @activation() attributes {
  a = #tern.activation<relu2>,
  b = #tern.activation<silu>}
