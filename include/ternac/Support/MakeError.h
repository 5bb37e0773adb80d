//===- MakeError.h - Errors that say a sentence -----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_SUPPORT_MAKEERROR_H
#define TERNAC_SUPPORT_MAKEERROR_H

#include "llvm/Support/Error.h"

namespace ternac {

/// An error that is nothing but `message`, for users.
inline llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

} // namespace ternac

#endif // TERNAC_SUPPORT_MAKEERROR_H
