//===- Arguments.cpp - Command lines of the small tools -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Support/Arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include <sys/stat.h>

using namespace ternac;

Arguments::Arguments(std::string_view tool, std::string_view version,
                     std::string_view overview)
    : tool(tool), version(version), overview(overview) {
  flag("help", showHelp, "print this text");
  flag("version", showVersion, "print the version");
}

bool ternac::isReplaceable(const std::string &path) {
  struct stat status;
  return stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode) ||
         S_ISDIR(status.st_mode);
}

int Arguments::error(const char *format, ...) {
  // What was printed before comes before the error, in a file as well.
  fflush(stdout);
  fputs("error: ", stderr);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  return 1;
}

//===----------------------------------------------------------------------===//
// Declaring
//===----------------------------------------------------------------------===//

static std::string withDashes(std::string_view name) {
  return std::string(name.size() == 1 ? "-" : "--").append(name);
}

void Arguments::add(std::string_view name, std::string_view metavar,
                    Value value, std::string_view help, Setter set) {
  options.push_back({{withDashes(name)},
                     std::string(metavar),
                     std::string(help),
                     value,
                     std::move(set)});
}

void Arguments::alias(std::string_view name) {
  options.back().names.push_back(withDashes(name));
}

void Arguments::positional(std::string_view metavar, std::string &variable,
                           std::string_view help, bool required) {
  positionals.push_back(
      {std::string(metavar), std::string(help), &variable, required});
}

/// The whole of `text` as a number of `low` to `high`.
template <typename Number>
static std::optional<Number> parseNumber(std::string_view text, Number low,
                                         Number high) {
  Number number;
  const char *end = text.data() + text.size();
  auto [stopped, code] = std::from_chars(text.data(), end, number);
  // Written so that NaN fails.
  if (code != std::errc() || stopped != end ||
      !(number >= low && number <= high))
    return std::nullopt;
  return number;
}

void Arguments::flag(std::string_view name, bool &variable,
                     std::string_view help) {
  add(name, "", Value::None, help, [&variable](std::string_view) {
    variable = true;
    return std::string();
  });
}

void Arguments::option(std::string_view name, std::string_view metavar,
                       std::string &variable, std::string_view help) {
  add(name, metavar, Value::Required, help,
      [&variable](std::string_view text) -> std::string {
        variable = text;
        return text.empty() ? "a value" : "";
      });
}

void Arguments::option(std::string_view name, std::string_view metavar,
                       std::vector<std::string> &variable,
                       std::string_view help) {
  add(name, metavar, Value::Required, help,
      [&variable](std::string_view text) -> std::string {
        variable.emplace_back(text);
        return text.empty() ? "a value" : "";
      });
  options.back().repeats = true;
}

void Arguments::optionalValue(std::string_view name, std::string_view metavar,
                              std::optional<std::string> &variable,
                              std::string_view help) {
  add(name, metavar, Value::Optional, help, [&variable](std::string_view text) {
    variable = text;
    return std::string();
  });
}

void Arguments::option(std::string_view name, std::string_view metavar,
                       uint32_t &variable, uint32_t low, uint32_t high,
                       std::string_view help) {
  add(name, metavar, Value::Required, help,
      [=, &variable](std::string_view text) -> std::string {
        std::optional<uint32_t> number = parseNumber(text, low, high);
        if (!number)
          return "a number from " + std::to_string(low) + " to " +
                 std::to_string(high);
        variable = *number;
        return "";
      });
}

void Arguments::option(std::string_view name, std::string_view metavar,
                       uint64_t &variable, std::string_view help) {
  add(name, metavar, Value::Required, help,
      [&variable](std::string_view text) -> std::string {
        std::optional<uint64_t> number =
            parseNumber<uint64_t>(text, 0, UINT64_MAX);
        if (!number)
          return "a number from 0 to " + std::to_string(UINT64_MAX);
        variable = *number;
        return "";
      });
}

void Arguments::option(std::string_view name, std::string_view metavar,
                       float &variable, std::string_view help) {
  add(name, metavar, Value::Required, help,
      [&variable](std::string_view text) -> std::string {
        std::optional<float> number =
            parseNumber<float>(text, -HUGE_VALF, HUGE_VALF);
        if (!number || std::isinf(*number))
          return "a number";
        variable = *number;
        return "";
      });
}

/// Numbers separated by commas; returns what was expected.
static std::string parseList(std::string_view text, int32_t low,
                             std::vector<int32_t> &variable) {
  variable.clear();
  while (true) {
    size_t comma = text.find(',');
    std::optional<int32_t> number =
        parseNumber(text.substr(0, comma), low, INT32_MAX);
    if (!number)
      return "numbers from " + std::to_string(low) + ", separated by commas";
    variable.push_back(*number);
    if (comma == text.npos)
      return "";
    text.remove_prefix(comma + 1);
  }
}

void Arguments::list(std::string_view name, std::string_view metavar,
                     std::vector<int32_t> &variable, int32_t low,
                     std::string_view help) {
  add(name, metavar, Value::Required, help,
      [=, &variable](std::string_view text) {
        return parseList(text, low, variable);
      });
}

void Arguments::list(std::string_view name, std::string_view metavar,
                     std::vector<std::vector<int32_t>> &variable, int32_t low,
                     std::string_view help) {
  add(name, metavar, Value::Required, help,
      [=, &variable](std::string_view text) {
        return parseList(text, low, variable.emplace_back());
      });
  options.back().repeats = true;
}

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

const Arguments::Option *Arguments::find(std::string_view name) const {
  for (const Option &option : options)
    for (const std::string &candidate : option.names)
      if (candidate == name)
        return &option;
  return nullptr;
}

int Arguments::unknown(std::string_view name) const {
  std::string valid;
  for (const Option &option : options)
    for (const std::string &candidate : option.names)
      valid.append(valid.empty() ? "" : ", ").append(candidate);
  return error("unknown option '%.*s'; the options are %s (see %s --help)",
               static_cast<int>(name.size()), name.data(), valid.c_str(),
               tool.c_str());
}

std::optional<int> Arguments::parse(int argc, const char *const *argv) {
  std::vector<std::string_view> words;
  std::vector<const Option *> given;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word.size() < 2 || word.front() != '-') {
      words.push_back(word);
      continue;
    }
    size_t equals = word.find('=');
    std::string name(word.substr(0, equals));
    const Option *option = find(name);
    if (!option)
      return unknown(name);
    std::string_view value;
    if (equals != word.npos) {
      if (option->value == Value::None)
        return error("option '%s' takes no value", name.c_str());
      value = word.substr(equals + 1);
    } else if (option->value == Value::Required) {
      if (++i == argc)
        return error("option '%s' needs a value", name.c_str());
      value = argv[i];
    }
    if (option->value != Value::None && !option->repeats &&
        std::find(given.begin(), given.end(), option) != given.end())
      return error("option '%s' is given twice; give it once", name.c_str());
    given.push_back(option);
    std::string expected = option->set(value);
    if (!expected.empty())
      return error("option '%s': expected %s, but got '%.*s'", name.c_str(),
                   expected.c_str(), static_cast<int>(value.size()),
                   value.data());
    if (showHelp) {
      printHelp();
      return 0;
    }
    if (showVersion) {
      printf("%s %s\n", tool.c_str(), version.c_str());
      return 0;
    }
  }
  for (size_t i = 0; i < positionals.size(); ++i) {
    if (i >= words.size() && !positionals[i].required)
      continue;
    if (i >= words.size() || words[i].empty())
      return error("expected %s, %s (see %s --help)",
                   positionals[i].metavar.c_str(), positionals[i].help.c_str(),
                   tool.c_str());
    *positionals[i].variable = words[i];
  }
  if (words.size() > positionals.size()) {
    std::string_view extra = words[positionals.size()];
    return error("unexpected argument '%.*s' (see %s --help)",
                 static_cast<int>(extra.size()), extra.data(), tool.c_str());
  }
  return std::nullopt;
}

void Arguments::printHelp() const {
  printf("%s\n\nusage: %s", overview.c_str(), tool.c_str());
  for (const Positional &positional : positionals)
    printf(" %s", positional.metavar.c_str());
  printf(" [options]\n\n");
  constexpr int column = 28;
  for (const Positional &positional : positionals)
    printf("  %-*s %s\n", column, positional.metavar.c_str(),
           positional.help.c_str());
  for (const Option &option : options) {
    std::string left;
    for (const std::string &name : option.names)
      left.append(left.empty() ? "" : ", ").append(name);
    if (option.value == Value::Optional)
      left += "[=" + option.metavar + "]";
    else if (option.value == Value::Required)
      left += "=" + option.metavar;
    printf("  %-*s %s\n", column, left.c_str(), option.help.c_str());
  }
}
