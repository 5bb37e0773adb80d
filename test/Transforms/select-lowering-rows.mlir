// RUN: ternac-opt %s --tern-select-lowering='strategies=dot,add_sub,tile' --split-input-file 2>&1 | FileCheck %s

// One row decides on the packing; a few rows and many have the strategy that
// takes least time on it.

// Unpacking for a tile pays from a few rows on.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "base3_unpack", "tile_matmul"], vector_bits = 512>} {
  // CHECK: remark: chose dot on base3b16 for 2560x2560: {{.*}}; 8 rows by tile in {{[0-9.]+}} us, dot on base3b16 {{[0-9.]+}} us, {{.*}}; 256 rows by tile in {{[0-9.]+}} us, dot on base3b16
  // CHECK-LABEL: func.func @tiles
  // CHECK: config = #tern.lowering_config<strategy = dot, few = tile, many = tile>
  func.func @tiles(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>, %w: tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}

// -----

// A fast vector unit multiplies a few rows sooner than a tile is unpacked. The
// speed of tiles is a multiple of the peak.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "base3_unpack", "tile_matmul"], vector_bits = 512, bandwidth = 1000000000000, peak = 10000000000000>} {
  // CHECK-LABEL: func.func @fast_vectors
  // CHECK: config = #tern.lowering_config<strategy = dot, many = tile>
  func.func @fast_vectors(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>, %w: tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}

// -----

// Without matrix units there is one strategy.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @vectors
  // CHECK: config = #tern.lowering_config<strategy = dot>
  func.func @vectors(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>, %w: tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}
