//===- Failure.h - Code under test that no processor would run --*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_EMULATION_FAILURE_H
#define TERNAC_TEST_EMULATION_FAILURE_H

namespace ternac::emulation {

/// Says "emulator: NAME: ..." and aborts: a processor would raise a fault.
[[noreturn]] void fail(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

} // namespace ternac::emulation

#endif // TERNAC_TEST_EMULATION_FAILURE_H
