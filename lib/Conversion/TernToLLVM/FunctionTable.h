//===- FunctionTable.h - What a library of functions exports ----*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOLLVM_FUNCTIONTABLE_H
#define TERNAC_LIB_CONVERSION_TERNTOLLVM_FUNCTIONTABLE_H

#include "mlir/IR/BuiltinOps.h"

namespace ternac {

/// Gives a lowered module without a model the table that describes its exported
/// functions and, for each of these, a function of its name with a C signature.
/// The lowered functions are called `NAME.body` then. Emits an error if one is
/// not what tern-plan-workspace and tern-add-sizes leave.
llvm::LogicalResult writeFunctionTable(mlir::ModuleOp module);

} // namespace ternac

#endif // TERNAC_LIB_CONVERSION_TERNTOLLVM_FUNCTIONTABLE_H
