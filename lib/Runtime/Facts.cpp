//===- Facts.cpp - Numbers from a model's facts ---------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Runtime/Facts.h"

#include <charconv>

using namespace ternac::runtime;

namespace {

/// Walks over JSON text without keeping any of it.
class Scanner {
public:
  explicit Scanner(std::string_view text) : text(text) {}

  /// At an object: moves to the value of the member `name`.
  bool enter(std::string_view name);
  std::optional<double> number() const;

private:
  bool take(char expected);
  std::string_view takeString();
  void skipValue();
  void skipSpace();

  std::string_view text; ///< what is left
};

} // namespace

void Scanner::skipSpace() {
  size_t start = text.find_first_not_of(" \t\r\n");
  text.remove_prefix(start == text.npos ? text.size() : start);
}

/// Skips `expected`, and the space around it, if it comes next.
bool Scanner::take(char expected) {
  skipSpace();
  if (!text.starts_with(expected))
    return false;
  text.remove_prefix(1);
  skipSpace();
  return true;
}

/// The string that comes next, without quotes and as it is spelled.
std::string_view Scanner::takeString() {
  size_t end = 1;
  while (end < text.size() && text[end] != '"')
    end += text[end] == '\\' ? 2 : 1;
  std::string_view string = text.substr(0, end).substr(1);
  text.remove_prefix(end < text.size() ? end + 1 : text.size());
  return string;
}

void Scanner::skipValue() {
  int depth = 0;
  while (!text.empty()) {
    char next = text.front();
    if (next == '"') {
      takeString();
      continue;
    }
    if (depth == 0 && (next == ',' || next == '}' || next == ']'))
      return;
    depth += next == '{' || next == '[';
    depth -= next == '}' || next == ']';
    text.remove_prefix(1);
  }
}

bool Scanner::enter(std::string_view name) {
  if (!take('{'))
    return false;
  while (text.starts_with('"')) {
    std::string_view key = takeString();
    if (!take(':'))
      return false;
    if (key == name)
      return true;
    skipValue();
    take(',');
  }
  return false;
}

std::optional<double> Scanner::number() const {
  double value;
  auto [end, code] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc())
    return std::nullopt;
  return value;
}

std::optional<double>
ternac::runtime::findNumber(std::string_view json,
                            std::initializer_list<std::string_view> path) {
  Scanner scanner(json);
  for (std::string_view name : path)
    if (!scanner.enter(name))
      return std::nullopt;
  return scanner.number();
}
