//===- Code.cpp - What is checked of PTX ----------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Code.h"

#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>

using namespace ternac::runtime::cuda;

namespace {
/// What a name like "sm_90a" says.
struct Processor {
  Capability capability;
  bool isExact; ///< there is a suffix: no other processor runs its code
};
} // namespace

/// Reads the name that `text` begins with.
static std::optional<Processor> parseProcessor(std::string_view text) {
  constexpr std::string_view start = "sm_";
  if (!text.starts_with(start))
    return std::nullopt;
  const char *begin = text.data() + start.size();
  const char *end = text.data() + text.size();
  int number = 0;
  auto [rest, code] = std::from_chars(begin, end, number);
  if (code != std::errc() || number < 10)
    return std::nullopt;
  bool isExact = rest != end && *rest >= 'a' && *rest <= 'z';
  return Processor{{number / 10, number % 10}, isExact};
}

bool ternac::runtime::cuda::hasObjectFor(const TernacKernels &kernels,
                                         Capability capability) {
  constexpr size_t size = offsetof(TernacKernels, object_bytes) +
                          sizeof(TernacKernels::object_bytes);
  if (kernels.struct_size < size || !kernels.processor || !kernels.object ||
      !kernels.object_bytes)
    return false;
  std::optional<Processor> made = parseProcessor(kernels.processor);
  if (!made)
    return false;
  return made->isExact ? made->capability == capability
                       : made->capability.major == capability.major &&
                             made->capability <= capability;
}

std::string ternac::runtime::cuda::problemOfCode(const TernacKernels &kernels,
                                                 Capability capability) {
  if (!kernels.code || !kernels.bytes)
    return "there is none for a device of compute capability " +
           capability.text();
  std::string_view code(static_cast<const char *>(kernels.code),
                        static_cast<size_t>(kernels.bytes));
  // Compilers write directives at the beginning of a line.
  constexpr std::string_view directive = "\n.target ";
  size_t place = code.find(directive);
  if (place == code.npos)
    return "";
  std::optional<Processor> needed =
      parseProcessor(code.substr(place + directive.size()));
  if (!needed)
    return "";
  bool runs = needed->isExact ? needed->capability == capability
                              : needed->capability <= capability;
  if (runs)
    return "";
  return std::string("it needs compute capability ") +
         needed->capability.text() + (needed->isExact ? " exactly" : "") +
         ", but the device has " + capability.text();
}
