//===- OutlineKernels.h - What outlining kernels takes ----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_CONVERSION_TERNTOGPU_OUTLINEKERNELS_H
#define TERNAC_LIB_CONVERSION_TERNTOGPU_OUTLINEKERNELS_H

#include "mlir/IR/BuiltinOps.h"

namespace ternac::gpulowering {

inline constexpr int64_t kConstantAlignment = 64;

/// Gathers the constants that launches are passed, which lie in memory of the
/// host, in one global, `ternac.kernels.constants`, and makes launches take
/// them from the argument of their function that is its weights: whoever calls
/// the function has them on the device. Fails in a model, whose weights are
/// others.
llvm::LogicalResult moveConstants(mlir::ModuleOp module);

} // namespace ternac::gpulowering

#endif // TERNAC_LIB_CONVERSION_TERNTOGPU_OUTLINEKERNELS_H
