//===- Text.h - Other people's text in messages --------------- -*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_COMMON_TEXT_H
#define TERNAC_LIB_IMPORT_COMMON_TEXT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>

namespace ternac::import {

/// `text` in quotes, safe to print: control characters are escaped and very
/// long names are cut.
std::string quoted(llvm::StringRef text, char quote = '\'');

/// The shortest text that means `number`.
std::string shownNumber(double number);

/// "[2, 3]".
std::string shownShape(llvm::ArrayRef<int64_t> shape);

/// "\"a\", \"b\" or \"c\"".
std::string alternatives(llvm::ArrayRef<llvm::StringRef> words);

} // namespace ternac::import

#endif // TERNAC_LIB_IMPORT_COMMON_TEXT_H
