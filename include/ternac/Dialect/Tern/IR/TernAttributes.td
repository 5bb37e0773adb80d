//===- TernAttributes.td - Attributes of tern -----------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_IR_TERNATTRIBUTES_TD
#define TERNAC_DIALECT_TERN_IR_TERNATTRIBUTES_TD

include "ternac/Dialect/Tern/IR/TernDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"

class Tern_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Tern_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

//===----------------------------------------------------------------------===//
// Enumerations. The first five have the values of those in
// ternac/Packing/{Encoding,Layout,Plan,Rope}.h, which know nothing of MLIR.
//===----------------------------------------------------------------------===//

class Tern_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::ternac::tern";
  let genSpecializedAttr = 0;
}

def Tern_Code : Tern_Enum<"Code", "how the trits of a byte are written", [
  I32EnumAttrCase<"Signed8", 0, "signed8">,
  I32EnumAttrCase<"TwoBit", 1, "two_bit">,
  I32EnumAttrCase<"Base3", 2, "base3">,
  I32EnumAttrCase<"Planes", 3, "planes">]>;

def Tern_Encoding : Tern_Enum<"Encoding", "how a checkpoint stores a tensor", [
  I32EnumAttrCase<"F32", 0, "f32">,
  I32EnumAttrCase<"F16", 1, "f16">,
  I32EnumAttrCase<"BF16", 2, "bf16">,
  I32EnumAttrCase<"PackedRows", 3, "packed_rows">,
  I32EnumAttrCase<"I2S", 4, "i2_s">,
  I32EnumAttrCase<"I2S64", 5, "i2_s_64">,
  I32EnumAttrCase<"I2SRows", 6, "i2_s_rows">,
  I32EnumAttrCase<"TQ1_0", 7, "tq1_0">,
  I32EnumAttrCase<"TQ2_0", 8, "tq2_0">,
  I32EnumAttrCase<"IQ1BN", 9, "iq1_bn">,
  I32EnumAttrCase<"IQ2BN", 10, "iq2_bn">,
  I32EnumAttrCase<"Q8_0", 11, "q8_0">,
  I32EnumAttrCase<"Q6_K", 12, "q6_k">]>;

def Tern_StoredKind : Tern_Enum<"StoredKind", "what the bytes of a global are", [
  I32EnumAttrCase<"Trits", 0, "trits">,
  I32EnumAttrCase<"Scales", 1, "scales">,
  I32EnumAttrCase<"Dense", 2, "dense">,
  I32EnumAttrCase<"RowInt8", 3, "row_int8">,
  I32EnumAttrCase<"Rope", 4, "rope">,
  I32EnumAttrCase<"GroupInt4", 5, "group_int4">]>;

def Tern_ScaleSense : Tern_Enum<"ScaleSense", "what a stored scale means", [
  I32EnumAttrCase<"Direct", 0, "direct">,
  I32EnumAttrCase<"Reciprocal", 1, "reciprocal">,
  I32EnumAttrCase<"Absmean", 2, "absmean">,
  I32EnumAttrCase<"Magnitude", 3, "magnitude">]>;

def Tern_RopeScaling
    : Tern_Enum<"RopeScaling", "how the frequencies of a rope are scaled", [
  I32EnumAttrCase<"Linear", 1, "linear">,
  I32EnumAttrCase<"Dynamic", 2, "dynamic">,
  I32EnumAttrCase<"Llama3", 3, "llama3">,
  I32EnumAttrCase<"Yarn", 4, "yarn">]>;

def Tern_Strategy : Tern_Enum<"Strategy", "how a ternary matmul is computed", [
  I32EnumAttrCase<"Reference", 0, "reference">,
  I32EnumAttrCase<"AddSub", 1, "add_sub">,
  I32EnumAttrCase<"Dot", 2, "dot">,
  I32EnumAttrCase<"Lut", 3, "lut">,
  I32EnumAttrCase<"Tile", 4, "tile">]>;

def Tern_Activation : Tern_Enum<"Activation", "function of a gated product", [
  I32EnumAttrCase<"Relu2", 0, "relu2">,
  I32EnumAttrCase<"Silu", 1, "silu">]>;

def Tern_ActivationAttr
    : EnumAttr<Tern_Dialect, Tern_Activation, "activation"> {
  let assemblyFormat = "`<` $value `>`";
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

def Tern_TritsAttr : Tern_Attr<"Trits", "trits"> {
  let summary = "a small constant of trits";
  let description = [{
    Trits in row-major order, one character each: `+`, `0` or `-`. For tests
    and examples; the weights of models are `tern.global`s.

    Constraints:
    * (C1) every character is one of `+`, `0`, `-`.

    Example:

    ```mlir
    func.func @constant() -> tensor<2x2x!tern.trit> {
      %w = tern.constant <"+0-+"> : tensor<2x2x!tern.trit>
      return %w : tensor<2x2x!tern.trit>
    }
    ```
  }];
  let parameters = (ins StringRefParameter<>:$digits);
  let assemblyFormat = "`<` $digits `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The trits as signed bytes -1, 0, +1.
    ::llvm::SmallVector<int8_t> getValues() const;
  }];
}

//===----------------------------------------------------------------------===//
// Layout and lowering
//===----------------------------------------------------------------------===//

def Tern_PackingAttr : Tern_Attr<"Packing", "packing"> {
  let summary = "how trits lie in bytes";
  let description = [{
    The layout of a packed ternary matrix; `ternac/Packing/Layout.h` has the
    formula. A tile is `rows` matrix rows by `group` bytes; `blocks` tiles share
    a superblock whose digits are `group * blocks` columns apart. The code is
    `two_bit` (4 trits per byte), `base3` (5 trits per byte), `planes` (a tile is
    two arrays of bits: where the trits are +1, and where they are -1) or
    `signed8` (one trit per byte).

    Constraints:
    * (C1) `rows`, `group` and `blocks` are from 1 to 4096.

    Example:

    ```mlir
    // 2-bit tiles of 16 rows x 16 columns.
    module attributes {tern.example = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} {}
    ```
  }];
  let parameters = (ins EnumParameter<Tern_Code>:$code, "int64_t":$rows,
                        "int64_t":$group, "int64_t":$blocks);
  let assemblyFormat = [{
    `<` $code `,` `rows` `=` $rows `,` `group` `=` $group `,` `blocks` `=`
    $blocks `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    ::ternac::packing::Layout getLayout() const;
    static PackingAttr get(::mlir::MLIRContext *context,
                           const ::ternac::packing::Layout &layout);
  }];
}

def Tern_LoweringConfigAttr : Tern_Attr<"LoweringConfig", "lowering_config"> {
  let summary = "how one matmul will be lowered";
  let description = [{
    Written by the selection pass of a target, read by its lowering. A call has
    one row of activations (`strategy`), a few, 2 to 16 (`few`), or many
    (`many`); what is not printed is as `strategy`. All strategies give the same
    int32 results, from the same packed weights.

    * `reference`: scalar multiply and add, the definition.
    * `add_sub`: additions and subtractions chosen by the weights; no
      multiplication.
    * `dot`: byte dot products of unpacked codes.
    * `lut`: the sums that a byte of weights can select are written to tables
      once per row of activations; a byte is then an index, and what is left are
      look-ups and additions. No multiplication. Reads layouts whose tiles are
      one byte wide.
    * `tile`: products of matrix units, of 16 rows and codes unpacked for all of
      them.

    Constraints:
    * (C1) where one of the three is `lut`, all are: it has layouts of its own.

    Example:

    ```mlir
    module attributes {tern.example = #tern.lowering_config<strategy = dot, many = tile>} {}
    ```
  }];
  let parameters = (ins
    EnumParameter<Tern_Strategy>:$strategy,
    EnumParameter<Tern_Strategy>:$few,
    EnumParameter<Tern_Strategy>:$many);
  let builders = [AttrBuilder<(ins "::ternac::tern::Strategy":$strategy), [{
    return $_get($_ctxt, strategy, strategy, strategy);
  }]>];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Whether calls of any number of rows are lowered by `strategy`.
    bool uses(::ternac::tern::Strategy strategy) const {
      return getStrategy() == strategy || getFew() == strategy ||
             getMany() == strategy;
    }
    /// Whether one strategy is that of any number of rows.
    bool isUniform() const {
      return getFew() == getStrategy() && getMany() == getStrategy();
    }
  }];
}

def Tern_TargetAttr : Tern_Attr<"Target", "target"> {
  let summary = "the machine to compile for";
  let description = [{
    All that generic passes may know of a machine. `name` is the registered
    target; `triple`, `cpu` and `features` are LLVM's; `required_features` is what
    the runtime must find in the machine; `capabilities` are words
    that passes ask for (`hasCapability`), among them:

    * `fma`: fused multiply-add of f32 is one instruction,
    * `f16_convert`: f16 and f32 convert in hardware,
    * `bf16_dot`: dot products of pairs of bf16 into f32 at twice the rate of
      f32,
    * `int8_dot`: a dot product of unsigned and signed bytes into i32,
    * `int8_products`: no more than products of bytes into i16,
    * `byte_permute`: any byte of a register is selected by index,
    * `byte_shuffle`: the same within each 16 bytes of a register,
    * `base3_unpack`: the digits of base-3 bytes cost about as much as two-bit
      fields, so that fewer bytes win,
    * `mask_registers`: vector operations can be predicated,
    * `tile_matmul`: a matrix unit multiplies tiles of bytes,
    * `register_tiles`: beside `tile_matmul`, when the tiles lie in vector
      registers and are small: few rows fill them, and nobody has to grant them,
    * `vector_registers_32`: there are 32 vector registers; otherwise 16 are
      taken to be there,
    * `unknown_vector_length`: how long registers are is known at run time only,
      `vector_bits` at least, so that to spill one takes a multiplication,
    * `vector_popcount`: the set bits of every i32 of a register are counted by
      one instruction,
    * `byte_popcount`: those of every byte are,
    * `scalable_128`: the registers of LLVM's scalable vectors have a multiple of
      128 bits, `vector_bits` or more,
    * `subgroup_32`: the threads of a block go in subgroups of 32 that exchange
      values; blocks have up to 1024 threads, elsewhere up to 128.

    `vector_bits` is the widest register; `l2` is bytes of a core's second
    cache, `bandwidth` is bytes per second of one core from memory and `peak` int8
    multiply-accumulates per second of one core (0: unknown). They come from the
    description, never from a measurement, so that the same input gives the same
    bytes.

    A module may be compiled for several machines at once: its target is the
    baseline, which every machine that runs the code must be, and `versions` are
    those that have code of their own, the better later. From phase `packed` on
    a function of a version has its target as its own `tern.target`.

    Constraints:
    * (C1) `vector_bits` is a multiple of 8 from 8 to 65536.
    * (C2) no number is negative.
    * (C3) capabilities are strings.
    * (C4) `versions` are one or more targets with the name and the triple of this
      one, none of which has versions.
    * (C5) no two versions are equal, nor is one the baseline.

    Example:

    ```mlir
    module attributes {tern.target = #tern.target<name = "example",
      capabilities = ["fma", "int8_dot"], vector_bits = 256, l2 = 1048576>} {}
    ```

    Two versions of the code, for machines with and without `fma`:

    ```mlir
    module attributes {tern.target = #tern.target<name = "example", cpu = "a",
      vector_bits = 128, versions = [
        #tern.target<name = "example", cpu = "b", capabilities = ["fma"], vector_bits = 256>]>} {}
    ```
  }];
  let parameters = (ins
    StringRefParameter<>:$name,
    OptionalParameter<"::mlir::StringAttr">:$triple,
    OptionalParameter<"::mlir::StringAttr">:$cpu,
    OptionalParameter<"::mlir::StringAttr">:$features,
    OptionalParameter<"::mlir::StringAttr">:$required_features,
    OptionalParameter<"::mlir::ArrayAttr">:$capabilities,
    DefaultValuedParameter<"int64_t", "8">:$vector_bits,
    DefaultValuedParameter<"int64_t", "0">:$l2,
    DefaultValuedParameter<"int64_t", "0">:$bandwidth,
    DefaultValuedParameter<"int64_t", "0">:$peak,
    OptionalParameter<"::mlir::ArrayAttr">:$versions);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let builders = [
    // A single machine.
    AttrBuilder<(ins "::llvm::StringRef":$name, "::mlir::StringAttr":$triple,
                     "::mlir::StringAttr":$cpu, "::mlir::StringAttr":$features,
                     "::mlir::StringAttr":$required_features,
                     "::mlir::ArrayAttr":$capabilities, "int64_t":$vector_bits,
                     "int64_t":$l2, "int64_t":$bandwidth, "int64_t":$peak), [{
      return $_get($_ctxt, name, triple, cpu, features, required_features,
                   capabilities, vector_bits, l2, bandwidth, peak,
                   ::mlir::ArrayAttr());
    }]>
  ];
  let extraClassDeclaration = [{
    bool hasCapability(::llvm::StringRef capability) const;
    /// The strings, "" when absent.
    ::llvm::StringRef getTripleOrEmpty() const;
    ::llvm::StringRef getCpuOrEmpty() const;
    ::llvm::StringRef getFeaturesOrEmpty() const;
    ::llvm::StringRef getRequiredFeaturesOrEmpty() const;
    /// The machine as users name it: CPU, or CPU,+a,-b.
    std::string getMachineName() const;
    /// The machines that there is code for: the baseline first.
    std::vector<TargetAttr> getMachines() const;
    /// This target with versions; with none, a single machine.
    TargetAttr withVersions(::llvm::ArrayRef<TargetAttr> versions) const;
  }];
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def Tern_FileAttr : Tern_Attr<"File", "file"> {
  let summary = "a checkpoint file";
  let description = [{
    `path` is relative to the `.mlir` file or to `--weights-root`. `size` is in
    bytes; `fingerprint` is that of `ternac/Packing/Plan.h`, in hexadecimal. A
    file that does not match is refused.

    Constraints:
    * (C1) `fingerprint` is 16 hexadecimal digits.

    Example:

    ```mlir
    module attributes {tern.example = #tern.file<path = "model.safetensors", size = 1024, fingerprint = "00ff00ff00ff00ff">} {}
    ```
  }];
  let parameters = (ins StringRefParameter<>:$path, "uint64_t":$size,
                        StringRefParameter<>:$fingerprint);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Tern_SourceAttr : Tern_Attr<"Source", "source"> {
  let summary = "where a tensor lies in the checkpoint, for each layer of a run";
  let description = [{
    `name` is the tensor's name, `{}` standing for the layer's number, which
    starts at `first_layer`. `offsets` has the first byte for each layer;
    `files` the index of the file, for each layer or once for all. Both are
    absent when the weights are synthetic. `rows` and `cols` are logical: a
    `packed_rows` tensor is stored as `rows/4 x cols` bytes.
    `ternac/Packing/Encoding.h` has the encodings.

    `interleaved(D)` says that the rows are those of heads of D rows, stored for
    a rotary embedding of neighbouring elements: row i and row D/2 + i of a head
    are the stored rows 2i and 2i + 1.

    Constraints:
    * (C1) `rows` and `cols` are positive.
    * (C2) `files` has one element or as many as `offsets`, or both are empty.
    * (C3) `rows` and `cols` fill the units of the encoding: `packed_rows` needs
      `rows` to be a multiple of 4, `tq2_0` needs `cols` to be one of 256...
    * (C4) the rows of `interleaved` heads are even and divide `rows`.

    Example:

    ```mlir
    module attributes {tern.example = #tern.source<"model.layers.{}.mlp.up_proj.weight",
      packed_rows, rows = 8, cols = 16, first_layer = 0, files = [0],
      offsets = [8, 40]>} {}
    ```

    A projection of a GGUF file, whose scales lie among the weights:

    ```mlir
    module attributes {tern.example = #tern.source<"blk.{}.attn_q.weight", tq2_0 interleaved(64),
      rows = 128, cols = 256, first_layer = 0, files = [0], offsets = [4096, 12736]>} {}
    ```
  }];
  let parameters = (ins
    StringRefParameter<>:$name, EnumParameter<Tern_Encoding>:$encoding,
    DefaultValuedParameter<"int64_t", "0">:$interleaved,
    "int64_t":$rows, "int64_t":$cols, "int64_t":$first_layer,
    OptionalArrayRefParameter<"int64_t">:$files,
    OptionalArrayRefParameter<"int64_t">:$offsets);
  let assemblyFormat = [{
    `<` $name `,` $encoding (`interleaved` `` `(` $interleaved^ `)`)? `,`
    `rows` `=` $rows `,` `cols` `=` $cols `,` `first_layer` `=` $first_layer
    (`,` `files` `=` `[` $files^ `]` `,` `offsets` `=` `[` $offsets `]`)? `>`
  }];
  let genVerifyDecl = 1;
}

def Tern_RopeScalingAttr : Tern_Attr<"RopeScaling", "rope_scaling"> {
  let summary = "how a rope reaches beyond the positions of the training";
  let description = [{
    `ternac/Packing/Rope.h` has the formula of each kind. `original_length` is
    the positions that the model was trained on. A pair of elements that makes
    fewer than `low` turns within them gets the whole `factor`, one that makes
    more than `high` none. `attention_factor` multiplies cosines and sines;
    `truncate` says that the pairs of `low` and `high` are rounded.

    Constraints:
    * (C1) beside `factor`, `dynamic` has `original_length`, `llama3` also `low`
      and `high`, `yarn` also `attention_factor`; there is no parameter of
      another kind.

    Example:

    ```mlir
    module attributes {tern.example = #tern.rope_scaling<yarn, factor = 4.0,
      original_length = 4096, low = 1.0, high = 32.0, attention_factor = 1.125>} {}
    ```
  }];
  let parameters = (ins
    EnumParameter<Tern_RopeScaling>:$kind, "::mlir::FloatAttr":$factor,
    DefaultValuedParameter<"int64_t", "0">:$original_length,
    OptionalParameter<"::mlir::FloatAttr">:$low,
    OptionalParameter<"::mlir::FloatAttr">:$high,
    OptionalParameter<"::mlir::FloatAttr">:$attention_factor,
    DefaultValuedParameter<"bool", "true">:$truncate);
  let assemblyFormat = [{
    `<` $kind `,` struct($factor, $original_length, $low, $high,
                         $attention_factor, $truncate) `>`
  }];
  let genVerifyDecl = 1;
}

def Tern_StoredAttr : Tern_Attr<"Stored", "stored"> {
  let summary = "what the bytes of a global are made of";
  let description = [{
    `kind` says what is stored; `ternac/Packing/Plan.h` describes each kind.
    Several sources are stacked along the rows. `packing` is present on trits
    once they are packed, `sense` belongs to scales, `theta` and `scaling` to
    rope tables. Sources of the sense `magnitude` are weights -s, 0, +s: trits
    are their signs, and scales their magnitudes, one for each source or, with
    `group`, one for each row and group of as many columns.

    Example:

    ```mlir
    module attributes {tern.example = #tern.stored<scales, sense = reciprocal, sources = [
      #tern.source<"up_proj.weight_scale", bf16, rows = 1, cols = 1, first_layer = 0, files = [0], offsets = [4]>]>} {}
    ```
  }];
  let parameters = (ins
    EnumParameter<Tern_StoredKind>:$kind,
    OptionalParameter<"::ternac::tern::PackingAttr">:$packing,
    DefaultValuedParameter<"::ternac::tern::ScaleSense",
                           "::ternac::tern::ScaleSense::Direct">:$sense,
    DefaultValuedParameter<"int64_t", "0">:$group,
    OptionalParameter<"::mlir::FloatAttr">:$theta,
    OptionalParameter<"::ternac::tern::RopeScalingAttr">:$scaling,
    OptionalArrayRefParameter<"::ternac::tern::SourceAttr">:$sources);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// `theta` and `scaling` in the terms of the packer; of rope tables only.
    ::ternac::packing::Rope getRope() const;
  }];
}

def Tern_EntryAttr : Tern_Attr<"Entry", "entry"> {
  let summary = "one entry of the plan of the weight segment";
  let description = [{
    Says that the global `name`, of `layers` layers, lies at `offset`, its
    layers `layer_bytes` apart. `rows`, `cols` and `element` describe one layer.

    Example:

    ```mlir
    module attributes {tern.example = #tern.entry<name = "norm", offset = 64,
      layer_bytes = 64, layers = 2, rows = 1, cols = 16, element = f32,
      stored = <dense, sources = [<"norm.{}", bf16, rows = 1, cols = 16, first_layer = 0>]>>} {}
    ```
  }];
  let parameters = (ins
    StringRefParameter<>:$name, "uint64_t":$offset, "uint64_t":$layer_bytes,
    "int64_t":$layers, "int64_t":$rows, "int64_t":$cols,
    EnumParameter<Tern_Encoding>:$element,
    "::ternac::tern::StoredAttr":$stored);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tern_WeightsAttr : Tern_Attr<"Weights", "weights"> {
  let summary = "checkpoint files and the plan of the weight segment";
  let description = [{
    The module attribute `tern.weights`. `synthetic_seed` is present when the
    weights are made from a seed instead of read. `entries` is filled in phase
    `packed`, in ascending order of offsets.

    Example:

    ```mlir
    module attributes {tern.weights = #tern.weights<synthetic_seed = 7 : i64>} {}
    ```
  }];
  let parameters = (ins
    OptionalArrayRefParameter<"::ternac::tern::FileAttr">:$files,
    OptionalParameter<"::mlir::IntegerAttr">:$synthetic_seed,
    OptionalArrayRefParameter<"::ternac::tern::EntryAttr">:$entries);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// The entry of that name, or null.
    ::ternac::tern::EntryAttr lookup(::llvm::StringRef name) const;
    /// Bytes of the weight segment; a multiple of 64.
    uint64_t getTotalBytes() const;
  }];
}

#endif // TERNAC_DIALECT_TERN_IR_TERNATTRIBUTES_TD
