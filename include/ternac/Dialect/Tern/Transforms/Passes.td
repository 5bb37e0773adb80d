//===- Passes.td - Passes inside the tern dialect ----------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_TRANSFORMS_PASSES_TD
#define TERNAC_DIALECT_TERN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// To phase `normalized`
//===----------------------------------------------------------------------===//

def TernExportFunctionsPass
    : Pass<"tern-export-functions", "::mlir::ModuleOp"> {
  let summary = "Marks the functions that a library of functions exports";
  let description = [{
    Public functions of a module without `tern.model` get `tern.exported`, which
    keeps their type and the names of their arguments and results, `tern.name`
    where they have one. They take and return ranked tensors of i1, i8, i16, i32,
    i64, f16, bf16, f32 or f64, and have names that C has no other use for.

    Example:

    ```mlir
    // Before.
    func.func @f(%x: tensor<?x16xf32> {tern.name = "x"}) -> tensor<?x16xf32> {
      return %x : tensor<?x16xf32>
    }
    ```

    ```mlir
    // After.
    func.func @f(%x: tensor<?x16xf32> {tern.name = "x"}) -> tensor<?x16xf32>
        attributes {tern.exported = {arguments = ["x"], results = ["result0"],
                                     type = (tensor<?x16xf32>) -> tensor<?x16xf32>}} {
      return %x : tensor<?x16xf32>
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

def TernDecomposeAggregatesPass
    : Pass<"tern-decompose-aggregates", "::mlir::ModuleOp"> {
  let summary = "Replaces linalg ops of several steps by these";
  let description = [{
    `linalg.softmax` and its like become what they are made of, as they say
    themselves.

    Example:

    ```mlir
    // Before.
    func.func @f(%x: tensor<4x16xf32>, %out: tensor<4x16xf32>) -> tensor<4x16xf32> {
      %y = linalg.softmax dimension(1) ins(%x : tensor<4x16xf32>) outs(%out : tensor<4x16xf32>) -> tensor<4x16xf32>
      return %y : tensor<4x16xf32>
    }
    ```

    ```mlir
    // After, in outline.
    func.func @f(%x: tensor<4x16xf32>, %max: tensor<4xf32>, %sum: tensor<4xf32>, %out: tensor<4x16xf32>) -> tensor<4x16xf32> {
      %m = linalg.reduce {arith.maxnumf} ins(%x : tensor<4x16xf32>) outs(%max : tensor<4xf32>) dimensions = [1]
      %mb = linalg.broadcast ins(%m : tensor<4xf32>) outs(%out : tensor<4x16xf32>) dimensions = [1]
      %d = linalg.sub ins(%x, %mb : tensor<4x16xf32>, tensor<4x16xf32>) outs(%out : tensor<4x16xf32>) -> tensor<4x16xf32>
      %e = linalg.exp ins(%d : tensor<4x16xf32>) outs(%out : tensor<4x16xf32>) -> tensor<4x16xf32>
      %s = linalg.reduce {arith.addf} ins(%e : tensor<4x16xf32>) outs(%sum : tensor<4xf32>) dimensions = [1]
      %sb = linalg.broadcast ins(%s : tensor<4xf32>) outs(%out : tensor<4x16xf32>) dimensions = [1]
      %y = linalg.div ins(%e, %sb : tensor<4x16xf32>, tensor<4x16xf32>) outs(%out : tensor<4x16xf32>) -> tensor<4x16xf32>
      return %y : tensor<4x16xf32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def TernExpandDecoderLayersPass
    : Pass<"tern-expand-decoder-layers", "::mlir::ModuleOp"> {
  let summary = "Replaces decoder layers by the ops they stand for";
  let description = [{
    Writes a `tern.decoder_layer` out as norms, linear layers, rope, cache,
    attention and gate. A projection with a scale becomes a `tern.bitlinear`,
    one without a `tern.linear`.

    Example:

    ```mlir
    // Before.
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

    ```mlir
    // After, in part.
    tern.global @norm : tensor<2x16xf32> = #tern.stored<dense, sources = [
      #tern.source<"norm.{}", bf16, rows = 1, cols = 16, first_layer = 0>]>
    tern.global @dense : tensor<2x16x16xbf16> = #tern.stored<dense, sources = [
      #tern.source<"dense.{}", bf16, rows = 16, cols = 16, first_layer = 0>]>
    func.func @f(%x: tensor<?x16xf32>, %l: index) -> tensor<?x16xf32> {
      %g = tern.load_global @norm[%l] : tensor<16xf32>
      %a = tern.rms_norm %x, %g {eps = 1.0e-5 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
      %w = tern.load_global @dense[%l] : tensor<16x16xbf16>
      %q = tern.linear %a, %w : (tensor<?x16xf32>, tensor<16x16xbf16>) -> tensor<?x16xf32>
      return %q : tensor<?x16xf32>
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect",
                           "::mlir::arith::ArithDialect"];
}

def TernFuseProjectionsPass
    : Pass<"tern-fuse-projections", "::mlir::ModuleOp"> {
  let summary = "Makes one matmul of bitlinears that read the same rows";
  let description = [{
    Bitlinears with the same input (q, k and v; gate and up) become one whose
    weight stacks theirs and whose scales stay apart as segments; the results
    are slices of its result. The stacked weight is a new `tern.global` with the
    sources of all.

    Example:

    ```mlir
    // Before.
    tern.global @layers.q : tensor<2x8x16x!tern.trit> = #tern.stored<trits, sources = [
      #tern.source<"q.{}", packed_rows, rows = 8, cols = 16, first_layer = 0>]>
    tern.global @layers.k : tensor<2x4x16x!tern.trit> = #tern.stored<trits, sources = [
      #tern.source<"k.{}", packed_rows, rows = 4, cols = 16, first_layer = 0>]>
    tern.global @layers.s : tensor<2x1xf32> = #tern.stored<scales, sources = [
      #tern.source<"s.{}", bf16, rows = 1, cols = 1, first_layer = 0>]>
    func.func @f(%x: tensor<?x16xf32>, %l: index) -> (tensor<?x8xf32>, tensor<?x4xf32>) {
      %wq = tern.load_global @layers.q[%l] : tensor<8x16x!tern.trit>
      %wk = tern.load_global @layers.k[%l] : tensor<4x16x!tern.trit>
      %s = tern.load_global @layers.s[%l] : tensor<1xf32>
      %q = tern.bitlinear %x, %wq, %s {segments = array<i64: 8>}
        : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
      %k = tern.bitlinear %x, %wk, %s {segments = array<i64: 4>}
        : (tensor<?x16xf32>, tensor<4x16x!tern.trit>, tensor<1xf32>) -> tensor<?x4xf32>
      return %q, %k : tensor<?x8xf32>, tensor<?x4xf32>
    }
    ```

    ```mlir
    // After; the stacked globals have the sources of both.
    func.func @f(%x: tensor<?x16xf32>, %w: tensor<12x16x!tern.trit>, %s: tensor<2xf32>, %n: index)
        -> (tensor<?x8xf32>, tensor<?x4xf32>) {
      %y = tern.bitlinear %x, %w, %s {segments = array<i64: 8, 4>}
        : (tensor<?x16xf32>, tensor<12x16x!tern.trit>, tensor<2xf32>) -> tensor<?x12xf32>
      %q = tensor.extract_slice %y[0, 0] [%n, 8] [1, 1] : tensor<?x12xf32> to tensor<?x8xf32>
      %k = tensor.extract_slice %y[0, 8] [%n, 4] [1, 1] : tensor<?x12xf32> to tensor<?x4xf32>
      return %q, %k : tensor<?x8xf32>, tensor<?x4xf32>
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect",
                           "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

def TernFuseNormsPass : Pass<"tern-fuse-norms", "::mlir::ModuleOp"> {
  let summary = "Moves a norm into the bitlinear that reads it";
  let description = [{
    `bitlinear(rms_norm(x, g))` becomes `bitlinear(x) norm g` where nothing else
    reads the normalised rows: norm and quantisation then are one pass over
    them.

    Example:

    ```mlir
    // Before.
    func.func @f(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
      %a = tern.rms_norm %x, %g {eps = 1.0 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
      %y = tern.bitlinear %a, %w, %s {segments = array<i64: 8>}
        : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```

    ```mlir
    // After.
    func.func @f(%x: tensor<?x16xf32>, %g: tensor<16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
      %y = tern.bitlinear %x, %w, %s norm %g {eps = 1.0 : f32, segments = array<i64: 8>}
        : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>, tensor<16xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

def TernFuseRopesPass : Pass<"tern-fuse-ropes", "::mlir::ModuleOp"> {
  let summary = "Makes ropes of neighbouring columns one";
  let description = [{
    After projections are fused, the queries and keys of a layer are
    neighbouring columns of one matrix and are rotated by the same table.

    Example:

    ```mlir
    // Before.
    func.func @f(%x: tensor<8x12xf32>, %p: tensor<8xi32>, %t: tensor<32x4xf32>) -> (tensor<8x8xf32>, tensor<8x4xf32>) {
      %a = tensor.extract_slice %x[0, 0] [8, 8] [1, 1] : tensor<8x12xf32> to tensor<8x8xf32>
      %b = tensor.extract_slice %x[0, 8] [8, 4] [1, 1] : tensor<8x12xf32> to tensor<8x4xf32>
      %q = tern.rope %a, %p, %t : (tensor<8x8xf32>, tensor<8xi32>, tensor<32x4xf32>) -> tensor<8x8xf32>
      %k = tern.rope %b, %p, %t : (tensor<8x4xf32>, tensor<8xi32>, tensor<32x4xf32>) -> tensor<8x4xf32>
      return %q, %k : tensor<8x8xf32>, tensor<8x4xf32>
    }
    ```

    ```mlir
    // After.
    func.func @f(%x: tensor<8x12xf32>, %p: tensor<8xi32>, %t: tensor<32x4xf32>) -> (tensor<8x8xf32>, tensor<8x4xf32>) {
      %y = tern.rope %x, %p, %t : (tensor<8x12xf32>, tensor<8xi32>, tensor<32x4xf32>) -> tensor<8x12xf32>
      %q = tensor.extract_slice %y[0, 0] [8, 8] [1, 1] : tensor<8x12xf32> to tensor<8x8xf32>
      %k = tensor.extract_slice %y[0, 8] [8, 4] [1, 1] : tensor<8x12xf32> to tensor<8x4xf32>
      return %q, %k : tensor<8x8xf32>, tensor<8x4xf32>
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect",
                           "::mlir::tensor::TensorDialect"];
}

//===----------------------------------------------------------------------===//
// To phase `quantized`
//===----------------------------------------------------------------------===//

def TernQuantizeActivationsPass
    : Pass<"tern-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "Makes the integer arithmetic of layers explicit";
  let description = [{
    A `tern.bitlinear` becomes `tern.quantize`, an exact integer `tern.matmul`
    and `tern.rescale`. Bitlinears of one input share one quantisation. A
    `tern.linear` whose weight has integers gets rows of i16.

    Example:

    ```mlir
    // Before.
    func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
      %y = tern.bitlinear %x, %w, %s {segments = array<i64: 8>}
        : (tensor<?x16xf32>, tensor<8x16x!tern.trit>, tensor<1xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```

    ```mlir
    // After.
    func.func @f(%x: tensor<?x16xf32>, %w: tensor<8x16x!tern.trit>, %s: tensor<1xf32>) -> tensor<?x8xf32> {
      %q, %step, %sum = tern.quantize %x
        : (tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
      %a = tern.matmul %q, %sum, %w
        : (tensor<?x16xi8>, tensor<?xi32>, tensor<8x16x!tern.trit>) -> tensor<?x8xi32>
      %y = tern.rescale %a, %step, %s {segments = array<i64: 8>}
        : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

def TernFuseResidualsPass : Pass<"tern-fuse-residuals", "::mlir::ModuleOp"> {
  let summary = "Moves the addition of a residual into the rescale before it";
  let description = [{
    `add(r, rescale(acc))` becomes `rescale(acc) plus r`, which bufferisation
    can compute in place.

    Example:

    ```mlir
    // Before.
    func.func @f(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>,
                 %r: tensor<?x8xf32>) -> tensor<?x8xf32> {
      %0 = tern.rescale %a, %step, %s {segments = array<i64: 8>}
        : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x8xf32>
      %y = tern.add %r, %0 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```

    ```mlir
    // After.
    func.func @f(%a: tensor<?x8xi32>, %step: tensor<?xf32>, %s: tensor<1xf32>,
                 %r: tensor<?x8xf32>) -> tensor<?x8xf32> {
      %y = tern.rescale %a, %step, %s plus %r {segments = array<i64: 8>}
        : (tensor<?x8xi32>, tensor<?xf32>, tensor<1xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

def TernFuseGatesPass : Pass<"tern-fuse-gates", "::mlir::ModuleOp"> {
  let summary = "Moves a gate into the quantisation that reads it";
  let description = [{
    The product of a gate is needed by one quantisation only, which computes it
    as it reads: no buffer for it, and no pass over the rows of its own.

    Example:

    ```mlir
    // Before.
    func.func @f(%g: tensor<?x16xf32>, %u: tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>) {
      %x = tern.gate <relu2> %g, %u : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
      %q, %step, %sum = tern.quantize %x
        : (tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
      return %q, %step, %sum : tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>
    }
    ```

    ```mlir
    // After.
    func.func @f(%g: tensor<?x16xf32>, %u: tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>) {
      %q, %step, %sum = tern.quantize %g gated <relu2> %u
        : (tensor<?x16xf32>, tensor<?x16xf32>) -> (tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>)
      return %q, %step, %sum : tensor<?x16xi8>, tensor<?xf32>, tensor<?xi32>
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

//===----------------------------------------------------------------------===//
// To phase `packed`
//===----------------------------------------------------------------------===//

def TernCloneVersionsPass : Pass<"tern-clone-versions", "::mlir::ModuleOp"> {
  let summary = "Makes a function for each version of the code";
  let description = [{
    Where `tern.target` has versions, each function gets a copy for each of them,
    which has the version's target as its own `tern.target`: `f_version1` is `f`
    for the first version, and `f` itself stays that of the baseline. What comes
    later goes by the target of the function, while weights stay one. A module
    whose functions have targets stays as it is.

    Example:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "example", cpu = "a", versions = [
        #tern.target<name = "example", cpu = "b", vector_bits = 256>]>} {
      func.func @f(%a: tensor<?x16xf32>) -> tensor<?x16xf32> {
        %y = tern.add %a, %a : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
        return %y : tensor<?x16xf32>
      }
    }
    ```

    ```mlir
    // After.
    module attributes {tern.target = #tern.target<name = "example", cpu = "a", versions = [
        #tern.target<name = "example", cpu = "b", vector_bits = 256>]>} {
      func.func @f(%a: tensor<?x16xf32>) -> tensor<?x16xf32> {
        %y = tern.add %a, %a : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
        return %y : tensor<?x16xf32>
      }
      func.func @f_version1(%a: tensor<?x16xf32>) -> tensor<?x16xf32>
          attributes {tern.target = #tern.target<name = "example", cpu = "b", vector_bits = 256>} {
        %y = tern.add %a, %a : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
        return %y : tensor<?x16xf32>
      }
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

def TernSelectLoweringPass
    : Pass<"tern-select-lowering", "::mlir::ModuleOp"> {
  let summary = "Chooses strategy and packing of every ternary product";
  let description = [{
    Writes `config` and `packing` on each `tern.matmul` and
    `tern.ternary_linear`: the pair for which a
    row of activations takes least time on one core of `tern.target`, and, for
    a few rows and for many, the strategies that take least on the same packing
    (measured by 8 and 256 rows). The time is
    estimated from the padded bytes and the target's `bandwidth`, and from the
    operations of the kernel and the target's `vector_bits`, `peak` and cache
    sizes; the longer of the two counts, and a fifth of the shorter. A remark at
    the op has the numbers.

    The target is that of the function. Matmuls of one weight share its packing:
    where functions have several targets, the one for which the sum over them of
    the time of a row, by the time on the packing that the target alone would
    have, is least. Strategies are each function's own.

    `strategy` and `packing` override the choice; a strategy that the target
    cannot do is an error, and so is one that does not read the packing. With
    strategy `lut` the packings `tile2` and `base3` mean tiles one byte wide.

    With `--tern-select-lowering=strategies=dot,add_sub` and a target without `int8_dot`:

    ```mlir
    // Before.
    module attributes {tern.target = #tern.target<name = "example">} {
      func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<16x16x!tern.trit>) -> tensor<?x16xi32> {
        %y = tern.matmul %q, %sum, %w
          : (tensor<?x16xi8>, tensor<?xi32>, tensor<16x16x!tern.trit>) -> tensor<?x16xi32>
        return %y : tensor<?x16xi32>
      }
    }
    ```

    ```mlir
    // After.
    module attributes {tern.target = #tern.target<name = "example">} {
      func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<16x16x!tern.trit>) -> tensor<?x16xi32> {
        %y = tern.matmul %q, %sum, %w {config = #tern.lowering_config<strategy = add_sub>,
            packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : (tensor<?x16xi8>, tensor<?xi32>, tensor<16x16x!tern.trit>) -> tensor<?x16xi32>
        return %y : tensor<?x16xi32>
      }
    }
    ```
  }];
  let options = [
    Option<"strategy", "strategy", "std::string", "\"auto\"",
           "auto, or the strategy to use for every matmul">,
    Option<"packing", "packing", "std::string", "\"auto\"",
           "auto, or the name of the packing to use for every matmul">,
    ListOption<"strategies", "strategies", "std::string",
               "the strategies that the target has">,
    ListOption<"linearStrategies", "linear-strategies", "std::string",
               "those that it has for tern.ternary_linear">,
  ];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

def TernPackWeightsPass : Pass<"tern-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Makes weights packed bytes and plans the weight segment";
  let description = [{
    Ternary globals become bytes in the packing that their matmul chose;
    constants get a `tern.pack`, which folds to its bytes. Quantisations grow the
    columns that padded layouts read. Unused globals disappear; all others get
    their place in the plan, in `tern.weights`.

    Example:

    ```mlir
    // Before.
    module attributes {tern.weights = #tern.weights<synthetic_seed = 7 : i64>} {
      tern.global @w : tensor<16x16x!tern.trit> = #tern.stored<trits, sources = [
        #tern.source<"w", packed_rows, rows = 16, cols = 16, first_layer = 0>]>
      func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>) -> tensor<?x16xi32> {
        %w = tern.load_global @w : tensor<16x16x!tern.trit>
        %y = tern.matmul %q, %sum, %w {config = #tern.lowering_config<strategy = add_sub>,
            packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : (tensor<?x16xi8>, tensor<?xi32>, tensor<16x16x!tern.trit>) -> tensor<?x16xi32>
        return %y : tensor<?x16xi32>
      }
    }
    ```

    ```mlir
    // After; the plan is in `tern.weights`.
    module attributes {tern.weights = #tern.weights<synthetic_seed = 7 : i64, entries = [
        <name = "w", offset = 0, layer_bytes = 64, layers = 1, rows = 16, cols = 16, element = f32,
          stored = <trits, packing = <two_bit, rows = 16, group = 4, blocks = 1>, sources = [
            <"w", packed_rows, rows = 16, cols = 16, first_layer = 0>]>>]>} {
      tern.global @w : tensor<64xi8> = #tern.stored<trits,
        packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>, sources = [
          #tern.source<"w", packed_rows, rows = 16, cols = 16, first_layer = 0>]>
      func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>) -> tensor<?x16xi32> {
        %w = tern.load_global @w : tensor<64xi8>
        %y = tern.matmul %q, %sum, %w {cols = 16 : i64, config = #tern.lowering_config<strategy = add_sub>,
            packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : (tensor<?x16xi8>, tensor<?xi32>, tensor<64xi8>) -> tensor<?x16xi32>
        return %y : tensor<?x16xi32>
      }
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

def TernFuseRescalesPass : Pass<"tern-fuse-rescales", "::mlir::ModuleOp"> {
  let summary = "Moves a rescale into the matmul before it";
  let description = [{
    A matmul whose product is only rescaled stores f32 at once. Strategies that
    are defined by having no multiplication keep the rescale apart.

    Example:

    ```mlir
    // Before.
    func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<64xi8>, %step: tensor<?xf32>, %s: tensor<1xf32>) -> tensor<?x16xf32> {
      %a = tern.matmul %q, %sum, %w {cols = 16 : i64, config = #tern.lowering_config<strategy = dot>,
          packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
        : (tensor<?x16xi8>, tensor<?xi32>, tensor<64xi8>) -> tensor<?x16xi32>
      %y = tern.rescale %a, %step, %s {segments = array<i64: 16>}
        : (tensor<?x16xi32>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```

    ```mlir
    // After.
    func.func @f(%q: tensor<?x16xi8>, %sum: tensor<?xi32>, %w: tensor<64xi8>, %step: tensor<?xf32>, %s: tensor<1xf32>) -> tensor<?x16xf32> {
      %y = tern.matmul %q, %sum, %w rescale %step, %s {cols = 16 : i64, config = #tern.lowering_config<strategy = dot>,
          packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>, segments = array<i64: 16>}
        : (tensor<?x16xi8>, tensor<?xi32>, tensor<64xi8>, tensor<?xf32>, tensor<1xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

def TernSpecializeRowsPass
    : Pass<"tern-specialize-rows", "::mlir::ModuleOp"> {
  let summary = "Writes a matmul for each number of rows that has its strategy";
  let description = [{
    Where `config` names several strategies, the number of rows of the call
    decides at run time. Part of the way from `bufferized` to `vectorized`.

    Example:

    ```mlir
    // Before.
    func.func @f(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>) {
      tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot, many = tile>,
          packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
        : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
      return
    }
    ```

    ```mlir
    // After.
    func.func @f(%q: memref<?x64xi8>, %sum: memref<?xi32>, %w: memref<256xi8>, %y: memref<?x16xi32>) {
      %c0 = arith.constant 0 : index
      %rows = memref.dim %q, %c0 : memref<?x64xi8>
      %few = arith.constant 16 : index
      %many = arith.cmpi ugt, %rows, %few : index
      scf.if %many {
        tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = tile>,
            packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
      } else {
        tern.matmul %q, %sum, %w into %y {cols = 64 : i64, config = #tern.lowering_config<strategy = dot>,
            packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>}
          : (memref<?x64xi8>, memref<?xi32>, memref<256xi8>, memref<?x16xi32>) -> ()
      }
      return
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::ternac::tern::TernDialect"];
}

//===----------------------------------------------------------------------===//
// To phase `bufferized`
//===----------------------------------------------------------------------===//

def TernAddSizesPass : Pass<"tern-add-sizes", "::mlir::ModuleOp"> {
  let summary = "Adds functions that compute the sizes of results";
  let description = [{
    For an exported function `f` there is then a private function `f.sizes`, which
    takes the dynamic sizes of its arguments, in order, and returns whether they
    fit each other and give no negative one, and the dynamic sizes of its results. tern-plan-workspace adds
    the bytes of the workspace. Fails if a size depends on more than the sizes of
    the arguments.

    Example:

    ```mlir
    // Before.
    func.func @f(%a: tensor<?x16xf32>, %b: tensor<?x16xf32>) -> tensor<?x16xf32>
        attributes {tern.exported = {arguments = ["a", "b"], results = ["y"],
          type = (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>}} {
      %y = tern.add %a, %b : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```

    ```mlir
    // After: the function itself, and this one.
    func.func private @f.sizes(%a: index, %b: index) -> (i1, index) attributes {tern.sizes} {
      %c0 = arith.constant 0 : index
      %equal = arith.cmpi eq, %a, %b : index
      %isSize = arith.cmpi sge, %a, %c0 : index
      %fits = arith.andi %equal, %isSize : i1
      return %fits, %a : i1, index
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect",
                           "::mlir::tensor::TensorDialect"];
}

def TernBufferizePass : Pass<"tern-bufferize", "::mlir::ModuleOp"> {
  let summary = "Makes tensors memrefs";
  let description = [{
    Runs upstream's one-shot bufferisation. Each function then takes, after its
    own arguments, a memref for each tensor that it returned, the workspace
    (`tern.workspace`), the weight segment (`tern.weights`) and the environment
    of the thread; it returns nothing. A cache is changed in place.

    Example:

    ```mlir
    // Before.
    func.func @f(%a: tensor<?x16xf32>, %b: tensor<?x16xf32>) -> tensor<?x16xf32> {
      %y = tern.add %a, %b : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```

    ```mlir
    // After.
    func.func @f(%a: memref<?x16xf32>, %b: memref<?x16xf32>, %y: memref<?x16xf32>,
                 %workspace: memref<?xi8> {tern.workspace}, %weights: memref<?xi8> {tern.weights},
                 %env: !tern.environment) {
      tern.add %a, %b into %y : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
      return
    }
    ```
  }];
  let dependentDialects = ["::ternac::tern::TernDialect",
                           "::mlir::bufferization::BufferizationDialect",
                           "::mlir::memref::MemRefDialect"];
}

def TernGroupRowsPass : Pass<"tern-group-rows", "::mlir::ModuleOp"> {
  let summary = "Marks ops on rows that can be one kernel";
  let description = [{
    Numbers the groups of ops on buffers that follow each other, treat rows alone
    and have the same rows: what one reads of another is its own row, so that
    whoever has a row can do the work of all of them. Attention can only be the
    first, because it reads what others appended to the cache. An op that goes
    with no other has no number.

    tern-plan-workspace shares no bytes between the buffers of a group, of
    which rows may be of different steps at a time.

    Example:

    ```mlir
    // Before.
    func.func @f(%x: memref<?x16xf32>, %w: memref<16xf32>) {
      tern.add %x, %x into %x : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
      tern.rms_norm %x, %w into %x {eps = 1.0 : f32} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
      return
    }
    ```

    ```mlir
    // After.
    func.func @f(%x: memref<?x16xf32>, %w: memref<16xf32>) {
      tern.add %x, %x into %x {tern.row_group = 0 : i64} : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
      tern.rms_norm %x, %w into %x {eps = 1.0 : f32, tern.row_group = 0 : i64} : (memref<?x16xf32>, memref<16xf32>, memref<?x16xf32>) -> ()
      return
    }
    ```
  }];
}

def TernPlanWorkspacePass : Pass<"tern-plan-workspace", "::mlir::ModuleOp"> {
  let summary = "Gives every buffer its place in the workspace";
  let description = [{
    Replaces each allocation by a view of the workspace. Buffers of a static
    size come first. All others have a size per row of the call, so their place
    is a number of bytes per row, times the rows, behind those. Buffers of one
    kind that are never live together share their bytes; those of a group of
    tern-group-rows live as long as the group. The workspace needs
    `tern.workspace_bytes_fixed` bytes and `tern.workspace_bytes_per_row` for
    each row, two attributes of the function.

    Example:

    ```mlir
    // Before.
    func.func @f(%x: memref<?x16xf32>, %workspace: memref<?xi8> {tern.workspace}, %n: index) {
      %a = memref.alloc(%n) : memref<?x16xf32>
      tern.add %x, %x into %a : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
      return
    }
    ```

    ```mlir
    // After.
    func.func @f(%x: memref<?x16xf32>, %workspace: memref<?xi8> {tern.workspace}, %n: index)
        attributes {tern.workspace_bytes_fixed = 0 : i64, tern.workspace_bytes_per_row = 64 : i64} {
      %c0 = arith.constant 0 : index
      %a = memref.view %workspace[%c0][%n] : memref<?xi8> to memref<?x16xf32>
      tern.add %x, %x into %a : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect",
                           "::mlir::arith::ArithDialect"];
}

#endif // TERNAC_DIALECT_TERN_TRANSFORMS_PASSES_TD
