//===- HugePages.h - Weights in huge pages ----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A token reads all weights once, and from a file they come in pages of 4 KiB.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_HUGEPAGES_H
#define TERNAC_LIB_RUNTIME_HUGEPAGES_H

#include "ternac/Runtime/ThreadPool.h"

#include <cstdint>

namespace ternac::runtime {

/// Replaces the pages of [begin, begin + bytes), a read-only mapping of a file,
/// by a copy in huge pages at the same address. Others may read it meanwhile.
/// The pages of the file are given up piece by piece, so memory in use does not
/// grow by more than a piece. False, with the last error set, if the system has
/// no huge pages or not enough memory.
bool moveToHugePages(const char *begin, uint64_t bytes, ThreadPool &pool);

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_HUGEPAGES_H
