//===- Text.cpp - Other people's text in messages -------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <array>
#include <cassert>
#include <charconv>

using namespace llvm;

namespace ternac::import {

/// The most characters of somebody else's text that go into one message.
static constexpr size_t maxShown = 160;

std::string quoted(StringRef text, char quote) {
  std::string result;
  raw_string_ostream os(result);
  os << quote;
  printEscapedString(text.take_front(maxShown), os);
  if (text.size() > maxShown)
    os << "...";
  os << quote;
  return result;
}

std::string shownNumber(double number) {
  std::array<char, 32> digits;
  auto [end, error] = std::to_chars(digits.begin(), digits.end(), number);
  assert(error == std::errc() && "a double takes at most 24 characters");
  return std::string(digits.begin(), end);
}

std::string shownShape(ArrayRef<int64_t> shape) {
  return "[" +
         join(map_range(shape, [](int64_t n) { return std::to_string(n); }),
              ", ") +
         "]";
}

std::string alternatives(ArrayRef<StringRef> words) {
  std::string list;
  for (auto [i, word] : enumerate(words)) {
    if (i != 0)
      list += i + 1 == words.size() ? " or " : ", ";
    list += quoted(word, '"');
  }
  return list;
}

} // namespace ternac::import
