//===- BlocksTest.cpp - The encodings of GGUF files -----------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tensors are written here element by element, from the formulas of
// docs/Formats.md, and read through the packer.
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

using namespace ternac::packing;

namespace {

constexpr Encoding blockScaled[] = {Encoding::TQ1_0, Encoding::TQ2_0};
constexpr Encoding rowScaled[] = {Encoding::IQ1BN, Encoding::IQ2BN};
constexpr Encoding tensorScaled[] = {Encoding::I2S, Encoding::I2S64,
                                     Encoding::I2SRows};

using Scales = std::function<float(int64_t row, int64_t col)>;

struct Matrix {
  int64_t rows, cols;
  std::vector<int> codes; ///< trit plus one
  int at(int64_t row, int64_t col) const { return codes[row * cols + col]; }
};

void putFloat(std::vector<uint8_t> &bytes, int64_t offset, Encoding encoding,
              float value) {
  uint32_t bits = bitsOf(encoding, value);
  std::memcpy(bytes.data() + offset, &bits, rowBytes(encoding, 1));
}

/// The byte for digits of base 3 of which the first is most significant.
uint8_t fraction(std::vector<int> digits) {
  int value = 0;
  digits.resize(5, 0);
  for (int digit : digits)
    value = 3 * value + digit;
  return static_cast<uint8_t>((value * 256 + 242) / 243);
}

void putTQ1_0(const Matrix &m, int64_t row, int64_t col, uint8_t *out) {
  auto digits = [&](int64_t first, int64_t step, int64_t count) {
    std::vector<int> result;
    for (int64_t n = 0; n < count; ++n)
      result.push_back(m.at(row, col + first + n * step));
    return fraction(result);
  };
  for (int64_t j = 0; j < 32; ++j)
    out[j] = digits(j, 32, 5);
  for (int64_t j = 0; j < 16; ++j)
    out[32 + j] = digits(160 + j, 16, 5);
  for (int64_t j = 0; j < 4; ++j)
    out[48 + j] = digits(240 + j, 4, 4);
}

/// The bit at which the code of an element lies in the bytes of its row.
int64_t bitOf(Encoding encoding, int64_t col) {
  auto bit = [&](int64_t unit, bool highFirst, int64_t byte) {
    const int64_t within = col % (4 * unit), field = within / unit;
    return 8 * (byte + col / (4 * unit) * unit + within % unit) +
           2 * (highFirst ? 3 - field : field);
  };
  switch (encoding) {
  case Encoding::I2S:
    return bit(32, true, 0);
  case Encoding::I2S64:
    return bit(16, true, 0);
  case Encoding::TQ2_0:
    return bit(32, false, col / 256 * 2);
  default:
    return bit(16, false, 4); // IQ2BN
  }
}

void putIQ1BN(const Matrix &m, int64_t row, uint8_t *out) {
  for (int64_t col = 0; col < m.cols; col += 64) {
    uint8_t *block = out + col / 64 * 13;
    std::vector<int> last;
    for (int64_t group = 0; group < 4; ++group) {
      for (int64_t byte = 0; byte < 3; ++byte) {
        std::vector<int> digits;
        for (int64_t j = 0; j < 5; ++j)
          digits.push_back(m.at(row, col + 16 * group + 5 * byte + j));
        std::reverse(digits.begin(), digits.end());
        block[3 * group + byte] = fraction(digits);
      }
      last.push_back(m.at(row, col + 16 * group + 15));
    }
    last.push_back(0);
    std::reverse(last.begin(), last.end());
    block[12] = fraction(last);
  }
}

void putRow(const Matrix &m, Encoding encoding, int64_t row,
            std::vector<uint8_t> &bytes) {
  const int64_t begin = row * rowBytes(encoding, m.cols);
  switch (encoding) {
  case Encoding::TQ1_0:
    for (int64_t col = 0; col < m.cols; col += 256)
      putTQ1_0(m, row, col, bytes.data() + begin + col / 256 * 54);
    return;
  case Encoding::IQ1BN:
    return putIQ1BN(m, row, bytes.data() + begin + 2);
  case Encoding::I2SRows:
    for (int64_t col = 0; col < m.cols; ++col)
      bytes[row / 4 * m.cols + col] |= m.at(row, col) << (6 - row % 4 * 2);
    return;
  default:
    for (int64_t col = 0; col < m.cols; ++col) {
      const int64_t bit = bitOf(encoding, col);
      bytes[begin + bit / 8] |= m.at(row, col) << (bit % 8);
    }
  }
}

void putScales(const Matrix &m, Encoding encoding, const Scales &scale,
               std::vector<uint8_t> &bytes) {
  for (int64_t row = 0; row < m.rows; ++row) {
    const int64_t begin = row * rowBytes(encoding, m.cols);
    if (encoding == Encoding::IQ1BN)
      putFloat(bytes, begin, Encoding::F16, scale(row, 0));
    else if (encoding == Encoding::IQ2BN)
      putFloat(bytes, begin, Encoding::F32, scale(row, 0));
    else if (encoding == Encoding::TQ1_0 || encoding == Encoding::TQ2_0)
      for (int64_t block = 0; block < m.cols / 256; ++block)
        putFloat(bytes, begin + (block + 1) * rowBytes(encoding, 256) - 2,
                 Encoding::F16, scale(row, block * 256));
  }
  if (encoding >= Encoding::I2S && encoding <= Encoding::I2SRows)
    putFloat(bytes, m.rows * m.cols / 4, Encoding::F32, scale(0, 0));
}

std::vector<uint8_t> encode(const Matrix &m, Encoding encoding,
                            const Scales &scale) {
  std::vector<uint8_t> bytes(matrixBytes(encoding, m.rows, m.cols));
  for (int64_t row = 0; row < m.rows; ++row)
    putRow(m, encoding, row, bytes);
  putScales(m, encoding, scale, bytes);
  return bytes;
}

/// Random trits, so many that every byte that can be is there.
Matrix randomMatrix(int64_t rows, int64_t cols) {
  Matrix m{rows, cols, {}};
  std::mt19937 random(1);
  for (int64_t i = 0; i < rows * cols; ++i)
    m.codes.push_back(int(random() % 3));
  return m;
}

class BlocksTest : public testing::Test {
protected:
  Source source(const Matrix &m, Encoding encoding, const Scales &scale) {
    return checkpoint.addBytes("w", encoding, m.rows, m.cols,
                               encode(m, encoding, scale));
  }

  /// The bytes of a library with the trits, unpacked, and the scale.
  std::vector<uint8_t> packed(const Source &source, std::string &message) {
    Plan plan;
    Entry trits = makeEntry("trits", EntryKind::Trits, {source});
    trits.layout = unpacked();
    append(plan, trits);
    Entry scales = makeEntry("scales", EntryKind::Scales, {source});
    scales.rows = scales.cols = 1;
    append(plan, scales);
    checkpoint.save(folder, plan);
    tritOffset = plan.entries[0].offset;
    scaleOffset = plan.entries[1].offset;
    return writeToBytes(plan, folder, 2, message);
  }

  void expectTrits(const Matrix &m, const Source &source, float scale) {
    std::string message;
    std::vector<uint8_t> bytes = packed(source, message);
    ASSERT_EQ(message, "");
    for (int64_t row = 0; row < m.rows; ++row)
      for (int64_t col = 0; col < m.cols; ++col)
        ASSERT_EQ(int8_t(bytes[tritOffset + row * m.cols + col]),
                  m.at(source.storedRow(row), col) - 1)
            << "encoding " << int(source.encoding) << ", row " << row
            << ", column " << col;
    float got;
    std::memcpy(&got, bytes.data() + scaleOffset, sizeof(got));
    EXPECT_EQ(got, scale);
  }

  std::string messageOf(const Source &source) {
    std::string message;
    packed(source, message);
    size_t at = message.find("weights.bin");
    return at == std::string::npos ? message : message.substr(at);
  }

  ScratchFolder folder;
  TestCheckpoint checkpoint;
  uint64_t tritOffset = 0, scaleOffset = 0;
};

TEST_F(BlocksTest, EveryEncoding) {
  const Matrix m = randomMatrix(16, 4096);
  auto scale = [](int64_t, int64_t) { return 0.375f; };
  for (Encoding encoding : blockScaled)
    expectTrits(m, source(m, encoding, scale), 0.375f);
  for (Encoding encoding : rowScaled)
    expectTrits(m, source(m, encoding, scale), 0.375f);
  for (Encoding encoding : tensorScaled)
    expectTrits(m, source(m, encoding, scale), 0.375f);
}

TEST_F(BlocksTest, InterleavedRows) {
  const Matrix m = randomMatrix(24, 256);
  auto scale = [](int64_t, int64_t) { return 3.0f; };
  for (int64_t head : {2, 4, 6, 24})
    for (Encoding encoding :
         {Encoding::I2S, Encoding::I2SRows, Encoding::TQ1_0, Encoding::IQ2BN}) {
      Source one = source(m, encoding, scale);
      one.interleaved = head;
      EXPECT_EQ(one.storedRow(0), 0);
      EXPECT_EQ(one.storedRow(head / 2), 1);
      EXPECT_EQ(one.storedRow(head - 1), head - 1);
      expectTrits(m, one, 3.0f);
    }
}

TEST_F(BlocksTest, InterleavedRowsOfNumbers) {
  Source one =
      checkpoint.addValues("d", Encoding::F32, 8, 1, {0, 1, 2, 3, 4, 5, 6, 7});
  one.interleaved = 4;
  Plan plan;
  append(plan, makeEntry("d", EntryKind::Dense, {one}));
  checkpoint.save(folder, plan);
  std::string message;
  std::vector<uint8_t> bytes = writeToBytes(plan, folder, 1, message);
  ASSERT_EQ(message, "");
  std::vector<float> got(8);
  std::memcpy(got.data(), bytes.data() + plan.entries[0].offset, 32);
  EXPECT_EQ(got, (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7}));
}

TEST_F(BlocksTest, ScalesThatDoNotMatter) {
  for (Encoding encoding :
       {Encoding::TQ1_0, Encoding::TQ2_0, Encoding::IQ1BN, Encoding::IQ2BN}) {
    Matrix m = randomMatrix(4, 512), zeros = m;
    // Row 0 has a scale of 0, row 1 weights of 0; so has half of row 3.
    std::fill_n(zeros.codes.begin(), 1024, 1);
    std::fill_n(m.codes.begin() + 512, 512, 1);
    auto scale = [](int64_t row, int64_t) {
      return row == 0 ? 0.0f : row == 1 ? 9.0f : 0.5f;
    };
    Source one = source(m, encoding, scale);
    expectTrits(zeros, one, 0.5f);
  }
}

TEST_F(BlocksTest, NothingButZeros) {
  Matrix m{4, 256, std::vector<int>(1024, 1)};
  auto scale = [](int64_t, int64_t) { return 0.0f; };
  expectTrits(m, source(m, Encoding::TQ2_0, scale), 1.0f);
  expectTrits(m, source(m, Encoding::IQ1BN, scale), 1.0f);
  EXPECT_EQ(messageOf(source(m, Encoding::I2S, scale)),
            "weights.bin: tensor 'w': expected a positive, finite scale, but "
            "found 0");
}

TEST_F(BlocksTest, ScalesThatDiffer) {
  const Matrix m = randomMatrix(5, 768);
  auto scale = [](int64_t row, int64_t col) {
    return row == 3 && (col == 512 || col == 0) ? 0.25f : 0.5f;
  };
  EXPECT_EQ(messageOf(source(m, Encoding::TQ2_0, scale)),
            "weights.bin: tensor 'w': expected one scale for the whole matrix, "
            "but found 0.5 and, at row 3, column 0, 0.25");
  EXPECT_EQ(messageOf(source(m, Encoding::IQ2BN, scale)),
            "weights.bin: tensor 'w': expected one scale for the whole matrix, "
            "but found 0.5 and, at row 3, column 0, 0.25");
}

TEST_F(BlocksTest, ScalesThatAreNoScales) {
  const Matrix m = randomMatrix(4, 256);
  for (auto [value, text] : {std::pair(-1.0f, "-1"), {INFINITY, "inf"}})
    for (Encoding encoding : {Encoding::I2S, Encoding::IQ2BN})
      EXPECT_EQ(messageOf(source(m, encoding,
                                 [&](int64_t, int64_t) { return value; })),
                std::string("weights.bin: tensor 'w': expected a positive, "
                            "finite scale, but found ") +
                    text);
  EXPECT_EQ(messageOf(source(
                m, Encoding::TQ1_0,
                [](int64_t row, int64_t) { return row == 2 ? NAN : 1.0f; })),
            "weights.bin: tensor 'w': expected finite scales, but found nan at "
            "row 2, column 0");
}

TEST_F(BlocksTest, Code3) {
  for (Encoding encoding : {Encoding::I2S, Encoding::I2S64, Encoding::I2SRows,
                            Encoding::TQ2_0, Encoding::IQ2BN}) {
    Matrix m = randomMatrix(8, 256);
    m.codes[5 * 256 + 77] = 3;
    EXPECT_EQ(
        messageOf(source(m, encoding, [](int64_t, int64_t) { return 1.0f; })),
        "weights.bin: tensor 'w': expected ternary codes 0, 1, 2, but "
        "found code 3 at row 5, column 77");
  }
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

/// The floats that `bytes` become.
static std::vector<float> floatsOf(TestCheckpoint &checkpoint,
                                   const ScratchFolder &folder,
                                   Encoding encoding, int64_t rows,
                                   int64_t cols,
                                   const std::vector<uint8_t> &bytes) {
  Plan plan;
  append(plan,
         makeEntry("d", EntryKind::Dense,
                   {checkpoint.addBytes("d", encoding, rows, cols, bytes)}));
  checkpoint.save(folder, plan);
  std::string message;
  std::vector<uint8_t> packed = writeToBytes(plan, folder, 1, message);
  EXPECT_EQ(message, "");
  std::vector<float> floats(rows * cols);
  std::memcpy(floats.data(), packed.data() + plan.entries[0].offset,
              floats.size() * sizeof(float));
  return floats;
}

TEST_F(BlocksTest, Q8_0) {
  std::vector<uint8_t> bytes(8 * 34);
  for (int64_t block = 0; block < 8; ++block) {
    putFloat(bytes, block * 34, Encoding::F16, 0.1f * float(block + 1));
    for (int64_t i = 0; i < 32; ++i)
      bytes[block * 34 + 2 + i] = static_cast<uint8_t>(block * 32 + i);
  }
  std::vector<float> got =
      floatsOf(checkpoint, folder, Encoding::Q8_0, 4, 64, bytes);
  for (int64_t i = 0; i < 256; ++i) {
    float scale =
        valueOf(Encoding::F16, bitsOf(Encoding::F16, 0.1f * float(i / 32 + 1)));
    EXPECT_EQ(got[i], scale * float(int8_t(i)));
  }
}

TEST_F(BlocksTest, Q6_K) {
  // Element i of block b is (i + 7 b) % 64 - 32, its factor i / 16 * 17 - 128.
  std::vector<uint8_t> bytes(3 * 210);
  auto element = [](int64_t block, int64_t i) { return (i + 7 * block) % 64; };
  auto factor = [](int64_t i) { return i / 16 * 17 - 128; };
  for (int64_t block = 0; block < 3; ++block) {
    uint8_t *out = bytes.data() + block * 210;
    for (int64_t i = 0; i < 256; ++i) {
      const int64_t half = i / 128, j = i % 128, value = element(block, i);
      out[half * 64 + j % 64] |= (value & 15) << (j / 64 * 4);
      out[128 + half * 32 + j % 32] |= (value >> 4) << (j / 32 * 2);
      out[192 + i / 16] = static_cast<uint8_t>(factor(i));
    }
    putFloat(bytes, block * 210 + 208, Encoding::F16, 0.7f);
  }
  std::vector<float> got =
      floatsOf(checkpoint, folder, Encoding::Q6_K, 3, 256, bytes);
  const double scale = valueOf(Encoding::F16, bitsOf(Encoding::F16, 0.7f));
  for (int64_t i = 0; i < 768; ++i)
    EXPECT_EQ(double(got[i]), scale * double(factor(i % 256)) *
                                  double(element(i / 256, i % 256) - 32));
}

} // namespace
