//===- PlanTest.cpp - Sizes, names and checks of plans --------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/xxhash.h"
#include "gtest/gtest.h"

#include <fstream>
#include <functional>

using namespace ternac::packing;

namespace {

TEST(PlanTest, NamesOfLayers) {
  Source source;
  source.name = "model.layers.{}.mlp.{}";
  source.firstLayer = 3;
  EXPECT_EQ(source.nameOf(0), "model.layers.3.mlp.{}");
  EXPECT_EQ(source.nameOf(9), "model.layers.12.mlp.{}");
  source.name = "model.norm.weight";
  EXPECT_EQ(source.nameOf(1), "model.norm.weight");
}

TEST(PlanTest, StoredBytes) {
  EXPECT_EQ(rowBytes(Encoding::F32, 1), 4);
  EXPECT_EQ(rowBytes(Encoding::F16, 1), 2);
  EXPECT_EQ(rowBytes(Encoding::BF16, 1), 2);
  EXPECT_EQ(rowBytes(Encoding::PackedRows, 1), 1);
}

TEST(PlanTest, Payloads) {
  Entry entry;
  entry.rows = 3;
  entry.cols = 70;
  entry.kind = EntryKind::Trits;
  entry.layout = tileTwoBit();
  EXPECT_EQ(entry.payloadBytes(), 5u * 64);
  entry.kind = EntryKind::Scales;
  EXPECT_EQ(entry.payloadBytes(), 12u);
  entry.kind = EntryKind::Dense;
  EXPECT_EQ(entry.payloadBytes(), 840u);
  entry.element = Encoding::BF16;
  EXPECT_EQ(entry.payloadBytes(), 420u);
  entry.kind = EntryKind::RowInt8;
  EXPECT_EQ(entry.payloadBytes(), 256u + 12);
  entry.kind = EntryKind::GroupInt4;
  EXPECT_EQ(entry.payloadBytes(), 2u * 576);
  entry.kind = EntryKind::Rope;
  EXPECT_EQ(entry.payloadBytes(), 840u);
}

TEST(PlanTest, TotalIsTheEndOfTheLastEntry) {
  Plan plan;
  EXPECT_EQ(plan.totalBytes(), 0u);
  Entry entry;
  entry.rows = 1;
  entry.cols = 5;
  entry.layers = 3;
  entry.offset = 128;
  entry.layerBytes = 192;
  plan.entries.push_back(entry);
  EXPECT_EQ(plan.totalBytes(), 128u + 2 * 192 + 64);
}

//===----------------------------------------------------------------------===//
// Fingerprints
//===----------------------------------------------------------------------===//

class FingerprintTest : public testing::Test {
protected:
  uint64_t fingerprint(const std::string &contents) {
    const std::string path = folder.file("f");
    std::ofstream(path, std::ios::binary) << contents;
    return llvm::cantFail(fingerprintFile(path));
  }
  ScratchFolder folder;
};

/// The definition, for a file held in memory.
uint64_t fingerprintOf(llvm::StringRef contents) {
  char size[8];
  llvm::support::endian::write64le(size, contents.size());
  std::string hashed(size, 8);
  hashed += contents.take_front(65536);
  size_t last = contents.size() - std::min<size_t>(contents.size(), 4096);
  for (size_t i = 0; i < 256; ++i)
    hashed += contents.substr(last * i / 255, 4096);
  return llvm::xxh3_64bits(hashed);
}

TEST_F(FingerprintTest, OfEverySize) {
  std::mt19937 random(1);
  for (size_t size : {0, 1, 4095, 4096, 4097, 65536, 65537, 3000001}) {
    std::string contents(size, 0);
    for (char &byte : contents)
      byte = static_cast<char>(random());
    EXPECT_EQ(fingerprint(contents), fingerprintOf(contents)) << size;
  }
}

TEST_F(FingerprintTest, SeesSizeHeadAndEnd) {
  const std::string contents(1 << 20, 'a');
  const uint64_t original = fingerprint(contents);
  EXPECT_EQ(fingerprint(contents), original);
  EXPECT_NE(fingerprint(contents + 'a'), original);
  for (size_t at : {size_t(0), size_t(65535), contents.size() - 1}) {
    std::string changed = contents;
    changed[at] = 'b';
    EXPECT_NE(fingerprint(changed), original) << at;
  }
}

TEST_F(FingerprintTest, OfNoFile) {
  const std::string path = folder.file("absent");
  EXPECT_EQ(llvm::toString(fingerprintFile(path).takeError()),
            path + ": cannot be opened: No such file or directory");
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

class CheckPlanTest : public testing::Test {
protected:
  CheckPlanTest() {
    Source packed = checkpoint.add("p", Encoding::PackedRows, 8, 10, 2);
    Source scale = checkpoint.add("s", Encoding::F32, 1, 1, 2);
    append(plan, makeEntry("trits", EntryKind::Trits, {packed, packed}, 2));
    append(plan, makeEntry("scales", EntryKind::Scales, {scale, scale}, 2));
    Entry rope = makeEntry("rope", EntryKind::Rope, {});
    rope.rows = 10;
    rope.cols = 64;
    append(plan, rope);
    checkpoint.save(folder, plan);
  }

  void expectMessage(const std::string &wanted,
                     const std::function<void(Plan &)> &change) {
    Plan changed = plan;
    change(changed);
    EXPECT_EQ(llvm::toString(checkPlan(changed)), wanted);
    EXPECT_EQ(messageOf(changed, folder), wanted);
  }

  ScratchFolder folder;
  TestCheckpoint checkpoint;
  Plan plan;
};

TEST_F(CheckPlanTest, AcceptsGoodPlans) {
  expectMessage("", [](Plan &) {});
}

TEST_F(CheckPlanTest, Shapes) {
  expectMessage("weight entry 'trits': expected 1 to 16384 layers, but got 0",
                [](Plan &p) { p.entries[0].layers = 0; });
  expectMessage("weight entry 'trits': expected a shape between 1 x 1 and "
                "281474976710656 elements, but got 0 x 10",
                [](Plan &p) { p.entries[0].rows = 0; });
  expectMessage("weight entry 'trits': in 'p', expected a shape between 1 x 1 "
                "and 281474976710656 elements, but got 8 x -1",
                [](Plan &p) { p.entries[0].sources[1].cols = -1; });
  expectMessage("weight entry 'trits': expected a shape between 1 x 1 and "
                "281474976710656 elements, but got 4294967296 x 65537",
                [](Plan &p) {
                  p.entries[0].rows = int64_t(1) << 32;
                  p.entries[0].cols = 65537;
                });
  expectMessage("weight entry 'trits': in 'p', expected a multiple of 4 rows, "
                "but got 7",
                [](Plan &p) { p.entries[0].sources[0].rows = 7; });
  expectMessage(
      "weight entry 'trits': in 'p', expected a multiple of 256 "
      "columns, but got 10",
      [](Plan &p) { p.entries[0].sources[0].encoding = Encoding::TQ2_0; });
  for (int64_t head : {-2, 3, 6})
    expectMessage("weight entry 'trits': in 'p', expected interleaved heads of "
                  "an even number of rows that divides 8, but got " +
                      std::to_string(head),
                  [&](Plan &p) { p.entries[0].sources[0].interleaved = head; });
  expectMessage("weight entry 'trits': expected columns of 'p' to be 11, but "
                "got 10",
                [](Plan &p) { p.entries[0].cols = 11; });
  expectMessage("weight entry 'trits': expected rows to be 16, but got 17",
                [](Plan &p) { p.entries[0].rows = 17; });
  expectMessage("weight entry 'scales': expected rows to be 2, but got 3",
                [](Plan &p) { p.entries[1].rows = 3; });
  expectMessage("weight entry 'scales': expected one value in 's', but got 2 x "
                "1",
                [](Plan &p) { p.entries[1].sources[0].rows = 2; });
  expectMessage("weight entry 'rope': expected an even head size, but got 63",
                [](Plan &p) { p.entries[2].cols = 63; });
}

TEST_F(CheckPlanTest, Kinds) {
  expectMessage("weight entry 'trits': in its layout, expected rows between 1 "
                "and 4096, but got 0",
                [](Plan &p) { p.entries[0].layout.rows = 0; });
  expectMessage("weight entry 'trits': expected a floating-point element type",
                [](Plan &p) {
                  p.entries[0].kind = EntryKind::Dense;
                  p.entries[0].element = Encoding::PackedRows;
                });
  expectMessage(
      "weight entry 'scales': expected floating-point values in 'p', but got "
      "packed ternary ones",
      [](Plan &p) { p.entries[1].sources = p.entries[0].sources; });
  expectMessage("weight entry 'scales': expected scales in the sense 'direct' "
                "or 'magnitude', since they lie in 'p'",
                [](Plan &p) {
                  p.entries[1].sources = p.entries[0].sources;
                  p.entries[1].sources[0].encoding = Encoding::I2SRows;
                  p.entries[1].scaleSense = ScaleSense::Reciprocal;
                });
  expectMessage("weight entry 'trits': expected numbers in 'p', but got trits "
                "with scales",
                [](Plan &p) {
                  p.entries[0].kind = EntryKind::Dense;
                  p.entries[0].sources[0].encoding = Encoding::I2SRows;
                });
  expectMessage("weight entry 'trits': expected 'p' to be stored without "
                "blocks, since the weights are synthetic",
                [](Plan &p) {
                  p.syntheticSeed = 1;
                  p.entries[0].sources[0].encoding = Encoding::I2SRows;
                });
  expectMessage(
      "weight entry 'rope': expected a positive finite theta, but got "
      "-1",
      [](Plan &p) { p.entries[2].rope.theta = -1; });
  expectMessage("weight entry 'rope': expected sources to be 0, but got 2",
                [](Plan &p) { p.entries[2].sources = p.entries[1].sources; });
}

TEST_F(CheckPlanTest, Places) {
  expectMessage("weight entry 'trits': expected count of files and offsets of "
                "'p' 2, but got 1",
                [](Plan &p) { p.entries[0].sources[0].files.pop_back(); });
  expectMessage("weight entry 'trits': expected count of files and offsets of "
                "'p' 2, but got 3",
                [](Plan &p) { p.entries[0].sources[1].offsets.push_back(0); });
  expectMessage("weight entry 'trits': expected file of 'p' below 1 and at "
                "least 0, but got 1",
                [](Plan &p) { p.entries[0].sources[0].files[1] = 1; });
  expectMessage("weight entry 'trits': expected offset of 'p' of at least 0, "
                "but got -1",
                [](Plan &p) { p.entries[0].sources[0].offsets[0] = -1; });
  expectMessage("weight entry 'trits': expected offset and layer distance to "
                "be multiples of 64 and sane, but got 100",
                [](Plan &p) { p.entries[0].offset = 100; });
  expectMessage("weight entry 'trits': expected layer distance of at least "
                "1024, but got 64",
                [](Plan &p) { p.entries[0].layerBytes = 64; });
  expectMessage("weight entry 'scales': expected offset of at least 2240, but "
                "got 64",
                [](Plan &p) { p.entries[1].offset = 64; });
}

TEST_F(CheckPlanTest, SyntheticSourcesLieNowhere) {
  expectMessage("weight entry 'trits': expected count of files and offsets of "
                "'p' 0, but got 2",
                [](Plan &p) { p.syntheticSeed = 1; });
  expectMessage("", [](Plan &p) {
    p.syntheticSeed = 1;
    p.files.clear();
    for (Entry &entry : p.entries)
      for (Source &source : entry.sources) {
        source.files.clear();
        source.offsets.clear();
      }
  });
}

} // namespace
