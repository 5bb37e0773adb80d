// RUN: ternac-opt %s --pass-pipeline='builtin.module(gpu.module(convert-kernels-to-nvvm))' | FileCheck %s

// Products of bytes are one instruction, products of tiles one of a subgroup. So
// many blocks run at once that loads stay where they are written.

gpu.module @kernels {
  // CHECK-LABEL: llvm.func @dot4
  // CHECK-SAME: nvvm.minctasm = 3 : i32
  // CHECK: %[[CODES:.*]] = llvm.bitcast %{{.*}} : i32 to vector<4xi8>
  // CHECK: %[[Q:.*]] = llvm.bitcast %{{.*}} : i32 to vector<4xi8>
  // CHECK: nvvm.dot.accumulate.4way %[[CODES]] <unsigned>, %[[Q]] <signed>, %{{.*}} : vector<4xi8>, vector<4xi8>
  // CHECK: nvvm.dot.accumulate.4way %{{.*}} <signed>, %{{.*}} <signed>, %{{.*}} : vector<4xi8>, vector<4xi8>
  gpu.func @dot4(%codes: i32, %q: i32, %y: memref<1xi32>) kernel attributes {known_block_size = array<i32: 128, 1, 1>} {
    %c0 = arith.constant 0 : index
    %sum = memref.load %y[%c0] : memref<1xi32>
    %0 = tern.dot4 %codes, %q, %sum
    %1 = tern.dot4 signed %codes, %q, %0
    memref.store %1, %y[%c0] : memref<1xi32>
    gpu.return
  }

  // CHECK-LABEL: llvm.func @dot_tile
  // CHECK: nvvm.mma.sync A[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}] B[%{{.*}}, %{{.*}}] C[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}]
  // CHECK-SAME: intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>
  // CHECK-SAME: multiplicandAPtxType = #nvvm.mma_type<u8>, multiplicandBPtxType = #nvvm.mma_type<s8>, shape = #nvvm.shape<m = 16, n = 8, k = 32>
  // CHECK: nvvm.mma.sync A[%{{.*}}, %{{.*}}] B[%{{.*}}] C[
  // CHECK-SAME: shape = #nvvm.shape<m = 16, n = 8, k = 16>
  gpu.func @dot_tile(%a: vector<4xi32>, %b: vector<2xi32>, %c: vector<2xi32>, %d: vector<1xi32>, %y: memref<1xvector<4xi32>>) kernel {
    %c0 = arith.constant 0 : index
    %sum = memref.load %y[%c0] : memref<1xvector<4xi32>>
    %0 = tern.dot_tile %a, %b, %sum : vector<4xi32>, vector<2xi32>, vector<4xi32>
    %1 = tern.dot_tile %c, %d, %0 : vector<2xi32>, vector<1xi32>, vector<4xi32>
    memref.store %1, %y[%c0] : memref<1xvector<4xi32>>
    gpu.return
  }
}
