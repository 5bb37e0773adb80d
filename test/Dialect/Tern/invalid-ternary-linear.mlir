// RUN: ternac-opt %s --split-input-file --verify-diagnostics

// The constraint's number is that of the description of tern.ternary_linear.

// ternary_linear C1
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C1) expected a result of rank 2, but got 'tensor<8xf32>'}}
  %0 = tern.ternary_linear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<8xf32>
  return
}

// -----

// ternary_linear C1
func.func @f(%x: tensor<?x15xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C1) expected 16 columns of x, but got 15}}
  %0 = tern.ternary_linear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x15xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// ternary_linear C1
func.func @f(%x: tensor<?x15xi8>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>, %step: tensor<?xf32>) {
  // expected-error@+1 {{(C1) expected at least 16 columns of x, but got 15}}
  %0 = tern.ternary_linear %x, %w, %s step %step {segments = array<i64: 8>} : (tensor<?x15xi8>, tensor<8x16x!tern.trit>, tensor<1xf32>, tensor<?xf32>) -> tensor<?x8xf32>
  return
}

// -----

// ternary_linear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C2) expected columns of the result to be 8, but got 9}}
  %0 = tern.ternary_linear %x, %w, %s {segments = array<i64: 9>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x9xf32>
  return
}

// -----

// ternary_linear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C2) expected no 'cols' with a weight of trits}}
  %0 = tern.ternary_linear %x, %w, %s {cols = 16 : i64, segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// ternary_linear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<?x16x!tern.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C2) expected a static shape of the weight, but got 'tensor<?x16x!tern.trit>'}}
  %0 = tern.ternary_linear %x, %w, %s {segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<?x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// ternary_linear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<128xi8>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C2) expected 'packing', 'cols' and 'config' with a packed weight}}
  %0 = tern.ternary_linear %x, %w, %s {cols = 16 : i64, segments = array<i64: 8>} : (tensor<?x16xf32>, tensor<128xi8>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// ternary_linear C2
func.func @f(%x: tensor<?x16xf32>, %w: tensor<64xi8>, %s: tensor<1xf32>) {
  // expected-error@+1 {{(C2) expected the number of bytes to be 128, but got 64}}
  %0 = tern.ternary_linear %x, %w, %s {cols = 16 : i64, config = #tern.lowering_config<strategy = add_sub>,
      packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>, segments = array<i64: 8>}
    : (tensor<?x16xf32>, tensor<64xi8>, tensor<1xf32>) -> tensor<?x8xf32>
  return
}

// -----

// ternary_linear C3
func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1x7xf32>) {
  // expected-error@+1 {{(C3) expected scales of a group to be 8, but got 7}}
  %0 = tern.ternary_linear %x, %w, %s {group = 16 : i64} : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1x7xf32>) -> tensor<?x8xf32>
  return
}

// -----

// ternary_linear C4
func.func @f(%x: tensor<?x16xi8>, %w: tensor<8x16x!tern.trit>, %s: tensor<1x8xf32>) {
  // expected-error@+1 {{(C4) expected 'step' exactly with rows of i8}}
  %0 = tern.ternary_linear %x, %w, %s {group = 16 : i64} : (tensor<?x16xi8>, tensor<8x16x!tern.trit>, tensor<1x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// ternary_linear C4
func.func @f(%x: tensor<?x131104xi8>, %w: tensor<8x131104x!tern.trit>, %s: tensor<1x8xf32>, %step: tensor<?xf32>) {
  // expected-error@+1 {{(C4) expected groups of at most 2^17 columns with i8, but got 131104}}
  %0 = tern.ternary_linear %x, %w, %s step %step {group = 131104 : i64} : (tensor<?x131104xi8>, tensor<8x131104x!tern.trit>, tensor<1x8xf32>, tensor<?xf32>) -> tensor<?x8xf32>
  return
}

// -----

// ternary_linear C4
func.func @f(%x: tensor<4x16xi8>, %w: tensor<8x16x!tern.trit>, %s: tensor<1x8xf32>, %step: tensor<3xf32>) {
  // expected-error@+1 {{(C4) expected elements of step to be 4, but got 3}}
  %0 = tern.ternary_linear %x, %w, %s step %step {group = 16 : i64} : (tensor<4x16xi8>, tensor<8x16x!tern.trit>, tensor<1x8xf32>, tensor<3xf32>) -> tensor<4x8xf32>
  return
}
