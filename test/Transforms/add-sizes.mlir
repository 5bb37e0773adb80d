// RUN: ternac-opt %s --tern-export-functions --tern-add-sizes --canonicalize --cse | FileCheck %s

// Two arguments that share a loop have the same size there.
// CHECK-LABEL: func.func private @sum.sizes(
// CHECK-SAME: %[[A:.*]]: index, %[[B:.*]]: index) -> (i1, index) attributes {tern.sizes}
// CHECK-NEXT: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-NEXT: %[[EQUAL:.*]] = arith.cmpi eq, %[[A]], %[[B]] : index
// CHECK-NEXT: %[[SIZE:.*]] = arith.cmpi sge, %[[A]], %[[ZERO]] : index
// CHECK-NEXT: %[[FITS:.*]] = arith.andi %[[EQUAL]], %[[SIZE]] : i1
// CHECK-NEXT: return %[[FITS]], %[[A]] : i1, index
func.func @sum(%a: tensor<?x16xf32>, %b: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %y = linalg.add ins(%a, %b : tensor<?x16xf32>, tensor<?x16xf32>) outs(%a : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// The rows of tern ops are those that they read.
// CHECK-LABEL: func.func private @gathered.sizes(
// CHECK-SAME: %[[X:.*]]: index, %[[R:.*]]: index) -> (i1, index)
// CHECK-NEXT: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-NEXT: %[[SIZE:.*]] = arith.cmpi sge, %[[R]], %[[ZERO]] : index
// CHECK-NEXT: return %[[SIZE]], %[[R]] : i1, index
func.func @gathered(%x: tensor<?x16xf32>, %r: tensor<?xi32>) -> tensor<?x16xf32> {
  %y = tern.gather_rows %x, %r : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
  %z = tern.add %y, %y : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  return %z : tensor<?x16xf32>
}

// CHECK-LABEL: func.func private @outer.sizes(
// CHECK-SAME: %[[A:.*]]: index, %[[B:.*]]: index) -> (i1, index, index)
// CHECK: return %{{.*}}, %[[A]], %[[B]]
func.func @outer(%a: tensor<?xf32>, %b: tensor<?xf32>) -> tensor<?x?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %a, %c0 : tensor<?xf32>
  %m = tensor.dim %b, %c0 : tensor<?xf32>
  %e = tensor.empty(%n, %m) : tensor<?x?xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]} ins(%a, %b : tensor<?xf32>, tensor<?xf32>) outs(%e : tensor<?x?xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %r = arith.mulf %p, %q : f32
    linalg.yield %r : f32
  } -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// A size that is computed, and one that must be a constant.
// CHECK-LABEL: func.func private @joined.sizes(
// CHECK-SAME: %[[A:.*]]: index, %[[B:.*]]: index) -> (i1, index)
// CHECK-DAG: %[[FOUR:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[EQUAL:.*]] = arith.cmpi eq, %[[B]], %[[FOUR]] : index
// CHECK: %[[FITS:.*]] = arith.andi %[[EQUAL]]
// CHECK: return %[[FITS]], %{{.*}} : i1, index
func.func @joined(%a: tensor<?xf32>, %b: tensor<?xf32>) -> tensor<?xf32> {
  %four = tensor.cast %b : tensor<?xf32> to tensor<4xf32>
  %y = tensor.concat dim(0) %a, %four : (tensor<?xf32>, tensor<4xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// What is inserted is as large as the slice, which lies inside.
// CHECK-LABEL: func.func private @inserted.sizes(
// CHECK-SAME: %[[X:.*]]: index, %[[Y:.*]]: index) -> (i1, index)
// CHECK-DAG: arith.cmpi slt, %{{.*}}, %[[Y]] : index
// CHECK-DAG: arith.cmpi sge, %[[X]]
// CHECK: return %{{.*}}, %[[Y]] : i1, index
func.func @inserted(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %z = tensor.insert_slice %x into %y[3] [%n] [1] : tensor<?xf32> into tensor<?xf32>
  return %z : tensor<?xf32>
}

// The last place of a window lies inside.
// CHECK-LABEL: func.func private @windows.sizes(
// CHECK-SAME: %[[X:.*]]: index, %[[O:.*]]: index) -> (i1, index)
// CHECK: arith.cmpi slt, %{{.*}}, %[[X]] : index
func.func @windows(%x: tensor<?xf32>, %w: tensor<3xf32>, %o: tensor<?xf32>) -> tensor<?xf32> {
  %y = linalg.conv_1d ins(%x, %w : tensor<?xf32>, tensor<3xf32>) outs(%o : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
