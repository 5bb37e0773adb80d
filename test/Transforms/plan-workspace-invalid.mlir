// RUN: ternac-opt %s --tern-plan-workspace --verify-diagnostics --split-input-file

func.func @two(%x: memref<?x16xf32>, %n: index, %workspace: memref<?xi8> {tern.workspace}) {
  // expected-error@+1 {{expected no dynamic size but the rows of the call, in the leading dimension}}
  %a = memref.alloc(%n, %n) : memref<?x?xf32>
  return
}

// -----

func.func @columns(%x: memref<?x16xf32>, %n: index, %workspace: memref<?xi8> {tern.workspace}) {
  // expected-error@+1 {{expected no dynamic size but the rows of the call, in the leading dimension}}
  %a = memref.alloc(%n) : memref<4x?xf32>
  return
}

// -----

// expected-error@+1 {{expected an argument 'tern.workspace' and a memref whose first dimension is the rows}}
func.func @no_workspace(%x: memref<?x16xf32>, %n: index) {
  %a = memref.alloc(%n) : memref<?x16xf32>
  return
}

// -----

// expected-error@+1 {{expected an argument 'tern.workspace' and a memref whose first dimension is the rows}}
func.func @no_workspace_for_fixed() {
  %a = memref.alloc() : memref<4x16xf32>
  return
}

// -----

func.func @by_value(%a: memref<index>, %workspace: memref<?xi8> {tern.workspace})
    attributes {tern.exported = {arguments = ["a"], results = [], type = (tensor<index>) -> ()}} {
  // expected-error @below {{gives the size of a buffer; expected sizes that follow from those of the arguments alone}}
  %n = memref.load %a[] : memref<index>
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %x = memref.alloc(%n) : memref<?xf32>
  memref.store %zero, %x[%c0] : memref<?xf32>
  return
}
func.func private @by_value.sizes() -> (i1) attributes {tern.sizes} {
  %true = arith.constant true
  return %true : i1
}

// -----

// expected-error @below {{expected a function 'no_sizes.sizes'; run tern-add-sizes first}}
func.func @no_sizes(%workspace: memref<?xi8> {tern.workspace})
    attributes {tern.exported = {arguments = [], results = [], type = () -> ()}} {
  return
}
