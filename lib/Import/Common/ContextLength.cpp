//===- ContextLength.cpp - How far positions may go -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ContextLength.h"

#include "Limits.h"

#include <algorithm>

using namespace llvm;

namespace ternac::import {

std::optional<std::string> setContextLength(std::optional<int64_t> requested,
                                            StringRef key, Checkpoint &facts) {
  if (!requested)
    return std::nullopt;
  // A scaled rope says how far it reaches, whatever the model's length is.
  int64_t longest = facts.contextLength;
  const packing::Rope &rope = facts.rope;
  if (rope.scaling != packing::RopeScaling::None) {
    int64_t original =
        rope.originalLength ? rope.originalLength : facts.contextLength;
    double scaled =
        std::min(rope.factor * double(original), double(maxContext));
    longest = std::max(longest, int64_t(scaled));
  }
  if (*requested >= 1 && *requested <= longest) {
    facts.contextLength = *requested;
    return std::nullopt;
  }
  std::string end = std::to_string(longest);
  std::string reach = longest == facts.contextLength
                          ? "the " + key.str() + " " + end
                          : end + ", as far as the scaling of the rope goes";
  return "the requested context length must be from 1 to " + reach +
         ", but is " + std::to_string(*requested);
}

} // namespace ternac::import
