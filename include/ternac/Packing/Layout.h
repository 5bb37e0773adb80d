//===- Layout.h - How trits lie in bytes ------------------------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One description of a packed ternary matrix, from which packing, unpacking,
// sizes, names and the documentation derive.
//
// A matrix W of M rows (outputs) and K columns (inputs) is cut into tiles of
// `rows` x `group` bytes. A byte holds `digits` trits of one row whose columns
// are `group * blocks` apart; `blocks` tiles that follow one another share a
// superblock of `span() = digits * group * blocks` columns:
//
//   superblock s, block b, tile row i, byte j, digit d
//     holds W[tile * rows + i, s * span + d * group * blocks + b * group + j]
//   byte offset ((tile * superblocks + s) * blocks + b) * tileBytes()
//               + i * group + j
//
// A tile of code `Planes` is two such arrays of bytes, one behind the other:
// bit d of a byte is 1 where the trit is +1 in the first, -1 in the second. A
// tile of any other code is one array.
//
// M and K are padded to whole tiles and superblocks with the trit 0.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_PACKING_LAYOUT_H
#define TERNAC_PACKING_LAYOUT_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ternac::packing {

/// How the trits of one byte are written.
enum class Code : uint32_t {
  Signed8 = 0, ///< one trit, as a signed byte -1, 0, +1
  TwoBit = 1,  ///< four trits; digit d is trit+1 in bits 2d, 2d+1
  Base3 = 2,   ///< five trits; the byte is the sum of (trit+1) * 3^d
  Planes = 3,  ///< eight trits, two bits each, in bytes of two arrays
};

/// The trits that one byte holds under `code`: 1, 4, 5 or 8.
int64_t digitsPerByte(Code code);
/// The arrays of bytes of a tile: 2 for `Planes`, else 1.
int64_t planesPerTile(Code code);

/// A layout; see the file comment for the formula.
struct Layout {
  Code code = Code::TwoBit;
  int64_t rows = 1;   ///< rows of a tile
  int64_t group = 64; ///< bytes of a tile row
  int64_t blocks = 1; ///< tiles that share a superblock

  bool operator==(const Layout &) const = default;

  int64_t digits() const { return digitsPerByte(code); }
  int64_t tileBytes() const { return rows * group * planesPerTile(code); }
  /// Distance in columns between two digits of a byte.
  int64_t digitStride() const { return group * blocks; }
  /// Columns of a superblock.
  int64_t span() const { return digits() * digitStride(); }
  int64_t paddedRows(int64_t m) const { return (m + rows - 1) / rows * rows; }
  int64_t paddedCols(int64_t k) const {
    return (k + span() - 1) / span() * span();
  }
  /// Bytes of a packed M x K matrix.
  int64_t bytes(int64_t m, int64_t k) const {
    return paddedRows(m) / rows * (paddedCols(k) / (digits() * group)) *
           tileBytes();
  }
  /// Bits of storage per weight of the unpadded matrix.
  double bitsPerWeight(int64_t m, int64_t k) const {
    return 8.0 * double(bytes(m, k)) / (double(m) * double(k));
  }

  /// The offset in bytes and the digit that hold trit (m, k) of a matrix of
  /// `cols` columns; of `Planes`, its plus bit.
  struct Place {
    int64_t byte;
    int64_t digit;
  };
  Place place(int64_t m, int64_t k, int64_t cols) const;

  /// A short name that identifies the layout, e.g. "row2", "tile2", "base3",
  /// "base3col", "planes", "i8"; "base3b4" has four blocks per superblock,
  /// "bits2r8g4" is a tile of eight rows and groups of four bytes that has no
  /// name of its own. Used in kernel names.
  std::string name() const;
  /// The reason why this is no valid layout, or nullopt.
  std::optional<std::string> invalid() const;
};

/// Row-major 2-bit: 64-byte groups of 256 columns.
Layout rowTwoBit();
/// 2-bit tiles of 16 rows x 16 columns, 64 bytes each.
Layout tileTwoBit();
/// Base-3 tiles of 16 rows x 20 columns; superblocks of `blocks` tiles.
Layout tileBase3(int64_t blocks = 16);
/// Columns of bytes, 64 rows high: a byte holds neighbouring columns of one
/// row, and the bytes of a tile are indices into one table.
Layout columnTwoBit();
Layout columnBase3();
/// Bit planes in tiles of 16 rows x 32 columns, 128 bytes each.
Layout tilePlanes();
/// One signed byte per trit, row major, no padding.
Layout unpacked();

/// The base-3 layout whose number of blocks (1, 2, 4, 8, 16) pads K least; of
/// equals the one with the most blocks.
Layout bestTileBase3(int64_t k);

/// The layout of a name as `Layout::name` prints it, or nullopt.
std::optional<Layout> layoutByName(std::string_view name);

/// Packs rows [0, m) of a row-major matrix of signed trits (`trits[i * k +
/// j]` in {-1, 0, +1}) into `out`, which has room for `bytes(m, k)`. Padding
/// is written as trit 0. Packing a multiple of `layout.rows` rows at a time,
/// one chunk after the other, gives the bytes of the whole.
void pack(const Layout &layout, const int8_t *trits, int64_t m, int64_t k,
          uint8_t *out);

/// The inverse of `pack`; `trits` has room for m * k.
void unpack(const Layout &layout, const uint8_t *packed, int64_t m, int64_t k,
            int8_t *trits);

} // namespace ternac::packing

#endif // TERNAC_PACKING_LAYOUT_H
