//===- TernInterfaces.td - Interfaces of tern's ops -----------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_DIALECT_TERN_IR_TERNINTERFACES_TD
#define TERNAC_DIALECT_TERN_IR_TERNINTERFACES_TD

include "mlir/IR/OpBase.td"

def Tern_TernaryWeightOpInterface : OpInterface<"TernaryWeightOpInterface"> {
  let description = [{
    An op that multiplies rows with a ternary matrix: what chooses a strategy and
    a packing, and what packs the matrix, treats all of them alike.
  }];
  let cppNamespace = "::ternac::tern";
  let methods = [
    InterfaceMethod<"the matrix, as trits or packed",
                    "::mlir::Value", "getWeight">,
    InterfaceMethod<"", "::mlir::OpOperand &", "getWeightMutable">,
    InterfaceMethod<"rows M of the matrix", "int64_t", "getMatrixRows">,
    InterfaceMethod<"columns K of the matrix, before padding",
                    "int64_t", "getMatrixCols">,
    InterfaceMethod<"the layout of the matrix once it is chosen, or null",
                    "::ternac::tern::PackingAttr", "getPackingAttr">,
    InterfaceMethod<"", "void", "setPackingAttr",
                    (ins "::ternac::tern::PackingAttr":$packing)>,
    InterfaceMethod<"how the op will be lowered once it is chosen, or null",
                    "::ternac::tern::LoweringConfigAttr", "getConfigAttr">,
    InterfaceMethod<"", "void", "setConfigAttr",
                    (ins "::ternac::tern::LoweringConfigAttr":$config)>,
    InterfaceMethod<"the columns of a packed matrix, or null",
                    "::mlir::IntegerAttr", "getColsAttr">,
    InterfaceMethod<"", "void", "setColsAttr",
                    (ins "::mlir::IntegerAttr":$cols)>];
}

#endif // TERNAC_DIALECT_TERN_IR_TERNINTERFACES_TD
