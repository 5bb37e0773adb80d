/*===- FakeKernels.h - Kernels of the fake model --------------------------===*\
|*
|* Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
|*===----------------------------------------------------------------------===*|
|*
|* What the fake model and the fake device that runs its kernels agree on.
|*
\*===----------------------------------------------------------------------===*/

#ifndef TERNAC_TEST_UNIT_RUNTIME_FAKEKERNELS_H
#define TERNAC_TEST_UNIT_RUNTIME_FAKEKERNELS_H

#include <stdint.h>

/* The device's addresses are the host's plus this: who takes the one for the
 * other crashes. */
#define FAKE_ADDRESS_OFFSET (UINT64_C(1) << 62)

#define FAKE_KERNEL_FORMAT "fake"

/* TernacKernels.code is an array of these, one for each name. */
typedef void (*FakeKernel)(const int64_t *arguments);

#endif
