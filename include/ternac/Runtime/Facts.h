//===- Facts.h - Numbers from a model's facts -------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A model library carries its facts as JSON. Looking up a few numbers does not
// need a JSON library.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_RUNTIME_FACTS_H
#define TERNAC_RUNTIME_FACTS_H

#include <initializer_list>
#include <optional>
#include <string_view>

namespace ternac::runtime {

/// The number that `path`, names of members of nested objects, leads to;
/// nullopt if there is none. `json` is trusted to be JSON.
std::optional<double> findNumber(std::string_view json,
                                 std::initializer_list<std::string_view> path);

} // namespace ternac::runtime

#endif // TERNAC_RUNTIME_FACTS_H
