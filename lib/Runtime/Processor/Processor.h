//===- Processor.h - What differs between processors ------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One file of this folder implements all of this, the one for the processor
// that the runtime is compiled for; Other.cpp, where nobody has written one.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_PROCESSOR_PROCESSOR_H
#define TERNAC_LIB_RUNTIME_PROCESSOR_PROCESSOR_H

#include <cstdint>
#include <optional>
#include <string_view>

namespace ternac::runtime::processor {

/// Whether processor and operating system support a feature, by its LLVM name;
/// nullopt if the name is not known.
std::optional<bool> hasFeature(std::string_view name);

/// The TERNAC_FEATURE_* bits that this process may use.
uint64_t grants();

/// Tells the processor that this is a spinning loop.
void relax();

} // namespace ternac::runtime::processor

#endif // TERNAC_LIB_RUNTIME_PROCESSOR_PROCESSOR_H
