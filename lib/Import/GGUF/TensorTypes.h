//===- TensorTypes.h - The types of tensors in GGUF files ----- -*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_IMPORT_GGUF_TENSORTYPES_H
#define TERNAC_LIB_IMPORT_GGUF_TENSORTYPES_H

#include "ternac/Import/GGUF.h"
#include "ternac/Packing/Encoding.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace ternac::import::gguf {

struct TensorType {
  llvm::StringRef name;
  packing::Encoding encoding;
};

/// The type with the number `id`. An error says, of the tensor, why such a type
/// is not read and what to do.
llvm::Expected<TensorType> tensorType(uint32_t id, I2SLayout layout);

} // namespace ternac::import::gguf

#endif // TERNAC_LIB_IMPORT_GGUF_TENSORTYPES_H
