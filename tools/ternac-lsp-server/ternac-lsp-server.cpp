//===- ternac-lsp-server.cpp - MLIR language server for the project's IR --===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../common/LoadTargets.h"

#include "ternac/Pipeline/Pipeline.h"

#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  if (!ternac::tool::loadTargets(argc, argv))
    return 1;
  mlir::DialectRegistry registry;
  ternac::registerAllDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
