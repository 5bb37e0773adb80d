//===- ternac-reduce.cpp - mlir-reduce over our dialects and passes -------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../common/LoadTargets.h"

#include "ternac/Pipeline/Pipeline.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"

int main(int argc, char **argv) {
  if (!ternac::tool::loadTargets(argc, argv))
    return 1;
  ternac::registerAllPasses();
  mlir::DialectRegistry registry;
  ternac::registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  return mlir::failed(mlir::mlirReduceMain(argc, argv, context));
}
