// RUN: split-file %s %t
// RUN: ternac-opt %t/shared.mlir --tern-select-lowering='strategies=dot,lut,add_sub' --verify-diagnostics | FileCheck %s --check-prefix=SHARED
// RUN: ternac-opt %t/alone.mlir --tern-select-lowering='strategies=dot,lut,add_sub' --verify-diagnostics
// RUN: ternac-opt %t/strategies.mlir --tern-select-lowering='strategies=dot,add_sub packing=tile2' | FileCheck %s --check-prefix=STRATEGIES
// RUN: not ternac-opt %t/strategies.mlir --tern-select-lowering='strategies=dot,add_sub strategy=dot' 2>&1 | FileCheck %s --check-prefix=CAPABILITY
// RUN: not ternac-opt %t/strategies.mlir --tern-select-lowering='strategies=dot,tile' 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not ternac-opt %t/strategies.mlir --tern-select-lowering='strategies=dot,add_sub packing=i8' 2>&1 | FileCheck %s --check-prefix=PACKING

// Alone, the slow memory of the second would have base3; but that costs the
// first more than it gains the second. Another weight may be otherwise.

// SHARED-LABEL: func.func @f(
// SHARED: tern.matmul {{.*}}config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>
// SHARED-LABEL: func.func @f_version1(
// SHARED: tern.matmul {{.*}}config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>

// Strategies are each machine's own, on one packing.

// STRATEGIES-LABEL: func.func @f(
// STRATEGIES: tern.matmul {{.*}}config = #tern.lowering_config<strategy = add_sub>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>
// STRATEGIES-LABEL: func.func @f_version1(
// STRATEGIES: tern.matmul {{.*}}config = #tern.lowering_config<strategy = dot>, packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>

// CAPABILITY: error: strategy 'dot' needs the capability 'int8_dot' or 'int8_products', which target 'cpu' (a) does not have; it has: auto, add_sub
// NONE: error: target 'cpu' (a) has no strategy
// PACKING: error: no strategy of target 'cpu' (a) reads the packing 'i8'; expected auto, planes, tile2, base3, row2

//--- shared.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "a", capabilities = ["int8_dot"], vector_bits = 128, versions = [
    #tern.target<name = "cpu", cpu = "b", capabilities = ["int8_dot", "base3_unpack"], vector_bits = 512>]>} {
  tern.global @w : tensor<2560x2560x!tern.trit> = #tern.stored<trits, sources = [
    #tern.source<"w", packed_rows, rows = 2560, cols = 2560, first_layer = 0>]>
  func.func @f(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>) -> tensor<?x2560xi32> {
    %w = tern.load_global @w : tensor<2560x2560x!tern.trit>
    // expected-remark@+1 {{w: chose dot on tile2 for 2560x2560}}
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
  func.func @f_version1(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>) -> tensor<?x2560xi32>
      attributes {tern.target = #tern.target<name = "cpu", cpu = "b", capabilities = ["int8_dot", "base3_unpack"], vector_bits = 512>} {
    %w = tern.load_global @w : tensor<2560x2560x!tern.trit>
    // expected-remark@+1 {{code for b, on a packing for 2 versions whose rows take 1.}}
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}

//--- alone.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "b", capabilities = ["int8_dot", "base3_unpack"], vector_bits = 512>} {
  tern.global @w : tensor<2560x2560x!tern.trit> = #tern.stored<trits, sources = [
    #tern.source<"w", packed_rows, rows = 2560, cols = 2560, first_layer = 0>]>
  func.func @f(%q: tensor<?x2560xi8>, %sum: tensor<?xi32>) -> tensor<?x2560xi32> {
    %w = tern.load_global @w : tensor<2560x2560x!tern.trit>
    // expected-remark@+1 {{w: chose dot on base3b16 for 2560x2560}}
    %0 = tern.matmul %q, %sum, %w : (tensor<?x2560xi8>, tensor<?xi32>, tensor<2560x2560x!tern.trit>) -> tensor<?x2560xi32>
    return %0 : tensor<?x2560xi32>
  }
}

//--- strategies.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "a", vector_bits = 128, versions = [
    #tern.target<name = "cpu", cpu = "b", capabilities = ["int8_dot"], vector_bits = 256>]>} {
  tern.global @w : tensor<32x64x!tern.trit> = #tern.stored<trits, sources = [
    #tern.source<"w", packed_rows, rows = 32, cols = 64, first_layer = 0>]>
  func.func @f(%q: tensor<?x64xi8>, %sum: tensor<?xi32>) -> tensor<?x32xi32> {
    %w = tern.load_global @w : tensor<32x64x!tern.trit>
    %0 = tern.matmul %q, %sum, %w : (tensor<?x64xi8>, tensor<?xi32>, tensor<32x64x!tern.trit>) -> tensor<?x32xi32>
    return %0 : tensor<?x32xi32>
  }
  func.func @f_version1(%q: tensor<?x64xi8>, %sum: tensor<?xi32>) -> tensor<?x32xi32>
      attributes {tern.target = #tern.target<name = "cpu", cpu = "b", capabilities = ["int8_dot"], vector_bits = 256>} {
    %w = tern.load_global @w : tensor<32x64x!tern.trit>
    %0 = tern.matmul %q, %sum, %w : (tensor<?x64xi8>, tensor<?xi32>, tensor<32x64x!tern.trit>) -> tensor<?x32xi32>
    return %0 : tensor<?x32xi32>
  }
}
