//===- Model.h - The model of a command line --------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_COMMON_MODEL_H
#define TERNAC_TOOLS_COMMON_MODEL_H

#include "ternac/Runtime/Session.h"

#include <string>

namespace ternac::tool {

/// Opens the model library `path` with its code for `version`, "" for the best.
/// Null after an error, which has been printed.
TernacLibrary *openModel(const std::string &path, const std::string &version);

} // namespace ternac::tool

#endif // TERNAC_TOOLS_COMMON_MODEL_H
