//===- TestSupport.h - Shared by the tests of the runtime -------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Owners for the handles of the C API, and where the fake models are.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_TEST_UNIT_RUNTIME_TESTSUPPORT_H
#define TERNAC_TEST_UNIT_RUNTIME_TESTSUPPORT_H

#include "ternac/Runtime/Session.h"

#include <memory>
#include <string>

template <auto destroy> struct Deleter {
  template <typename T> void operator()(T *object) const { destroy(object); }
};
using Library = std::unique_ptr<TernacLibrary, Deleter<ternac_close>>;
using Session = std::unique_ptr<TernacSession, Deleter<ternac_session_destroy>>;
using Sampler = std::unique_ptr<TernacSampler, Deleter<ternac_sampler_destroy>>;

/// The path of a variant of the fake model.
inline std::string fakeModel(const char *name = "FakeModel") {
  return std::string(TERNAC_FAKE_MODELS) + "/" + name + ".so";
}

#endif // TERNAC_TEST_UNIT_RUNTIME_TESTSUPPORT_H
