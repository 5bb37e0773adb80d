//===- Passes.h - Passes for Vulkan -----------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_VULKAN_PASSES_H
#define TERNAC_LIB_TARGET_VULKAN_PASSES_H

#include "ternac/Conversion/Passes.h"

#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"

namespace ternac::vulkan {

/// What models ask for as their device.
inline constexpr llvm::StringLiteral kDevice = "vulkan";

#define GEN_PASS_DECL
#include "VulkanPasses.h.inc"
#define GEN_PASS_REGISTRATION
#include "VulkanPasses.h.inc"

} // namespace ternac::vulkan

#endif // TERNAC_LIB_TARGET_VULKAN_PASSES_H
