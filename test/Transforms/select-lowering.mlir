// RUN: ternac-opt %s --tern-select-lowering='strategies=dot,add_sub' --split-input-file | FileCheck %s --check-prefixes=CHECK,AUTO
// RUN: ternac-opt %s --tern-select-lowering='strategies=dot,add_sub strategy=add_sub' --split-input-file | FileCheck %s --check-prefixes=CHECK,ADD-SUB
// RUN: ternac-opt %s --tern-select-lowering='strategies=dot,add_sub packing=row2' --split-input-file | FileCheck %s --check-prefixes=CHECK,ROW2
// RUN: ternac-opt %s --tern-select-lowering='strategies=dot,add_sub packing=base3' --split-input-file | FileCheck %s --check-prefixes=CHECK,BASE3
// RUN: ternac-opt %s --tern-select-lowering='strategies=reference' --split-input-file | FileCheck %s --check-prefixes=CHECK,REFERENCE
// RUN: ternac-opt %s --tern-select-lowering='strategies=dot,add_sub,lut strategy=lut' --split-input-file | FileCheck %s --check-prefixes=CHECK,LUT
// RUN: ternac-opt %s --tern-select-lowering='strategies=dot,add_sub,lut strategy=lut packing=tile2' --split-input-file | FileCheck %s --check-prefixes=CHECK,LUT2
// RUN: ternac-opt %s --tern-select-lowering='strategies=dot,add_sub,lut strategy=lut packing=base3' --split-input-file | FileCheck %s --check-prefixes=CHECK,LUT3

// Only strategies whose capability the target has.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot"]>} {
  // CHECK-LABEL: func.func @has_dot
  // AUTO: config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>
  // ADD-SUB: config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<planes, rows = 16, group = 4, blocks = 1>
  // ROW2: config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>
  // BASE3: packing = #tern.packing<base3, rows = 16, group = 4, blocks = 16>
  // REFERENCE: config = #tern.lowering_config<strategy = reference>, packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>
  func.func @has_dot(%q: tensor<?x320xi8>, %sum: tensor<?xi32>, %w: tensor<32x320x!tern.trit>) -> tensor<?x32xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x320xi8>, tensor<?xi32>, tensor<32x320x!tern.trit>) -> tensor<?x32xi32>
    return %0 : tensor<?x32xi32>
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["fma"]>} {
  // CHECK-LABEL: func.func @no_dot
  // AUTO: strategy = add_sub
  // ADD-SUB: strategy = add_sub
  // ROW2: strategy = add_sub
  // REFERENCE: strategy = reference
  // The number of blocks of base3 is the one that pads 40 columns least.
  // BASE3: packing = #tern.packing<base3, rows = 16, group = 4, blocks = 2>
  func.func @no_dot(%q: tensor<?x40xi8>, %sum: tensor<?xi32>, %w: tensor<32x40x!tern.trit>) -> tensor<?x32xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x40xi8>, tensor<?xi32>, tensor<32x40x!tern.trit>) -> tensor<?x32xi32>
    return %0 : tensor<?x32xi32>
  }
}

// -----

// A choice is overwritten, so that the phase can be run again.

module attributes {tern.target = #tern.target<name = "cpu">} {
  // CHECK-LABEL: func.func @again
  // AUTO: strategy = add_sub
  func.func @again(%q: tensor<?x40xi8>, %sum: tensor<?xi32>, %w: tensor<32x40x!tern.trit>) -> tensor<?x32xi32> {
    %0 = tern.matmul %q, %sum, %w {config = #tern.lowering_config<strategy = dot>}
      : (tensor<?x40xi8>, tensor<?xi32>, tensor<32x40x!tern.trit>) -> tensor<?x32xi32>
    return %0 : tensor<?x32xi32>
  }
}

// -----

// Tables want tiles one byte wide: of two bits where registers are looked up 16
// bytes at a time, of base 3 elsewhere.

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["byte_shuffle"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @shuffle
  // LUT: config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>
  // LUT2: config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<two_bit, rows = 64, group = 1, blocks = 1>
  // LUT3: config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>
  func.func @shuffle(%q: tensor<?x40xi8>, %sum: tensor<?xi32>, %w: tensor<32x40x!tern.trit>) -> tensor<?x32xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x40xi8>, tensor<?xi32>, tensor<32x40x!tern.trit>) -> tensor<?x32xi32>
    return %0 : tensor<?x32xi32>
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["byte_permute", "byte_shuffle"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @permute
  // LUT: config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>
  func.func @permute(%q: tensor<?x640xi8>, %sum: tensor<?xi32>, %w: tensor<640x640x!tern.trit>) -> tensor<?x640xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x640xi8>, tensor<?xi32>, tensor<640x640x!tern.trit>) -> tensor<?x640xi32>
    return %0 : tensor<?x640xi32>
  }
}

// -----

module attributes {tern.target = #tern.target<name = "cpu">} {
  // CHECK-LABEL: func.func @neither
  // LUT: config = #tern.lowering_config<strategy = lut>, packing = #tern.packing<base3, rows = 64, group = 1, blocks = 1>
  func.func @neither(%q: tensor<?x40xi8>, %sum: tensor<?xi32>, %w: tensor<32x40x!tern.trit>) -> tensor<?x32xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x40xi8>, tensor<?xi32>, tensor<32x40x!tern.trit>) -> tensor<?x32xi32>
    return %0 : tensor<?x32xi32>
  }
}
