//===- DeviceText.h - What devices say --------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Devices copy their texts out, so that nobody reads what another thread is
// changing. This is the caller's side.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_RUNTIME_DEVICETEXT_H
#define TERNAC_RUNTIME_DEVICETEXT_H

#include "ternac/Runtime/ModelABI.h"

#include <cstdint>
#include <string>

namespace ternac::runtime {

/// The whole text that `last_error` or `report` of a device gives, "" if the
/// function is null.
inline std::string deviceText(decltype(TernacDevice::report) function,
                              void *context) {
  std::string text;
  if (!function)
    return text;
  // It may have grown when it is asked for again.
  uint64_t length = function(context, nullptr, 0);
  while (length > text.size()) {
    text.resize(length);
    length = function(context, text.data(), text.size() + 1);
  }
  text.resize(length);
  return text;
}

} // namespace ternac::runtime

#endif // TERNAC_RUNTIME_DEVICETEXT_H
