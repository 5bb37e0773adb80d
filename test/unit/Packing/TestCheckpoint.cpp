//===- TestCheckpoint.cpp - Checkpoints and what they pack to -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

namespace ternac::packing {

ScratchFolder::ScratchFolder() {
  llvm::SmallString<128> path;
  EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("ternac-packing", path));
  folder = std::string(path);
}

ScratchFolder::~ScratchFolder() {
  EXPECT_FALSE(llvm::sys::fs::remove_directories(folder));
}

static const llvm::fltSemantics &semanticsOf(Encoding encoding) {
  switch (encoding) {
  case Encoding::F16:
    return llvm::APFloat::IEEEhalf();
  case Encoding::BF16:
    return llvm::APFloat::BFloat();
  default:
    return llvm::APFloat::IEEEsingle();
  }
}

uint32_t bitsOf(Encoding encoding, float value) {
  llvm::APFloat number(value);
  bool losesInfo;
  number.convert(semanticsOf(encoding), llvm::APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return static_cast<uint32_t>(number.bitcastToAPInt().getZExtValue());
}

float valueOf(Encoding encoding, uint32_t bits) {
  const llvm::fltSemantics &semantics = semanticsOf(encoding);
  llvm::APFloat number(
      semantics,
      llvm::APInt(llvm::APFloat::semanticsSizeInBits(semantics), bits));
  bool losesInfo;
  number.convert(llvm::APFloat::IEEEsingle(),
                 llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return number.convertToFloat();
}

//===----------------------------------------------------------------------===//
// The checkpoint
//===----------------------------------------------------------------------===//

Source TestCheckpoint::addBytes(const std::string &name, Encoding encoding,
                                int64_t rows, int64_t cols,
                                const std::vector<uint8_t> &stored) {
  Source source;
  source.name = name;
  source.encoding = encoding;
  source.rows = rows;
  source.cols = cols;
  source.files = {0};
  source.offsets = {static_cast<int64_t>(bytes.size())};
  bytes.insert(bytes.end(), stored.begin(), stored.end());
  return source;
}

Source TestCheckpoint::addValues(const std::string &name, Encoding encoding,
                                 int64_t rows, int64_t cols,
                                 const std::vector<float> &values) {
  std::vector<uint8_t> stored;
  std::vector<float> &kept = tensors[name];
  kept.clear();
  if (encoding == Encoding::PackedRows) {
    kept = values;
    stored.resize(rows / 4 * cols);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t col = 0; col < cols; ++col)
        stored[row % (rows / 4) * cols + col] |=
            int(values[row * cols + col] + 1) << row / (rows / 4) * 2;
    return addBytes(name, encoding, rows, cols, stored);
  }
  for (float value : values) {
    uint32_t bits = bitsOf(encoding, value);
    kept.push_back(valueOf(encoding, bits));
    for (int64_t byte = 0; byte < rowBytes(encoding, 1); ++byte)
      stored.push_back(static_cast<uint8_t>(bits >> 8 * byte));
  }
  return addBytes(name, encoding, rows, cols, stored);
}

Source TestCheckpoint::add(const std::string &name, Encoding encoding,
                           int64_t rows, int64_t cols, int64_t layers) {
  Source source;
  std::normal_distribution<float> normal(0.0f, 0.02f);
  for (int64_t layer = 0; layer < layers; ++layer) {
    std::vector<float> values(rows * cols);
    for (float &value : values)
      value = encoding == Encoding::PackedRows ? float(int(random() % 3) - 1)
                                               : normal(random);
    if (rows * cols == 1) // A scale.
      values[0] = std::abs(values[0]) + 0.001f;
    source.name = name;
    source.firstLayer = 5;
    Source one = addValues(source.nameOf(layer), encoding, rows, cols, values);
    one.name = name;
    one.firstLayer = 5;
    if (layer == 0) {
      source = one;
    } else {
      source.files.push_back(0);
      source.offsets.push_back(one.offsets[0]);
    }
  }
  return source;
}

void TestCheckpoint::save(const ScratchFolder &folder, Plan &plan) const {
  const std::string path = folder.file("weights.bin");
  {
    std::ofstream stream(path, std::ios::binary);
    stream.write(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  }
  llvm::Expected<uint64_t> fingerprint = fingerprintFile(path);
  ASSERT_TRUE(bool(fingerprint));
  plan.files = {{"weights.bin", bytes.size(), *fingerprint}};
}

//===----------------------------------------------------------------------===//
// The naive packer
//===----------------------------------------------------------------------===//

static float multiplierOf(const std::vector<float> &weights) {
  double sum = 0;
  for (float weight : weights)
    sum += std::fabs(double(weight));
  return 1.0f / std::max(float(sum / double(weights.size())), 1e-5f);
}

/// The values of the sources one below the other; those of Trits as trits.
std::vector<float> TestCheckpoint::stack(const Entry &entry,
                                         int64_t layer) const {
  std::vector<float> result;
  for (const Source &source : entry.sources) {
    std::vector<float> values = valuesOf(source, layer);
    if (entry.kind == EntryKind::Trits &&
        source.encoding != Encoding::PackedRows) {
      const float multiplier = multiplierOf(values);
      for (float &value : values)
        value = std::clamp(std::nearbyint(value * multiplier), -1.0f, 1.0f);
    }
    result.insert(result.end(), values.begin(), values.end());
  }
  return result;
}

/// Element by element, from the formula of ternac/Packing/Int4.h.
static void packInt4(const std::vector<float> &values, int64_t rows,
                     int64_t cols, uint8_t *out) {
  const int64_t spans = (cols + 63) / 64, tiles = (rows + 15) / 16;
  for (int64_t row = 0; row < tiles * 16; ++row)
    for (int64_t col = 0; col < spans * 64; ++col) {
      auto at = [&](int64_t c) {
        return row < rows && c < cols ? values[row * cols + c] : 0.0f;
      };
      const int64_t group = col / 32;
      float largest = 0;
      for (int64_t c = group * 32; c < group * 32 + 32; ++c)
        if (std::fabs(at(c)) > std::fabs(largest))
          largest = at(c);
      const uint32_t bits = bitsOf(Encoding::BF16, largest / -8.0f);
      const float scale = valueOf(Encoding::BF16, bits);
      int q = 0;
      if (scale != 0)
        q = int(std::fmin(
            std::fmax(std::nearbyint(double(at(col)) / scale), -8.0), 7.0));
      uint8_t *span = out + (row / 16 * spans + col / 64) * 576;
      uint16_t half = uint16_t(bits);
      std::memcpy(span + (group % 2 * 16 + row % 16) * 2, &half, 2);
      const int64_t block = col % 64 / 8, j = col % 8 / 2, p = col % 2;
      const int64_t bit = 4 * j, word = 2 * (row % 16) + p;
      span[64 + block * 64 + 2 * word + bit / 8] |= (q + 8) << (bit % 8);
    }
}

void TestCheckpoint::packEntry(const Entry &entry, int64_t layer,
                               uint8_t *out) const {
  auto putFloat = [&](int64_t offset, float value) {
    std::memcpy(out + offset, &value, sizeof(value));
  };
  if (entry.kind == EntryKind::Scales) {
    for (size_t i = 0; i < entry.sources.size(); ++i) {
      const std::vector<float> &values = valuesOf(entry.sources[i], layer);
      float factor = values[0];
      if (entry.scaleSense == ScaleSense::Reciprocal)
        factor = 1.0f / values[0];
      if (entry.scaleSense == ScaleSense::Absmean)
        factor = 1.0f / multiplierOf(values);
      putFloat(4 * i, factor);
    }
    return;
  }
  const std::vector<float> values = stack(entry, layer);
  const int64_t rows = entry.rows, cols = entry.cols;
  switch (entry.kind) {
  case EntryKind::Scales:
    return;
  case EntryKind::Trits: {
    std::vector<int8_t> trits(values.begin(), values.end());
    return pack(entry.layout, trits.data(), rows, cols, out);
  }
  case EntryKind::Dense:
    for (size_t i = 0; i < values.size(); ++i) {
      uint32_t bits = bitsOf(entry.element, values[i]);
      std::memcpy(out + i * rowBytes(entry.element, 1), &bits,
                  rowBytes(entry.element, 1));
    }
    return;
  case EntryKind::RowInt8:
    for (int64_t row = 0; row < rows; ++row) {
      const float *weights = values.data() + row * cols;
      float absmax = 0;
      for (int64_t col = 0; col < cols; ++col)
        absmax = std::max(absmax, std::fabs(weights[col]));
      for (int64_t col = 0; col < cols && absmax > 0; ++col)
        out[row * cols + col] = static_cast<uint8_t>(
            int(std::nearbyint(127.0 * double(weights[col]) / absmax)));
      putFloat((rows * cols + 63) / 64 * 64 + 4 * row, absmax / 127.0f);
    }
    return;
  case EntryKind::GroupInt4:
    return packInt4(values, rows, cols, out);
  case EntryKind::Rope:
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < cols / 2; ++i) {
        double angle = row * std::pow(entry.rope.theta, -2.0 * i / cols);
        putFloat(4 * (row * cols + i), float(std::cos(angle)));
        putFloat(4 * (row * cols + cols / 2 + i), float(std::sin(angle)));
      }
    return;
  }
}

std::vector<uint8_t> TestCheckpoint::packNaively(const Plan &plan) const {
  std::vector<uint8_t> result(plan.totalBytes());
  for (const Entry &entry : plan.entries)
    for (int64_t layer = 0; layer < entry.layers; ++layer)
      packEntry(entry, layer,
                result.data() + entry.offset + layer * entry.layerBytes);
  return result;
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

Entry makeEntry(const std::string &name, EntryKind kind,
                std::vector<Source> sources, int64_t layers) {
  Entry entry;
  entry.name = name;
  entry.kind = kind;
  entry.layers = layers;
  entry.sources = std::move(sources);
  if (!entry.sources.empty())
    entry.cols = entry.sources.front().cols;
  for (const Source &source : entry.sources)
    entry.rows += kind == EntryKind::Scales ? 1 : source.rows;
  return entry;
}

void append(Plan &plan, Entry entry) {
  entry.offset = plan.totalBytes() + 128;
  entry.layerBytes = llvm::alignTo(entry.payloadBytes(), 64) + 64;
  plan.entries.push_back(std::move(entry));
}

std::vector<uint8_t> writeToBytes(const Plan &plan, const ScratchFolder &folder,
                                  unsigned threads, std::string &message,
                                  uint64_t base) {
  const std::string path = folder.file("out.bin");
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  EXPECT_GE(fd, 0);
  PackOptions options;
  options.root = folder.path();
  options.threads = threads;
  message = llvm::toString(writePlan(plan, fd, base, options));
  std::vector<uint8_t> result;
  if (message.empty()) {
    result.resize(plan.totalBytes());
    EXPECT_EQ(::pread(fd, result.data(), result.size(), base),
              ssize_t(result.size()));
  }
  ::close(fd);
  return result;
}

std::string messageOf(const Plan &plan, const ScratchFolder &folder,
                      unsigned threads) {
  std::string message;
  writeToBytes(plan, folder, threads, message);
  return message;
}

} // namespace ternac::packing
