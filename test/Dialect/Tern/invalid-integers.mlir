// RUN: ternac-opt %s --verify-diagnostics --split-input-file

// Quantisation, integer matmul, rescaling and threads; the constraint's number
// is that of the description.

// quantize C1
func.func @f(%x: tensor<?x16xf32>) {
  // expected-error@+1 {{(C1) expected at least 16 columns, but got 8}}
  %0:3 = tern.quantize %x : (tensor<?x16xf32>) -> (tensor<?x8xi8>, tensor<?xf32>, tensor<?xi32>)
  return
}

// -----

// quantize C1
func.func @f(%x: tensor<?x16xf32>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<?x?xi8>' or its memref, but got 'tensor<?xi8>'}}
  %0:3 = tern.quantize %x : (tensor<?x16xf32>) -> (tensor<?xi8>, tensor<?xf32>, tensor<?xi32>)
  return
}

// -----

// quantize C1
func.func @f(%x: tensor<?x16xf32>) {
  // expected-error@+1 {{(C1) expected result 1 to be 'tensor<?xf32>' or its memref, but got 'tensor<?xf16>'}}
  %0:3 = tern.quantize %x : (tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf16>, tensor<?xi32>)
  return
}

// -----

// quantize C1
func.func @f(%x: tensor<4x16xf32>) {
  // expected-error@+1 {{(C1) expected result 2 to be 'tensor<4xi32>' or its memref, but got 'tensor<5xi32>'}}
  %0:3 = tern.quantize %x : (tensor<4x16xf32>) -> (tensor<4x16xi8>, tensor<4xf32>, tensor<5xi32>)
  return
}

// -----

// quantize C2
func.func @f(%x: tensor<?x16xf32>, %g: tensor<16xf32>) {
  // expected-error@+1 {{(C2) expected 'eps' exactly with 'norm'}}
  %0:3 = tern.quantize %x norm %g : (tensor<?x16xf32>, tensor<16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  return
}

// -----

// quantize C2
func.func @f(%x: tensor<?x16xf32>, %g: tensor<8xf32>) {
  // expected-error@+1 {{(C2) expected elements of norm to be 16, but got 8}}
  %0:3 = tern.quantize %x norm %g {eps = 1.0 : f32} : (tensor<?x16xf32>, tensor<8xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  return
}

// -----

// quantize C3
func.func @f(%x: tensor<?x16xf32>, %u: tensor<?x8xf32>) {
  // expected-error@+1 {{(C3) expected columns of up to be 16, but got 8}}
  %0:3 = tern.quantize %x gated <relu2> %u : (tensor<?x16xf32>, tensor<?x8xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  return
}

// -----

// quantize C3
func.func @f(%x: tensor<?x16xf32>) {
  // expected-error@+1 {{(C3) expected 'activation' exactly with 'up'}}
  %0:3 = "tern.quantize"(%x) <{activation = #tern.activation<relu2>, operandSegmentSizes = array<i32: 1, 0, 0, 0>}> : (tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
  return
}

// -----

// quantize C1
func.func @f(%x: tensor<?x16xf32>) {
  // expected-error@+1 {{expected 2 results, or none and 2 memrefs after 'into', but got 3 and 0}}
  %0:3 = tern.quantize %x : (tensor<?x16xf32>) -> (tensor<?x16xi16>, tensor<?xf32>, tensor<?xi32>)
  return
}

// -----

// quantize C4
func.func @f(%x: tensor<?x131073xf32>) {
  // expected-error@+1 {{(C4) expected at most 2^17 columns with i16, but got 131073}}
  %0:2 = tern.quantize %x : (tensor<?x131073xf32>) -> (tensor<?x131073xi16>, tensor<?xf32>)
  return
}

// -----

// matmul C1
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x32x!tern.trit>) {
  // expected-error@+1 {{(C1) expected}}
  %0 = tern.matmul %q, %sum, %w : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x32x!tern.trit>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C1
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<?x8xi32>' or its memref, but got 'tensor<?x8xf32>'}}
  %0 = tern.matmul %q, %sum, %w : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>) -> tensor<?x8xf32>
  return
}

// -----

// matmul C1
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>) {
  // expected-error@+1 {{(C1) expected no 'cols' with a weight of trits}}
  %0 = tern.matmul %q, %sum, %w {cols = 16 : i64} : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C1
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<?x16x!tern.trit>) {
  // expected-error@+1 {{(C1) expected a static shape of the weight, but got 'tensor<?x16x!tern.trit>'}}
  %0 = tern.matmul %q, %sum, %w : (tensor<?x16xi8>, tensor<?xi32>, tensor<?x16x!tern.trit>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C2
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<128xi8>) {
  // expected-error@+1 {{(C2) expected 'packing', 'cols' and 'config' with a packed weight}}
  %0 = tern.matmul %q, %sum, %w {cols = 16 : i64} : (tensor<?x16xi8>, tensor<?xi32>, tensor<128xi8>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C2
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<128xi8>) {
  // expected-error@+1 {{expected a static number of columns, but got 'tensor<?x?xi32>'}}
  %0 = tern.matmul %q, %sum, %w {cols = 16 : i64, config = #tern.lowering_config<strategy = reference>, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>}
    : (tensor<?x16xi8>, tensor<?xi32>, tensor<128xi8>) -> tensor<?x?xi32>
  return
}

// -----

// matmul C2
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<512xi8>) {
  // expected-error@+1 {{(C2) expected at least 256 columns of q, but got 16}}
  %0 = tern.matmul %q, %sum, %w {cols = 16 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
    : (tensor<?x16xi8>, tensor<?xi32>, tensor<512xi8>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C2
func.func @f(%q: tensor<?x256xi8>, %sum: tensor<?xi32>, %w: tensor<500xi8>) {
  // expected-error@+1 {{(C2) expected the number of bytes to be 512, but got 500}}
  %0 = tern.matmul %q, %sum, %w {cols = 16 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
    : (tensor<?x256xi8>, tensor<?xi32>, tensor<500xi8>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C2
func.func @f(%q: tensor<?x256xi8>, %sum: tensor<?xi32>, %w: tensor<?xi8>) {
  // expected-error@+1 {{(C2) expected 'cols' from 0, but got -1}}
  %0 = tern.matmul %q, %sum, %w {cols = -1 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>}
    : (tensor<?x256xi8>, tensor<?xi32>, tensor<?xi8>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C3
func.func @f(%q: tensor<?x8388609xi8>, %sum: tensor<?xi32>, %w: tensor<8x8388609x!tern.trit>) {
  // expected-error@+1 {{(C3) expected at most 2^23 columns, but got 8388609}}
  %0 = tern.matmul %q, %sum, %w : (tensor<?x8388609xi8>, tensor<?xi32>, tensor<8x8388609x!tern.trit>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C4
func.func @f(%q: tensor<4x16xi8>, %sum: tensor<3xi32>, %w: tensor<8x16x!tern.trit>) {
  // expected-error@+1 {{(C4) expected elements of sum to be 4, but got 3}}
  %0 = tern.matmul %q, %sum, %w : (tensor<4x16xi8>, tensor<3xi32>, tensor<8x16x!tern.trit>) -> tensor<4x8xi32>
  return
}

// -----

// matmul C7
func.func @f(%q: memref<?x20xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x8xi32>, %tables: memref<4x256xi16>) {
  // expected-error@+1 {{(C7) expected result 1 to be 'tensor<4x4096xi16>' or its memref, but got 'memref<4x256xi16>'}}
  tern.matmul %q, %sum, %w into %y, %tables {cols = 20 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
    : (memref<?x20xi8>, memref<?xi32>, memref<256xi8>, memref<?x8xi32>, memref<4x256xi16>) -> ()
  return
}

// -----

// matmul C7
func.func @f(%q: memref<?x20xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x8xi32>) {
  // expected-error@+1 {{expected 1 results, or none and 2 memrefs after 'into', but got 0 and 1}}
  tern.matmul %q, %sum, %w into %y {cols = 20 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>}
    : (memref<?x20xi8>, memref<?xi32>, memref<256xi8>, memref<?x8xi32>) -> ()
  return
}

// -----

// rescale C1
func.func @f(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C1) expected result 0 to be 'tensor<?x8xf32>' or its memref, but got 'tensor<?x9xf32>'}}
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x9xf32>
  return
}

// -----

// rescale C1
func.func @f(%a: tensor<4x8xi32>, %step: tensor<3xf32>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C1) expected elements of step to be 4, but got 3}}
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<4x8xi32>, tensor<3xf32>, tensor<1xf32>) -> tensor<4x8xf32>
  return
}

// -----

// rescale C1
func.func @f(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>, %r: tensor<?x16xf32>) {
  // expected-error@+1 {{(C1) expected columns of the residual to be 8, but got 16}}
  %0 = tern.rescale %a, %step, %s plus %r {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>, tensor<?x16xf32>) -> tensor<?x8xf32>
  return
}

// -----

// rescale C2
func.func @f(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C2) expected the number of scales to be 1, but got 2}}
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<2xf32>) -> tensor<?x8xf32>
  return
}

// -----

// rescale C2
func.func @f(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<2x8xf32>) {
  // expected-error@+1 {{(C2) expected groups of scales to be 1, but got 2}}
  %0 = tern.rescale %a, %step, %s : (tensor<?x8xi32>, tensor<?xf32>, tensor<2x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// rescale C2
func.func @f(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1x8xf32>) {
  // expected-error@+1 {{(C2) expected 'segments' exactly with scales of rank 1, but got 'tensor<1x8xf32>'}}
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<1x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// rescale C2
func.func @f(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C2) expected the sum of segments to be 8, but got 7}}
  %0 = tern.rescale %a, %step, %s {segments = array<i64: 4, 3>} : (tensor<?x8xi32>, tensor<?xf32>, tensor<2xf32>) -> tensor<?x8xf32>
  return
}

// -----

// thread_range C1
func.func @f(%env: !tern.environment, %n: index) {
  // expected-error@+1 {{(C1) expected a positive step, but got 0}}
  %begin, %end = tern.thread_range %env, %n step 0
  return
}

// -----

// granted C1
func.func @f(%env: !tern.environment) -> i1 {
  // expected-error@+1 {{(C1) expected a feature of one bit, but got 3}}
  %granted = tern.granted %env, 3
  return %granted : i1
}

// -----

// submit C1
llvm.mlir.global internal constant @program("commands")
func.func @f(%env: !tern.environment, %q: memref<?xi8>) {
  // expected-error@+1 {{(C1) expected the name of a device}}
  tern.submit %env, "" @program(%q) : memref<?xi8>
  return
}

// -----

// submit C2
func.func @f(%env: !tern.environment, %q: memref<?xi8>) {
  // expected-error@+1 {{(C2) expected commands in the module, but got @program}}
  tern.submit %env, "array" @program(%q) : memref<?xi8>
  return
}

// -----

// submit C3
llvm.mlir.global internal constant @program("commands")
func.func @f(%env: !tern.environment, %q: memref<?xi8, strided<[2]>>) {
  // expected-error@+1 {{(C3) expected contiguous buffers, but got 'memref<?xi8, strided<[2]>>'}}
  tern.submit %env, "array" @program(%q) : memref<?xi8, strided<[2]>>
  return
}

// -----

// submit C4
llvm.mlir.global internal constant @program("commands")
func.func @f(%env: !tern.environment, %q: memref<?xindex>) {
  // expected-error@+1 {{(C4) expected buffers of integers or floats of whole bytes, but got 'memref<?xindex>'}}
  tern.submit %env, "array" @program(%q) : memref<?xindex>
  return
}

// -----

// submit C4
llvm.mlir.global internal constant @program("commands")
func.func @f(%env: !tern.environment, %q: memref<?xvector<4xi8>>) {
  // expected-error@+1 {{(C4) expected buffers of integers or floats of whole bytes, but got 'memref<?xvector<4xi8>>'}}
  tern.submit %env, "array" @program(%q) : memref<?xvector<4xi8>>
  return
}

// -----

// submit C4
llvm.mlir.global internal constant @program("commands")
func.func @f(%env: !tern.environment, %q: memref<?xi1>) {
  // expected-error@+1 {{(C4) expected buffers of integers or floats of whole bytes, but got 'memref<?xi1>'}}
  tern.submit %env, "array" @program(%q) : memref<?xi1>
  return
}

// -----

// submit C4
llvm.mlir.global internal constant @program("commands")
func.func @f(%env: !tern.environment, %q: memref<?xi4>) {
  // expected-error@+1 {{(C4) expected buffers of integers or floats of whole bytes, but got 'memref<?xi4>'}}
  tern.submit %env, "array" @program(%q) : memref<?xi4>
  return
}

// -----

// claim C1
func.func @f(%env: !tern.environment, %n: index) {
  // expected-error@+1 {{(C1) expected a positive step, but got 0}}
  %begin, %end = tern.claim %env, %n step 0
  return
}

// -----

// matmul C5
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>, %step: tensor<?xf32>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C5) expected 'segments' exactly with scales of rank 1, but got 'tensor<1xf32>'}}
  %0 = tern.matmul %q, %sum, %w rescale %step, %s : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// matmul C5
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>) {
  // expected-error@+1 {{(C5) expected step and scale together, and 'segments' only with them}}
  %0 = tern.matmul %q, %sum, %w {segments = array<i64: 8>} : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C5
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>, %step: tensor<?xf32>, %s: tensor<1x7xf32>) {
  // expected-error@+1 {{(C5) expected the number of scales to be 8, but got 7}}
  %0 = tern.matmul %q, %sum, %w rescale %step, %s : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>, tensor<?xf32>, tensor<1x7xf32>) -> tensor<?x8xf32>
  return
}

// -----

// matmul C5
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>, %step: tensor<?xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C5) expected the sum of segments to be 8, but got 7}}
  %0 = tern.matmul %q, %sum, %w rescale %step, %s {segments = array<i64: 4, 3>} : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>, tensor<?xf32>, tensor<2xf32>) -> tensor<?x8xf32>
  return
}

// -----

// matmul C5
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>, %step: tensor<?xf32>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C5) expected result 0 to be 'tensor<?x8xf32>' or its memref, but got 'tensor<?x8xi32>'}}
  %0 = tern.matmul %q, %sum, %w rescale %step, %s {segments = array<i64: 8>} : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C6
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>, %r: tensor<?x8xf32>) {
  // expected-error@+1 {{(C6) expected a residual only with 'rescale'}}
  %0 = tern.matmul %q, %sum, %w plus %r : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>, tensor<?x8xf32>) -> tensor<?x8xi32>
  return
}

// -----

// matmul C6
func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>, %step: tensor<?xf32>, %s: tensor<1xf32>, %r: tensor<?x9xf32>) {
  // expected-error@+1 {{(C6) expected columns of the residual to be 8, but got 9}}
  %0 = tern.matmul %q, %sum, %w rescale %step, %s plus %r {segments = array<i64: 8>} : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>, tensor<?xf32>, tensor<1xf32>, tensor<?x9xf32>) -> tensor<?x8xf32>
  return
}

// -----

// launch C1
func.func @launch_device(%n: index, %env: !tern.environment) {
  // expected-error@+1 {{'tern.launch' op (C1) expected the name of a device}}
  tern.launch %env, "" "tern_add" 0 [%n, %n, %n, %n, %n, %n] ()
  return
}

// -----

// launch C2
func.func @launch_dimensions(%n: index, %env: !tern.environment) {
  // expected-error@+1 {{'tern.launch' op (C2) expected six dimensions, but got 3}}
  tern.launch %env, "gpu" "tern_add" 0 [%n, %n, %n] (%n) : index
  return
}

// -----

// dot_tile C1
func.func @dot_tile(%a: vector<4xi32>, %b: vector<1xi32>, %sum: vector<4xi32>) {
  // expected-error@+1 {{'tern.dot_tile' op (C1) expected twice as many words of codes as of q, but got 4 and 1}}
  %0 = tern.dot_tile %a, %b, %sum : vector<4xi32>, vector<1xi32>, vector<4xi32>
  return
}
