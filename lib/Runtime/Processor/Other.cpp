//===- Other.cpp - Processors that the runtime cannot ask -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Their libraries run if they need no feature beyond the baseline.
//
//===----------------------------------------------------------------------===//

#include "Processor.h"

using namespace ternac::runtime;

std::optional<bool> processor::hasFeature(std::string_view) {
  return std::nullopt;
}

uint64_t processor::grants() { return 0; }

void processor::relax() {}
