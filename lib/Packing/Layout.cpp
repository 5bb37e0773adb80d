//===- Layout.cpp - How trits lie in bytes --------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Packing and unpacking by the one formula of Layout.h. A row is packed group
// by group; the bytes of a group are computed side by side in the bytes of a
// machine word, which is fast on every target without intrinsics.
//
//===----------------------------------------------------------------------===//

#include "ternac/Packing/Layout.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/ErrorHandling.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace ternac::packing {

/// No sensible tile comes near it, and with it no size can overflow.
static constexpr int64_t maxExtent = 4096;

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

static constexpr int64_t digitsOf(Code code) {
  switch (code) {
  case Code::Signed8:
    return 1;
  case Code::TwoBit:
    return 4;
  case Code::Base3:
    return 5;
  case Code::Planes:
    return 8;
  }
  llvm_unreachable("unknown code");
}

static constexpr int64_t planesOf(Code code) {
  return code == Code::Planes ? 2 : 1;
}

/// The weight of digit d is radix^d. A Signed8 byte has no digits to weigh.
static constexpr unsigned radixOf(Code code) {
  return code == Code::TwoBit ? 4 : code == Code::Base3 ? 3 : 2;
}

int64_t digitsPerByte(Code code) { return digitsOf(code); }
int64_t planesPerTile(Code code) { return planesOf(code); }

//===----------------------------------------------------------------------===//
// Names and checks
//===----------------------------------------------------------------------===//

namespace {
/// A tile that has a name of its own.
struct NamedTile {
  llvm::StringLiteral name;
  Code code;
  int64_t rows;
  int64_t group;
};
} // namespace

static constexpr NamedTile namedTiles[] = {
    {"i8", Code::Signed8, 1, 1},       {"row2", Code::TwoBit, 1, 64},
    {"tile2", Code::TwoBit, 16, 4},    {"base3", Code::Base3, 16, 4},
    {"tile2col", Code::TwoBit, 64, 1}, {"base3col", Code::Base3, 64, 1},
    {"planes", Code::Planes, 16, 4},
};

/// Begins the name of a tile that has none of its own, as in "bits2r8g4".
static llvm::StringRef codePrefix(Code code) {
  switch (code) {
  case Code::Signed8:
    return "i8";
  case Code::TwoBit:
    return "bits2";
  case Code::Base3:
    return "base3";
  case Code::Planes:
    return "planes";
  }
  llvm_unreachable("unknown code");
}

std::string Layout::name() const {
  std::string result;
  const auto *tile = llvm::find_if(namedTiles, [&](const NamedTile &t) {
    return t.code == code && t.rows == rows && t.group == group;
  });
  if (tile != std::end(namedTiles))
    result = tile->name.str();
  else
    result = codePrefix(code).str() + "r" + std::to_string(rows) + "g" +
             std::to_string(group);
  if (blocks != 1)
    result += "b" + std::to_string(blocks);
  return result;
}

/// Takes "<letter><number>" off the front of `text`.
static bool consumeExtent(llvm::StringRef &text, char letter, int64_t &value) {
  llvm::StringRef rest = text;
  if (!rest.consume_front(llvm::StringRef(&letter, 1)) ||
      rest.consumeInteger(10, value))
    return false;
  text = rest;
  return true;
}

std::optional<Layout> layoutByName(std::string_view name) {
  auto parse = [&](llvm::StringRef prefix,
                   Layout layout) -> std::optional<Layout> {
    llvm::StringRef text = name;
    layout.blocks = 1;
    if (!text.consume_front(prefix))
      return std::nullopt;
    if (consumeExtent(text, 'r', layout.rows) &&
        !consumeExtent(text, 'g', layout.group))
      return std::nullopt;
    consumeExtent(text, 'b', layout.blocks);
    // A layout has one name: "base3b01" and "base3r16g4" are none.
    if (!text.empty() || layout.invalid() || layout.name() != name)
      return std::nullopt;
    return layout;
  };
  for (const NamedTile &tile : namedTiles)
    if (auto layout = parse(tile.name, {tile.code, tile.rows, tile.group, 1}))
      return layout;
  for (Code code : {Code::Signed8, Code::TwoBit, Code::Base3, Code::Planes})
    if (auto layout = parse(codePrefix(code), {code, 1, 1, 1}))
      return layout;
  return std::nullopt;
}

std::optional<std::string> Layout::invalid() const {
  if (static_cast<uint32_t>(code) > static_cast<uint32_t>(Code::Planes))
    return "expected code 0, 1, 2 or 3, but got " +
           std::to_string(static_cast<uint32_t>(code));
  auto check = [](const char *what,
                  int64_t value) -> std::optional<std::string> {
    if (value >= 1 && value <= maxExtent)
      return std::nullopt;
    return "expected " + std::string(what) + " between 1 and " +
           std::to_string(maxExtent) + ", but got " + std::to_string(value);
  };
  if (auto reason = check("rows", rows))
    return reason;
  if (auto reason = check("group", group))
    return reason;
  return check("blocks", blocks);
}

//===----------------------------------------------------------------------===//
// The layouts in use
//===----------------------------------------------------------------------===//

Layout rowTwoBit() { return {Code::TwoBit, 1, 64, 1}; }
Layout tileTwoBit() { return {Code::TwoBit, 16, 4, 1}; }
Layout tileBase3(int64_t blocks) { return {Code::Base3, 16, 4, blocks}; }
Layout columnTwoBit() { return {Code::TwoBit, 64, 1, 1}; }
Layout columnBase3() { return {Code::Base3, 64, 1, 1}; }
Layout tilePlanes() { return {Code::Planes, 16, 4, 1}; }
Layout unpacked() { return {Code::Signed8, 1, 1, 1}; }

Layout bestTileBase3(int64_t k) {
  Layout best = tileBase3(16);
  for (int64_t blocks : {8, 4, 2, 1})
    if (tileBase3(blocks).paddedCols(k) < best.paddedCols(k))
      best = tileBase3(blocks);
  return best;
}

Layout::Place Layout::place(int64_t m, int64_t k, int64_t cols) const {
  int64_t superblock = k / span(), inSuperblock = k % span();
  int64_t digit = inSuperblock / digitStride();
  int64_t inDigit = inSuperblock % digitStride();
  int64_t block = inDigit / group, column = inDigit % group;
  int64_t superblocks = paddedCols(cols) / span();
  int64_t tile = (m / rows * superblocks + superblock) * blocks + block;
  return {tile * tileBytes() + m % rows * group + column, digit};
}

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

/// A layout of the same bytes for matrices of `k` columns, in longer groups:
/// where a tile has one row, neighbouring blocks (and, with one digit,
/// neighbouring superblocks) are one group.
static Layout mergeGroups(Layout layout, int64_t k) {
  if (layout.rows != 1 || layout.code == Code::Planes)
    return layout;
  layout.group =
      layout.digits() == 1 ? layout.paddedCols(k) : layout.digitStride();
  layout.blocks = 1;
  return layout;
}

/// A word whose every byte is `value`.
template <typename Word> static constexpr Word splat(uint8_t value) {
  return static_cast<Word>(static_cast<Word>(~Word(0)) / 0xff * value);
}

/// The digits of the trits -1, 0, +1 that are the bytes of a word, in array
/// `plane` of a tile.
template <Code code, int plane, typename Word>
static Word digitsOfTrits(Word trit) {
  if constexpr (code == Code::Planes) {
    Word isMinus = trit >> 7 & splat<Word>(1);
    return plane == 0 ? (trit ^ isMinus) & splat<Word>(1) : isMinus;
  }
  // The sign bits stand aside in the sum.
  return ((trit & splat<Word>(0x7f)) + splat<Word>(1)) ^
         (trit & splat<Word>(0x80));
}

/// Packs sizeof(Word) neighbouring bytes. Nothing carries from one byte into
/// the next: a packed byte is at most 2 * (1 + 4 + 16 + 64), 2 * (1 + 3 + 9 +
/// 27 + 81) or 1 + 2 + 4 + ... + 128.
template <Code code, int plane, typename Word>
static void packWord(const int8_t *trits, int64_t digitStride, uint8_t *out) {
  Word packed = 0;
  for (int64_t digit = digitsOf(code); digit-- > 0;) {
    Word trit;
    std::memcpy(&trit, trits + digit * digitStride, sizeof(Word));
    packed = packed * radixOf(code) + digitsOfTrits<code, plane>(trit);
  }
  std::memcpy(out, &packed, sizeof(Word));
}

template <Code code, int plane = 0>
static void packGroup(const int8_t *trits, int64_t digitStride, int64_t group,
                      uint8_t *out) {
  if constexpr (code == Code::Signed8) {
    std::memcpy(out, trits, group);
    return;
  }
  // The tiles in use have groups of one word: no loop for them.
  if (group == 4)
    return packWord<code, plane, uint32_t>(trits, digitStride, out);
  int64_t j = 0;
  for (; j + 8 <= group; j += 8)
    packWord<code, plane, uint64_t>(trits + j, digitStride, out + j);
  for (; j < group; ++j)
    packWord<code, plane, uint8_t>(trits + j, digitStride, out + j);
}

template <Code code>
static void packMatrix(const Layout &layout, const int8_t *trits, int64_t m,
                       int64_t k, uint8_t *out) {
  const int64_t rows = layout.rows, group = layout.group;
  const int64_t blocks = layout.blocks, span = layout.span();
  const int64_t stride = layout.digitStride();
  const int64_t superblocks = layout.paddedCols(k) / span;
  // Takes the place of a superblock that is not whole.
  std::vector<int8_t> edge(span);
  for (int64_t row = 0; row < layout.paddedRows(m); ++row) {
    uint8_t *dst = out + layout.place(row, 0, k).byte;
    const bool isPadding = row >= m;
    if (isPadding)
      std::fill(edge.begin(), edge.end(), 0);
    for (int64_t s = 0; s < superblocks; ++s) {
      const int64_t valid = std::min(span, k - s * span);
      const int8_t *src = edge.data();
      if (!isPadding && valid == span)
        src = trits + row * k + s * span;
      else if (!isPadding)
        std::memcpy(edge.data(), trits + row * k + s * span, valid);
      for (int64_t b = 0; b < blocks; ++b, dst += layout.tileBytes()) {
        packGroup<code>(src + b * group, stride, group, dst);
        if constexpr (code == Code::Planes)
          packGroup<code, 1>(src + b * group, stride, group,
                             dst + rows * group);
      }
    }
  }
}

void pack(const Layout &layout, const int8_t *trits, int64_t m, int64_t k,
          uint8_t *out) {
  assert(!layout.invalid() && "checked where the layout came from");
  if (m == 0 || k == 0)
    return;
  const Layout merged = mergeGroups(layout, k);
  switch (layout.code) {
  case Code::Signed8:
    return packMatrix<Code::Signed8>(merged, trits, m, k, out);
  case Code::TwoBit:
    return packMatrix<Code::TwoBit>(merged, trits, m, k, out);
  case Code::Base3:
    return packMatrix<Code::Base3>(merged, trits, m, k, out);
  case Code::Planes:
    return packMatrix<Code::Planes>(merged, trits, m, k, out);
  }
}

//===----------------------------------------------------------------------===//
// Unpacking
//===----------------------------------------------------------------------===//

template <Code code>
static constexpr std::array<std::array<int8_t, digitsOf(code)>, 256>
makeDigitTable() {
  std::array<std::array<int8_t, digitsOf(code)>, 256> table{};
  for (int byte = 0; byte < 256; ++byte) {
    int rest = byte;
    for (int8_t &trit : table[byte]) {
      trit = code == Code::Signed8 ? static_cast<int8_t>(byte)
             : code == Code::Planes
                 ? static_cast<int8_t>(rest % 2)
                 : static_cast<int8_t>(rest % radixOf(code)) - 1;
      rest /= static_cast<int>(radixOf(code));
    }
  }
  return table;
}

template <Code code>
static void unpackMatrix(const Layout &layout, const uint8_t *packed, int64_t m,
                         int64_t k, int8_t *trits) {
  static constexpr auto digitTable = makeDigitTable<code>();
  const int64_t rows = layout.rows, group = layout.group;
  const int64_t blocks = layout.blocks, span = layout.span();
  const int64_t stride = layout.digitStride();
  const int64_t superblocks = layout.paddedCols(k) / span;
  std::vector<int8_t> edge(span);
  for (int64_t row = 0; row < m; ++row) {
    const uint8_t *src = packed + layout.place(row, 0, k).byte;
    for (int64_t s = 0; s < superblocks; ++s) {
      const int64_t valid = std::min(span, k - s * span);
      int8_t *whole = trits + row * k + s * span;
      int8_t *dst = valid == span ? whole : edge.data();
      for (int64_t b = 0; b < blocks; ++b, src += layout.tileBytes())
        for (int64_t j = 0; j < group; ++j)
          for (int64_t digit = 0; digit < digitsOf(code); ++digit) {
            int8_t trit = digitTable[src[j]][digit];
            if constexpr (code == Code::Planes)
              trit -= digitTable[src[rows * group + j]][digit];
            dst[digit * stride + b * group + j] = trit;
          }
      if (valid != span)
        std::memcpy(whole, edge.data(), valid);
    }
  }
}

void unpack(const Layout &layout, const uint8_t *packed, int64_t m, int64_t k,
            int8_t *trits) {
  assert(!layout.invalid() && "checked where the layout came from");
  if (m == 0 || k == 0)
    return;
  const Layout merged = mergeGroups(layout, k);
  switch (layout.code) {
  case Code::Signed8:
    return unpackMatrix<Code::Signed8>(merged, packed, m, k, trits);
  case Code::TwoBit:
    return unpackMatrix<Code::TwoBit>(merged, packed, m, k, trits);
  case Code::Base3:
    return unpackMatrix<Code::Base3>(merged, packed, m, k, trits);
  case Code::Planes:
    return unpackMatrix<Code::Planes>(merged, packed, m, k, trits);
  }
}

} // namespace ternac::packing
