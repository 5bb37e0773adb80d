//===- TernTypes.td - Types of tern ---------------------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_IR_TERNTYPES_TD
#define TERNAC_DIALECT_TERN_IR_TERNTYPES_TD

include "ternac/Dialect/Tern/IR/TernDialect.td"
include "mlir/IR/AttrTypeBase.td"

class Tern_Type<string name, string typeMnemonic> : TypeDef<Tern_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def Tern_TritType : Tern_Type<"Trit", "trit"> {
  let summary = "a value of -1, 0 or +1";
  let description = [{
    The element type of ternary weights: `tensor<6912x2560x!tern.trit>`. Trits
    live until phase `quantized`; from `packed` on a weight is bytes, and its
    layout is the `packing` attribute of the matmul that reads it.

    Example:

    ```mlir
    func.func @weight(%w: tensor<6912x2560x!tern.trit>) {
      return
    }
    ```
  }];
}

def Tern_KVCacheType : Tern_Type<"KVCache", "kv_cache"> {
  let summary = "keys and values of all layers and sequences";
  let description = [{
    The cache of attention: for each layer and each key/value head, keys and
    values of `head_dim` numbers per position, stored as `element`. Blocks of 64
    positions come from a pool; a block table, part of the value, says which
    block holds which positions of which sequence.

    With i8, the numbers of one position and head share an f32 scale, which
    lies in the same block: absmax / 127 of what was appended.

    Constraints:
    * (C1) `layers`, `heads` and `head_dim` are from 1 to 65536.
    * (C2) `element` is f16, f32 or i8.

    Example:

    ```mlir
    func.func @cache(%c: !tern.kv_cache<30x5x128xf16>) {
      return
    }
    ```
  }];
  let parameters = (ins "int64_t":$layers, "int64_t":$heads,
                        "int64_t":$headDim, "::mlir::Type":$element);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Elements that one block of 64 positions holds of the keys, or values,
    /// of one head of one layer: with i8, and 64 scales in 256 of them.
    int64_t getHeadBlockElements() const;
    /// The same of one layer: keys of all heads, then values of all heads.
    int64_t getLayerBlockElements() const;
    /// Bytes of one block over all layers.
    int64_t getBlockBytes() const;
  }];
}

def Tern_EnvironmentType : Tern_Type<"Environment", "environment"> {
  let summary = "what the host lends to one thread of a call";
  let description = [{
    The thread's number, the number of threads, and the barrier between them.
    Appears with bufferisation: from there on a function is what *each* thread
    runs, and the threads split the work of every op between them.

    Example:

    ```mlir
    func.func @forward(%env: !tern.environment) {
      tern.barrier %env
      return
    }
    ```
  }];
}

def Tern_TritTensor : TensorOf<[Tern_TritType]>;

#endif // TERNAC_DIALECT_TERN_IR_TERNTYPES_TD
