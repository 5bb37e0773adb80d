// RUN: split-file %s %t
// RUN: not ternac-opt %t/no-target.mlir --tern-select-lowering='strategies=add_sub' 2>&1 | FileCheck %s --check-prefix=NO-TARGET
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=dot,add_sub strategy=dot' 2>&1 | FileCheck %s --check-prefix=CAPABILITY
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=dot,add_sub strategy=tile' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=add_sub strategy=reference' 2>&1 | FileCheck %s --check-prefix=OTHERS
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=dot' 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=add_sub packing=row3' 2>&1 | FileCheck %s --check-prefix=PACKING
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=add_sub packing=i8' 2>&1 | FileCheck %s --check-prefix=UNPACKED
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=reference strategy=reference packing=row2' 2>&1 | FileCheck %s --check-prefix=REFERENCE
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=add_sub,lut strategy=lut packing=row2' 2>&1 | FileCheck %s --check-prefix=TABLES
// RUN: not ternac-opt %t/model.mlir --tern-select-lowering='strategies=dot,add_sub strategy=dot packing=planes' 2>&1 | FileCheck %s --check-prefix=CAPABILITY
// RUN: not ternac-opt %t/dot.mlir --tern-select-lowering='strategies=dot,add_sub strategy=dot packing=planes' 2>&1 | FileCheck %s --check-prefix=PLANES

// NO-TARGET: error: expected a module attribute 'tern.target'
// CAPABILITY: error: strategy 'dot' needs the capability 'int8_dot' or 'int8_products', which target 'cpu' (x86-64) does not have; it has: auto, add_sub
// UNKNOWN: error: strategy 'tile' is none of target 'cpu'; it has: auto, add_sub
// OTHERS: error: strategy 'reference' is none of target 'cpu'; it has: auto, add_sub
// NONE: error: target 'cpu' has no strategy
// PACKING: error: unknown packing 'row3'; expected auto, planes, tile2, base3, row2
// UNPACKED: error: no strategy of target 'cpu' reads the packing 'i8'; expected auto, planes, tile2, base3, row2
// PLANES: error: strategy 'dot' does not read the packing 'planes'; expected auto, tile2, base3, row2
// REFERENCE: error: strategy 'reference' does not read the packing 'row2'; expected auto, i8
// TABLES: error: strategy 'lut' does not read the packing 'row2'; expected auto, base3, tile2

//--- no-target.mlir
module {}

//--- model.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "x86-64">} {
  func.func @f(%q: tensor<?x40xi8>, %sum: tensor<?xi32>, %w: tensor<32x40x!tern.trit>) -> tensor<?x32xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x40xi8>, tensor<?xi32>, tensor<32x40x!tern.trit>) -> tensor<?x32xi32>
    return %0 : tensor<?x32xi32>
  }
}

//--- dot.mlir
module attributes {tern.target = #tern.target<name = "cpu", cpu = "x86-64-v3", capabilities = ["int8_dot"]>} {
  func.func @f(%q: tensor<?x40xi8>, %sum: tensor<?xi32>, %w: tensor<32x40x!tern.trit>) -> tensor<?x32xi32> {
    %0 = tern.matmul %q, %sum, %w : (tensor<?x40xi8>, tensor<?xi32>, tensor<32x40x!tern.trit>) -> tensor<?x32xi32>
    return %0 : tensor<?x32xi32>
  }
}
