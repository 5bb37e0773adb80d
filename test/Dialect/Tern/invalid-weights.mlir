// RUN: ternac-opt %s --verify-diagnostics --split-input-file

// Globals, constants and packing; the constraint's number is that of the
// description.

// global C1
// expected-error@+1 {{(C1) expected a static shape with elements, but got 'tensor<?x16x!tern.trit>'}}
tern.global @w : tensor<?x16x!tern.trit> = #tern.stored<trits, sources = [
  #tern.source<"w", f32, rows = 8, cols = 16, first_layer = 0>]>

// -----

// global C1
// expected-error@+1 {{(C1) expected a static shape with elements, but got 'tensor<f32>'}}
tern.global @w : tensor<f32> = #tern.stored<scales>

// -----

// global C1
// expected-error@+1 {{(C1) expected a static shape with elements, but got 'tensor<4x0xf32>'}}
tern.global @w : tensor<4x0xf32> = #tern.stored<dense>

// -----

// global C2
// expected-error@+1 {{(C2) expected the element type of kind 'trits', but got 'i8'}}
tern.global @w : tensor<8x16xi8> = #tern.stored<trits, sources = [
  #tern.source<"w", f32, rows = 8, cols = 16, first_layer = 0>]>

// -----

// global C2
// expected-error@+1 {{(C2) expected the element type of kind 'trits', but got '!tern.trit'}}
tern.global @w : tensor<128x!tern.trit> = #tern.stored<trits, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>>

// -----

// global C2
// expected-error@+1 {{(C2) expected the element type of kind 'scales', but got 'f16'}}
tern.global @w : tensor<1xf16> = #tern.stored<scales, sources = [
  #tern.source<"w", f16, rows = 1, cols = 1, first_layer = 0>]>

// -----

// global C2
// expected-error@+1 {{(C2) expected the element type of kind 'rope', but got 'i8'}}
tern.global @w : tensor<64x8xi8> = #tern.stored<rope, theta = 1.0e4 : f64>

// -----

// global C2
// expected-error@+1 {{(C2) expected the element type of kind 'dense', but got 'i8'}}
tern.global @w : tensor<8x16xi8> = #tern.stored<dense, sources = [
  #tern.source<"w", f32, rows = 8, cols = 16, first_layer = 0>]>

// -----

// global C2
// expected-error@+1 {{(C2) expected the element type of kind 'group_int4', but got 'f32'}}
tern.global @w : tensor<576xf32> = #tern.stored<group_int4, sources = [
  #tern.source<"w", f32, rows = 8, cols = 16, first_layer = 0>]>

// -----

// global C3
// expected-error@+1 {{(C3) expected the number of bytes to be 576, but got 128}}
tern.global @w : tensor<128xi8> = #tern.stored<group_int4, sources = [
  #tern.source<"w", f32, rows = 8, cols = 16, first_layer = 0>]>

// -----

// global C2
// expected-error@+1 {{(C2) expected the element type of kind 'row_int8', but got 'f32'}}
tern.global @w : tensor<8x16xf32> = #tern.stored<row_int8, sources = [
  #tern.source<"w", f32, rows = 8, cols = 16, first_layer = 0>]>

// -----

// global C3
// expected-error@+1 {{(C3) expected one value for each of the 2 sources, but got 3}}
tern.global @w : tensor<3xf32> = #tern.stored<scales, sources = [
  #tern.source<"a", f32, rows = 1, cols = 1, first_layer = 0>,
  #tern.source<"b", f32, rows = 1, cols = 1, first_layer = 0>]>

// -----

// global C3
// expected-error@+1 {{(C3) expected groups of scales to be 2, but got 3}}
tern.global @w : tensor<3x8xf32> = #tern.stored<scales, sense = magnitude, group = 128, sources = [
  #tern.source<"a", f32, rows = 8, cols = 200, first_layer = 0>]>

// -----

// global C3
// expected-error@+1 {{(C3) expected scales of a group to be 12, but got 8}}
tern.global @w : tensor<2x8xf32> = #tern.stored<scales, sense = magnitude, group = 128, sources = [
  #tern.source<"a", f32, rows = 8, cols = 200, first_layer = 0>,
  #tern.source<"b", f32, rows = 4, cols = 200, first_layer = 0>]>

// -----

// global C3
// expected-error@+1 {{(C3) expected scales of groups to have sources and two dimensions or more, but got 'tensor<8xf32>'}}
tern.global @w : tensor<8xf32> = #tern.stored<scales, sense = magnitude, group = 128, sources = [
  #tern.source<"a", f32, rows = 8, cols = 200, first_layer = 0>]>

// -----

// global C3
// expected-error@+1 {{(C3) expected the sources to fill 12 x 16}}
tern.global @w : tensor<12x16x!tern.trit> = #tern.stored<trits, sources = [
  #tern.source<"a", f32, rows = 8, cols = 16, first_layer = 0>]>

// -----

// global C3
// expected-error@+1 {{(C3) expected equal columns in all sources}}
tern.global @w : tensor<12x16x!tern.trit> = #tern.stored<trits, sources = [
  #tern.source<"a", f32, rows = 8, cols = 16, first_layer = 0>,
  #tern.source<"b", f32, rows = 4, cols = 8, first_layer = 0>]>

// -----

// global C3
// expected-error@+1 {{(C3) expected the sources to fill 8 x 16}}
tern.global @w : tensor<8x16xf32> = #tern.stored<dense>

// -----

// global C4
// expected-error@+1 {{(C4) expected 2 offsets in source 'a.{}', but got 1}}
tern.global @w : tensor<2x8x16x!tern.trit> = #tern.stored<trits, sources = [
  #tern.source<"a.{}", f32, rows = 8, cols = 16, first_layer = 0, files = [0], offsets = [8]>]>

// -----

// load_global C1
func.func @f() {
  // expected-error@+1 {{(C1) expected a tern.global named 'none'}}
  %0 = tern.load_global @none : tensor<8x16xf32>
  return
}

// -----

// load_global C1: another symbol is no weight.
func.func @f() {
  // expected-error@+1 {{(C1) expected a tern.global named 'f'}}
  %0 = tern.load_global @f : tensor<8x16xf32>
  return
}

// -----

// load_global C2
tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [
  #tern.source<"n", bf16, rows = 1, cols = 16, first_layer = 0>]>
func.func @f(%layer: index) {
  // expected-error@+1 {{(C2) expected the first result to be 'tensor<16xf32>'}}
  %0 = tern.load_global @norm[%layer] : tensor<2x16xf32>
  return
}

// -----

// load_global C2
tern.global @norm : tensor<16xf32> = #tern.stored<dense, sources = [
  #tern.source<"n", bf16, rows = 1, cols = 16, first_layer = 0>]>
func.func @f(%layer: index) {
  // expected-error@+1 {{(C2) expected a leading dimension of layers in 'tensor<16xf32>'}}
  %0 = tern.load_global @norm[%layer] : tensor<f32>
  return
}

// -----

// load_global C3
tern.global @head : tensor<8x16xi8> = #tern.stored<row_int8, sources = [
  #tern.source<"h", bf16, rows = 8, cols = 16, first_layer = 0>]>
func.func @f() {
  // expected-error@+1 {{(C3) expected 2 results for kind 'row_int8', but got 1}}
  %0 = tern.load_global @head : tensor<8x16xi8>
  return
}

// -----

// load_global C3
tern.global @head : tensor<8x16xi8> = #tern.stored<row_int8, sources = [
  #tern.source<"h", bf16, rows = 8, cols = 16, first_layer = 0>]>
func.func @f() {
  // expected-error@+1 {{(C3) expected one f32 scale for each of 8 rows}}
  %0:2 = tern.load_global @head : tensor<8x16xi8>, tensor<16xf32>
  return
}

// -----

// load_global C3
tern.global @norm : tensor<16xf32> = #tern.stored<dense, sources = [
  #tern.source<"n", bf16, rows = 1, cols = 16, first_layer = 0>]>
func.func @f() {
  // expected-error@+1 {{(C3) expected 1 results for kind 'dense', but got 2}}
  %0:2 = tern.load_global @norm : tensor<16xf32>, tensor<16xf32>
  return
}

// -----

// constant C1
func.func @f() {
  // expected-error@+1 {{(C1) expected 'tensor<2x2x!tern.trit>' to have 3 elements}}
  %0 = tern.constant <"+0-"> : tensor<2x2x!tern.trit>
  return
}

// -----

// constant C1
func.func @f() {
  // expected-error@+1 {{(C1) expected 'tensor<?x!tern.trit>' to have 3 elements}}
  %0 = tern.constant <"+0-"> : tensor<?x!tern.trit>
  return
}

// -----

// pack C1
func.func @f(%w: tensor<16x16x!tern.trit>) {
  // expected-error@+1 {{(C1) expected the number of bytes to be 64, but got 63}}
  %0 = tern.pack %w {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<16x16x!tern.trit> -> tensor<63xi8>
  return
}

// -----

// pack C1
func.func @f(%w: tensor<?x16x!tern.trit>) {
  // expected-error@+1 {{(C1) expected a static shape, but got 'tensor<?x16x!tern.trit>'}}
  %0 = tern.pack %w {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<?x16x!tern.trit> -> tensor<64xi8>
  return
}

// -----

// unpack C1
func.func @f(%p: tensor<64xi8>) {
  // expected-error@+1 {{(C1) expected the number of bytes to be 128, but got 64}}
  %0 = tern.unpack %p {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<64xi8> -> tensor<17x16x!tern.trit>
  return
}

// -----

// global C5
// expected-error@+1 {{(C5) expected 'group' only with scales of the sense 'magnitude'}}
tern.global @w : tensor<2x8xf32> = #tern.stored<scales, group = 128, sources = [
  #tern.source<"a", f32, rows = 8, cols = 200, first_layer = 0>]>

// -----

// global C5
// expected-error@+1 {{(C5) expected 'group' from 0, but got -1}}
tern.global @w : tensor<2x8xf32> = #tern.stored<scales, sense = magnitude, group = -1, sources = [
  #tern.source<"a", f32, rows = 8, cols = 200, first_layer = 0>]>

// -----

// global C5
// expected-error@+1 {{(C5) expected 'theta' exactly with kind 'rope'}}
tern.global @w : tensor<64x8xf32> = #tern.stored<rope>

// -----

// global C5
// expected-error@+1 {{(C5) expected 'scaling' only with kind 'rope'}}
tern.global @w : tensor<8x16xf32> = #tern.stored<dense, scaling = <linear, factor = 2.0>, sources = [
  #tern.source<"w", f32, rows = 8, cols = 16, first_layer = 0>]>

// -----

// global C6
// expected-error@+1 {{(C6) expected a positive finite theta, but got -1}}
tern.global @w : tensor<64x8xf32> = #tern.stored<rope, theta = -1.0 : f64>

// -----

// global C6
// expected-error@+1 {{(C6) expected a finite factor of at least 1, but got 0.5}}
tern.global @w : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e4 : f64, scaling = <linear, factor = 0.5>>

// -----

// global C6
// expected-error@+1 {{(C6) expected heads of at least 4 elements for dynamic scaling, but got 2}}
tern.global @w : tensor<64x2xf32> = #tern.stored<rope, theta = 1.0e4 : f64, scaling = <dynamic, factor = 2.0, original_length = 16>>

// -----

// global C5
// expected-error@+1 {{(C5) expected 'sense' only with kind 'scales'}}
tern.global @w : tensor<8x16xf32> = #tern.stored<dense, sense = absmean, sources = [
  #tern.source<"w", f32, rows = 8, cols = 16, first_layer = 0>]>
