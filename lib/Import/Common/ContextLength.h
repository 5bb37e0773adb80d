//===- ContextLength.h - How far positions may go ------------- -*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_COMMON_CONTEXTLENGTH_H
#define TERNAC_LIB_IMPORT_COMMON_CONTEXTLENGTH_H

#include "ternac/Import/Checkpoint.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace ternac::import {

/// Makes `requested`, if present, the context length of `facts`, which has that
/// of the model: its key is `key`. Returns the reason if that is too long.
std::optional<std::string> setContextLength(std::optional<int64_t> requested,
                                            llvm::StringRef key,
                                            Checkpoint &facts);

} // namespace ternac::import

#endif // TERNAC_LIB_IMPORT_COMMON_CONTEXTLENGTH_H
