//===- ErrorsTest.cpp - What the packer refuses, and how it says so -------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "llvm/Support/Error.h"
#include "gtest/gtest.h"

#include <cmath>
#include <fcntl.h>
#include <fstream>
#include <limits>
#include <unistd.h>

using namespace ternac::packing;

namespace {

class ErrorsTest : public testing::Test {
protected:
  Entry trits(const std::string &name, const Source &source) {
    Entry entry = makeEntry(name, EntryKind::Trits, {source});
    entry.layout = unpacked();
    return entry;
  }

  /// The message of packing the one entry, less the path of the folder.
  std::string messageOfEntry(const Entry &entry) {
    plan.entries.clear();
    append(plan, entry);
    checkpoint.save(folder, plan);
    return relative(messageOf(plan, folder));
  }

  std::string relative(std::string message) {
    if (size_t at = message.find(folder.path() + "/"); at != std::string::npos)
      message.erase(at, folder.path().size() + 1);
    return message;
  }

  ScratchFolder folder;
  TestCheckpoint checkpoint;
  Plan plan;
};

TEST_F(ErrorsTest, MissingFile) {
  plan.files = {{"absent.safetensors", 10, 0}};
  EXPECT_EQ(relative(messageOf(plan, folder)),
            "absent.safetensors: cannot be opened: No such file or directory");
}

TEST_F(ErrorsTest, FolderInPlaceOfFile) {
  plan.files = {{".", 10, 0}};
  EXPECT_EQ(relative(messageOf(plan, folder)), ".: expected a regular file");
}

TEST_F(ErrorsTest, OtherFile) {
  checkpoint.add("d", Encoding::F32, 30, 50);
  checkpoint.save(folder, plan);
  Plan other = plan;
  other.files[0].size = 17;
  EXPECT_EQ(relative(messageOf(other, folder)),
            "weights.bin: is not the file that the plan was made from: "
            "expected 17 bytes, but got 6003");
  other = plan;
  other.files[0].fingerprint ^= 1;
  EXPECT_NE(messageOf(other, folder)
                .find("weights.bin: is not the file that the plan was made "
                      "from: expected fingerprint 0x"),
            std::string::npos);
}

TEST_F(ErrorsTest, TooLargeForTheElement) {
  Entry entry = makeEntry("d", EntryKind::Dense,
                          {checkpoint.addValues("d", Encoding::F32, 2, 2,
                                                {1, 65519.996f, 65520, 1})});
  entry.element = Encoding::F16;
  EXPECT_EQ(messageOfEntry(entry),
            "weights.bin: tensor 'd': expected weights that f16 can hold, but "
            "found one that is too large at row 1, column 0");
  entry.element = Encoding::BF16;
  EXPECT_EQ(messageOfEntry(entry), "");
}

TEST_F(ErrorsTest, AbsolutePathsIgnoreTheRoot) {
  append(plan, makeEntry("d", EntryKind::Dense,
                         {checkpoint.add("d", Encoding::F32, 3, 5)}));
  checkpoint.save(folder, plan);
  plan.files[0].path = folder.file("weights.bin");
  EXPECT_EQ(messageOf(plan, folder), "");
}

TEST_F(ErrorsTest, ReadBeyondTheEnd) {
  Source source = checkpoint.add("model.norm", Encoding::F32, 3, 5);
  source.offsets[0] = 8;
  EXPECT_EQ(messageOfEntry(makeEntry("d", EntryKind::Dense, {source})),
            "weights.bin: tensor 'model.norm': expected 60 bytes at offset 8, "
            "but the file ends at 63");
  source.offsets[0] = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(messageOfEntry(makeEntry("d", EntryKind::Dense, {source})),
            "weights.bin: tensor 'model.norm': expected 60 bytes at offset "
            "9223372036854775807, but the file ends at 63");
}

/// Of the 256 bytes of packed rows the 81 without code 3 are accepted, and of
/// the others the first place of the code in row order is named.
TEST_F(ErrorsTest, EveryPackedByte) {
  for (int byte = 0; byte < 256; ++byte) {
    TestCheckpoint one;
    Plan onePlan;
    std::vector<uint8_t> stored(15, 0x55);
    stored[7] = static_cast<uint8_t>(byte); // Row 1 of 3, column 2 of 5.
    append(onePlan,
           trits("t", one.addBytes("up_proj.weight", Encoding::PackedRows, 12,
                                   5, stored)));
    one.save(folder, onePlan);
    std::string wanted;
    for (int field = 3; field >= 0; --field)
      if ((byte >> 2 * field & 3) == 3)
        wanted = "weights.bin: tensor 'up_proj.weight': expected ternary codes "
                 "0, 1, 2, but found code 3 at row " +
                 std::to_string(1 + 3 * field) + ", column 2";
    EXPECT_EQ(relative(messageOf(onePlan, folder)), wanted) << byte;
  }
}

TEST_F(ErrorsTest, LayersAreNamed) {
  Source source = checkpoint.add("layers.{}.w", Encoding::PackedRows, 4, 3, 2);
  Source bad =
      checkpoint.addBytes("bad", Encoding::PackedRows, 4, 3, {0x55, 0, 0xc0});
  source.offsets[1] = bad.offsets[0];
  Entry entry = trits("w", source);
  entry.layers = 2;
  EXPECT_EQ(messageOfEntry(entry),
            "weights.bin: tensor 'layers.6.w': expected ternary codes 0, 1, 2, "
            "but found code 3 at row 3, column 2");
}

TEST_F(ErrorsTest, Scales) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::string start = "weights.bin: tensor 's': expected a positive, "
                            "finite scale, but found ";
  for (ScaleSense sense : {ScaleSense::Direct, ScaleSense::Reciprocal})
    for (float value : {0.0f, -0.0f, -1.5f, infinity, -infinity,
                        std::numeric_limits<float>::quiet_NaN()}) {
      Entry entry =
          makeEntry("s", EntryKind::Scales,
                    {checkpoint.addValues("s", Encoding::F32, 1, 1, {value})});
      entry.scaleSense = sense;
      EXPECT_EQ(messageOfEntry(entry).substr(0, start.size()), start) << value;
    }
  Entry tiny =
      makeEntry("s", EntryKind::Scales,
                {checkpoint.addValues("s", Encoding::F32, 1, 1, {0x1p-140f})});
  EXPECT_EQ(messageOfEntry(tiny), "");
  tiny.scaleSense = ScaleSense::Reciprocal;
  EXPECT_EQ(messageOfEntry(tiny), start + "7.17465e-43");
  Entry negative =
      makeEntry("s", EntryKind::Scales,
                {checkpoint.addValues("s", Encoding::BF16, 1, 1, {-1.5f})});
  EXPECT_EQ(messageOfEntry(negative), start + "-1.5");
}

TEST_F(ErrorsTest, NonFiniteWeights) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::string start = "weights.bin: tensor 'w': expected finite weights, "
                            "but found ";
  for (Encoding encoding : {Encoding::F32, Encoding::F16, Encoding::BF16})
    for (auto &[value, text] : {std::pair(std::nanf(""), "NaN"),
                                {infinity, "infinity"},
                                {-infinity, "infinity"}}) {
      std::vector<float> values(12, 0.5f);
      values[7] = value;
      Source source = checkpoint.addValues("w", encoding, 4, 3, values);
      const std::string wanted = start + text + " at row 2, column 1";
      EXPECT_EQ(messageOfEntry(trits("w", source)), wanted);
      for (EntryKind kind :
           {EntryKind::RowInt8, EntryKind::GroupInt4, EntryKind::Dense})
        EXPECT_EQ(messageOfEntry(makeEntry("w", kind, {source})), wanted);
      Entry stored = makeEntry("w", EntryKind::Dense, {source});
      stored.element = encoding;
      EXPECT_EQ(messageOfEntry(stored), wanted);
      Entry scale = makeEntry("w", EntryKind::Scales, {source});
      scale.scaleSense = ScaleSense::Absmean;
      EXPECT_EQ(messageOfEntry(scale), wanted);
    }
}

/// The row of a message counts within the tensor, also behind the first job
/// and in a stack.
TEST_F(ErrorsTest, RowsOfLaterJobs) {
  std::vector<float> values(700 * 1000, 0.5f);
  values[654 * 1000 + 321] = std::nanf("");
  Source good = checkpoint.add("good", Encoding::F32, 30, 1000);
  Source bad = checkpoint.addValues("bad", Encoding::F32, 700, 1000, values);
  EXPECT_EQ(
      messageOfEntry(makeEntry("i", EntryKind::RowInt8, {good, bad})),
      "weights.bin: tensor 'bad': expected finite weights, but found NaN at "
      "row 654, column 321");
}

TEST_F(ErrorsTest, TheFirstErrorWinsWhateverTheThreads) {
  for (int i = 0; i < 40; ++i) {
    std::string name = "w" + std::to_string(i);
    std::vector<uint8_t> stored(250 * 1000, i < 20 ? 0x55 : 0xff);
    append(plan, trits(name, checkpoint.addBytes(name, Encoding::PackedRows,
                                                 1000, 1000, stored)));
  }
  checkpoint.save(folder, plan);
  const std::string wanted =
      "weights.bin: tensor 'w20': expected ternary codes "
      "0, 1, 2, but found code 3 at row 0, column 0";
  for (unsigned threads : {1u, 2u, 5u, 64u})
    EXPECT_EQ(relative(messageOf(plan, folder, threads)), wanted);
}

TEST_F(ErrorsTest, FailedWrites) {
  append(plan, makeEntry("norms", EntryKind::Dense,
                         {checkpoint.add("d", Encoding::F32, 3, 5)}));
  checkpoint.save(folder, plan);
  PackOptions options;
  options.root = folder.path();
  const std::string path = folder.file("out");
  std::ofstream(path).close();
  int fd = ::open(path.c_str(), O_RDONLY);
  EXPECT_EQ(llvm::toString(writePlan(plan, fd, 0, options)),
            "the output cannot be extended to 192 bytes: Invalid argument");
  ASSERT_EQ(::truncate(path.c_str(), 4096), 0);
  EXPECT_EQ(llvm::toString(writePlan(plan, fd, 0, options)),
            "weight entry 'norms' cannot be written at offset 128: Bad file "
            "descriptor");
  ::close(fd);
  EXPECT_EQ(llvm::toString(writePlan(plan, -1, 0, options)),
            "the output cannot be examined: Bad file descriptor");
}

} // namespace
