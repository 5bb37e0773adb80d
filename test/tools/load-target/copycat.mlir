// A target plug-in is a target in every tool, and its code sees the same types
// as the tool's.

// RUN: ternac --load-target=%plugins/libcopycat.so --list-targets | FileCheck %s --check-prefix=LIST
// LIST: reference
// LIST: copycat{{ +}}what reference does, from a plug-in

// RUN: cd %plugins && ternac --load-target=libcopycat.so --print-target --target=copycat | FileCheck %s --check-prefix=PRINT
// PRINT: #tern.target<name = "copycat", triple = "

// The target is there only where it is loaded.
// RUN: not ternac --print-target --target=copycat 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: unknown target 'copycat'; expected one of: {{.*}}reference

// RUN: ternac-opt %s --load-target=%plugins/libcopycat.so --copycat-see-matmuls -o /dev/null 2>&1 | FileCheck %s --check-prefix=SEEN
// SEEN: remark: seen by a plug-in
// RUN: ternac-opt %s --load-target %plugins/libcopycat.so --tern-to-packed=target=copycat | FileCheck %s
// CHECK: config = #tern.lowering_config<strategy = reference>
// RUN: ternac-opt --help --load-target=%plugins/libcopycat.so | FileCheck %s --check-prefix=HELP
// HELP-DAG: --copycat-see-matmuls
// HELP-DAG: --load-target=<file>

// RUN: ternac-reduce %s --load-target=%plugins/libcopycat.so --tern-to-packed=target=copycat | FileCheck %s

// The library is the one that the target that it copies makes, but for its name.
// RUN: ternac %tiny_model --load-target=%plugins/libcopycat.so --target=copycat -o %t.copycat.so --remarks 2>&1 | FileCheck %s --check-prefix=SEEN
// RUN: ternac-run %t.copycat.so --tokens=0,20,21,295,321,24,276 --max-new-tokens=4 > %t.copycat
// RUN: ternac %tiny_model --target=reference -o %t.reference.so
// RUN: ternac-run %t.reference.so --tokens=0,20,21,295,321,24,276 --max-new-tokens=4 > %t.reference
// RUN: cmp %t.copycat %t.reference

module attributes {tern.target = #tern.target<name = "copycat", vector_bits = 32>,
                   tern.weights = #tern.weights<synthetic_seed = 7 : i64>} {
  tern.global @w : tensor<32x64x!tern.trit> = #tern.stored<trits,
    sources = [#tern.source<"w", packed_rows, rows = 32, cols = 64, first_layer = 0>]>
  func.func @product(%q: tensor<?x64xi8>, %sum: tensor<?xi32>) -> tensor<?x32xi32> {
    %w = tern.load_global @w : tensor<32x64x!tern.trit>
    %y = tern.matmul %q, %sum, %w
      : (tensor<?x64xi8>, tensor<?xi32>, tensor<32x64x!tern.trit>) -> tensor<?x32xi32>
    return %y : tensor<?x32xi32>
  }
}
