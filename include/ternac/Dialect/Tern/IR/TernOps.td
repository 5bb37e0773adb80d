//===- TernOps.td - Operations of tern ------------------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_IR_TERNOPS_TD
#define TERNAC_DIALECT_TERN_IR_TERNOPS_TD

include "ternac/Dialect/Tern/IR/TernAttributes.td"
include "ternac/Dialect/Tern/IR/TernInterfaces.td"
include "ternac/Dialect/Tern/IR/TernTypes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Tern_Op<string mnemonic, list<Trait> traits = []>
    : Op<Tern_Dialect, mnemonic, traits>;

// An op with a value form and a buffer form; see the dialect's description.
// Derived classes list their own operands and end with `$outs`.
class Tern_ComputeOp<string mnemonic, list<Trait> traits = []>
    : Tern_Op<mnemonic, traits # [
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasVerifier = 1;
}

// Operands are tensors in the value form and memrefs in the buffer form.
class Tern_ShapedOf<list<Type> elements, list<int> ranks>
    : AnyTypeOf<[TensorRankOf<elements, ranks>,
                 MemRefRankOf<elements, ranks>]>;
class Tern_Shaped<list<Type> elements, int rank>
    : Tern_ShapedOf<elements, [rank]>;
def Tern_F32Rows : Tern_Shaped<[F32], 2>;
def Tern_F32Vector : Tern_Shaped<[F32], 1>;
def Tern_I32Vector : Tern_Shaped<[I32], 1>;
def Tern_I32Rows : Tern_Shaped<[I32], 2>;
def Tern_I8Rows : Tern_Shaped<[I8], 2>;
def Tern_I8Vector : Tern_Shaped<[I8], 1>;
def Tern_I8OrI16Rows : Tern_Shaped<[I8, I16], 2>;
def Tern_F32OrI16Rows : Tern_Shaped<[F32, I16], 2>;
def Tern_F32OrI8Rows : Tern_Shaped<[F32, I8], 2>;
// The scales of a ternary matrix: [S], or [G, M].
def Tern_Scales : Tern_ShapedOf<[F32], [1, 2]>;
// A ternary matrix, as trits or packed.
def Tern_TernaryWeight : AnyTypeOf<[
  TensorRankOf<[Tern_TritType], [2]>, TensorRankOf<[I8], [1]>,
  MemRefRankOf<[I8], [1]>]>;
def Tern_DenseMatrix : Tern_Shaped<[F32, F16, BF16, I8], 2>;
def Tern_DenseWeight : AnyTypeOf<[Tern_DenseMatrix, Tern_I8Vector]>;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def Tern_GlobalOp : Tern_Op<"global", [Symbol]> {
  let summary = "a weight, by reference to the checkpoint";
  let description = [{
    Declares a weight and says where its bytes come from. The leading dimension
    of a weight that a run of layers shares is the layer within the run.

    Constraints:
    * (C1) the type has a static shape with elements.
    * (C2) the element type is that of the kind: trits, or i8 once packed;
      f32 for scales and rope; f32, f16 or bf16 for dense; i8 for row_int8 and
      group_int4.
    * (C3) the sources' rows add up to the matrix's rows and all have its
      columns (for scales: one value per source, or [G, M] of the matrix where
      they have a `group`; for group_int4: the type has the bytes of
      `ternac/Packing/Int4.h`).
    * (C4) each source has an offset for each layer, or none has any.
    * (C5) `theta` is there exactly for rope tables, and `scaling` for them
      only; `packing` is for trits only, `sense` for scales only, but for
      `magnitude`, which may be that of trits; `group`, which is not negative,
      is for scales of the sense `magnitude` only.
    * (C6) `theta` and `scaling` are those of a table: what they say is finite
      and positive, and fits together and with the head size.

    Example:

    ```mlir
    tern.global @up_proj : tensor<2x8x16x!tern.trit> = #tern.stored<trits,
      sources = [#tern.source<"model.layers.{}.mlp.up_proj.weight", packed_rows,
        rows = 8, cols = 16, first_layer = 0, files = [0], offsets = [8, 40]>]>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<AnyRankedTensor>:$type,
                       Tern_StoredAttr:$stored);
  let assemblyFormat = "$sym_name `:` $type `=` $stored attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The type as a ranked tensor.
    ::mlir::RankedTensorType getTensorType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
    /// The number of layers in a run that shares this weight, or 1 for a
    /// weight of no layer, whose type has the rank of one layer.
    int64_t getLayers();
  }];
}

def Tern_LoadGlobalOp : Tern_Op<"load_global", [
    Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "reads a weight";
  let description = [{
    The value of a `tern.global`: of layer `layer` when that operand is present.
    A `row_int8` global gives two results, the bytes and a scale per row.

    Constraints:
    * (C1) the symbol names a `tern.global`.
    * (C2) the first result has the global's type, without the leading
      dimension when `layer` is present.
    * (C3) a `row_int8` global has a second result `tensor<rows x f32>`; no
      other kind has one.

    Example:

    ```mlir
    tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [
      #tern.source<"model.layers.{}.input_layernorm.weight", bf16, rows = 1,
        cols = 16, first_layer = 0>]>
    func.func @load(%layer: index) -> tensor<16xf32> {
      %w = tern.load_global @norm[%layer] : tensor<16xf32>
      return %w : tensor<16xf32>
    }
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$global, Optional<Index>:$layer);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat =
      "$global (`[` $layer^ `]`)? attr-dict `:` type($results)";
}

def Tern_ConstantOp : Tern_Op<"constant", [Pure, ConstantLike]> {
  let summary = "a small ternary matrix";
  let description = [{
    Constraints:
    * (C1) the attribute has as many trits as the type has elements.

    Example:

    ```mlir
    func.func @constant() -> tensor<2x3x!tern.trit> {
      %w = tern.constant <"+0--0+"> : tensor<2x3x!tern.trit>
      return %w : tensor<2x3x!tern.trit>
    }
    ```
  }];
  let arguments = (ins Tern_TritsAttr:$value);
  let results = (outs Tern_TritTensor:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Tern_PackOp : Tern_Op<"pack", [Pure]> {
  let summary = "packs a ternary matrix into bytes";
  let description = [{
    Folds on constants, so that the bytes of a layout can be seen.

    Constraints:
    * (C1) the result has as many bytes as the layout needs for the matrix.

    Example:

    ```mlir
    func.func @pack(%w: tensor<16x16x!tern.trit>) -> tensor<64xi8> {
      %p = tern.pack %w {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : tensor<16x16x!tern.trit> -> tensor<64xi8>
      return %p : tensor<64xi8>
    }
    ```
  }];
  let arguments = (ins 2DTensorOf<[Tern_TritType]>:$matrix,
                       Tern_PackingAttr:$packing);
  let results = (outs 1DTensorOf<[I8]>:$packed);
  let assemblyFormat =
      "$matrix attr-dict `:` type($matrix) `->` type($packed)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Tern_UnpackOp : Tern_Op<"unpack", [Pure]> {
  let summary = "the ternary matrix of packed bytes";
  let description = [{
    The inverse of `tern.pack`; a pack and an unpack of the same layout cancel.

    Constraints:
    * (C1) the operand has as many bytes as the layout needs for the matrix.

    Example:

    ```mlir
    func.func @unpack(%p: tensor<64xi8>) -> tensor<16x16x!tern.trit> {
      %w = tern.unpack %p {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : tensor<64xi8> -> tensor<16x16x!tern.trit>
      return %w : tensor<16x16x!tern.trit>
    }
    ```
  }];
  let arguments = (ins 1DTensorOf<[I8]>:$packed, Tern_PackingAttr:$packing);
  let results = (outs 2DTensorOf<[Tern_TritType]>:$matrix);
  let assemblyFormat =
      "$packed attr-dict `:` type($packed) `->` type($matrix)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// The model: phases imported and normalized
//===----------------------------------------------------------------------===//

def Tern_DecoderLayerOp : Tern_Op<"decoder_layer", [
    Pure, AllTypesMatch<["x", "result"]>,
    AllTypesMatch<["cache", "new_cache"]>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one decoder layer of a LLaMA-family model";
  let description = [{
    ```text
    a = rms_norm(x, input_norm)
    q, k, v = rope(q_proj(a)), rope(k_proj(a)), v_proj(a)
    h = x + o_proj(attention_sub_norm?(attention(q, cache + (k, v))))
    b = rms_norm(h, post_attention_norm)
    y = h + down_proj(ffn_sub_norm?(act(gate_proj(b)) * up_proj(b)))
    ```

    `weights` names a `tern.global` for each part: the norms `input_norm`,
    `post_attention_norm`, optionally `attention_sub_norm` and `ffn_sub_norm`;
    the tables `rope`; and the linear layers `q_proj`, `k_proj`, `v_proj`,
    `o_proj`, `gate_proj`, `up_proj`, `down_proj`. A linear layer `p` is ternary
    when `p_scale` is there too, dense otherwise. `layer` counts within the
    run; the cache's layer is `first_layer + layer`. `windows` is that of
    `tern.attention`, `weight_only` that of the `tern.bitlinear`s.

    Constraints:
    * (C1) every part above is there, and nothing else.
    * (C2) every symbol names a `tern.global`.
    * (C3) `heads` is a multiple of the cache's heads.
    * (C4) the globals have the shapes that the formula asks for, with a leading
      dimension of layers; norms, scales and tables are f32. Scales are one per
      layer, or [G, M] per layer where they have a `group`.
    * (C5) `first_layer` plus the layers of the globals are in the cache.
    * (C6) windows has one entry, or one for each layer of the cache, none of
      them negative.

    Example:

    ```mlir
    tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [
      #tern.source<"norm.{}", bf16, rows = 1, cols = 16, first_layer = 0>]>
    tern.global @rope : tensor<64x8xf32> = #tern.stored<rope, theta = 1.0e4 : f64>
    tern.global @dense : tensor<2x16x16xbf16> = #tern.stored<dense, sources = [
      #tern.source<"dense.{}", bf16, rows = 16, cols = 16, first_layer = 0>]>
    tern.global @trits : tensor<2x16x16x!tern.trit> = #tern.stored<trits, sources = [
      #tern.source<"trits.{}", packed_rows, rows = 16, cols = 16, first_layer = 0>]>
    tern.global @scale : tensor<2x1xf32> = #tern.stored<scales, sources = [
      #tern.source<"scale.{}", bf16, rows = 1, cols = 1, first_layer = 0>]>
    func.func @f(%x: tensor<?x16xf32>, %c: !tern.kv_cache<2x2x8xf16>, %l: index,
                 %p: tensor<?xi32>, %s: tensor<?xi32>) -> tensor<?x16xf32> {
      %y, %d = tern.decoder_layer %x, %c[%l] at %p of %s {
          activation = #tern.activation<silu>, eps = 1.0e-5 : f32,
          first_layer = 0 : i64, heads = 2 : i64, weights = {
            input_norm = @norm, post_attention_norm = @norm, rope = @rope,
            q_proj = @dense, k_proj = @dense, v_proj = @dense, o_proj = @dense,
            gate_proj = @dense, up_proj = @dense, down_proj = @trits,
            down_proj_scale = @scale}}
        : tensor<?x16xf32>, <2x2x8xf16>, tensor<?xi32>, tensor<?xi32>
      return %y : tensor<?x16xf32>
    }
    ```
  }];
  let arguments = (ins
    TensorRankOf<[F32], [2]>:$x, Tern_KVCacheType:$cache, Index:$layer,
    TensorRankOf<[I32], [1]>:$positions, TensorRankOf<[I32], [1]>:$sequences,
    DictionaryAttr:$weights, I64Attr:$heads, I64Attr:$first_layer,
    Tern_ActivationAttr:$activation, F32Attr:$eps,
    OptionalAttr<DenseI64ArrayAttr>:$windows, UnitAttr:$weight_only);
  let results = (outs TensorRankOf<[F32], [2]>:$result,
                      Tern_KVCacheType:$new_cache);
  let assemblyFormat = [{
    $x `,` $cache `[` $layer `]` `at` $positions `of` $sequences attr-dict `:`
    type($x) `,` type($cache) `,` type($positions) `,` type($sequences)
  }];
  let hasVerifier = 1;
}

def Tern_BitLinearOp : Tern_Op<"bitlinear", [Pure]> {
  let summary = "a ternary linear layer";
  let description = [{
    `y = (q(x) . W^T) / s_x * scale`, where `q` quantises each row to int8 (see
    `tern.quantize`). With `norm`, x is first normalised: `rms_norm(x, norm)`.
    With `weight_only`, x is not rounded: `y = x . (scale * W)^T` in f32 (see
    `tern.ternary_linear`).

    Scales are of one of two forms. With `segments`, `scale` is [S], and each
    element is that of as many rows of W as its segment says. With `group`, it
    is [G, M]: element (g, m) is that of columns [g * group, (g + 1) * group) of
    row m, of which the last group may have fewer. One group of K columns is one
    scale for each row.

    Constraints:
    * (C1) x is [n, K], W is [M, K], of static shape, and the result [n, M].
    * (C2) exactly one of `segments` and `group` is present. `segments` has one
      element per scale, and their sum is M. `group` is positive, `scale` has
      the groups of K columns and M rows, and where these are several `group` is
      a multiple of 32.
    * (C3) `norm` has K elements; `eps` is present exactly with it.
    * (C4) with `weight_only` there is no `norm`.

    Example:

    ```mlir
    func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>,
                 %s: tensor<1xf32>) -> tensor<?x8xf32> {
      %y = tern.bitlinear %x, %w, %s {segments = array<i64: 8>}
        : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    func.func @groups(%x: tensor<?x80xf32>, %w: tensor<8x80x!tern.trit>,
                      %s: tensor<3x8xf32>) -> tensor<?x8xf32> {
      %y = tern.bitlinear %x, %w, %s {group = 32 : i64, weight_only}
        : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<3x8xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```
  }];
  let arguments = (ins TensorRankOf<[F32], [2]>:$x,
    TensorRankOf<[Tern_TritType], [2]>:$weight,
    TensorRankOf<[F32], [1, 2]>:$scale,
    Optional<TensorRankOf<[F32], [1]>>:$norm,
    OptionalAttr<DenseI64ArrayAttr>:$segments, OptionalAttr<I64Attr>:$group,
    UnitAttr:$weight_only, OptionalAttr<F32Attr>:$eps);
  let results = (outs TensorRankOf<[F32], [2]>:$result);
  let assemblyFormat = [{
    $x `,` $weight `,` $scale (`norm` $norm^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Rows of tokens
//===----------------------------------------------------------------------===//

def Tern_EmbeddingOp : Tern_ComputeOp<"embedding"> {
  let summary = "rows of a table, converted to f32";
  let description = [{
    `y[r] = table[tokens[r]]`.

    Constraints:
    * (C1) the result is [n, H] f32 for n tokens and a table [V, H].

    Example:

    ```mlir
    func.func @f(%t: tensor<?xi32>, %e: tensor<32x16xbf16>) -> tensor<?x16xf32> {
      %x = tern.embedding %t, %e : (tensor<?xi32>, tensor<32x16xbf16>) -> tensor<?x16xf32>
      return %x : tensor<?x16xf32>
    }
    ```
  }];
  let arguments = (ins Tern_I32Vector:$tokens, Tern_DenseMatrix:$table,
                       Variadic<AnyMemRef>:$outs);
  let assemblyFormat = [{
    $tokens `,` $table (`into` $outs^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Tern_GatherRowsOp : Tern_ComputeOp<"gather_rows"> {
  let summary = "selected rows";
  let description = [{
    `y[i] = x[rows[i]]`.

    Constraints:
    * (C1) x is [n, H] and the result [m, H] for m row numbers.

    Example:

    ```mlir
    func.func @f(%x: tensor<?x16xf32>, %r: tensor<?xi32>) -> tensor<?x16xf32> {
      %y = tern.gather_rows %x, %r : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```
  }];
  let arguments = (ins Tern_F32Rows:$x, Tern_I32Vector:$rows,
                       Variadic<AnyMemRef>:$outs);
  let assemblyFormat = [{
    $x `,` $rows (`into` $outs^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Tern_AddOp : Tern_ComputeOp<"add"> {
  let summary = "sum of two matrices";
  let description = [{
    Constraints:
    * (C1) operands and result have one shape.

    Example:

    ```mlir
    func.func @f(%a: tensor<?x16xf32>, %b: tensor<?x16xf32>) -> tensor<?x16xf32> {
      %y = tern.add %a, %b : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```
  }];
  let arguments = (ins Tern_F32Rows:$a, Tern_F32Rows:$b,
                       Variadic<AnyMemRef>:$outs);
  let assemblyFormat = [{
    $a `,` $b (`into` $outs^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Tern_RMSNormOp : Tern_ComputeOp<"rms_norm"> {
  let summary = "root-mean-square normalisation";
  let description = [{
    `y[r, i] = x[r, i] * rsqrt(mean(x[r]^2) + eps) * weight[i]`, in f32.

    Constraints:
    * (C1) x and the result are [n, H]; the weight has H elements.

    Example:

    ```mlir
    func.func @f(%x: tensor<?x16xf32>, %g: tensor<16xf32>) -> tensor<?x16xf32> {
      %y = tern.rms_norm %x, %g {eps = 1.0e-5 : f32}
        : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```
  }];
  let arguments = (ins Tern_F32Rows:$x, Tern_F32Vector:$weight,
                       Variadic<AnyMemRef>:$outs, F32Attr:$eps);
  let assemblyFormat = [{
    $x `,` $weight (`into` $outs^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Tern_RopeOp : Tern_ComputeOp<"rope"> {
  let summary = "rotary position embedding";
  let description = [{
    Rotates each head of `x`, in the rotate-half order: with d = head size and
    row p = positions[r] of `table` (cos in its first half, sin in its second),

    ```text
    y[i]       = x[i] * cos[i] - x[i + d/2] * sin[i]
    y[i + d/2] = x[i + d/2] * cos[i] + x[i] * sin[i]       0 <= i < d/2
    ```

    Constraints:
    * (C1) x and the result are [n, heads * d]; the table is [context, d].
    * (C2) d is even and divides the columns of x.

    Example:

    ```mlir
    func.func @f(%x: tensor<?x32xf32>, %p: tensor<?xi32>, %t: tensor<64x16xf32>) -> tensor<?x32xf32> {
      %y = tern.rope %x, %p, %t
        : (tensor<?x32xf32>, tensor<?xi32>, tensor<64x16xf32>) -> tensor<?x32xf32>
      return %y : tensor<?x32xf32>
    }
    ```
  }];
  let arguments = (ins Tern_F32Rows:$x, Tern_I32Vector:$positions,
                       Tern_F32Rows:$table, Variadic<AnyMemRef>:$outs);
  let assemblyFormat = [{
    $x `,` $positions `,` $table (`into` $outs^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Tern_GateOp : Tern_ComputeOp<"gate"> {
  let summary = "activation of a gate times a product";
  let description = [{
    `y = act(gate) * up`, elementwise in f32; `relu2(x) = max(x, 0)^2`,
    `silu(x) = x / (1 + exp(-x))`.

    Constraints:
    * (C1) operands and result have one shape.

    Example:

    ```mlir
    func.func @f(%g: tensor<?x16xf32>, %u: tensor<?x16xf32>) -> tensor<?x16xf32> {
      %y = tern.gate <relu2> %g, %u : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```
  }];
  let arguments = (ins Tern_ActivationAttr:$activation, Tern_F32Rows:$gate,
                       Tern_F32Rows:$up, Variadic<AnyMemRef>:$outs);
  let assemblyFormat = [{
    $activation $gate `,` $up (`into` $outs^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Tern_LinearOp : Tern_ComputeOp<"linear", [AttrSizedOperandSegments]> {
  let summary = "a dense linear layer";
  let description = [{
    `y = x . W^T`, where W is [M, K] of f32, f16, bf16, or of i8 with
    `row_scale`, row m standing for `row_scale[m] * W[m]`; or it is the bytes of
    4-bit integers with a scale per row and group of 32 columns, as
    `ternac/Packing/Int4.h` lays them out. Until phase `quantized` x is f32.
    From then on rows that meet integers are i16 in units of `step` (see
    `tern.quantize`), and sums of integers are exact:

    ```text
    y[r, m] = f32(sum_k x[r, k] * W[m, k]) * (step[r] * row_scale[m])    i8
    y[r, m] = sum_g f32(sum_(k in g) x[r, k] * W[m, k]) * scale[m, g] * step[r]
    ```

    where groups g are added in ascending order.

    Constraints:
    * (C1) x is [n, K], W is [M, K] and the result [n, M].
    * (C2) `row_scale` has M elements and is present exactly when W is i8 of
      rank 2.
    * (C3) W of rank 1 has the bytes of a matrix of M rows and K columns, and
      x of i16 has whole spans of 64 columns.
    * (C4) x is i16 exactly when `step`, of n elements, is present; W then has
      integers.

    Example:

    ```mlir
    func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16xbf16>) -> tensor<?x8xf32> {
      %y = tern.linear %x, %w : (tensor<?x16xf32>, tensor<8x16xbf16>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```
  }];
  let arguments = (ins Tern_F32OrI16Rows:$x, Tern_DenseWeight:$weight,
                       Optional<Tern_F32Vector>:$step,
                       Optional<Tern_F32Vector>:$row_scale,
                       Variadic<AnyMemRef>:$outs);
  let assemblyFormat = [{
    $x `,` $weight (`step` $step^)? (`scaled` $row_scale^)? (`into` $outs^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Whether the weight is integers, of 8 or of 4 bits.
    bool hasIntegerWeight();
    /// Whether the weight is the bytes of 4-bit integers.
    bool hasInt4Weight();
  }];
}

//===----------------------------------------------------------------------===//
// Integer arithmetic: phase quantized and on
//===----------------------------------------------------------------------===//

def Tern_QuantizeOp : Tern_ComputeOp<"quantize", [AttrSizedOperandSegments]> {
  let summary = "integer activations, one scale per row";
  let description = [{
    ```text
    a = max(absmax(x[r]), 1e-5);  s = 127 / a
    q[r, i] = clamp(round_half_even(x[r, i] * s), -128, 127)
    step[r] = a / 127;  sum[r] = sum_i q[r, i]
    ```

    With `up`, x is first gated: `gate(x, up)` with the activation named before
    it. With `norm`, it is then normalised: `rms_norm(x, norm)`. The first result
    may have more columns than x: they are zero, for weights whose layout pads
    K. With i16 as its element there is no sum, and instead of 127 (and -128)
    the range is X (and -X), the largest that keeps the product with any int8
    row in int32: `X = min(32767, floor((2^31 - 1) / (128 * K)))`.

    Constraints:
    * (C1) x is [n, K]; the results are [n, P] i8 with P >= K, [n] f32 and
      [n] i32, or [n, P] i16 and [n] f32.
    * (C2) `norm` has K elements; `eps` is present exactly with it.
    * (C3) `up` is [n, K]; `activation` is present exactly with it.
    * (C4) with i16, K is at most 2^17, where X is still 127.

    Example:

    ```mlir
    func.func @f(%x: tensor<?x16xf32>, %up: tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>) {
      %q, %step, %sum = tern.quantize %x gated <relu2> %up
        : (tensor<?x16xf32>, tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
      return %q, %step, %sum : tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>
    }
    ```
  }];
  let arguments = (ins Tern_F32Rows:$x, Optional<Tern_F32Rows>:$up,
                       Optional<Tern_F32Vector>:$norm,
                       Variadic<AnyMemRef>:$outs,
                       OptionalAttr<Tern_ActivationAttr>:$activation,
                       OptionalAttr<F32Attr>:$eps);
  let assemblyFormat = [{
    $x (`gated` $activation^ $up)? (`norm` $norm^)? (`into` $outs^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Columns of i16 rows at most.
    static constexpr int64_t kMaxWideColumns = int64_t(1) << 17;
  }];
}

def Tern_MatmulOp : Tern_ComputeOp<"matmul", [
    AttrSizedOperandSegments, Tern_TernaryWeightOpInterface]> {
  let summary = "exact integer product of int8 rows and a ternary matrix";
  let description = [{
    `y = q . W^T` as int32, exact: the same bits on every target. In phase
    `quantized` W is a matrix of trits. From `packed` on it is bytes: `packing`
    gives the layout, `cols` the columns K of the matrix before padding, and
    `config` says how it will be lowered; a selection pass writes `packing` and
    `config` just before. `sum` has the sum of each row of q: strategies that
    compute with the codes 0, 1, 2 subtract it. Columns of q beyond K must be
    zero. In the buffer form of strategy `lut` a second memref after `into` is
    scratch, whatever the rows of the call: tables of the sums for 4 rows of q,
    or, where rows of q are looked up side by side, i16 sums of all rows of W
    for 16 blocks of 16 rows of q.

    With `rescale` the result is f32: that of `tern.rescale` of the product, with
    the same operands and `segments`, each sum being rescaled where it is stored.
    In the buffer form `into` may then be the residual itself.

    Constraints:
    * (C1) with trits, q is [n, P] with P >= K, W is [M, K], of static shape, the
      result [n, M], and `cols` is absent.
    * (C2) with bytes, `packing`, `cols` and `config` are present, q has at
      least the padded columns of `cols`, and W has exactly the bytes that the
      layout needs for [M, cols].
    * (C3) K is at most 2^23, so that no sum leaves int32.
    * (C4) `sum` has n elements.
    * (C5) `step` and `scale` are present together and, with `segments`, are
      those of a `tern.rescale`. The result is f32 with them, else i32.
    * (C6) the residual is [n, M] and needs `rescale`.
    * (C7) the scratch of `lut` is [4, T] i16: T is 256 for each group of columns
      that one byte of W holds, or 64 for each row of W with its padding,
      whichever is more.

    Example:

    ```mlir
    func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<8x16x!tern.trit>) -> tensor<?x8xi32> {
      %y = tern.matmul %q, %sum, %w
        : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>) -> tensor<?x8xi32>
      return %y : tensor<?x8xi32>
    }
    ```
  }];
  let arguments = (ins Tern_I8Rows:$q, Tern_I32Vector:$sum,
    Tern_TernaryWeight:$weight,
    Optional<Tern_F32Vector>:$step, Optional<Tern_Scales>:$scale,
    Optional<Tern_F32Rows>:$residual, Variadic<AnyMemRef>:$outs,
    OptionalAttr<Tern_PackingAttr>:$packing, OptionalAttr<I64Attr>:$cols,
    OptionalAttr<Tern_LoweringConfigAttr>:$config,
    OptionalAttr<DenseI64ArrayAttr>:$segments);
  let assemblyFormat = [{
    $q `,` $sum `,` $weight (`rescale` $step^ `,` $scale)? (`plus` $residual^)?
    (`into` $outs^)? attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Rows M of the matrix.
    int64_t getMatrixRows();
    /// Columns K of the matrix, before padding.
    int64_t getMatrixCols();
    /// Rows of q whose tables the scratch of `lut` holds, and the i16 elements
    /// of a row's tables: 256 for each byte of a row of the matrix.
    static constexpr int64_t kTableRows = 4;
    static constexpr int64_t kTableElements = 256;
    /// Rows of q that are few, if more than one, and columns of q that a
    /// product of `tile` takes.
    static constexpr int64_t kFewRows = 16;
    static constexpr int64_t kTileColumns = 64;
    /// Rows of q that `lut` looks up side by side, and the blocks of them whose
    /// sums the scratch has room for.
    static constexpr int64_t kBlockTokens = 16;
    static constexpr int64_t kTableBlocks = 16;
    bool hasTables();
    int64_t getTableColumns();
  }];
}

def Tern_RescaleOp : Tern_ComputeOp<"rescale", [AttrSizedOperandSegments]> {
  let summary = "integer products back to f32";
  let description = [{
    `y[r, m] = acc[r, m] * (step[r] * scale[segment of m])`, plus
    `residual[r, m]` when present. Without `segments` there is a scale for each
    m. In the buffer form `into` may be the residual itself.

    Constraints:
    * (C1) acc, residual and result are [n, M]; step has n elements.
    * (C2) `scale` is [S] with `segments`, which have one element per scale and
      the sum M, and [1, M] without.

    Example:

    ```mlir
    func.func @f(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
      %y = tern.rescale %a, %step, %s {segments = array<i64: 8>}
        : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```
  }];
  let arguments = (ins Tern_I32Rows:$acc, Tern_F32Vector:$step,
    Tern_Scales:$scale, Optional<Tern_F32Rows>:$residual,
    Variadic<AnyMemRef>:$outs, OptionalAttr<DenseI64ArrayAttr>:$segments);
  let assemblyFormat = [{
    $acc `,` $step `,` $scale (`plus` $residual^)? (`into` $outs^)? attr-dict
    `:` functional-type(operands, results)
  }];
}

def Tern_TernaryLinearOp : Tern_ComputeOp<"ternary_linear", [
    AttrSizedOperandSegments, Tern_TernaryWeightOpInterface]> {
  let summary = "a ternary linear layer whose sums are f32";
  let description = [{
    What cannot be one integer product and its rescale: layers whose activations
    are not rounded, and those that have several scales along K. With groups g of
    columns, as the scales of `tern.bitlinear` have them (`segments`: one group),

    ```text
    p[r, m, g, j] = sum of x[r, k] * W[m, k] over k of g with k mod 4 = j, ascending
    s[r, m, g]    = (p[r, m, g, 0] + p[r, m, g, 2]) + (p[r, m, g, 1] + p[r, m, g, 3])
    y[r, m]       = sum of s[r, m, g] * scale of (g, m) over g, ascending, from 0
    ```

    in f32, each operation rounded, none of them fused: the same bits on every
    target. With x of i8 the sums s are exact integers, and y is multiplied by
    `step[r]` at the end.

    In phase `quantized` W is a matrix of trits. From `packed` on it is bytes:
    `packing` gives the layout, `cols` the columns K of the matrix, and `config`
    says how it will be lowered.

    Constraints:
    * (C1) x is [n, K] f32, or [n, P] i8 with P >= K; the result is [n, M] f32.
    * (C2) W is [M, K] of trits, of static shape, and `cols` is absent; or
      `packing`, `cols` and `config` are present, and W has exactly the bytes
      that the layout needs for [M, cols].
    * (C3) `scale`, `segments` and `group` are those of a `tern.bitlinear` (C2).
    * (C4) `step` has n elements and is present exactly with i8; a group then has
      at most 2^17 columns, so that its sums are exact as f32, too.

    Example:

    ```mlir
    func.func @f(%x: tensor<?x80xf32>, %w: tensor<8x80x!tern.trit>,
                 %s: tensor<2x8xf32>) -> tensor<?x8xf32> {
      %y = tern.ternary_linear %x, %w, %s {group = 64 : i64}
        : (tensor<?x80xf32>, tensor<8x80x!tern.trit>, tensor<2x8xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```
  }];
  let arguments = (ins Tern_F32OrI8Rows:$x, Tern_TernaryWeight:$weight,
    Tern_Scales:$scale, Optional<Tern_F32Vector>:$step,
    Variadic<AnyMemRef>:$outs,
    OptionalAttr<Tern_PackingAttr>:$packing, OptionalAttr<I64Attr>:$cols,
    OptionalAttr<Tern_LoweringConfigAttr>:$config,
    OptionalAttr<DenseI64ArrayAttr>:$segments, OptionalAttr<I64Attr>:$group);
  let assemblyFormat = [{
    $x `,` $weight `,` $scale (`step` $step^)? (`into` $outs^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Rows M and columns K of the matrix.
    int64_t getMatrixRows();
    int64_t getMatrixCols();
    /// Columns that share a scale.
    int64_t getGroupCols();
    /// Partial sums of a group.
    static constexpr int64_t kParts = 4;
    /// Columns whose sum of i8 is exact as f32.
    static constexpr int64_t kMaxExactColumns = int64_t(1) << 17;
  }];
}

include "ternac/Dialect/Tern/IR/TernAttentionOps.td"
include "ternac/Dialect/Tern/IR/TernThreadOps.td"

#endif // TERNAC_DIALECT_TERN_IR_TERNOPS_TD
