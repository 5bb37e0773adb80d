//===- ModelLibrary.h - Links a model library -------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_CODEGEN_MODELLIBRARY_H
#define TERNAC_CODEGEN_MODELLIBRARY_H

#include "ternac/Packing/Plan.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace ternac {

/// Links the object file `object` (for `triple`) into the shared library
/// `output` and streams the weights of `plan` into its last, read-only segment.
/// Works beside `output` in temporary files and renames at the end: on failure
/// nothing is left.
llvm::Error writeModelLibrary(llvm::StringRef output, llvm::StringRef object,
                              llvm::StringRef triple, const packing::Plan &plan,
                              const packing::PackOptions &options);

} // namespace ternac

#endif // TERNAC_CODEGEN_MODELLIBRARY_H
