//===- TernThreadOps.td - Operations of threads ----------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Included at the end of TernOps.td, whose base classes it uses: threads, from
// phase bufferized on.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_IR_TERNTHREADOPS_TD
#define TERNAC_DIALECT_TERN_IR_TERNTHREADOPS_TD

def Tern_BarrierOp : Tern_Op<"barrier"> {
  let summary = "waits for all threads of the call";
  let description = [{
    What any thread wrote before it, every thread sees after it.

    Example:

    ```mlir
    func.func @f(%env: !tern.environment) {
      tern.barrier %env
      return
    }
    ```
  }];
  let arguments = (ins Tern_EnvironmentType:$environment);
  let assemblyFormat = "$environment attr-dict";
}

def Tern_ThreadRangeOp : Tern_Op<"thread_range", [Pure]> {
  let summary = "this thread's share of a range";
  let description = [{
    Splits [0, count) into one contiguous part per thread, as even as whole
    multiples of `step` allow; `begin` and `end` bound this thread's part.

    Constraints:
    * (C1) `step` is positive.

    Example:

    ```mlir
    func.func @f(%env: !tern.environment, %n: index) -> (index, index) {
      %begin, %end = tern.thread_range %env, %n step 16
      return %begin, %end : index, index
    }
    ```
  }];
  let arguments = (ins Tern_EnvironmentType:$environment, Index:$count,
                       I64Attr:$step);
  let results = (outs Index:$begin, Index:$end);
  let assemblyFormat = "$environment `,` $count `step` $step attr-dict";
  let builders = [OpBuilder<(ins "::mlir::Value":$environment,
                                 "::mlir::Value":$count, "int64_t":$step), [{
    ::mlir::Type index = $_builder.getIndexType();
    build($_builder, $_state, ::mlir::TypeRange{index, index}, environment,
          count, uint64_t(step));
  }]>];
  let hasVerifier = 1;
}

def Tern_ClaimOp : Tern_Op<"claim"> {
  let summary = "a piece of a range for the thread that asks first";
  let description = [{
    Hands out [0, count) in pieces of `step`, each to one thread: `begin` and
    `end` bound this thread's next piece, and are equal when nothing is left. A
    thread asks until then, and all threads meet at a barrier before the next
    range is handed out.

    Constraints:
    * (C1) `step` is positive.

    Example:

    ```mlir
    func.func @f(%env: !tern.environment, %n: index) -> (index, index) {
      %begin, %end = tern.claim %env, %n step 16
      return %begin, %end : index, index
    }
    ```
  }];
  let arguments = (ins Tern_EnvironmentType:$environment, Index:$count,
                       I64Attr:$step);
  let results = (outs Index:$begin, Index:$end);
  let assemblyFormat = "$environment `,` $count `step` $step attr-dict";
  let builders = [OpBuilder<(ins "::mlir::Value":$environment,
                                 "::mlir::Value":$count, "int64_t":$step), [{
    ::mlir::Type index = $_builder.getIndexType();
    build($_builder, $_state, ::mlir::TypeRange{index, index}, environment,
          count, uint64_t(step));
  }]>];
  let hasVerifier = 1;
}

def Tern_GrantedOp : Tern_Op<"granted", [Pure]> {
  let summary = "whether the host lets the code use a feature";
  let description = [{
    `feature` is a bit of `TernacEnvironment.granted_features` in
    `ternac/Runtime/ModelABI.h`: what a CPU has may still be for the operating
    system to grant. Every thread of a call gets the same answer.

    Constraints:
    * (C1) `feature` is one bit.

    Example:

    ```mlir
    func.func @f(%env: !tern.environment) -> i1 {
      %granted = tern.granted %env, 1
      return %granted : i1
    }
    ```
  }];
  let arguments = (ins Tern_EnvironmentType:$environment, I64Attr:$feature);
  let results = (outs I1:$result);
  let assemblyFormat = "$environment `,` $feature attr-dict";
  let hasVerifier = 1;
}

def Tern_SubmitOp : Tern_Op<"submit", [
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "commands for a device beside the processor";
  let description = [{
    Hands `commands` and the memory of `buffers` to the device named `device`
    and waits until they are done: `TernacDevice.submit` in
    `ternac/Runtime/ModelABI.h`. Commands refer to buffers by number, in the
    order of the operands. Each thread that comes here submits; a target sees to
    it that one does, or that they submit different work. If the device fails,
    the whole call returns an error in the end.

    `commands` is the symbol of whatever the target calls a program until it
    has written it as bytes, an `llvm.mlir.global` of i8, before
    `convert-tern-to-llvm`.

    Constraints:
    * (C1) `device` is not empty.
    * (C2) `commands` is a symbol of the module.
    * (C3) a buffer is contiguous.
    * (C4) its elements are integers or floats of whole bytes.

    Example:

    ```mlir
    llvm.mlir.global internal constant @program("\00\01\02\03")
    func.func @f(%q: memref<?xi8>, %y: memref<?xi32>, %env: !tern.environment) {
      tern.submit %env, "array" @program(%q, %y) : memref<?xi8>, memref<?xi32>
      return
    }
    ```
  }];
  let arguments = (ins Tern_EnvironmentType:$environment, StrAttr:$device,
                       FlatSymbolRefAttr:$commands,
                       Variadic<MemRefRankOf<[AnyType], [1]>>:$buffers);
  let assemblyFormat = [{
    $environment `,` $device $commands `(` $buffers `)` attr-dict
    `:` type($buffers)
  }];
  let hasVerifier = 1;
}

def Tern_LaunchOp : Tern_Op<"launch", [AttrSizedOperandSegments]> {
  let summary = "starts a kernel of the module on a device";
  let description = [{
    Starts as many blocks of as many threads as the six `dimensions` say, x, y
    and z of each, of the kernel with the number `kernel` in the module's
    attribute `tern.kernels`: `TernacDevice.launch` in
    `ternac/Runtime/ModelABI.h`. The device does so after whatever was launched
    before. The kernel's words are, of an argument that is a memref, the address
    of its first element and its sizes and strides; a number is a word of its
    own. If the device fails, the whole call returns an error in the end.

    Constraints:
    * (C1) `device` is not empty.
    * (C2) there are six dimensions.

    Example:

    ```mlir
    func.func @f(%q: memref<?xi8>, %n: index, %env: !tern.environment) {
      %c1 = arith.constant 1 : index
      %c64 = arith.constant 64 : index
      tern.launch %env, "gpu" "tern_add" 0 [%n, %c1, %c1, %c64, %c1, %c1](%q) : memref<?xi8>
      return
    }
    ```
  }];
  let arguments = (ins Tern_EnvironmentType:$environment, StrAttr:$device,
                       StrAttr:$name, I64Attr:$kernel,
                       Variadic<Index>:$dimensions,
                       Variadic<AnyTypeOf<[AnyMemRef, Index, I64]>>:$words);
  let assemblyFormat = [{
    $environment `,` $device $name $kernel `[` $dimensions `]` `(` $words `)`
    attr-dict (`:` type($words)^)?
  }];
  let hasVerifier = 1;
}

def Tern_Dot4Op : Tern_Op<"dot4", [Pure]> {
  let summary = "a dot product of four bytes and four bytes";
  let description = [{
    Adds to `sum` the products of the bytes of `codes` and those of `q`, byte by
    byte from the lowest. The bytes of `q` are signed, those of `codes` unsigned,
    or signed with `signed`. For targets with the capability `int8_dot`, in
    kernels.

    Example:

    ```mlir
    func.func @f(%codes: i32, %q: i32, %sum: i32) -> i32 {
      %0 = tern.dot4 %codes, %q, %sum
      %1 = tern.dot4 signed %codes, %q, %0
      return %1 : i32
    }
    ```
  }];
  let arguments = (ins I32:$codes, I32:$q, I32:$sum, UnitAttr:$is_signed);
  let results = (outs I32:$result);
  let assemblyFormat = [{
    (`signed` $is_signed^)? $codes `,` $q `,` $sum attr-dict
  }];
}

def Tern_DotTileOp : Tern_Op<"dot_tile", [Pure,
    AllTypesMatch<["sum", "result"]>]> {
  let summary = "a product of two tiles of bytes by a subgroup";
  let description = [{
    `sum + A . B`, where A is 16 x K of unsigned bytes, B is K x 8 of signed
    bytes and the sum 16 x 8 of i32; K is 32 or 16. The 32 threads of a subgroup
    compute it together, each with its share of the three. With g = thread / 4
    and t = thread % 4, and j from 0 to 3:

    ```text
    codes[0], byte j    A[g,     4t + j]      q[0], byte j    B[4t + j,      g]
    codes[1], byte j    A[g + 8, 4t + j]      q[1], byte j    B[4t + j + 16, g]
    codes[2], byte j    A[g,     4t + j + 16]
    codes[3], byte j    A[g + 8, 4t + j + 16]
    sum[0], sum[1]      at [g, 2t], [g, 2t + 1]
    sum[2], sum[3]      at [g + 8, 2t], [g + 8, 2t + 1]
    ```

    K is 16 with half of `codes` and of `q`. For targets with the capabilities
    `tile_matmul` and `subgroup_32`, in kernels.

    Constraints:
    * (C1) there are four words of `codes` and two of `q`, or two and one.

    Example:

    ```mlir
    func.func @f(%a: vector<4xi32>, %b: vector<2xi32>, %sum: vector<4xi32>) -> vector<4xi32> {
      %0 = tern.dot_tile %a, %b, %sum : vector<4xi32>, vector<2xi32>, vector<4xi32>
      return %0 : vector<4xi32>
    }
    ```
  }];
  let arguments = (ins VectorOfLengthAndType<[2, 4], [I32]>:$codes,
                       VectorOfLengthAndType<[1, 2], [I32]>:$q,
                       VectorOfLengthAndType<[4], [I32]>:$sum);
  let results = (outs VectorOfLengthAndType<[4], [I32]>:$result);
  let assemblyFormat = [{
    $codes `,` $q `,` $sum attr-dict `:` type($codes) `,` type($q) `,`
    type($sum)
  }];
  let hasVerifier = 1;
}

#endif // TERNAC_DIALECT_TERN_IR_TERNTHREADOPS_TD
