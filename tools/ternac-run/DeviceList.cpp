//===- DeviceList.cpp - What --list-devices prints ------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceList.h"
#include "ternac/Runtime/Session.h"
#include "ternac/Support/Arguments.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

int ternac::run::printDevices() {
  const TernacDeviceInfo *devices = nullptr;
  uint32_t count = ternac_list_devices(&devices);
  if (count == 0)
    printf("this runtime drives no devices itself\n");
  for (uint32_t i = 0; i < count; ++i) {
    const TernacDeviceInfo &device = devices[i];
    printf("%s: %s", device.name, device.description);
    if (device.problem)
      printf("%scannot be used: %s", *device.description ? "; " : "",
             device.problem);
    printf("\n");
  }
  if (fflush(stdout) != 0)
    return Arguments::error("cannot write 'standard output': %s",
                            strerror(errno));
  return 0;
}
