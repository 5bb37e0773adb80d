// RUN: ternac-opt --load-target=%plugin %s --verify-diagnostics --split-input-file

// The machine has four descriptors, 128 blocks of each memory and 16 lanes.

tarray.program @descriptors {
  // expected-error@+1 {{attribute 'descriptor' failed to satisfy constraint}}
  tarray.descriptor 4, buffer 0, row_bytes 64
}

// -----

tarray.program @blocks {
  tarray.descriptor 0, buffer 0, row_bytes 64
  // expected-error@+1 {{attribute 'blocks' failed to satisfy constraint}}
  tarray.load_weights 0, block 0, blocks 129
}

// -----

tarray.program @lanes {
  tarray.descriptor 0, buffer 0, row_bytes 64
  // expected-error@+1 {{attribute 'lanes' failed to satisfy constraint}}
  tarray.store_sums 0, column 0, lanes 17
}

// -----

// program C1
tarray.program @instructions {
  // expected-error@+1 {{(C1) expected only instructions in a program}}
  %0 = arith.constant 1 : i32
}

// -----

// program C2
tarray.program @unset {
  tarray.descriptor 0, buffer 0, row_bytes 64
  // expected-error@+1 {{(C2) expected descriptor 1 to be set before}}
  tarray.load_weights 1, block 0, blocks 1
}

// -----

// program C3
tarray.program @too_many {
  tarray.descriptor 0, buffer 0, row_bytes 64
  tarray.load_activations 0, block 0, blocks 2
  tarray.load_weights 0, block 0, blocks 4
  // expected-error@+1 {{(C3) expected at most the loaded blocks, 2 of activations and 4 of weights, but got 3}}
  tarray.accumulate blocks 3
}

// -----

// expected-error@+1 {{expects parent op 'tarray.program'}}
"tarray.clear_sums"() : () -> ()
