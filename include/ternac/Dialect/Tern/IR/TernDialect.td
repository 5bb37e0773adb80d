//===- TernDialect.td - The tern dialect ----------------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The dialect itself. Types, attributes and ops are in files of their own.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_IR_TERNDIALECT_TD
#define TERNAC_DIALECT_TERN_IR_TERNDIALECT_TD

include "mlir/IR/OpBase.td"

def Tern_Dialect : Dialect {
  let name = "tern";
  let cppNamespace = "::ternac::tern";
  let summary = "Ternary (1.58-bit) language models";
  let description = [{
    The dialect of ternary language models: weights of -1, 0 and +1, int8
    activations quantised per token, and the parts of a LLaMA-family decoder.
    Ops are the mathematics, not an implementation of it. `docs/Numerics.md`
    says what each computes.

    **Values and buffers.** Every computing op has two forms. In the value form
    it takes tensors and returns tensors. In the buffer form, after
    bufferisation, it takes memrefs, returns nothing and writes `into` the
    memrefs named last, which have the types that the results had.

    **Weights** are never in the IR. A `tern.global` says where the bytes of a
    weight lie in the checkpoint and what they become; `tern.load_global` reads
    it.

    **Module attributes.** A model's module carries `tern.model` (a dictionary
    of facts), `tern.target` (a `#tern.target`) and `tern.weights` (a
    `#tern.weights`: the checkpoint's files and, from phase `packed` on, the
    plan of the weight segment). A function may have a `tern.target` of its own:
    that one of the module's versions whose code it is. In phase `llvm`,
    `tern.device` is the name of the device that the module's code submits commands
    to or launches kernels on, if there is one; `tern.kernels` then has the names
    of the kernels and the format of their code.

    **A module without `tern.model`** is a library of its public functions, each
    of which has `tern.exported` from phase `normalized` on, a dictionary of its
    type and the names of its arguments and results. From phase `bufferized` on
    `f.sizes`, marked `tern.sizes`, computes the sizes of what `f` returns and
    needs.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect",
    "::mlir::memref::MemRefDialect"
  ];
  let extraClassDeclaration = [{
    /// Names of the module attributes.
    static constexpr ::llvm::StringLiteral kTargetAttr = "tern.target";
    static constexpr ::llvm::StringLiteral kModelAttr = "tern.model";
    static constexpr ::llvm::StringLiteral kWeightsAttr = "tern.weights";
    static constexpr ::llvm::StringLiteral kDeviceAttr = "tern.device";
    static constexpr ::llvm::StringLiteral kKernelsAttr = "tern.kernels";

    /// Of functions: what a library exports them as, and that a function
    /// computes the sizes of another.
    static constexpr ::llvm::StringLiteral kExportedAttr = "tern.exported";
    static constexpr ::llvm::StringLiteral kSizesAttr = "tern.sizes";
    /// Of arguments and results of functions: their name.
    static constexpr ::llvm::StringLiteral kNameAttr = "tern.name";
  }];
}

#endif // TERNAC_DIALECT_TERN_IR_TERNDIALECT_TD
