//===- Driver.h - Tables of devices -----------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A driver that was opened and a host's own device are checked alike.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_LIB_RUNTIME_DRIVER_H
#define TERNAC_LIB_RUNTIME_DRIVER_H

#include "ternac/Runtime/ModelABI.h"

namespace ternac::runtime {

/// Whether a device has all that a session reads of it, and is of a version
/// that this runtime knows; else sets the error, in which `what` is the device.
bool checkDevice(const char *what, const TernacDevice *device);

/// Whether the table is long enough for the functions that run kernels.
bool hasKernelFields(const TernacDevice &device);

} // namespace ternac::runtime

#endif // TERNAC_LIB_RUNTIME_DRIVER_H
