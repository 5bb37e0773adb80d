//===- ternac-opt.cpp - mlir-opt over the project's dialects and passes ---===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../common/LoadTargets.h"

#include "ternac/Pipeline/Pipeline.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  if (!ternac::tool::loadTargets(argc, argv))
    return 1;
  ternac::registerAllPasses();
  mlir::DialectRegistry registry;
  ternac::registerAllDialects(registry);
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Ternac's optimiser driver\n", registry));
}
