//===- Error.h - The runtime's last error -----------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C API reports failure by its return value and the reason through
// ternac_last_error(); this is how the runtime sets that reason.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_ERROR_H
#define TERNAC_LIB_RUNTIME_ERROR_H

namespace ternac::runtime {

/// Sets this thread's last error, printf style: one sentence without a full
/// stop, so that a tool can print "error: " before it.
[[gnu::format(printf, 1, 2)]] void setError(const char *format, ...);

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_ERROR_H
