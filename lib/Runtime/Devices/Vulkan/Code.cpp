//===- Code.cpp - What is checked of SPIR-V -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Code.h"

#include <cstring>
#include <set>

using namespace ternac::runtime::vulkan;

// Of the specification of SPIR-V.
static constexpr uint32_t magic = 0x07230203, newestVersion = 0x00010500;
static constexpr uint32_t headerWords = 5;
static constexpr uint32_t opMemoryModel = 14, opEntryPoint = 15;
static constexpr uint32_t physicalAddressing = 5348, computeKernel = 5;

namespace {
/// What the instructions of a module say.
struct Summary {
  std::set<std::string> entryPoints;
  bool hasPhysicalAddresses = false;
};
} // namespace

/// The text in the words from `begin` on, which ends with a zero byte.
static std::string textOf(const uint32_t *begin, const uint32_t *end) {
  const char *text = reinterpret_cast<const char *>(begin);
  return std::string(text, strnlen(text, (end - begin) * sizeof(uint32_t)));
}

/// Reads all instructions; false if they do not end where the module does.
static bool summarize(const uint32_t *word, const uint32_t *end,
                      Summary &summary) {
  while (word != end) {
    uint32_t length = *word >> 16;
    uint32_t operation = *word & 0xffff;
    if (length == 0 || length > end - word)
      return false;
    if (operation == opEntryPoint && length > 3 && word[1] == computeKernel)
      summary.entryPoints.insert(textOf(word + 3, word + length));
    if (operation == opMemoryModel && length > 2)
      summary.hasPhysicalAddresses = word[1] == physicalAddressing;
    word += length;
  }
  return true;
}

std::string
ternac::runtime::vulkan::problemOfCode(const TernacKernels &kernels) {
  const uint32_t *words = static_cast<const uint32_t *>(kernels.code);
  uint64_t count = kernels.bytes / sizeof(uint32_t);
  if (kernels.bytes % sizeof(uint32_t) ||
      reinterpret_cast<uintptr_t>(words) % alignof(uint32_t) ||
      count < headerWords || words[0] != magic)
    return "it is no SPIR-V module";
  if (words[1] > newestVersion)
    return "it is newer than SPIR-V 1.5";
  Summary summary;
  if (!summarize(words + headerWords, words + count, summary))
    return "the SPIR-V module is damaged";
  if (!summary.hasPhysicalAddresses)
    return "the SPIR-V module does not use physical addresses";
  for (uint32_t i = 0; i < kernels.count; ++i)
    if (!summary.entryPoints.count(kernels.names[i]))
      return std::string("the SPIR-V module has no kernel '") +
             kernels.names[i] + "'";
  return "";
}
