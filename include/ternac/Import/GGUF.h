//===- GGUF.h - Reading GGUF files ---------------------------- -*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_IMPORT_GGUF_H
#define TERNAC_IMPORT_GGUF_H

#include "ternac/Import/Checkpoint.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>

namespace ternac::import {

/// Which bytes the type number of I2_S stands for. Programs do not agree, and
/// neither sizes nor weights tell; see docs/Formats.md.
enum class I2SLayout {
  Blocks128, ///< blocks of 128 columns: published files, and the default
  Blocks64,  ///< blocks of 64 columns
  Rows4,     ///< four rows to a byte
};

/// Reads a GGUF file of a ternary model. `contextLength` is as for
/// readHuggingFace. Errors name the file and say what was expected and what was
/// found.
llvm::Expected<Checkpoint> readGGUF(const std::string &path, I2SLayout layout,
                                    std::optional<int64_t> contextLength);

} // namespace ternac::import

#endif // TERNAC_IMPORT_GGUF_H
