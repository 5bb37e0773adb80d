// RUN: split-file %s %t
// RUN: ternac-opt %t/model.mlir --tern-clone-versions | FileCheck %s
// RUN: ternac-opt %t/model.mlir --tern-clone-versions --tern-clone-versions | FileCheck %s
// RUN: ternac-opt %t/single.mlir --tern-clone-versions | FileCheck %s --check-prefix=SINGLE
// RUN: not ternac-opt %t/taken.mlir --tern-clone-versions 2>&1 | FileCheck %s --check-prefix=TAKEN

// A copy of each function for each version, behind those of the baseline; one
// weight for all. What is only declared stays one.

// CHECK: module attributes {tern.target = #tern.target<name = "cpu", cpu = "a", vector_bits = 128, versions = [#tern.target<name = "cpu", cpu = "b", vector_bits = 256>, #tern.target<name = "cpu", cpu = "b", features = "+c", vector_bits = 512>]>
// CHECK-COUNT-1: tern.global @w
// CHECK: func.func @f(%{{.*}}: tensor<2x16xf32>) -> tensor<2x16xf32> {
// CHECK: func.func @g() {
// CHECK: func.func private @h()
// CHECK: func.func @f_version1({{.*}} attributes {tern.target = #tern.target<name = "cpu", cpu = "b", vector_bits = 256>} {
// CHECK-NEXT: tern.load_global @w
// CHECK: func.func @g_version1() attributes {tern.target = #tern.target<name = "cpu", cpu = "b", vector_bits = 256>} {
// CHECK: func.func @f_version2({{.*}} attributes {tern.target = #tern.target<name = "cpu", cpu = "b", features = "+c", vector_bits = 512>} {
// CHECK: func.func @g_version2() attributes {tern.target = #tern.target<name = "cpu", cpu = "b", features = "+c", vector_bits = 512>} {
// CHECK-NOT: func.func

// SINGLE: func.func @f()
// SINGLE-NOT: func.func

// TAKEN: error: expected no symbol 'f_version1', which is the name of 'f' for b

//--- model.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "a", vector_bits = 128, versions = [
    #tern.target<name = "cpu", cpu = "b", vector_bits = 256>,
    #tern.target<name = "cpu", cpu = "b", features = "+c", vector_bits = 512>]>} {
  tern.global @w : tensor<2x16xf32> = #tern.stored<dense, sources = [
    #tern.source<"w", f32, rows = 2, cols = 16, first_layer = 0>]>
  func.func @f(%a: tensor<2x16xf32>) -> tensor<2x16xf32> {
    %w = tern.load_global @w : tensor<2x16xf32>
    %y = tern.add %a, %w : (tensor<2x16xf32>, tensor<2x16xf32>) -> tensor<2x16xf32>
    return %y : tensor<2x16xf32>
  }
  func.func @g() {
    return
  }
  func.func private @h()
}

//--- single.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "a">} {
  func.func @f() {
    return
  }
}

//--- taken.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "a", versions = [
    #tern.target<name = "cpu", cpu = "b">]>} {
  func.func @f() {
    return
  }
  func.func @f_version1() {
    return
  }
}
