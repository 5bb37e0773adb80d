//===- Code.h - What is checked of PTX --------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DEVICES_CUDA_CODE_H
#define TERNAC_LIB_RUNTIME_DEVICES_CUDA_CODE_H

#include "Driver.h"
#include "ternac/Runtime/ModelABI.h"

namespace ternac::runtime::cuda {

/// Whether the kernels have an object that a device with this capability runs.
bool hasObjectFor(const TernacKernels &kernels, Capability capability);

/// Why a device with this capability cannot take the kernels' PTX; empty if
/// nothing is known against it.
std::string problemOfCode(const TernacKernels &kernels, Capability capability);

} // namespace ternac::runtime::cuda

#endif // TERNAC_LIB_RUNTIME_DEVICES_CUDA_CODE_H
