// RUN: ternac-opt %s --verify-diagnostics --split-input-file

// Ops on rows; the constraint's number is that of the description.

// The two forms: neither mixed nor half.
func.func @f(%a: tensor<?x16xf32>, %y: memref<?x16xf32>) {
  // expected-error@+1 {{expected 1 results, or none and 1 memrefs after 'into', but got 1 and 1}}
  %0 = tern.add %a, %a into %y : (tensor<?x16xf32>, tensor<?x16xf32>, memref<?x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

func.func @f(%a: tensor<?x16xf32>) {
  // expected-error@+1 {{expected 1 results, or none and 1 memrefs after 'into', but got 0 and 0}}
  tern.add %a, %a : (tensor<?x16xf32>, tensor<?x16xf32>) -> ()
  return
}

// -----

func.func @f(%a: tensor<?x16xf32>, %b: memref<?x16xf32>) {
  // expected-error@+1 {{expected tensors in the value form, but got 'memref<?x16xf32>'}}
  %0 = tern.add %a, %b : (tensor<?x16xf32>, memref<?x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

func.func @f(%a: tensor<?x16xf32>, %b: memref<?x16xf32>) {
  // expected-error@+1 {{expected memrefs in the buffer form, but got 'tensor<?x16xf32>'}}
  tern.add %a, %b into %b : (tensor<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// embedding C1
func.func @f(%t: tensor<?xi32>, %e: tensor<32x16xbf16>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<?x16xf32>' or its memref, but got 'tensor<?x16xbf16>'}}
  %0 = tern.embedding %t, %e : (tensor<?xi32>, tensor<32x16xbf16>) -> tensor<?x16xbf16>
  return
}

// -----

// embedding C1, buffer form
func.func @f(%t: memref<?xi32>, %e: memref<32x16xbf16>, %y: memref<?x8xf32>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<?x16xf32>' or its memref, but got 'memref<?x8xf32>'}}
  tern.embedding %t, %e into %y : (memref<?xi32>, memref<32x16xbf16>, memref<?x8xf32>) -> ()
  return
}

// -----

// gather_rows C1
func.func @f(%x: tensor<?x16xf32>, %r: tensor<2xi32>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<2x16xf32>' or its memref, but got 'tensor<3x16xf32>'}}
  %0 = tern.gather_rows %x, %r : (tensor<?x16xf32>, tensor<2xi32>) -> tensor<3x16xf32>
  return
}

// -----

// add C1
func.func @f(%a: tensor<?x16xf32>, %b: tensor<?x8xf32>) {
  // expected-error@+1 {{(C1) expected columns of b to be 16, but got 8}}
  %0 = tern.add %a, %b : (tensor<?x16xf32>, tensor<?x8xf32>) -> tensor<?x16xf32>
  return
}

// -----

// add C1
func.func @f(%a: tensor<2x16xf32>, %b: tensor<3x16xf32>) {
  // expected-error@+1 {{(C1) expected rows of b to be 2, but got 3}}
  %0 = tern.add %a, %b : (tensor<2x16xf32>, tensor<3x16xf32>) -> tensor<2x16xf32>
  return
}

// -----

// rms_norm C1
func.func @f(%x: tensor<?x16xf32>, %g: tensor<8xf32>) {
  // expected-error@+1 {{(C1) expected elements of the weight to be 16, but got 8}}
  %0 = tern.rms_norm %x, %g {eps = 1.0 : f32} : (tensor<?x16xf32>, tensor<8xf32>) -> tensor<?x16xf32>
  return
}

// -----

// rope C1
func.func @f(%x: tensor<?x32xf32>, %p: tensor<?xi32>, %t: tensor<64x16xf32>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<?x32xf32>' or its memref, but got 'tensor<?x16xf32>'}}
  %0 = tern.rope %x, %p, %t : (tensor<?x32xf32>, tensor<?xi32>, tensor<64x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

// rope C2
func.func @f(%x: tensor<?x30xf32>, %p: tensor<?xi32>, %t: tensor<64x15xf32>) {
  // expected-error@+1 {{(C2) expected an even head size that divides 30 columns, but got 15}}
  %0 = tern.rope %x, %p, %t : (tensor<?x30xf32>, tensor<?xi32>, tensor<64x15xf32>) -> tensor<?x30xf32>
  return
}

// -----

// rope C2
func.func @f(%x: tensor<?x24xf32>, %p: tensor<?xi32>, %t: tensor<64x16xf32>) {
  // expected-error@+1 {{(C2) expected an even head size that divides 24 columns, but got 16}}
  %0 = tern.rope %x, %p, %t : (tensor<?x24xf32>, tensor<?xi32>, tensor<64x16xf32>) -> tensor<?x24xf32>
  return
}

// -----

// rope C2
func.func @f(%x: tensor<?x24xf32>, %p: tensor<?xi32>, %t: tensor<64x0xf32>) {
  // expected-error@+1 {{(C2) expected an even head size that divides 24 columns, but got 0}}
  %0 = tern.rope %x, %p, %t : (tensor<?x24xf32>, tensor<?xi32>, tensor<64x0xf32>) -> tensor<?x24xf32>
  return
}

// -----

// kv_append C1
func.func @f(%c: !tern.kv_cache<1x2x8xf32>, %l: index, %k: tensor<?x16xf32>, %v: tensor<?x8xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{(C1) expected columns of v to be 16, but got 8}}
  %0 = tern.kv_append %k, %v, %c[%l] at %p of %p
    : (tensor<?x16xf32>, tensor<?x8xf32>, !tern.kv_cache<1x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>) -> !tern.kv_cache<1x2x8xf32>
  return
}

// -----

// kv_append C1
func.func @f(%c: !tern.kv_cache<1x2x8xf32>, %l: index, %k: tensor<?x24xf32>, %v: tensor<?x16xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{(C1) expected columns of k to be 16, but got 24}}
  %0 = tern.kv_append %k, %v, %c[%l] at %p of %p
    : (tensor<?x24xf32>, tensor<?x16xf32>, !tern.kv_cache<1x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>) -> !tern.kv_cache<1x2x8xf32>
  return
}

// -----

// kv_append C2
func.func @f(%c: !tern.kv_cache<1x2x8xf32>, %l: index, %k: tensor<?x16xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{(C2) expected a result of type '!tern.kv_cache<1x2x8xf32>' exactly in the value form}}
  tern.kv_append %k, %k, %c[%l] at %p of %p
    : (tensor<?x16xf32>, tensor<?x16xf32>, !tern.kv_cache<1x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>) -> ()
  return
}

// -----

// kv_append C2
func.func @f(%c: !tern.kv_cache<1x2x8xf32>, %l: index, %k: memref<?x16xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{(C2) expected only memrefs in the buffer form, but got 'tensor<?xi32>'}}
  tern.kv_append %k, %k, %c[%l] at %p of %p
    : (memref<?x16xf32>, memref<?x16xf32>, !tern.kv_cache<1x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>) -> ()
  return
}

// -----

// attention C1
func.func @f(%q: tensor<?x24xf32>, %c: !tern.kv_cache<1x2x8xf32>, %l: index, %p: tensor<?xi32>) {
  // expected-error@+1 {{(C1) expected columns of q to be a multiple of 16, but got 24}}
  %0 = tern.attention %q, %c[%l] at %p of %p
    : (tensor<?x24xf32>, !tern.kv_cache<1x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x24xf32>
  return
}

// -----

// attention C1
func.func @f(%q: tensor<?x16xf32>, %c: !tern.kv_cache<1x2x8xf32>, %l: index, %p: tensor<?xi32>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<?x16xf32>' or its memref, but got 'tensor<?x32xf32>'}}
  %0 = tern.attention %q, %c[%l] at %p of %p
    : (tensor<?x16xf32>, !tern.kv_cache<1x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x32xf32>
  return
}

// -----

// attention C2
func.func @f(%q: tensor<?x16xf32>, %c: !tern.kv_cache<3x2x8xf32>, %l: index, %p: tensor<?xi32>) {
  // expected-error@+1 {{(C2) expected one window, or one for each of the 3 layers of the cache, but got 2}}
  %0 = tern.attention %q, %c[%l] at %p of %p {windows = array<i64: 4, 0>}
    : (tensor<?x16xf32>, !tern.kv_cache<3x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x16xf32>
  return
}

// -----

// attention C2: the size of a window
func.func @f(%q: tensor<?x16xf32>, %c: !tern.kv_cache<1x2x8xf32>, %l: index, %p: tensor<?xi32>) {
  // expected-error@+1 {{(C2) expected windows of at least 0, but got -1}}
  %0 = tern.attention %q, %c[%l] at %p of %p {windows = array<i64: -1>}
    : (tensor<?x16xf32>, !tern.kv_cache<1x2x8xf32>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x16xf32>
  return
}

// -----

// attention C1: the scratch
func.func @f(%q: memref<?x16xf32>, %c: !tern.kv_cache<1x2x8xf32>, %l: index, %p: memref<?xi32>, %s: memref<?x64xf32>, %t: memref<1003520xf32>) {
  // expected-error@+1 {{(C1) expected result 1 to be 'tensor<?x160xf32>' or its memref, but got 'memref<?x64xf32>'}}
  tern.attention %q, %c[%l] at %p of %p into %q, %s, %t
    : (memref<?x16xf32>, !tern.kv_cache<1x2x8xf32>, index, memref<?xi32>, memref<?xi32>, memref<?x16xf32>, memref<?x64xf32>, memref<1003520xf32>) -> ()
  return
}

// -----

// attention C1: the scratch of partial results
func.func @f(%q: memref<?x16xf32>, %c: !tern.kv_cache<1x2x8xf32>, %l: index, %p: memref<?xi32>, %s: memref<?x160xf32>, %t: memref<64xf32>) {
  // expected-error@+1 {{(C1) expected result 2 to be 'tensor<1003520xf32>' or its memref, but got 'memref<64xf32>'}}
  tern.attention %q, %c[%l] at %p of %p into %q, %s, %t
    : (memref<?x16xf32>, !tern.kv_cache<1x2x8xf32>, index, memref<?xi32>, memref<?xi32>, memref<?x16xf32>, memref<?x160xf32>, memref<64xf32>) -> ()
  return
}

// -----

// gate C1
func.func @f(%g: tensor<?x16xf32>, %u: tensor<?x8xf32>) {
  // expected-error@+1 {{(C1) expected columns of up to be 16, but got 8}}
  %0 = tern.gate <relu2> %g, %u : (tensor<?x16xf32>, tensor<?x8xf32>) -> tensor<?x16xf32>
  return
}

// -----

// gate C1
func.func @f(%g: tensor<1x16xf32>, %u: tensor<2x16xf32>) {
  // expected-error@+1 {{(C1) expected rows of up to be 1, but got 2}}
  %0 = tern.gate <relu2> %g, %u : (tensor<1x16xf32>, tensor<2x16xf32>) -> tensor<1x16xf32>
  return
}

// -----

// linear C1
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x15xf32>) {
  // expected-error@+1 {{(C1) expected columns of the weight to be 16, but got 15}}
  %0 = tern.linear %x, %w : (tensor<?x16xf32>, tensor<8x15xf32>) -> tensor<?x8xf32>
  return
}

// -----

// linear C1
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16xf32>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<?x8xf32>' or its memref, but got 'tensor<?x16xf32>'}}
  %0 = tern.linear %x, %w : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x16xf32>
  return
}

// -----

// linear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16xi8>) {
  // expected-error@+1 {{(C2) expected row scales exactly with an i8 weight}}
  %0 = tern.linear %x, %w : (tensor<?x16xf32>, tensor<8x16xi8>) -> tensor<?x8xf32>
  return
}

// -----

// linear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16xi8>, %s: tensor<16xf32>) {
  // expected-error@+1 {{(C2) expected the number of row scales to be 8, but got 16}}
  %0 = tern.linear %x, %w scaled %s : (tensor<?x16xf32>, tensor<8x16xi8>, tensor<16xf32>) -> tensor<?x8xf32>
  return
}

// -----

// linear C3
func.func @f(%x: tensor<?x70xf32>, %w: tensor<2303xi8>) {
  // expected-error@+1 {{(C3) expected the number of bytes to be 2304, but got 2303}}
  %0 = tern.linear %x, %w : (tensor<?x70xf32>, tensor<2303xi8>) -> tensor<?x17xf32>
  return
}

// -----

// linear C3
func.func @f(%x: tensor<?x70xi16>, %step: tensor<?xf32>, %w: tensor<2304xi8>) {
  // expected-error@+1 {{(C3) expected columns of x to be a multiple of 64, but got 70}}
  %0 = tern.linear %x, %w step %step : (tensor<?x70xi16>, tensor<2304xi8>, tensor<?xf32>) -> tensor<?x17xf32>
  return
}

// -----

// linear C4
func.func @f(%x: tensor<?x16xi16>, %w: tensor<8x16xi8>, %s: tensor<8xf32>) {
  // expected-error@+1 {{(C4) expected 'step' exactly with rows of i16}}
  %0 = tern.linear %x, %w scaled %s : (tensor<?x16xi16>, tensor<8x16xi8>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// linear C4
func.func @f(%x: tensor<?x16xi16>, %step: tensor<?xf32>, %w: tensor<8x16xf32>) {
  // expected-error@+1 {{(C4) expected a weight of integers with rows of i16, but got 'tensor<8x16xf32>'}}
  %0 = tern.linear %x, %w step %step : (tensor<?x16xi16>, tensor<8x16xf32>, tensor<?xf32>) -> tensor<?x8xf32>
  return
}

// -----

// linear C4
func.func @f(%x: tensor<4x16xi16>, %step: tensor<5xf32>, %w: tensor<8x16xi8>, %s: tensor<8xf32>) {
  // expected-error@+1 {{(C4) expected elements of step to be 4, but got 5}}
  %0 = tern.linear %x, %w step %step scaled %s : (tensor<4x16xi16>, tensor<8x16xi8>, tensor<5xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return
}
