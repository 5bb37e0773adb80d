//===- DeviceList.h - What --list-devices prints ----------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TOOLS_RUN_DEVICELIST_H
#define TERNAC_TOOLS_RUN_DEVICELIST_H

namespace ternac::run {

/// Prints the devices that the runtime drives itself, one on each line, and why
/// any cannot be used. Returns the exit status.
int printDevices();

} // namespace ternac::run

#endif // TERNAC_TOOLS_RUN_DEVICELIST_H
