//===- FactsTest.cpp ------------------------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Runtime/Facts.h"
#include "gtest/gtest.h"

using namespace ternac::runtime;

namespace {

TEST(Facts, FindsNumbers) {
  const char *json = R"({"a": "}\"{", "b": [1, {"c": 2}], "c" : {"d": "x",
                         "e": {"f": -3.5e1}}, "g": 7})";
  EXPECT_EQ(findNumber(json, {"g"}), 7);
  EXPECT_EQ(findNumber(json, {"c", "e", "f"}), -35);
  EXPECT_EQ(findNumber(json, {"a"}), std::nullopt);
  EXPECT_EQ(findNumber(json, {"b", "c"}), std::nullopt);
  EXPECT_EQ(findNumber(json, {"d"}), std::nullopt);
  EXPECT_EQ(findNumber("", {"a"}), std::nullopt);
}

} // namespace
