//===- SyntheticTest.cpp - Weights made from a seed -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace ternac::packing;

namespace {

class SyntheticTest : public testing::Test {
protected:
  SyntheticTest() { plan.syntheticSeed = 42; }

  Source source(const std::string &name, Encoding encoding, int64_t rows,
                int64_t cols) {
    Source result;
    result.name = name;
    result.encoding = encoding;
    result.rows = rows;
    result.cols = cols;
    return result;
  }

  std::vector<uint8_t> write(unsigned threads = 2) {
    std::string message;
    std::vector<uint8_t> bytes = writeToBytes(plan, folder, threads, message);
    EXPECT_EQ(message, "");
    return bytes;
  }

  /// The elements of one layer of the entry at `index`.
  template <typename T>
  std::vector<T> elements(const std::vector<uint8_t> &bytes, size_t index,
                          int64_t layer = 0) {
    const Entry &entry = plan.entries[index];
    std::vector<T> result(
        entry.kind == EntryKind::Scales ? entry.rows : entry.rows * entry.cols);
    std::memcpy(result.data(),
                bytes.data() + entry.offset + layer * entry.layerBytes,
                result.size() * sizeof(T));
    return result;
  }

  void addTrits(std::vector<Source> sources, int64_t layers = 1) {
    Entry entry = makeEntry("t", EntryKind::Trits, std::move(sources), layers);
    entry.layout = unpacked();
    append(plan, entry);
  }

  ScratchFolder folder;
  Plan plan;
};

double mean(const std::vector<float> &values) {
  double sum = 0;
  for (float value : values)
    sum += value;
  return sum / double(values.size());
}

double deviation(const std::vector<float> &values) {
  double sum = 0, center = mean(values);
  for (float value : values)
    sum += (value - center) * (value - center);
  return std::sqrt(sum / double(values.size()));
}

TEST_F(SyntheticTest, ThreadsAgree) {
  addTrits({source("{}.p", Encoding::PackedRows, 800, 1001),
            source("{}.m", Encoding::BF16, 333, 1001)},
           2);
  append(plan, makeEntry("i", EntryKind::RowInt8,
                         {source("e", Encoding::BF16, 900, 700)}));
  EXPECT_EQ(write(1), write(3));
}

TEST_F(SyntheticTest, SeedsNamesLayersAndRowsDiffer) {
  addTrits({source("{}.p", Encoding::PackedRows, 4, 200)}, 2);
  addTrits({source("{}.q", Encoding::PackedRows, 4, 200)}, 2);
  std::vector<uint8_t> bytes = write();
  std::vector<std::vector<int8_t>> rows;
  for (size_t entry : {0, 1})
    for (int64_t layer : {0, 1}) {
      auto trits = elements<int8_t>(bytes, entry, layer);
      for (int64_t row = 0; row < 4; ++row)
        rows.emplace_back(trits.begin() + row * 200,
                          trits.begin() + (row + 1) * 200);
    }
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(std::adjacent_find(rows.begin(), rows.end()), rows.end());
  plan.syntheticSeed = 43;
  EXPECT_NE(write(), bytes);
}

/// A tensor does not depend on where in a stack it lies.
TEST_F(SyntheticTest, RowsAreWhereTheyAre) {
  Source a = source("a", Encoding::PackedRows, 1200, 999);
  Source b = source("b", Encoding::PackedRows, 800, 999);
  addTrits({a, b});
  addTrits({b});
  std::vector<uint8_t> bytes = write();
  auto stacked = elements<int8_t>(bytes, 0);
  EXPECT_TRUE(std::equal(stacked.begin() + 1200 * 999, stacked.end(),
                         elements<int8_t>(bytes, 1).begin()));
}

TEST_F(SyntheticTest, TritsInThirds) {
  addTrits({source("p", Encoding::PackedRows, 1000, 777)});
  int64_t counts[3] = {};
  for (int8_t trit : elements<int8_t>(write(), 0))
    ++counts[trit + 1];
  for (int64_t count : counts)
    EXPECT_NEAR(double(count) / 777000, 1.0 / 3, 0.01);
}

TEST_F(SyntheticTest, MasterWeightsQuantiseToAThirdOfZeros) {
  Source master = source("m", Encoding::BF16, 500, 640);
  addTrits({master});
  Entry scale = makeEntry("s", EntryKind::Scales, {master});
  scale.scaleSense = ScaleSense::Absmean;
  append(plan, scale);
  std::vector<uint8_t> bytes = write();
  auto trits = elements<int8_t>(bytes, 0);
  double zeros = double(std::count(trits.begin(), trits.end(), 0));
  EXPECT_NEAR(zeros / double(trits.size()), 0.31, 0.02);
  EXPECT_NEAR(elements<float>(bytes, 1)[0], 0.8 / std::sqrt(640), 0.002);
}

TEST_F(SyntheticTest, DenseAndNorms) {
  for (const char *name : {"embed_tokens", "input_layernorm", "inner_attn_ln"})
    append(plan, makeEntry(name, EntryKind::Dense,
                           {source(name, Encoding::F32, 300, 400)}));
  std::vector<uint8_t> bytes = write();
  auto dense = elements<float>(bytes, 0);
  EXPECT_NEAR(mean(dense), 0.0, 0.001);
  EXPECT_NEAR(deviation(dense), 1.0 / std::sqrt(400), 0.001);
  for (size_t norm : {1, 2}) {
    auto values = elements<float>(bytes, norm);
    EXPECT_NEAR(mean(values), 1.0, 0.01);
    EXPECT_NEAR(deviation(values), 0.1, 0.01);
    EXPECT_GT(*std::min_element(values.begin(), values.end()), 0.5f);
  }
}

TEST_F(SyntheticTest, ScalesSuitTheirMatrix) {
  addTrits({source("{}.up.weight", Encoding::PackedRows, 4, 640)}, 2);
  addTrits({source("{}.down.weight", Encoding::PackedRows, 4, 2560)}, 2);
  append(plan, makeEntry("s", EntryKind::Scales,
                         {source("{}.up.weight_scale", Encoding::BF16, 1, 1),
                          source("{}.down.weight_scale", Encoding::BF16, 1, 1)},
                         2));
  std::vector<uint8_t> bytes = write();
  auto first = elements<float>(bytes, 2, 0),
       second = elements<float>(bytes, 2, 1);
  for (const auto &factors : {first, second}) {
    EXPECT_NEAR(factors[0] * std::sqrt(640 * 2 / 3.0), 1.0, 0.2);
    EXPECT_NEAR(factors[1] * std::sqrt(2560 * 2 / 3.0), 1.0, 0.2);
  }
  EXPECT_NE(first, second);
  // What is made is the factor, in whichever sense it would be stored.
  plan.entries[2].scaleSense = ScaleSense::Reciprocal;
  EXPECT_EQ(write(), bytes);
}

/// A tensor that claims to be bf16 has values that bf16 can hold.
TEST_F(SyntheticTest, EncodingsRound) {
  for (Encoding encoding : {Encoding::F32, Encoding::BF16, Encoding::F16})
    append(plan,
           makeEntry("e", EntryKind::Dense, {source("e", encoding, 30, 40)}));
  std::vector<uint8_t> bytes = write();
  auto exact = elements<float>(bytes, 0);
  for (size_t entry : {1, 2}) {
    Encoding encoding = plan.entries[entry].sources[0].encoding;
    for (float &value : exact)
      ASSERT_EQ(elements<float>(bytes, entry)[&value - exact.data()],
                valueOf(encoding, bitsOf(encoding, value)));
  }
}

/// Bytes that must never change, on any host: models are compared by them.
TEST_F(SyntheticTest, KnownValues) {
  addTrits({source("p", Encoding::PackedRows, 4, 12)});
  append(plan,
         makeEntry("e", EntryKind::Dense, {source("e", Encoding::BF16, 1, 4)}));
  plan.entries[1].element = Encoding::BF16;
  std::vector<uint8_t> bytes = write();
  auto trits = elements<int8_t>(bytes, 0);
  std::string text;
  for (int8_t trit : trits)
    text += "-0+"[trit + 1];
  EXPECT_EQ(text, "-+00-00-0--+----0---0-+++---00-0+0+-0++--+000++-");
  EXPECT_EQ(elements<uint16_t>(bytes, 1),
            (std::vector<uint16_t>{0x3ee0, 0xbe57, 0xbf17, 0x3f01}));
}

} // namespace
