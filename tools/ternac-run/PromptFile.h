//===- PromptFile.h - Prompts from a file -----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Many prompts do not fit a command line.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_RUN_PROMPTFILE_H
#define TERNAC_TOOLS_RUN_PROMPTFILE_H

#include <cstdint>
#include <string>
#include <vector>

namespace ternac::run {

/// Appends the prompt on each line of the file: token ids from 0, separated by
/// commas or spaces. False after an error, which has been printed.
bool readPrompts(const std::string &path,
                 std::vector<std::vector<int32_t>> &prompts);

} // namespace ternac::run

#endif // TERNAC_TOOLS_RUN_PROMPTFILE_H
