// RUN: ternac-opt %s --tern-select-lowering='strategies=dot,lut' --verify-diagnostics --split-input-file

// What the estimates choose, and the numbers that decide. Bytes are those of
// the padded layout, so that small matrices choose otherwise than large ones.

// Memory is the bottleneck: fewer bytes win. 1.6 bits of 2560 x 2560 at 10 GB/s.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "base3_unpack"], vector_bits = 512, bandwidth = 10000000000>} {
  func.func @slow_memory(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>, %w: tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32> {
    // expected-remark@+1 {{chose dot on base3b16 for 2560x2560: 1.60 bits a weight, about 131.1 us to read and 68.3 us to compute a row on one core; in all 144.7 us, dot on tile2}}
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}

// -----

// The same machine with fast memory: fewer operations win.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "base3_unpack"], vector_bits = 512, bandwidth = 100000000000>} {
  func.func @fast_memory(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>, %w: tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32> {
    // expected-remark@+1 {{chose dot on tile2 for 2560x2560: 2.00 bits a weight, about 16.4 us to read and 48.8 us to compute}}
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}

// -----

// A low peak of products makes tables the cheaper way.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "base3_unpack", "byte_permute"], vector_bits = 512, bandwidth = 100000000000, peak = 50000000000>} {
  func.func @low_peak(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>, %w: tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32> {
    // expected-remark@+1 {{chose lut on base3col}}
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}

// -----

// But not where they leave the cache: 512 groups of 512 bytes.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "base3_unpack", "byte_permute"], vector_bits = 512, l2 = 131072, bandwidth = 20000000000, peak = 50000000000>} {
  func.func @small_cache(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>, %w: tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32> {
    // expected-remark@+1 {{chose dot on tile2}}
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}

// -----

// 16 columns are 16 in two-bit tiles and 20 in base-3 tiles, which hold them in
// as many bytes.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["int8_dot", "base3_unpack"], vector_bits = 512, bandwidth = 1000000000>} {
  func.func @padding(%q: tensor<?x64xi8>, %sum: tensor<?xi32>, %w: tensor<16x16x!tern.trit>) -> tensor<?x16xi32> {
    // expected-remark@+1 {{chose dot on tile2 for 16x16: 2.00 bits a weight}}
    %0 = tern.matmul %q, %sum, %w : (tensor<?x64xi8>, tensor<?xi32>, tensor<16x16x!tern.trit>) -> tensor<?x16xi32>
    return %0 : tensor<?x16xi32>
  }
}

// -----

// Narrow registers and no products: tables in memory.
module attributes {tern.target = #tern.target<name = "cpu", vector_bits = 128>} {
  func.func @plain(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>, %w: tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32> {
    // expected-remark@+1 {{chose lut on base3col}}
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}
