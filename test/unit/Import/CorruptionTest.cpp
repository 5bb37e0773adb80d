//===- CorruptionTest.cpp - Damaged checkpoints do not crash --------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Files from strangers: whatever is in them, the answer is a checkpoint whose
// tensors lie inside of its files, or a message. The damage is pseudo-random
// from fixed seeds, so that a failure repeats.
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"

#include <random>

using namespace llvm;
using namespace ternac;
using namespace ternac::import;
using namespace ternac::import::test;

static void expectInside(const Checkpoint &checkpoint, const Tensor &tensor) {
  bool packed = tensor.encoding == packing::Encoding::PackedRows;
  bool wide = tensor.encoding == packing::Encoding::F32;
  int64_t elementBytes = packed ? 1 : wide ? 4 : 2;
  int64_t elements = tensor.rows * tensor.cols / (packed ? 4 : 1);
  ASSERT_GE(tensor.file, 0);
  ASSERT_LT(size_t(tensor.file), checkpoint.files.size());
  EXPECT_GE(tensor.offset, 0);
  EXPECT_LE(uint64_t(tensor.offset + elements * elementBytes),
            checkpoint.files[tensor.file].size)
      << tensor.name;
}

/// Reads the directory; any outcome but a crash or a lie is fine.
static void expectSane(const Directory &directory) {
  Expected<Checkpoint> checkpoint =
      readHuggingFace(directory.path(), std::nullopt, std::nullopt);
  if (!checkpoint) {
    EXPECT_NE(toString(checkpoint.takeError()), "");
    return;
  }
  expectInside(*checkpoint, checkpoint->embedding);
  expectInside(*checkpoint, checkpoint->finalNorm);
  for (const Layer &layer : checkpoint->layers)
    for (const Linear *linear : {&layer.q, &layer.k, &layer.v, &layer.o,
                                 &layer.gate, &layer.up, &layer.down})
      expectInside(*checkpoint, linear->weight);
}

/// `bytes` with up to four changes in its first `headBytes`.
static std::string damage(std::string bytes, size_t headBytes,
                          std::mt19937 &random) {
  auto below = [&](size_t n) {
    return size_t(std::uniform_int_distribution<size_t>(0, n - 1)(random));
  };
  // Characters that keep the text nearly JSON reach further than bits do.
  constexpr StringLiteral likely = "0123456789-.eE\"{}[]:,nutf \\U";
  for (size_t n = below(4) + 1; n != 0 && !bytes.empty(); --n) {
    size_t at = below(std::min(headBytes, bytes.size()));
    switch (below(5)) {
    case 0:
      bytes[at] ^= char(1 << below(8));
      break;
    case 1:
      bytes.erase(at, below(8) + 1);
      break;
    case 2:
      bytes.insert(at, 1, likely[below(likely.size())]);
      break;
    case 3:
      bytes[at] = likely[below(likely.size())];
      break;
    case 4:
      if (below(8) == 0)
        bytes.resize(at);
      break;
    }
  }
  return bytes;
}

static void expectSaneWhenDamaged(const Directory &directory, StringRef name,
                                  const std::string &bytes, size_t headBytes) {
  std::mt19937 random(1);
  for (int i = 0; i != 100; ++i) {
    directory.write(name, damage(bytes, headBytes, random));
    expectSane(directory);
  }
  directory.write(name, bytes);
}

TEST(Corruption, Config) {
  for (Kind kind : {Kind::BitNetOffline, Kind::OneBit}) {
    Directory directory;
    writeCheckpoint(directory, kind);
    std::string config = formatv("{0}", json::Value(configOf(kind))).str();
    expectSaneWhenDamaged(directory, "config.json", config, config.size());
  }
}

TEST(Corruption, Safetensors) {
  Directory directory;
  writeCheckpoint(directory, Kind::BitNetOffline);
  std::string bytes = safetensors(tensorsOf(Kind::BitNetOffline));
  size_t headerEnd = bytes.rfind('}') + 1;
  expectSaneWhenDamaged(directory, "model.safetensors", bytes, headerEnd);
  // The length of the header and its first bytes.
  expectSaneWhenDamaged(directory, "model.safetensors", bytes, 12);
}

TEST(Corruption, Truncation) {
  Directory directory;
  writeCheckpoint(directory, Kind::BitNetOffline);
  std::string bytes = safetensors(tensorsOf(Kind::BitNetOffline));
  for (size_t size = 0; size < bytes.size(); size += 97) {
    directory.write("model.safetensors", StringRef(bytes).take_front(size));
    EXPECT_NE(errorOf(directory), "") << size;
  }
}

TEST(Corruption, Index) {
  Directory directory;
  writeConfig(directory, configOf(Kind::Llama));
  directory.write("a.safetensors", safetensors(tensorsOf(Kind::Llama)));
  json::Object map;
  for (const RawTensor &tensor : tensorsOf(Kind::Llama))
    map[tensor.name] = "a.safetensors";
  std::string index =
      formatv("{0}", json::Value(json::Object{{"weight_map", std::move(map)}}))
          .str();
  expectSaneWhenDamaged(directory, "model.safetensors.index.json", index,
                        index.size());
}
