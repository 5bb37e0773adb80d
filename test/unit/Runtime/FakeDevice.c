/*===- FakeDevice.c - A driver of a device that counts --------------------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* Counts the bytes that it is given, and refuses buffers that begin with an
|* unlucky number. Macros make the variants that a host must refuse.
|*
\*===----------------------------------------------------------------------===*/

#include "ternac/Runtime/ModelABI.h"

#include <stdio.h>

#ifndef FAKE_ABI_VERSION
#define FAKE_ABI_VERSION TERNAC_ABI_VERSION
#endif
#ifndef FAKE_STRUCT_SIZE
#define FAKE_STRUCT_SIZE sizeof(TernacDevice)
#endif
#ifndef FAKE_NAME
#define FAKE_NAME "counter"
#endif

enum { Unlucky = 13 };

static unsigned long long counted;

static int32_t submit(void *context, const void *commands, uint64_t bytes,
                      const TernacBuffer *buffers, uint32_t buffer_count) {
  (void)context;
  (void)commands;
  (void)bytes;
  if (buffer_count != 1 || *(const int32_t *)buffers->data == Unlucky)
    return 1;
  counted += buffers->bytes;
  return 0;
}

static uint64_t lastError(void *context, char *text, uint64_t bytes) {
  (void)context;
  return (uint64_t)snprintf(text, bytes, "it does not take 13");
}

static uint64_t report(void *context, char *text, uint64_t bytes) {
  (void)context;
  return (uint64_t)snprintf(text, bytes, "counter: %llu bytes\n", counted);
}

static const TernacDevice device = {
    .struct_size = FAKE_STRUCT_SIZE,
    .abi_version = FAKE_ABI_VERSION,
    .name = FAKE_NAME,
    .context = 0,
    .submit = submit,
    .last_error = lastError,
    .report = report,
};

const TernacDevice *ternac_device(void);
const TernacDevice *ternac_device(void) { return &device; }
