// RUN: ternac-opt %s --convert-math-to-arith --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @functions
// CHECK-NOT: math.{{exp|tanh|erf|log|sin|floor|ceil|round|trunc|rsqrt|fma}}
// CHECK: return
func.func @functions(%x: f32) -> f32 {
  %0 = math.exp %x : f32
  %1 = math.tanh %0 : f32
  %2 = math.erf %1 : f32
  %3 = math.log %2 : f32
  %4 = math.sin %3 : f32
  %5 = math.floor %4 : f32
  %6 = math.ceil %5 : f32
  %7 = math.round %6 : f32
  %8 = math.roundeven %7 : f32
  %9 = math.trunc %8 : f32
  %10 = math.log10 %9 : f32
  %11 = math.rsqrt %10 : f32
  return %11 : f32
}

// -----

// Narrow floats are computed with in f32.
// CHECK-LABEL: func.func @narrow
// CHECK: arith.addf %{{.*}}, %{{.*}} : f32
// CHECK-NOT: {{(addf|truncf|extf) .*}}bf16
// CHECK: return
func.func @narrow(%x: bf16) -> bf16 {
  %y = arith.addf %x, %x : bf16
  return %y : bf16
}

// -----

// What every machine has stays.
// CHECK-LABEL: func.func @native
// CHECK: math.absf
// CHECK: math.sqrt
// CHECK: math.copysign
func.func @native(%x: f64) -> f64 {
  %0 = math.absf %x : f64
  %1 = math.sqrt %0 : f64
  %2 = math.copysign %1, %x : f64
  return %2 : f64
}

// -----

// A fused product is one where the machine has it.
module attributes {tern.target = #tern.target<name = "cpu", triple = "x86_64-pc-linux-gnu", capabilities = ["fma"], vector_bits = 256>} {
  // CHECK-LABEL: func.func @fused
  // CHECK: math.fma
  func.func @fused(%x: f32) -> f32 {
    %0 = math.fma %x, %x, %x : f32
    return %0 : f32
  }
}

// -----

func.func @wide(%x: f64) -> f64 {
  // expected-error @below {{of 'f64' needs a math library, which a compiled library does not have; write it with other ops, or use f32}}
  %0 = math.exp %x : f64
  return %0 : f64
}
