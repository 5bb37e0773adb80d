//===- Passes.h - Passes for NVIDIA's GPUs ----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_NVPTX_PASSES_H
#define TERNAC_LIB_TARGET_NVPTX_PASSES_H

#include "ternac/Conversion/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

namespace ternac::nvptx {

/// What models ask for as their device.
inline constexpr llvm::StringLiteral kDevice = "cuda";
inline constexpr llvm::StringLiteral kTriple = "nvptx64-nvidia-cuda";

#define GEN_PASS_DECL
#include "NVPTXPasses.h.inc"
#define GEN_PASS_REGISTRATION
#include "NVPTXPasses.h.inc"

} // namespace ternac::nvptx

#endif // TERNAC_LIB_TARGET_NVPTX_PASSES_H
