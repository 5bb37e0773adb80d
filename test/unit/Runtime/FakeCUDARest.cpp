//===- FakeCUDARest.cpp - All functions of a CUDA driver ------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// They do nothing, where FakeCUDADriver.cpp does not do better.
//
//===----------------------------------------------------------------------===//

#include "Devices/CUDA/Functions.h"

using namespace ternac::runtime::cuda;

#define TERNAC_CUDA_NOTHING(NAME, SYMBOL, PARAMETERS)                          \
  extern "C" Result fake##NAME PARAMETERS __asm__(SYMBOL);                     \
  __attribute__((weak)) Result fake##NAME PARAMETERS { return Result::Success; }
TERNAC_CUDA_FUNCTIONS(TERNAC_CUDA_NOTHING)
