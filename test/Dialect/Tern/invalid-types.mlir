// RUN: ternac-opt %s --verify-diagnostics --split-input-file

// Types and attributes; the constraint's number is that of the description.

// kv_cache C1
// expected-error@+1 {{(C1) expected dimensions from 1 to 65536, but got 0x1x8}}
func.func private @f(!tern.kv_cache<0x1x8xf16>)

// -----

// kv_cache C2
// expected-error@+1 {{(C2) expected f16, f32 or i8 elements, but got 'i16'}}
func.func private @f(!tern.kv_cache<1x1x8xi16>)

// -----

// expected-error@+1 {{expected layers x heads x head_dim, but got 2 dimensions}}
func.func private @f(!tern.kv_cache<1x8xf16>)

// -----

// trits C1
// expected-error@+1 {{(C1) expected only '+', '0' and '-', but got '1' at position 2}}
func.func private @f() attributes {a = #tern.trits<"+-1">}

// -----

// packing C1
// expected-error@+1 {{(C1) expected rows between 1 and 4096, but got 0}}
func.func private @f() attributes {a = #tern.packing<two_bit, rows = 0, group = 4, blocks = 1>}

// -----

// packing C1
// expected-error@+1 {{(C1) expected group between 1 and 4096, but got -4}}
func.func private @f() attributes {a = #tern.packing<two_bit, rows = 1, group = -4, blocks = 1>}

// -----

// packing C1
// expected-error@+1 {{(C1) expected blocks between 1 and 4096, but got 5000}}
func.func private @f() attributes {a = #tern.packing<base3, rows = 1, group = 4, blocks = 5000>}

// -----

// An unknown word is answered with the list of words.
// expected-error@+1 {{expected one of [reference, add_sub, dot, lut, tile] for how a ternary matmul is computed, got: magic}}
func.func private @f() attributes {a = #tern.lowering_config<strategy = magic>}

// -----

// lowering_config C1
// expected-error@+1 {{(C1) expected 'lut' for all numbers of rows or none, but got dot, dot, lut}}
func.func private @f() attributes {a = #tern.lowering_config<strategy = dot, many = lut>}

// -----

// expected-error@+1 {{expected 'many'}}
func.func private @f() attributes {a = #tern.lowering_config<strategy = dot, one = dot>}

// -----

// target C1
// expected-error@+1 {{(C1) expected vector_bits to be a multiple of 8 from 8 to 65536, but got 12}}
func.func private @f() attributes {a = #tern.target<name = "cpu", vector_bits = 12>}

// -----

// target C1
// expected-error@+1 {{(C1) expected vector_bits to be a multiple of 8 from 8 to 65536, but got 0}}
func.func private @f() attributes {a = #tern.target<name = "cpu", vector_bits = 0>}

// -----

// target C1
// expected-error@+1 {{(C1) expected vector_bits to be a multiple of 8 from 8 to 65536, but got 65544}}
func.func private @f() attributes {a = #tern.target<name = "cpu", vector_bits = 65544>}

// -----

// target C2
// expected-error@+1 {{(C2) expected no negative number}}
func.func private @f() attributes {a = #tern.target<name = "cpu", bandwidth = -1>}

// -----

// target C3
// expected-error@+1 {{expected capabilities to be strings, but got [1]}}
func.func private @f() attributes {a = #tern.target<name = "cpu", capabilities = [1]>}

// -----

// target C4
// expected-error@+1 {{(C4) expected one version or more, but got []}}
func.func private @f() attributes {a = #tern.target<name = "cpu", versions = []>}

// -----

// target C4
// expected-error@+1 {{(C4) expected versions to be targets with the name and the triple of the baseline and without versions, but got 7}}
func.func private @f() attributes {a = #tern.target<name = "cpu", versions = [7]>}

// -----

// target C4
// expected-error@+1 {{(C4) expected versions to be targets with the name and the triple of the baseline and without versions, but got #tern.target<name = "other">}}
func.func private @f() attributes {a = #tern.target<name = "cpu", versions = [#tern.target<name = "other">]>}

// -----

// target C4
// expected-error@+1 {{(C4) expected versions to be targets with the name and the triple of the baseline and without versions, but got #tern.target<name = "cpu", triple = "y", cpu = "b">}}
func.func private @f() attributes {a = #tern.target<name = "cpu", triple = "x", versions = [#tern.target<name = "cpu", triple = "y", cpu = "b">]>}

// -----

// target C4
// expected-error@+1 {{(C4) expected versions to be targets with the name and the triple of the baseline and without versions, but got #tern.target<name = "cpu", cpu = "b", versions = [}}
func.func private @f() attributes {a = #tern.target<name = "cpu", versions = [
  #tern.target<name = "cpu", cpu = "b", versions = [#tern.target<name = "cpu", cpu = "c">]>]>}

// -----

// target C5
// expected-error@+1 {{(C5) expected no version twice, but got #tern.target<name = "cpu", cpu = "b">}}
func.func private @f() attributes {a = #tern.target<name = "cpu", versions = [
  #tern.target<name = "cpu", cpu = "b">, #tern.target<name = "cpu", cpu = "b">]>}

// -----

// target C5
// expected-error@+1 {{(C5) expected no version twice, but got #tern.target<name = "cpu", cpu = "a", vector_bits = 128>}}
func.func private @f() attributes {a = #tern.target<name = "cpu", cpu = "a", vector_bits = 128, versions = [
  #tern.target<name = "cpu", cpu = "a", vector_bits = 128>]>}

// -----

// source C1
// expected-error@+1 {{(C1) expected positive rows and cols, but got 0 x 4}}
func.func private @f() attributes {a = #tern.source<"w", f32, rows = 0, cols = 4, first_layer = 0>}

// -----

// source C2
// expected-error@+1 {{(C2) expected one file, or one for each of the 3 offsets, but got 2}}
func.func private @f() attributes {a = #tern.source<"w", f32, rows = 1, cols = 4, first_layer = 0, files = [0, 1], offsets = [0, 8, 16]>}

// -----

// source C3
// expected-error@+1 {{(C3) for packed_rows, expected a multiple of 4 rows, but got 6}}
func.func private @f() attributes {a = #tern.source<"w", packed_rows, rows = 6, cols = 4, first_layer = 0>}

// -----

// source C3
// expected-error@+1 {{(C3) for tq1_0, expected a multiple of 256 columns, but got 128}}
func.func private @f() attributes {a = #tern.source<"w", tq1_0, rows = 6, cols = 128, first_layer = 0>}

// -----

// source C4
// expected-error@+1 {{(C4) expected interleaved heads of an even number of rows that divides 12, but got 8}}
func.func private @f() attributes {a = #tern.source<"w", i2_s interleaved(8), rows = 12, cols = 128, first_layer = 0>}

// -----

// source C4
// expected-error@+1 {{(C4) expected interleaved heads of an even number of rows that divides 12, but got 3}}
func.func private @f() attributes {a = #tern.source<"w", i2_s interleaved(3), rows = 12, cols = 128, first_layer = 0>}

// -----

// file C1
// expected-error@+1 {{(C1) expected a fingerprint of 16 hexadecimal digits for 'a', but got '12'}}
func.func private @f() attributes {a = #tern.file<path = "a", size = 1, fingerprint = "12">}

// -----

// rope_scaling C1
// expected-error@+1 {{(C1) expected the parameters of kind 'linear': factor}}
func.func private @f() attributes {a = #tern.rope_scaling<linear, factor = 2.0, original_length = 16>}

// -----

// rope_scaling C1
// expected-error@+1 {{(C1) expected the parameters of kind 'llama3': factor, original_length, low, high}}
func.func private @f() attributes {a = #tern.rope_scaling<llama3, factor = 2.0, original_length = 16, low = 1.0>}

// -----

// rope_scaling C1
// expected-error@+1 {{(C1) expected the parameters of kind 'yarn': factor, original_length, low, high, attention_factor and optionally truncate}}
func.func private @f() attributes {a = #tern.rope_scaling<yarn, factor = 2.0, original_length = 16, low = 1.0, high = 32.0>}
