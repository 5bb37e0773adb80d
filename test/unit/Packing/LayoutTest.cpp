//===- LayoutTest.cpp - Packing layouts, exhaustively ---------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/Layout.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <random>

using namespace ternac::packing;

namespace {

std::vector<Layout> allLayouts() {
  return {unpacked(),
          rowTwoBit(),
          tileTwoBit(),
          tileBase3(1),
          tileBase3(2),
          tileBase3(4),
          tileBase3(8),
          tileBase3(16),
          tilePlanes(),
          {Code::Planes, 3, 7, 2},
          {Code::Planes, 1, 5, 3},
          {Code::Planes, 1, 16, 1},
          columnTwoBit(),
          columnBase3(),
          {Code::Signed8, 4, 8, 2},
          {Code::TwoBit, 3, 7, 2},
          {Code::Base3, 1, 5, 3},
          {Code::TwoBit, 1, 13, 4},
          {Code::Base3, 2, 9, 1},
          {Code::Signed8, 1, 3, 2}};
}

std::vector<int8_t> randomTrits(int64_t count) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::vector<int8_t> trits(count);
  for (int8_t &trit : trits)
    trit = static_cast<int8_t>(random() % 3) - 1;
  return trits;
}

std::vector<uint8_t> packed(const Layout &layout,
                            const std::vector<int8_t> &trits, int64_t m,
                            int64_t k) {
  std::vector<uint8_t> out(layout.bytes(m, k), 0xee);
  pack(layout, trits.data(), m, k, out.data());
  return out;
}

/// The formula at the head of Layout.h, word by word.
std::vector<uint8_t> packedByFormula(const Layout &layout,
                                     const std::vector<int8_t> &trits,
                                     int64_t m, int64_t k) {
  std::vector<uint8_t> out;
  auto tritAt = [&](int64_t row, int64_t col) {
    return row < m && col < k ? trits[row * k + col] : 0;
  };
  const auto [code, rows, group, blocks] = layout;
  for (int64_t tile = 0; tile * rows < m; ++tile)
    for (int64_t s = 0; s * layout.span() < k; ++s)
      for (int64_t b = 0; b < blocks; ++b)
        for (int64_t plane = 0; plane < planesPerTile(code); ++plane)
          for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < group; ++j) {
              int byte = 0, weight = 1;
              for (int64_t d = 0; d < layout.digits(); ++d) {
                int trit = tritAt(tile * rows + i, s * layout.span() +
                                                       d * group * blocks +
                                                       b * group + j);
                if (code == Code::Signed8)
                  byte += trit;
                else if (code == Code::Planes)
                  byte |= (trit == (plane == 0 ? 1 : -1)) << d;
                else
                  byte += (trit + 1) * weight;
                weight *= code == Code::TwoBit ? 4 : 3;
              }
              out.push_back(static_cast<uint8_t>(byte));
            }
  return out;
}

void checkMatrix(const Layout &layout, int64_t m, int64_t k) {
  SCOPED_TRACE(layout.name() + " " + std::to_string(m) + " x " +
               std::to_string(k));
  std::vector<int8_t> trits = randomTrits(m * k);
  std::vector<uint8_t> bytes = packed(layout, trits, m, k);
  ASSERT_EQ(bytes, packedByFormula(layout, trits, m, k));
  std::vector<int8_t> back(m * k, 99);
  unpack(layout, bytes.data(), m, k, back.data());
  ASSERT_EQ(back, trits);
}

TEST(LayoutTest, EveryTwoBitByte) {
  const Layout layout{Code::TwoBit, 1, 1, 1};
  int valid = 0;
  for (int byte = 0; byte < 256; ++byte) {
    std::vector<int8_t> trits(4);
    bool isValid = true;
    for (int digit = 0; digit < 4; ++digit) {
      int code = byte >> 2 * digit & 3;
      isValid &= code != 3;
      trits[digit] = static_cast<int8_t>(code - 1);
    }
    if (!isValid)
      continue;
    ++valid;
    EXPECT_EQ(packed(layout, trits, 1, 4), std::vector<uint8_t>(1, byte));
    std::vector<int8_t> back(4);
    auto packedByte = static_cast<uint8_t>(byte);
    unpack(layout, &packedByte, 1, 4, back.data());
    EXPECT_EQ(back, trits);
  }
  EXPECT_EQ(valid, 81);
}

TEST(LayoutTest, EveryBase3Byte) {
  const Layout layout{Code::Base3, 1, 1, 1};
  for (int byte = 0; byte < 243; ++byte) {
    std::vector<int8_t> trits(5);
    for (int digit = 0, rest = byte; digit < 5; ++digit, rest /= 3)
      trits[digit] = static_cast<int8_t>(rest % 3 - 1);
    EXPECT_EQ(packed(layout, trits, 1, 5), std::vector<uint8_t>(1, byte));
    std::vector<int8_t> back(5);
    auto packedByte = static_cast<uint8_t>(byte);
    unpack(layout, &packedByte, 1, 5, back.data());
    EXPECT_EQ(back, trits);
  }
}

TEST(LayoutTest, EveryPairOfPlaneBytes) {
  const Layout layout{Code::Planes, 1, 1, 1};
  for (int plus = 0; plus < 256; ++plus)
    for (int minus = 0; minus < 256; ++minus) {
      if (plus & minus) // no trit is +1 and -1
        continue;
      std::vector<int8_t> trits(8);
      for (int digit = 0; digit < 8; ++digit)
        trits[digit] =
            static_cast<int8_t>((plus >> digit & 1) - (minus >> digit & 1));
      const std::vector<uint8_t> bytes = {static_cast<uint8_t>(plus),
                                          static_cast<uint8_t>(minus)};
      EXPECT_EQ(packed(layout, trits, 1, 8), bytes);
      std::vector<int8_t> back(8);
      unpack(layout, bytes.data(), 1, 8, back.data());
      EXPECT_EQ(back, trits);
    }
}

/// The same codes side by side in words, where a carry would show.
TEST(LayoutTest, EveryCodeInAWord) {
  for (int64_t group : {1, 4, 8, 12, 15}) {
    for (Code code : {Code::TwoBit, Code::Base3}) {
      const Layout layout{code, 1, group, 1};
      const int64_t digits = layout.digits();
      const int codes = code == Code::TwoBit ? 81 : 243;
      for (int first = 0; first < codes; ++first) {
        std::vector<int8_t> trits(layout.span());
        for (int64_t j = 0; j < group; ++j)
          for (int64_t digit = 0, rest = (first + j * 80) % codes;
               digit < digits; ++digit, rest /= 3)
            trits[digit * group + j] = static_cast<int8_t>(rest % 3 - 1);
        EXPECT_EQ(packed(layout, trits, 1, layout.span()),
                  packedByFormula(layout, trits, 1, layout.span()));
      }
    }
  }
}

TEST(LayoutTest, EveryColumnTail) {
  for (const Layout &layout : allLayouts())
    for (int64_t k = 1; k <= 2 * layout.span(); ++k)
      for (int64_t m : {1, 2, 17})
        checkMatrix(layout, m, k);
}

TEST(LayoutTest, EveryRowTail) {
  for (const Layout &layout : allLayouts())
    for (int64_t m = 1; m <= 40; ++m)
      for (int64_t k : {1, 3, 16, 20, 63, 64, 65, 255, 256, 257, 319, 320, 321,
                        511, 640, 699, 700})
        checkMatrix(layout, m, k);
}

TEST(LayoutTest, EmptyMatrix) {
  for (const Layout &layout : allLayouts()) {
    EXPECT_EQ(packed(layout, {}, 0, 5).size(), 0u);
    EXPECT_EQ(packed(layout, {}, 5, 0).size(), 0u);
  }
}

/// `place` says where each trit lies: changing the trit changes that digit of
/// that byte and nothing else.
TEST(LayoutTest, PlaceAgreesWithPack) {
  const int64_t m = 18;
  for (const Layout &layout : allLayouts()) {
    const int64_t k = layout.span() + layout.span() / 2 + 1;
    std::vector<int8_t> trits(m * k, 0);
    const std::vector<uint8_t> zeros = packed(layout, trits, m, k);
    for (int64_t row : {0, 1, 15, 16, 17})
      for (int64_t col = 0; col < k; ++col) {
        std::vector<uint8_t> wanted = zeros;
        Layout::Place place = layout.place(row, col, k);
        int weight = 1;
        for (int64_t digit = 0; digit < place.digit; ++digit)
          weight *= layout.code == Code::TwoBit   ? 4
                    : layout.code == Code::Planes ? 2
                                                  : 3;
        wanted[place.byte] += weight;
        trits[row * k + col] = 1;
        ASSERT_EQ(packed(layout, trits, m, k), wanted)
            << layout.name() << " " << row << ", " << col;
        trits[row * k + col] = 0;
      }
  }
}

TEST(LayoutTest, ChunksMakeTheWhole) {
  const int64_t m = 53, k = 333;
  std::vector<int8_t> trits = randomTrits(m * k);
  for (const Layout &layout : allLayouts()) {
    std::vector<uint8_t> whole = packed(layout, trits, m, k);
    for (int64_t tiles : {1, 2, 3}) {
      const int64_t step = tiles * layout.rows;
      std::vector<uint8_t> chunks;
      for (int64_t row = 0; row < m; row += step) {
        const int64_t rows = std::min(step, m - row);
        EXPECT_EQ(int64_t(chunks.size()), layout.bytes(row, k));
        chunks.resize(chunks.size() + layout.bytes(rows, k));
        pack(layout, trits.data() + row * k, rows, k,
             chunks.data() + layout.bytes(row, k));
      }
      EXPECT_EQ(chunks, whole) << layout.name() << ", " << step << " rows";
    }
  }
}

TEST(LayoutTest, Sizes) {
  EXPECT_EQ(tileTwoBit().bytes(2560, 6912), 2560 * 6912 / 4);
  EXPECT_EQ(tileTwoBit().bytes(17, 17), 4 * 64);
  EXPECT_EQ(rowTwoBit().bytes(3, 257), 3 * 128);
  EXPECT_EQ(tileBase3(16).bytes(2560, 2560), 2560 * 2560 / 5);
  EXPECT_EQ(columnTwoBit().bytes(65, 6), 128 * 2);
  EXPECT_EQ(columnBase3().bytes(65, 6), 128 * 2);
  EXPECT_EQ(unpacked().bytes(3, 7), 21);
  EXPECT_DOUBLE_EQ(tileBase3(16).bitsPerWeight(2560, 2560), 1.6);
  EXPECT_DOUBLE_EQ(tileTwoBit().bitsPerWeight(8, 8), 8.0);
  EXPECT_EQ(tilePlanes().tileBytes(), 128);
  EXPECT_EQ(tilePlanes().bytes(2560, 6912), 2560 * 6912 / 4);
  EXPECT_EQ(tilePlanes().bytes(17, 33), 4 * 128);
}

TEST(LayoutTest, BestBase3PadsLeast) {
  EXPECT_EQ(bestTileBase3(2560).blocks, 16);
  EXPECT_EQ(bestTileBase3(6912).blocks, 2);
  EXPECT_EQ(bestTileBase3(20).blocks, 1);
  EXPECT_EQ(bestTileBase3(1).blocks, 1);
  EXPECT_EQ(bestTileBase3(80).blocks, 4);
  EXPECT_EQ(bestTileBase3(320).blocks, 16);
  for (int64_t k = 1; k < 2000; ++k) {
    const Layout best = bestTileBase3(k);
    for (int64_t blocks : {1, 2, 4, 8, 16}) {
      const int64_t padded = tileBase3(blocks).paddedCols(k);
      EXPECT_GE(padded, best.paddedCols(k));
      EXPECT_TRUE(padded != best.paddedCols(k) || blocks <= best.blocks);
    }
  }
}

TEST(LayoutTest, NamesRoundTrip) {
  EXPECT_EQ(unpacked().name(), "i8");
  EXPECT_EQ(rowTwoBit().name(), "row2");
  EXPECT_EQ(tileTwoBit().name(), "tile2");
  EXPECT_EQ(tileBase3(1).name(), "base3");
  EXPECT_EQ(tileBase3(4).name(), "base3b4");
  EXPECT_EQ(tilePlanes().name(), "planes");
  EXPECT_EQ((Layout{Code::Planes, 8, 8, 2}).name(), "planesr8g8b2");
  EXPECT_EQ(columnTwoBit().name(), "tile2col");
  EXPECT_EQ(columnBase3().name(), "base3col");
  EXPECT_EQ((Layout{Code::TwoBit, 8, 4, 1}).name(), "bits2r8g4");
  for (const Layout &layout : allLayouts())
    EXPECT_EQ(layoutByName(layout.name()), layout) << layout.name();
  for (Code code : {Code::Signed8, Code::TwoBit, Code::Base3, Code::Planes})
    for (int64_t rows : {1, 2, 16, 4096})
      for (int64_t group : {1, 4, 64, 100})
        for (int64_t blocks : {1, 2, 16}) {
          const Layout layout{code, rows, group, blocks};
          EXPECT_EQ(layoutByName(layout.name()), layout) << layout.name();
        }
}

TEST(LayoutTest, OtherNamesNameNothing) {
  for (const char *name :
       {"",           "row",      "row2 ",      "tile",       "base",
        "base3b",     "base3b1",  "base3b02",   "base3b0",    "base3b-1",
        "base3b5000", "bits2",    "bits2r1g64", "base3r8",    "base3r16g4",
        "i8r1g1",     "i9",       "base3g4",    "base3r8g4b", "tile2r8g4",
        "base3r64g1", "base3col1"})
    EXPECT_EQ(layoutByName(name), std::nullopt) << name;
}

TEST(LayoutTest, InvalidLayouts) {
  for (const Layout &layout : allLayouts())
    EXPECT_EQ(layout.invalid(), std::nullopt);
  EXPECT_EQ((Layout{Code::TwoBit, 0, 64, 1}).invalid(),
            "expected rows between 1 and 4096, but got 0");
  EXPECT_EQ((Layout{Code::TwoBit, 1, -4, 1}).invalid(),
            "expected group between 1 and 4096, but got -4");
  EXPECT_EQ((Layout{Code::Base3, 1, 4, 4097}).invalid(),
            "expected blocks between 1 and 4096, but got 4097");
  EXPECT_EQ((Layout{static_cast<Code>(7), 1, 4, 1}).invalid(),
            "expected code 0, 1, 2 or 3, but got 7");
}

} // namespace
