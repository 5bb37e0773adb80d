// RUN: ternac-opt %s --convert-tern-to-vector --verify-diagnostics --split-input-file

func.func @value_form(%a: tensor<?x8xf32>, %env: !tern.environment) -> tensor<?x8xf32> {
  // expected-error@+1 {{expected the buffer form; run tern-bufferize first}}
  %y = tern.add %a, %a : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// expected-error@+1 {{expected an argument of type !tern.environment; run tern-bufferize first}}
func.func @no_environment(%a: memref<?x8xf32>) {
  tern.add %a, %a into %a : (memref<?x8xf32>, memref<?x8xf32>, memref<?x8xf32>) -> ()
  return
}

// -----

func.func @dot(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
  // expected-error@+1 {{strategy 'dot' is a target's; its lowering must run before convert-tern-to-vector}}
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
  return
}

// -----

func.func @packing(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x8xi32>, %env: !tern.environment) {
  // expected-error@+1 {{strategy 'add_sub' expected a packing of 64-byte blocks}}
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x8xi32>) -> ()
  return
}

// -----

func.func @reference(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<512xi8>, %y: memref<?x32xi32>, %env: !tern.environment) {
  // expected-error@+1 {{strategy 'reference' expected the packing 'i8'}}
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = reference>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<512xi8>, memref<?x32xi32>) -> ()
  return
}

// -----

func.func @wide(%q: memref<?x1048608xi8>, %sum: memref<?xi32>, %w: memref<4194432xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
  // expected-error@+1 {{packing 'planes' expected at most 1048576 columns, which its kernel has on the stack, but got 1048608; choose another packing}}
  tern.matmul %q, %sum, %w into %y {cols = 1048608 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>}
    : (memref<?x1048608xi8>, memref<?xi32>, memref<4194432xi8>, memref<?x16xi32>) -> ()
  return
}

// -----

func.func @blocks(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>, %env: !tern.environment) {
  // expected-error@+1 {{strategy 'add_sub' expected a packing of 64-byte blocks}}
  tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<planes, rows = 16, group = 4, blocks = 2>}
    : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
  return
}

// -----

func.func @tables(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x8xi32>, %tables: memref<4x4096xi16>, %env: !tern.environment) {
  // expected-error@+1 {{strategy 'lut' expected a packing of tiles of 64 rows, one byte wide (tile2col, base3col), but got #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}}
  tern.matmul %q, %sum, %w into %y, %tables {cols = 64 : i64, config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
    : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x8xi32>, memref<4x4096xi16>) -> ()
  return
}

// -----

func.func @floats_with_integers(%x: memref<?x8xf32>, %w: memref<6x8xi8>, %s: memref<6xf32>, %y: memref<?x6xf32>, %env: !tern.environment) {
  // expected-error@+1 {{expected rows of i16; run tern-quantize-activations first}}
  tern.linear %x, %w scaled %s into %y : (memref<?x8xf32>, memref<6x8xi8>, memref<6xf32>, memref<?x6xf32>) -> ()
  return
}
