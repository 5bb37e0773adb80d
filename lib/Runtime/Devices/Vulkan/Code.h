//===- Code.h - What is checked of SPIR-V -----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A Vulkan driver trusts the code that it is given. So what can be said of it
// without reading its types is said before: damage, and kernels that are
// missing.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_VULKAN_CODE_H
#define TERNAC_LIB_RUNTIME_DEVICES_VULKAN_CODE_H

#include "ternac/Runtime/ModelABI.h"

#include <string>

namespace ternac::runtime::vulkan {

/// Why the kernels cannot be loaded; empty if nothing is known against it.
std::string problemOfCode(const TernacKernels &kernels);

} // namespace ternac::runtime::vulkan

#endif // TERNAC_LIB_RUNTIME_DEVICES_VULKAN_CODE_H
