//===- TArray.h - The exit dialect of the ternary array ---------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TARRAY_TARRAY_H
#define TARRAY_TARRAY_H

#include "Isa.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/Pass.h"

#include "TArrayDialect.h.inc"
#include "TArrayInterfaces.h.inc"

#define GET_OP_CLASSES
#include "TArrayOps.h.inc"

namespace tarray {

#define GEN_PASS_DECL
#include "TArrayPasses.h.inc"
#define GEN_PASS_REGISTRATION
#include "TArrayPasses.h.inc"

} // namespace tarray

#endif // TARRAY_TARRAY_H
