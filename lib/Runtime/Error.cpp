//===- Error.cpp - The runtime's last error -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "ternac/Runtime/Session.h"

#include <cstdarg>
#include <cstdio>
#include <string>

static std::string &lastError() {
  thread_local std::string message;
  return message;
}

void ternac::runtime::setError(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  va_list measured;
  va_copy(measured, arguments);
  int length = vsnprintf(nullptr, 0, format, measured);
  va_end(measured);
  // Built aside: an argument may be the message that is replaced.
  std::string message(length > 0 ? static_cast<size_t>(length) : 0, '\0');
  vsnprintf(message.data(), message.size() + 1, format, arguments);
  va_end(arguments);
  lastError() = std::move(message);
}

const char *ternac_last_error(void) { return lastError().c_str(); }
