//===- Pipeline.h - Pipelines between phases --------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PIPELINE_PIPELINE_H
#define TERNAC_PIPELINE_PIPELINE_H

#include "ternac/Pipeline/Phases.h"
#include "ternac/Target/Target.h"

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace ternac {

#define GEN_PASS_DECL
#include "ternac/Pipeline/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "ternac/Pipeline/Passes.h.inc"

/// Adds the passes from the phase before `phase` to `phase`, its contract last.
/// `imported` has a contract only.
void buildPhasePipeline(mlir::OpPassManager &pm, Phase phase,
                        const Target &target, const LoweringChoice &choice);

/// Checks the contract of `phase`; emits an error for each violation.
llvm::LogicalResult verifyPhase(mlir::ModuleOp module, Phase phase);

/// Registers `tern-to-<phase>` for every phase: the pipeline from the phase
/// before it, for the target that the option `target` names.
void registerPhasePipelines();

/// Everything that a tool over our IR needs: dialects, interfaces, and those
/// of all targets.
void registerAllDialects(mlir::DialectRegistry &registry);
/// All passes of the project and the upstream passes that pipelines use.
void registerAllPasses();

} // namespace ternac

#endif // TERNAC_PIPELINE_PIPELINE_H
