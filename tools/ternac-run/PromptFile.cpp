//===- PromptFile.cpp - Prompts from a file -------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PromptFile.h"
#include "ternac/Support/Arguments.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>

using namespace ternac;

/// Numbers with commas or blanks between them; at least one.
static bool parseLine(std::string_view line, std::vector<int32_t> &tokens) {
  const char *at = line.data(), *end = at + line.size();
  auto skipBlanks = [&] {
    while (at != end && (*at == ' ' || *at == '\t' || *at == '\r'))
      ++at;
  };
  skipBlanks();
  while (true) {
    int32_t token;
    auto [behind, code] = std::from_chars(at, end, token);
    if (code != std::errc() || token < 0)
      return false;
    tokens.push_back(token);
    at = behind;
    skipBlanks();
    if (at == end)
      return true;
    if (*at == ',') {
      ++at;
      skipBlanks();
    } else if (at == behind) {
      return false;
    }
  }
}

bool ternac::run::readPrompts(const std::string &path,
                              std::vector<std::vector<int32_t>> &prompts) {
  std::ifstream file(path);
  std::string line;
  size_t number = 0;
  while (std::getline(file, line)) {
    ++number;
    if (parseLine(line, prompts.emplace_back()))
      continue;
    // Enough to find the place.
    line.resize(std::min<size_t>(line.size(), 60));
    Arguments::error("'%s', line %zu: expected token ids, separated by commas "
                     "or spaces, but got '%s'",
                     path.c_str(), number, line.c_str());
    return false;
  }
  if (file.bad() || !file.eof()) {
    Arguments::error("cannot read '%s': %s", path.c_str(), strerror(errno));
    return false;
  }
  if (number > 0)
    return true;
  Arguments::error("'%s' is empty; expected a prompt on each line",
                   path.c_str());
  return false;
}
