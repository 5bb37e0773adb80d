// RUN: ternac-opt %s --convert-tern-attention-to-x86 --convert-tern-to-vector --split-input-file | FileCheck %s

module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "fma", "f16_convert", "vector_registers_32", "bf16_dot"], vector_bits = 512>} {
  // A block that all rows of a whole tile see in bf16, others in f32; the pool and the table are added once.
  // CHECK-LABEL: func.func @narrow
  // CHECK-SAME: (%{{[a-z0-9]*}}: memref<?x32xf32>, %{{[a-z0-9]*}}: memref<?x32xf32>, %{{[a-z0-9]*}}: memref<?xf16>, %{{[a-z0-9]*}}: memref<?x?xi32>, %{{[a-z0-9]*}}: index
  func.func @narrow(%q: memref<?x32xf32>, %k: memref<?x32xf32>, %c: !tern.kv_cache<1x1x32xf16>, %l: index, %p: memref<?xi32>,
                    %y: memref<?x32xf32>, %rows: memref<?x80xf32>, %tiles: memref<1187840xf32>, %env: !tern.environment) {
    tern.kv_append %k, %k, %c[%l] at %p of %p
      : (memref<?x32xf32>, memref<?x32xf32>, !tern.kv_cache<1x1x32xf16>, index, memref<?xi32>, memref<?xi32>) -> ()
    // CHECK: tern.claim
    // CHECK: arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
    // CHECK: scf.if
    // CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%{{.*}}, %{{.*}}, %{{.*}}) : (vector<16xf32>, vector<32xbf16>, vector<32xbf16>) -> vector<16xf32>
    // CHECK: } else {
    // CHECK-NOT: dpbf16ps
    // CHECK: math.fma
    // CHECK-NOT: tern.attention
    tern.attention %q, %c[%l] at %p of %p into %y, %rows, %tiles {narrow}
      : (memref<?x32xf32>, !tern.kv_cache<1x1x32xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x32xf32>, memref<?x80xf32>, memref<1187840xf32>) -> ()
    return
  }

  // CHECK-LABEL: func.func @exact
  // CHECK-NOT: bf16
  func.func @exact(%q: memref<?x32xf32>, %c: !tern.kv_cache<1x1x32xf16>, %l: index, %p: memref<?xi32>,
                   %y: memref<?x32xf32>, %rows: memref<?x80xf32>, %tiles: memref<1187840xf32>, %env: !tern.environment) {
    tern.attention %q, %c[%l] at %p of %p into %y, %rows, %tiles
      : (memref<?x32xf32>, !tern.kv_cache<1x1x32xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x32xf32>, memref<?x80xf32>, memref<1187840xf32>) -> ()
    return
  }
}

// -----

// A target without the instruction.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "fma", "f16_convert", "vector_registers_32"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @no_instruction
  // CHECK-NOT: bf16
  // CHECK: return
  func.func @no_instruction(%q: memref<?x32xf32>, %c: !tern.kv_cache<1x1x32xf16>, %l: index, %p: memref<?xi32>,
                            %y: memref<?x32xf32>, %rows: memref<?x80xf32>, %tiles: memref<1187840xf32>, %env: !tern.environment) {
    tern.attention %q, %c[%l] at %p of %p into %y, %rows, %tiles {narrow}
      : (memref<?x32xf32>, !tern.kv_cache<1x1x32xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x32xf32>, memref<?x80xf32>, memref<1187840xf32>) -> ()
    return
  }
}

// -----

// Tiles where they are granted, else pairs: the product of queries by keys, and of weights by values.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "fma", "f16_convert", "vector_registers_32", "bf16_dot", "x86_amx_bf16"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @tiles(
  // CHECK: %[[GRANTED:.*]] = tern.granted %{{.*}}, 1
  // CHECK: %[[USE:.*]] = arith.andi %{{.*}}, %[[GRANTED]]
  // CHECK: scf.if %[[USE]]
  // CHECK: call @tern_attention_tile_64x64x32_from16_to64(%{{.*}}) : (memref<?xf32>, index, index, index) -> ()
  // CHECK: call @tern_attention_tile_64x32x64_from64_to32(
  // CHECK-NOT: dpbf16ps
  // CHECK: } else {
  // CHECK: scf.if
  // CHECK: dpbf16ps
  // CHECK: } else {
  // CHECK-NOT: dpbf16ps
  // CHECK: math.fma
  // CHECK: return
  // CHECK: func.func private @tern_attention_tile_64x64x32_from16_to64(%[[M:.*]]: memref<?xf32>, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index) attributes {passthrough = ["noinline"]}
  // CHECK: scf.for
  // CHECK-COUNT-4: amx.tile_zero : !amx.tile<16x16xf32>
  // CHECK: %[[X:.*]] = amx.tile_load %[[M]][%{{.*}}], %{{.*}} : memref<?xf32> into !amx.tile<16x32xbf16>
  // CHECK: %[[W:.*]] = amx.tile_load %[[M]]{{.*}} into !amx.tile<16x32xbf16>
  // CHECK: amx.tile_mulf %[[X]], %[[W]], %{{.*}} : !amx.tile<16x32xbf16>, !amx.tile<16x32xbf16>, !amx.tile<16x16xf32>
  // CHECK-COUNT-3: amx.tile_mulf %[[X]],
  // CHECK-COUNT-4: amx.tile_store %[[M]]
  // CHECK: func.func private @tern_attention_tile_64x32x64_from64_to32(
  // CHECK-COUNT-4: amx.tile_mulf
  // CHECK-NOT: amx.tile_mulf
  func.func @tiles(%q: memref<?x32xf32>, %c: !tern.kv_cache<1x1x32xf16>, %l: index, %p: memref<?xi32>,
                   %y: memref<?x32xf32>, %rows: memref<?x80xf32>, %tiles: memref<1187840xf32>, %env: !tern.environment) {
    tern.attention %q, %c[%l] at %p of %p into %y, %rows, %tiles {narrow}
      : (memref<?x32xf32>, !tern.kv_cache<1x1x32xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x32xf32>, memref<?x80xf32>, memref<1187840xf32>) -> ()
    return
  }
}

// -----

// Tiles only: without the grant all is f32, and no instruction rounds to bf16.
module attributes {tern.target = #tern.target<name = "cpu", capabilities = ["x86", "fma", "f16_convert", "vector_registers_32", "x86_amx_bf16"], vector_bits = 512>} {
  // CHECK-LABEL: func.func @tiles_only
  // CHECK-NOT: arith.truncf
  // CHECK: call @tern_attention_tile_
  // CHECK-NOT: {{dpbf16ps|arith.truncf}}
  // CHECK: return
  func.func @tiles_only(%q: memref<?x32xf32>, %c: !tern.kv_cache<1x1x32xf16>, %l: index, %p: memref<?xi32>,
                        %y: memref<?x32xf32>, %rows: memref<?x80xf32>, %tiles: memref<1187840xf32>, %env: !tern.environment) {
    tern.attention %q, %c[%l] at %p of %p into %y, %rows, %tiles {narrow}
      : (memref<?x32xf32>, !tern.kv_cache<1x1x32xf16>, index, memref<?xi32>, memref<?xi32>, memref<?x32xf32>, memref<?x80xf32>, memref<1187840xf32>) -> ()
    return
  }
}
