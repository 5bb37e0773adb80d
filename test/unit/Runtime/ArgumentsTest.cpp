//===- ArgumentsTest.cpp --------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Support/Arguments.h"
#include "gtest/gtest.h"

using namespace ternac;

namespace {

/// A command line with one option of each kind.
struct CommandLine {
  std::string input, name;
  bool flag = false;
  uint32_t count = 7;
  uint64_t seed = 0;
  float ratio = 0.5f;
  std::vector<int32_t> numbers;
  std::vector<std::vector<int32_t>> rows;
  std::optional<std::string> json;
  std::string errors;

  std::optional<int> parse(std::vector<const char *> words) {
    Arguments arguments("tool", "1.2", "A tool.");
    arguments.positional("INPUT", input, "what to read");
    arguments.option("name", "NAME", name, "a name");
    arguments.flag("flag", flag, "a flag");
    arguments.option("count", "N", count, 1, 9, "a count");
    arguments.alias("c");
    arguments.option("seed", "N", seed, "a seed");
    arguments.option("ratio", "X", ratio, "a ratio");
    arguments.list("numbers", "N,...", numbers, 0, "numbers");
    arguments.list("row", "N,...", rows, 1, "one row");
    arguments.optionalValue("json", "FILE", json, "JSON");
    words.insert(words.begin(), "tool");
    testing::internal::CaptureStderr();
    std::optional<int> status =
        arguments.parse(static_cast<int>(words.size()), words.data());
    errors = testing::internal::GetCapturedStderr();
    return status;
  }
};

TEST(Arguments, BothSpellings) {
  CommandLine line;
  EXPECT_EQ(line.parse({"--name=a=b", "in", "--count", "3", "--flag",
                        "--ratio=1e-1", "--seed=18446744073709551615",
                        "--numbers", "1,0,33", "--json"}),
            std::nullopt);
  EXPECT_EQ(line.input, "in");
  EXPECT_EQ(line.name, "a=b");
  EXPECT_EQ(line.count, 3u);
  EXPECT_TRUE(line.flag);
  EXPECT_EQ(line.ratio, 0.1f);
  EXPECT_EQ(line.seed, UINT64_MAX);
  EXPECT_EQ(line.numbers, (std::vector<int32_t>{1, 0, 33}));
  EXPECT_EQ(line.json, "");
}

TEST(Arguments, ListsGivenSeveralTimes) {
  CommandLine line;
  EXPECT_EQ(line.parse({"in", "--row=1,2", "--flag", "--row", "3", "--flag"}),
            std::nullopt);
  EXPECT_EQ(line.rows, (std::vector<std::vector<int32_t>>{{1, 2}, {3}}));
}

TEST(Arguments, DefaultsAndAliases) {
  CommandLine line;
  EXPECT_EQ(line.parse({"in"}), std::nullopt);
  EXPECT_EQ(line.count, 7u);
  EXPECT_EQ(line.json, std::nullopt);
  EXPECT_EQ(line.parse({"in", "-c", "2", "--json=out.json"}), std::nullopt);
  EXPECT_EQ(line.count, 2u);
  EXPECT_EQ(line.json, "out.json");
}

TEST(Arguments, Errors) {
  struct Case {
    std::vector<const char *> words;
    const char *error;
  };
  const Case cases[] = {
      {{"in", "--nmae=1"},
       "error: unknown option '--nmae'; the options are --help, --version, "
       "--name, --flag, --count, -c, --seed, --ratio, --numbers, --row, --json "
       "(see "
       "tool --help)\n"},
      {{"in", "--count=10"},
       "error: option '--count': expected a number from 1 to 9, but got "
       "'10'\n"},
      {{"in", "--count=2x"},
       "error: option '--count': expected a number from 1 to 9, but got "
       "'2x'\n"},
      {{"in", "--ratio=nan"},
       "error: option '--ratio': expected a number, but got 'nan'\n"},
      {{"in", "--numbers=1,,2"},
       "error: option '--numbers': expected numbers from 0, separated by "
       "commas, but got '1,,2'\n"},
      {{"in", "--numbers=1,2147483648"},
       "error: option '--numbers': expected numbers from 0, separated by "
       "commas, but got '1,2147483648'\n"},
      {{"in", "--row=1", "--row=1,0"},
       "error: option '--row': expected numbers from 1, separated by commas, "
       "but got '1,0'\n"},
      {{"in", "--name="},
       "error: option '--name': expected a value, but got ''\n"},
      {{"in", "--name"}, "error: option '--name' needs a value\n"},
      {{"in", "--name=a", "--name=a"},
       "error: option '--name' is given twice; give it once\n"},
      {{"in", "--count=2", "-c", "3"},
       "error: option '-c' is given twice; give it once\n"},
      {{"in", "--numbers=1,2", "--numbers=3"},
       "error: option '--numbers' is given twice; give it once\n"},
      {{"in", "--json", "--json=file"},
       "error: option '--json' is given twice; give it once\n"},
      {{"in", "--flag=1"}, "error: option '--flag' takes no value\n"},
      {{"in", "out"}, "error: unexpected argument 'out' (see tool --help)\n"},
      {{}, "error: expected INPUT, what to read (see tool --help)\n"},
  };
  for (const Case &test : cases) {
    CommandLine line;
    EXPECT_EQ(line.parse(test.words), 1);
    EXPECT_EQ(line.errors, test.error);
  }
}

TEST(Arguments, HelpAndVersion) {
  CommandLine line;
  testing::internal::CaptureStdout();
  EXPECT_EQ(line.parse({"--version"}), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "tool 1.2\n");
  testing::internal::CaptureStdout();
  EXPECT_EQ(line.parse({"--help"}), 0);
  std::string help = testing::internal::GetCapturedStdout();
  EXPECT_NE(help.find("--count, -c=N"), std::string::npos) << help;
  EXPECT_NE(help.find("--json[=FILE]"), std::string::npos) << help;
}

} // namespace
