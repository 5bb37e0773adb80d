//===- Passes.td - The contract of a phase ------------------*- tablegen -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PIPELINE_PASSES_TD
#define TERNAC_PIPELINE_PASSES_TD

include "mlir/Pass/PassBase.td"

def TernVerifyPhasePass : Pass<"tern-verify-phase", "::mlir::ModuleOp"> {
  let summary = "Checks the contract of a phase";
  let description = [{
    Fails if the module holds an op or a type that must not be alive at the end
    of `phase`. Every phase's pipeline ends with it, so that a mistake is
    reported next to where it was made.

    With `--tern-verify-phase=phase=imported`:

    ```mlir
    // Before and after: at home in phase `imported`, an error in `bufferized`.
    func.func @f(%a: tensor<?x16xf32>) -> tensor<?x16xf32> {
      %y = tern.add %a, %a : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```
  }];
  let options = [
    Option<"phase", "phase", "std::string", "\"\"", "the name of the phase">,
  ];
}

#endif // TERNAC_PIPELINE_PASSES_TD
