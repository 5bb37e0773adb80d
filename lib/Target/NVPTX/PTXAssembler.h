//===- PTXAssembler.h - NVIDIA's assembler, if it is there ------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_TARGET_NVPTX_PTXASSEMBLER_H
#define TERNAC_LIB_TARGET_NVPTX_PTXASSEMBLER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace ternac::nvptx {

/// The path of `ptxas`: what the environment variable TERNAC_PTXAS says, or
/// else in PATH, in CUDA_HOME and in /usr/local/cuda. "" if there is none.
/// Fails if the variable names no program.
llvm::Expected<std::string> findAssembler();

/// The object for `processor` that the program `assembler` makes of `ptx`.
/// Fails with its first message.
llvm::Expected<std::string> assemble(llvm::StringRef assembler,
                                     llvm::StringRef processor,
                                     llvm::StringRef ptx);

} // namespace ternac::nvptx

#endif // TERNAC_LIB_TARGET_NVPTX_PTXASSEMBLER_H
