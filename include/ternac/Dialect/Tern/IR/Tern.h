//===- Tern.h - The tern dialect --------------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_IR_TERN_H
#define TERNAC_DIALECT_TERN_IR_TERN_H

#include "ternac/Packing/Layout.h"
#include "ternac/Packing/Plan.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringSet.h"

#include "ternac/Dialect/Tern/IR/TernDialect.h.inc"
#include "ternac/Dialect/Tern/IR/TernEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "ternac/Dialect/Tern/IR/TernTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ternac/Dialect/Tern/IR/TernAttributes.h.inc"

#include "ternac/Dialect/Tern/IR/TernInterfaces.h.inc"

#define GET_OP_CLASSES
#include "ternac/Dialect/Tern/IR/TernOps.h.inc"

namespace ternac::tern {

/// The names of the parts of a `decoder_layer` that are norms, and of those
/// that are linear layers, in the order of computation.
llvm::ArrayRef<llvm::StringRef> requiredLayerNorms();
llvm::ArrayRef<llvm::StringRef> optionalLayerNorms();
llvm::ArrayRef<llvm::StringRef> layerProjections();

/// The memrefs that a compute op in buffer form writes; empty in value form.
mlir::OperandRange getOuts(mlir::Operation *op);

/// The type of result `index` in the value form, of the memref that stands for
/// it in the buffer form.
mlir::ShapedType getResultType(mlir::Operation *op, unsigned index);

/// The operand whose first dimension is the rows of the results of the compute
/// op `op`.
mlir::OpOperand &getRowsOperand(mlir::Operation *op);

/// The function that computes the sizes of the exported function `name`.
std::string nameOfSizes(llvm::StringRef name);

/// Whether `op` asks what the thread that runs it has to do: such ops live
/// until they become LLVM's.
bool isThreadOp(mlir::Operation *op);

/// The largest magnitude that `tern.quantize` gives to rows of `cols` columns
/// whose integers are of type `element`, i8 or i16.
int64_t quantizedRange(mlir::Type element, int64_t cols);

/// The machine that `op` is compiled for: the `tern.target` of the nearest op
/// around it, itself included, that has one; null if none has.
TargetAttr getTarget(mlir::Operation *op);

/// Which of the machines of its module's `tern.target` the code of `op` is for:
/// its place in `getMachines`, 0 for the baseline.
unsigned getCodeVersion(mlir::Operation *op);

/// What the function `name` of the baseline is called in a version.
std::string nameOfVersion(llvm::StringRef name, unsigned version);

/// The plan that the packer executes, from the module's `tern.weights`.
packing::Plan toPackingPlan(WeightsAttr weights);

/// Registers the dialect's models of upstream's bufferisation interface.
void registerBufferizableOpInterfaceExternalModels(
    mlir::DialectRegistry &registry);

} // namespace ternac::tern

#endif // TERNAC_DIALECT_TERN_IR_TERN_H
