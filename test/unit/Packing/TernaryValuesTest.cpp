//===- TernaryValuesTest.cpp - Tests of floats that are ternary -----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/TernaryValues.h"

#include "TestCheckpoint.h"

#include "gtest/gtest.h"

#include <cstring>
#include <limits>

using namespace ternac::packing;

namespace {

/// Weights with the same scale in blocks of `rows` x `cols`.
std::vector<float> blocks(int64_t m, int64_t k, int64_t rows, int64_t cols) {
  std::vector<float> values(m * k);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < k; ++j)
      values[i * k + j] = float((i * 7 + j * 5) % 3 - 1) *
                          (1.0f + float(i / rows * 31 + j / cols) / 64.0f);
  return values;
}

struct TernaryValuesTest : testing::Test {
  Source add(const std::string &name, int64_t m, int64_t k,
             const std::vector<float> &values) {
    return checkpoint.addValues(name, Encoding::F32, m, k, values);
  }

  /// The columns that findScaleSpan says, of rows of `cols`; or the error.
  std::string find(std::vector<Source> sources, int64_t cols) {
    Plan plan;
    checkpoint.save(folder, plan);
    plan.entries.push_back(
        makeEntry("w", EntryKind::Trits, std::move(sources)));
    auto span = findScaleSpan(plan, folder.path());
    if (!span)
      return llvm::toString(span.takeError());
    return std::to_string(columnsOf(*span, cols));
  }

  ScratchFolder folder;
  TestCheckpoint checkpoint;
};

constexpr int64_t all = 1 << 20;

TEST_F(TernaryValuesTest, FirstSpanThatFits) {
  const int64_t m = 5, k = 300;
  EXPECT_EQ(find({add("matrix", m, k, blocks(m, k, all, all))}, k), "0");
  EXPECT_EQ(find({add("rows", m, k, blocks(m, k, 2, all))}, k), "300");
  for (int64_t group : {128, 64, 32})
    EXPECT_EQ(
        find({add(std::to_string(group), m, k, blocks(m, k, 1, group))}, k),
        std::to_string(group));
  // Groups of 96 are groups of 32; those of 256 are of 128.
  EXPECT_EQ(find({add("96", m, k, blocks(m, k, 1, 96))}, k), "32");
  EXPECT_EQ(find({add("256", m, k, blocks(m, k, 1, 256))}, k), "128");
}

TEST_F(TernaryValuesTest, AllTensorsDecide) {
  const int64_t m = 3, k = 256;
  Source matrix = add("a", m, k, blocks(m, k, all, all));
  Source groups = add("b", m, k, blocks(m, k, 1, 64));
  Source rows = add("c", m, k, blocks(m, k, 1, all));
  EXPECT_EQ(find({matrix, groups, rows}, k), "64");
  EXPECT_EQ(find({rows, matrix}, k), "256");
}

TEST_F(TernaryValuesTest, ZerosFitAnything) {
  const int64_t m = 4, k = 128;
  std::vector<float> values(m * k, -0.0f);
  EXPECT_EQ(find({add("zeros", m, k, values)}, k), "all of them are 0");
  values[3 * k + 5] = -0.25f;
  EXPECT_EQ(find({add("one", m, k, values)}, k), "0");
  values[k + 7] = 0.5f;
  EXPECT_EQ(find({add("two", m, k, values)}, k), "128");
}

TEST_F(TernaryValuesTest, OtherValues) {
  const int64_t m = 700, k = 1000; // more than is read at a time
  std::vector<float> values = blocks(m, k, all, all);
  values[699 * k + 998] = 0.75f;
  const std::string where = folder.file("model.safetensors");
  std::string message = find({add("late", m, k, values)}, k);
  EXPECT_NE(message.find("tensor 'late': the value at row 699, column 99"),
            std::string::npos)
      << message;
  values = blocks(2, k, all, all);
  values[k + 1] = std::numeric_limits<float>::infinity();
  message = find({add("infinite", 2, k, values)}, k);
  EXPECT_NE(message.find("found infinity at row 1, column 1"),
            std::string::npos)
      << message;
}

/// Scales [G, M] of two stacked sources, and one for each of two matrices.
TEST_F(TernaryValuesTest, WrittenScales) {
  const int64_t k = 300;
  std::vector<float> a = blocks(5, k, 1, 128), b = blocks(3, k, 1, 128);
  for (float &value : b)
    value *= 2;
  Source first = add("a", 5, k, a), second = add("b", 3, k, b);
  Source whole = add("c", 3, k, blocks(3, k, all, all));
  Plan plan;
  checkpoint.save(folder, plan);
  Entry entry = makeEntry("scales", EntryKind::Scales, {first, second});
  entry.scaleSense = ScaleSense::Magnitude;
  entry.group = 128;
  entry.rows = 8;
  append(plan, entry);
  Entry one = makeEntry("one", EntryKind::Scales, {whole, whole});
  one.scaleSense = ScaleSense::Magnitude;
  append(plan, one);
  Entry trits = makeEntry("trits", EntryKind::Trits, {first, second});
  trits.scaleSense = ScaleSense::Magnitude;
  trits.layout = unpacked();
  append(plan, trits);

  std::string message;
  std::vector<uint8_t> bytes = writeToBytes(plan, folder, 2, message);
  ASSERT_EQ(message, "");
  auto floatAt = [&](uint64_t offset, int64_t index) {
    float value;
    std::memcpy(&value, bytes.data() + offset + 4 * index, sizeof(value));
    return value;
  };
  for (int64_t g = 0; g < 3; ++g)
    for (int64_t row = 0; row < 8; ++row) {
      float expected = 1.0f + float(row % 5 * 31 + g) / 64.0f;
      EXPECT_EQ(floatAt(plan.entries[0].offset, g * 8 + row),
                row < 5 ? expected
                        : 2 * (1.0f + float((row - 5) * 31 + g) / 64))
          << g << " " << row;
    }
  EXPECT_EQ(floatAt(plan.entries[1].offset, 0), 1.0f);
  EXPECT_EQ(floatAt(plan.entries[1].offset, 1), 1.0f);
  for (int64_t i = 0; i < 5 * k; ++i)
    ASSERT_EQ(int8_t(bytes[plan.entries[2].offset + i]),
              (a[i] > 0) - (a[i] < 0))
        << i;
}

TEST_F(TernaryValuesTest, ScalesThatAreNone) {
  const int64_t k = 300;
  Source source = add("w", 2, k, blocks(2, k, 1, 32));
  Plan plan;
  checkpoint.save(folder, plan);
  Entry entry = makeEntry("scales", EntryKind::Scales, {source});
  entry.scaleSense = ScaleSense::Magnitude;
  entry.group = 64;
  entry.rows = 2;
  append(plan, entry);
  std::string message;
  writeToBytes(plan, folder, 1, message);
  EXPECT_NE(message.find("tensor 'w': expected weights of one magnitude where "
                         "they share a scale, but found another at row 0, "
                         "column 33"),
            std::string::npos)
      << message;
  plan.entries[0].scaleSense = ScaleSense::Direct;
  writeToBytes(plan, folder, 1, message);
  EXPECT_EQ(message, "weight entry 'scales': expected a group of columns only "
                     "of scales that are magnitudes, but got 64");
}

} // namespace
