// RUN: ternac-opt %s --tern-bufferize --verify-diagnostics --split-input-file

// expected-error@+1 {{expected results to be ranked tensors or a cache, but got 'index'}}
func.func @result(%x: index) -> index {
  return %x : index
}

// -----

// expected-error@+1 {{expected a body of one block}}
func.func @blocks(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  cf.br ^next
^next:
  return %x : tensor<?x4xf32>
}
