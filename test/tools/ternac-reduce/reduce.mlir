// Reduces a module of our dialect to the part that a script calls interesting.

// RUN: ternac-reduce %s --reduction-tree='traversal-mode=0 test=%S/Inputs/has-gate.sh' | FileCheck %s --implicit-check-not=tern.add

// CHECK: tern.gate
func.func @uninteresting(%a: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = tern.add %a, %a : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func @interesting(%a: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = tern.gate <silu> %a, %a : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
