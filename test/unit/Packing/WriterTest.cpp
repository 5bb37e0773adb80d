//===- WriterTest.cpp - The packer against a naive one --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "llvm/Support/Error.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <unistd.h>

using namespace ternac::packing;

namespace {

class WriterTest : public testing::Test {
protected:
  /// Packs with one thread and with three, and expects the naive bytes.
  void check() {
    checkpoint.save(folder, plan);
    const std::vector<uint8_t> wanted = checkpoint.packNaively(plan);
    for (unsigned threads : {1u, 3u}) {
      std::string message;
      std::vector<uint8_t> got =
          writeToBytes(plan, folder, threads, message, 4096 + 32);
      ASSERT_EQ(message, "");
      ASSERT_EQ(got.size(), wanted.size());
      for (const Entry &entry : plan.entries)
        for (uint64_t i = 0; i < entry.layers * entry.layerBytes &&
                             entry.offset + i < wanted.size();
             ++i)
          ASSERT_EQ(got[entry.offset + i], wanted[entry.offset + i])
              << entry.name << ", byte " << i << ", " << threads << " threads";
      EXPECT_EQ(got, wanted);
    }
  }

  ScratchFolder folder;
  TestCheckpoint checkpoint;
  Plan plan;
};

constexpr Encoding floatEncodings[] = {Encoding::F32, Encoding::F16,
                                       Encoding::BF16};
constexpr Encoding allEncodings[] = {Encoding::F32, Encoding::F16,
                                     Encoding::BF16, Encoding::PackedRows};

std::string tag(Encoding encoding) {
  return std::to_string(static_cast<int>(encoding));
}

TEST_F(WriterTest, EmptyPlan) { check(); }

TEST_F(WriterTest, TritsOfEveryEncodingAndLayout) {
  for (const Layout &layout :
       {unpacked(), rowTwoBit(), tileTwoBit(), tileBase3(2)})
    for (Encoding encoding : allEncodings) {
      std::string name = "l.{}." + layout.name() + tag(encoding);
      Entry entry = makeEntry(name, EntryKind::Trits,
                              {checkpoint.add(name, encoding, 36, 75, 3)}, 3);
      entry.layout = layout;
      append(plan, entry);
    }
  check();
}

/// The boundaries between sources lie within tiles.
TEST_F(WriterTest, StackedTrits) {
  Entry entry =
      makeEntry("qkv", EntryKind::Trits,
                {checkpoint.add("{}.q", Encoding::PackedRows, 20, 41, 2),
                 checkpoint.add("{}.k", Encoding::BF16, 7, 41, 2),
                 checkpoint.add("{}.v", Encoding::PackedRows, 4, 41, 2),
                 checkpoint.add("{}.w", Encoding::F32, 1, 41, 2)},
                2);
  entry.layout = tileBase3(1);
  append(plan, entry);
  check();
}

/// Each entry is several jobs; rows of one job lie in several sources and, for
/// packed rows, in several quarters.
TEST_F(WriterTest, EntriesOfManyJobs) {
  const int64_t cols = 1000;
  Source packed = checkpoint.add("p", Encoding::PackedRows, 404, cols);
  Source master = checkpoint.add("m", Encoding::BF16, 333, cols);
  Entry trits = makeEntry("trits", EntryKind::Trits, {packed, master, packed});
  trits.layout = tileTwoBit();
  append(plan, trits);
  append(plan, makeEntry("dense", EntryKind::Dense, {master, packed}));
  append(plan, makeEntry("int8", EntryKind::RowInt8, {master, packed}));
  Entry rope = makeEntry("rope", EntryKind::Rope, {});
  rope.rows = 5000;
  rope.cols = 128;
  append(plan, rope);
  check();
}

TEST_F(WriterTest, ScalesOfEverySenseAndEncoding) {
  for (Encoding encoding : floatEncodings) {
    std::string name = "{}." + tag(encoding);
    Source scale = checkpoint.add(name + "s", encoding, 1, 1, 3);
    Source matrix = checkpoint.add(name + "m", encoding, 9, 33, 3);
    Entry entry = makeEntry(name + "d", EntryKind::Scales, {scale, scale}, 3);
    append(plan, entry);
    entry.scaleSense = ScaleSense::Reciprocal;
    append(plan, entry);
    entry = makeEntry(name + "a", EntryKind::Scales, {matrix, matrix}, 3);
    entry.scaleSense = ScaleSense::Absmean;
    append(plan, entry);
  }
  check();
}

TEST_F(WriterTest, AbsmeanOfZerosAndTies) {
  // The mean is 1 and the multiplier 1: every value that a tie could take.
  std::vector<float> ties = {0.5f, -0.5f, 1.5f, -1.5f, 0.0f, 2.5f, -0.5f, 1.0f};
  std::vector<float> zeros(8, 0.0f);
  for (auto &[name, values] : {std::pair("ties", ties), {"zeros", zeros}}) {
    Source source = checkpoint.addValues(name, Encoding::F32, 2, 4, values);
    Entry trits = makeEntry(name, EntryKind::Trits, {source});
    trits.layout = unpacked();
    append(plan, trits);
    Entry scale = makeEntry(name, EntryKind::Scales, {source});
    scale.scaleSense = ScaleSense::Absmean;
    append(plan, scale);
  }
  check();
  std::string message;
  std::vector<uint8_t> bytes = writeToBytes(plan, folder, 1, message);
  std::vector<int8_t> trits(8);
  std::memcpy(trits.data(), bytes.data() + plan.entries[0].offset, 8);
  EXPECT_EQ(trits, (std::vector<int8_t>{0, 0, 1, -1, 0, 1, 0, 1}));
  float factor;
  std::memcpy(&factor, bytes.data() + plan.entries[3].offset, sizeof(factor));
  EXPECT_EQ(factor, 1.0f / (1.0f / 1e-5f));
}

TEST_F(WriterTest, DenseOfEveryPairOfEncodings) {
  for (Encoding from : allEncodings)
    for (Encoding to : floatEncodings) {
      std::string name = "{}." + tag(from) + tag(to);
      Entry entry = makeEntry(name, EntryKind::Dense,
                              {checkpoint.add(name, from, 8, 19, 2)}, 2);
      entry.element = to;
      append(plan, entry);
    }
  Entry stacked = makeEntry("stacked", EntryKind::Dense,
                            {checkpoint.add("a", Encoding::F32, 3, 19),
                             checkpoint.add("b", Encoding::F16, 2, 19),
                             checkpoint.add("c", Encoding::BF16, 4, 19)});
  stacked.element = Encoding::F16;
  append(plan, stacked);
  check();
}

/// All numbers of the two short encodings widen exactly.
TEST_F(WriterTest, EveryShortFloat) {
  for (Encoding encoding : {Encoding::F16, Encoding::BF16}) {
    std::vector<float> values;
    for (uint32_t bits = 0; bits < 0x10000; ++bits)
      if (float value = valueOf(encoding, bits); std::isfinite(value))
        values.push_back(value);
    append(plan, makeEntry(tag(encoding), EntryKind::Dense,
                           {checkpoint.addValues(tag(encoding), encoding, 1,
                                                 values.size(), values)}));
  }
  check();
}

/// Around every boundary and tie of the short encodings.
TEST_F(WriterTest, RoundingToShortFloats) {
  for (Encoding encoding : {Encoding::F16, Encoding::BF16}) {
    std::vector<float> values;
    for (uint32_t bits = 0; bits + 1 < 0x10000; ++bits) {
      float low = valueOf(encoding, bits), high = valueOf(encoding, bits + 1);
      if (!std::isfinite(low) || !std::isfinite(high))
        continue;
      float tie = static_cast<float>((double(low) + double(high)) / 2);
      values.insert(values.end(),
                    {tie, std::nextafter(tie, low), std::nextafter(tie, high)});
    }
    values.insert(values.end(), {65504.0f, 65519.996f, 1e-45f, -0.0f});
    Entry entry = makeEntry(tag(encoding), EntryKind::Dense,
                            {checkpoint.addValues(tag(encoding), Encoding::F32,
                                                  1, values.size(), values)});
    entry.element = encoding;
    append(plan, entry);
  }
  check();
}

TEST_F(WriterTest, RowInt8OfEveryEncoding) {
  for (Encoding encoding : allEncodings) {
    std::string name = "{}." + tag(encoding);
    append(plan, makeEntry(name, EntryKind::RowInt8,
                           {checkpoint.add(name, encoding, 12, 37, 2)}, 2));
  }
  // Ties, a row of zeros and numbers near the ends of the range.
  append(plan,
         makeEntry("special", EntryKind::RowInt8,
                   {checkpoint.addValues("special", Encoding::F32, 5, 4,
                                         {254,    1,       3,       -5,     //
                                          0,      -0.0f,   0,       0,      //
                                          1e-45f, -1e-45f, 0,       1e-45f, //
                                          3e38f,  -3e38f,  1.5e38f, 1,      //
                                          -127,   0.5f,    1.5f,    -2.5f})}));
  check();
}

TEST_F(WriterTest, GroupInt4OfEveryEncoding) {
  for (Encoding encoding : allEncodings) {
    std::string name = "{}." + tag(encoding);
    append(plan, makeEntry(name, EntryKind::GroupInt4,
                           {checkpoint.add(name, encoding, 20, 101, 2)}, 2));
  }
  // Ties, a group of zeros, equals of both signs, and numbers near the ends of
  // the range.
  append(plan,
         makeEntry("special", EntryKind::GroupInt4,
                   {checkpoint.addValues("special", Encoding::F32, 6, 4,
                                         {-8,     0.5f,    1.5f,    7.5f,   //
                                          0,      -0.0f,   0,       0,      //
                                          1e-45f, -1e-45f, 0,       1e-45f, //
                                          3e38f,  -3e38f,  1.5e38f, 1,      //
                                          -16,    16,      15,      -1,     //
                                          16,     -16,     -15,     1})}));
  check();
}

/// Jobs begin at whole tiles, whatever the columns.
TEST_F(WriterTest, GroupInt4OfManyJobs) {
  for (int64_t cols : {1, 31, 64, 65, 20000}) {
    std::string name = "m" + std::to_string(cols);
    append(plan,
           makeEntry(name, EntryKind::GroupInt4,
                     {checkpoint.add(name + "a", Encoding::BF16, 45, cols),
                      checkpoint.add(name + "b", Encoding::F32, 7, cols)}));
  }
  check();
}

TEST_F(WriterTest, Rope) {
  for (double theta : {10000.0, 500000.0}) {
    Entry entry = makeEntry("rope", EntryKind::Rope, {});
    entry.rows = 100;
    entry.cols = 64;
    entry.rope.theta = theta;
    append(plan, entry);
  }
  check();
}

/// A file that is larger already keeps its size and what lies around.
TEST_F(WriterTest, LeavesTheRestAlone) {
  append(plan, makeEntry("d", EntryKind::Dense,
                         {checkpoint.add("d", Encoding::F32, 3, 5)}));
  checkpoint.save(folder, plan);
  const std::vector<uint8_t> before(4096, 0xab);
  int fd = ::open(folder.file("out").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::write(fd, before.data(), before.size()), 4096);
  PackOptions options;
  options.root = folder.path();
  EXPECT_EQ(llvm::toString(writePlan(plan, fd, 1000, options)), "");
  EXPECT_EQ(::lseek(fd, 0, SEEK_END), 4096);
  std::vector<uint8_t> after(4096), wanted = before;
  EXPECT_EQ(::pread(fd, after.data(), after.size(), 0), 4096);
  ::close(fd);
  std::vector<uint8_t> naive = checkpoint.packNaively(plan);
  const uint64_t offset = plan.entries[0].offset;
  std::copy_n(naive.begin() + offset, 60, wanted.begin() + 1000 + offset);
  EXPECT_EQ(after, wanted);
}

TEST_F(WriterTest, ProgressAddsUp) {
  append(plan, makeEntry("i", EntryKind::RowInt8,
                         {checkpoint.add("i", Encoding::F32, 999, 1001)}));
  append(plan, makeEntry("d", EntryKind::Dense,
                         {checkpoint.add("{}.d", Encoding::F32, 3, 5, 4)}, 4));
  checkpoint.save(folder, plan);
  int fd = ::open(folder.file("out").c_str(), O_RDWR | O_CREAT, 0600);
  std::vector<uint64_t> calls;
  const uint64_t wanted =
      plan.entries[0].payloadBytes() + 4 * plan.entries[1].payloadBytes();
  PackOptions options;
  options.root = folder.path();
  options.threads = 3;
  options.progress = [&](uint64_t done, uint64_t all) {
    EXPECT_EQ(all, wanted);
    calls.push_back(done);
  };
  EXPECT_EQ(llvm::toString(writePlan(plan, fd, 0, options)), "");
  ::close(fd);
  EXPECT_EQ(calls.front(), 0u);
  EXPECT_EQ(calls.back(), wanted);
  EXPECT_TRUE(std::is_sorted(calls.begin(), calls.end()));
}

} // namespace
