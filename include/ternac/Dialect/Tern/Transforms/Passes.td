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

def TernExpandDecoderLayersPass
    : Pass<"tern-expand-decoder-layers", "::mlir::ModuleOp"> {
  let summary = "Replaces decoder layers by the ops they stand for";
  let description = [{
    Writes a `tern.decoder_layer` out as norms, linear layers, rope, cache,
    attention and gate. A projection with a scale becomes a `tern.bitlinear`,
    one without a `tern.linear`.
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
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

//===----------------------------------------------------------------------===//
// To phase `quantized`
//===----------------------------------------------------------------------===//

def TernQuantizeActivationsPass
    : Pass<"tern-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "Makes the integer arithmetic of bitlinears explicit";
  let description = [{
    A `tern.bitlinear` becomes `tern.quantize`, an exact integer `tern.matmul`
    and `tern.rescale`. Bitlinears of one input share one quantisation.
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

def TernFuseResidualsPass : Pass<"tern-fuse-residuals", "::mlir::ModuleOp"> {
  let summary = "Moves the addition of a residual into the rescale before it";
  let description = [{
    `add(r, rescale(acc))` becomes `rescale(acc) plus r`, which bufferisation
    can compute in place.
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

//===----------------------------------------------------------------------===//
// To phase `packed`
//===----------------------------------------------------------------------===//

def TernSelectLoweringPass
    : Pass<"tern-select-lowering", "::mlir::ModuleOp"> {
  let summary = "Chooses strategy and packing of every ternary matmul";
  let description = [{
    Writes `config` and `packing` on each `tern.matmul`, from the capabilities
    of `tern.target` and the shape. `strategy` and `packing` override the
    choice; a strategy that the target cannot do is an error.
  }];
  let options = [
    Option<"strategy", "strategy", "std::string", "\"auto\"",
           "auto, or the strategy to use for every matmul">,
    Option<"packing", "packing", "std::string", "\"auto\"",
           "auto, or the name of the packing to use for every matmul">,
    ListOption<"strategies", "strategies", "std::string",
               "the strategies that the target has, best first">,
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
  }];
  let dependentDialects = ["::ternac::tern::TernDialect"];
}

//===----------------------------------------------------------------------===//
// To phase `bufferized`
//===----------------------------------------------------------------------===//

def TernBufferizePass : Pass<"tern-bufferize", "::mlir::ModuleOp"> {
  let summary = "Makes tensors memrefs";
  let description = [{
    Runs upstream's one-shot bufferisation. Each function then takes, after its
    own arguments, a memref for each tensor that it returned, the workspace
    (`tern.workspace`), the weight segment (`tern.weights`) and the environment
    of the thread; it returns nothing. A cache is changed in place.
  }];
  let dependentDialects = ["::ternac::tern::TernDialect",
                           "::mlir::bufferization::BufferizationDialect",
                           "::mlir::memref::MemRefDialect"];
}

def TernPlanWorkspacePass : Pass<"tern-plan-workspace", "::mlir::ModuleOp"> {
  let summary = "Gives every buffer its place in the workspace";
  let description = [{
    Replaces each allocation by a view of the workspace. Every buffer has a size
    per row of the call, so its place is a number of bytes per row, times the
    rows; buffers that are never live together share their bytes. The bytes per
    row in all are the function's attribute `tern.workspace_bytes_per_row`.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect",
                           "::mlir::arith::ArithDialect"];
}

#endif // TERNAC_DIALECT_TERN_TRANSFORMS_PASSES_TD
