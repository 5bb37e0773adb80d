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
