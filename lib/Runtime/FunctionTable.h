//===- FunctionTable.h - The functions of a library -------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_FUNCTIONTABLE_H
#define TERNAC_LIB_RUNTIME_FUNCTIONTABLE_H

#include "ternac/Runtime/ModelABI.h"

namespace ternac::runtime {

/// Whether the library exports functions.
bool hasFunctions(const TernacModel *model);

/// Whether what there is to know of its functions is there; true if there are
/// none.
bool hasWholeFunctions(const TernacModel *model);

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_FUNCTIONTABLE_H
