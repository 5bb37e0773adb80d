//===- GGUFTest.cpp - Reading GGUF files ----------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// test/end-to-end/test_bad_gguf.py has the messages, by files of its own
// writer; these are properties of any file.
//
//===----------------------------------------------------------------------===//

#include "Import/GGUF/File.h"
#include "Import/GGUF/Keys.h"
#include "TestCheckpoint.h"

#include "ternac/Import/GGUF.h"
#include "gtest/gtest.h"

#include <random>

using namespace llvm;
using namespace ternac;
using namespace ternac::import;
using namespace ternac::import::test;

namespace {

/// Writes a file from front to back.
class Builder {
public:
  template <typename T> Builder &number(T value) {
    bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
    return *this;
  }
  Builder &string(StringRef text) {
    number<uint64_t>(text.size());
    bytes += text;
    return *this;
  }
  Builder &begin(uint64_t tensors, uint64_t keys) {
    bytes = "GGUF";
    return number<uint32_t>(3).number(tensors).number(keys);
  }
  template <typename T>
  Builder &key(StringRef name, gguf::ValueType type, T value) {
    return string(name).number(uint32_t(type)).number(value);
  }
  Builder &key(StringRef name, StringRef value) {
    return string(name).number(uint32_t(gguf::ValueType::String)).string(value);
  }
  Builder &integer(StringRef name, uint32_t value) {
    return key(name, gguf::ValueType::UInt32, value);
  }
  /// A tensor at the next place.
  Builder &tensor(StringRef name, std::vector<uint64_t> extents, uint32_t type,
                  uint64_t size) {
    string(name).number(uint32_t(extents.size()));
    for (uint64_t extent : extents)
      number(extent);
    number(type).number(dataBytes);
    dataBytes += (size + 31) / 32 * 32;
    return *this;
  }
  std::string end() {
    bytes.resize((bytes.size() + 31) / 32 * 32);
    return bytes + std::string(dataBytes, 0);
  }

private:
  std::string bytes;
  uint64_t dataBytes = 0;
};

constexpr uint32_t typeF32 = 0, typeTQ2_0 = 35;

/// A whole model of one layer: 256 wide, two heads, four tokens.
std::string smallModel() {
  Builder b;
  b.begin(11, 8).key("general.architecture", "llama");
  b.integer("llama.block_count", 1).integer("llama.context_length", 64);
  b.integer("llama.embedding_length", 256);
  b.integer("llama.feed_forward_length", 256);
  b.integer("llama.attention.head_count", 2);
  b.key("llama.attention.layer_norm_rms_epsilon", gguf::ValueType::Float32,
        1e-5f);
  b.integer("tokenizer.ggml.eos_token_id", 3);
  b.tensor("token_embd.weight", {256, 4}, typeF32, 4096);
  for (StringRef name : {"attn_q", "attn_k", "attn_v", "attn_output",
                         "ffn_gate", "ffn_up", "ffn_down"})
    b.tensor(("blk.0." + name + ".weight").str(), {256, 256}, typeTQ2_0,
             256 * 66);
  for (StringRef name : {"blk.0.attn_norm.weight", "blk.0.ffn_norm.weight",
                         "output_norm.weight"})
    b.tensor(name, {256}, typeF32, 1024);
  return b.end();
}

Expected<gguf::File> readBytes(StringRef bytes) {
  return gguf::File::read(MemoryBuffer::getMemBufferCopy(bytes), "file",
                          I2SLayout::Blocks128);
}

std::string errorOfBytes(StringRef bytes) {
  Expected<gguf::File> file = readBytes(bytes);
  return file ? "" : toString(file.takeError());
}

TEST(GGUF, SmallModel) {
  Directory directory;
  directory.write("model.gguf", smallModel());
  Expected<Checkpoint> model = readGGUF(directory.path() + "/model.gguf",
                                        I2SLayout::Blocks128, std::nullopt);
  ASSERT_TRUE(bool(model)) << toString(model.takeError());
  EXPECT_EQ(model->modelType, "llama");
  EXPECT_EQ(model->architecture, "llama");
  EXPECT_EQ(model->headDim, 128);
  EXPECT_EQ(model->kvHeads, 2);
  EXPECT_EQ(model->vocabSize, 4);
  EXPECT_EQ(model->rope.theta, 10000.0);
  EXPECT_EQ(model->beginToken, -1);
  EXPECT_EQ(model->endTokens, (std::vector<int64_t>{3}));
  EXPECT_FALSE(model->head);
  const Layer &layer = model->layers.front();
  expectTensor(layer.q.weight, "blk.0.attn_q.weight", packing::Encoding::TQ2_0,
               256, 256);
  EXPECT_EQ(layer.q.weight.interleaved, 128);
  EXPECT_EQ(layer.k.scale.interleaved, 128);
  EXPECT_EQ(layer.v.weight.interleaved, 0);
  EXPECT_EQ(layer.k.weight.offset - layer.q.weight.offset, 256 * 66);
  ASSERT_EQ(model->files.size(), 1u);
  EXPECT_EQ(model->files.front().path, "model.gguf");
  EXPECT_EQ(model->files.front().size, smallModel().size());
}

TEST(GGUF, TypesOfValues) {
  using gguf::ValueType;
  Builder b;
  b.begin(0, 11);
  b.key("u8", ValueType::UInt8, uint8_t(200));
  b.key("i8", ValueType::Int8, int8_t(-3));
  b.key("u16", ValueType::UInt16, uint16_t(60000));
  b.key("i16", ValueType::Int16, int16_t(-3));
  b.key("i32", ValueType::Int32, int32_t(-3));
  b.key("u64", ValueType::UInt64, ~uint64_t(0));
  b.key("i64", ValueType::Int64, int64_t(-3));
  b.key("f64", ValueType::Float64, 0.5);
  b.key("bool", ValueType::Bool, uint8_t(1));
  b.key("text", "words");
  b.key("list", ValueType::Array, uint32_t(ValueType::UInt8));
  b.number<uint64_t>(3).number<uint16_t>(1).number<uint8_t>(1);
  Expected<gguf::File> file = readBytes(b.end());
  ASSERT_TRUE(bool(file)) << toString(file.takeError());
  gguf::Keys keys(*file, "file");
  EXPECT_EQ(keys.integer("u8", 0, 255), 200);
  EXPECT_EQ(keys.integer("u16", 0, 65535), 60000);
  for (StringRef key : {"i8", "i16", "i32", "i64"})
    EXPECT_EQ(keys.integer(key, -3, -3), -3);
  EXPECT_EQ(keys.number("f64", 0), 0.5);
  EXPECT_EQ(keys.number("u8", 0), 200.0);
  EXPECT_TRUE(keys.boolean("bool", false));
  EXPECT_EQ(keys.oneOf("text", {"words"}), "words");
  EXPECT_EQ(keys.arrayLength("list"), 3);
  EXPECT_EQ(keys.integer("none", 0, 9, 7), 7);
  EXPECT_EQ(keys.unknownKeys("u"), (std::vector<std::string>{"u64"}));
  EXPECT_FALSE(keys.failed());
  keys.integer("u64", 0, 9);
  keys.integer("text", 0, 9);
  EXPECT_EQ(toString(keys.takeError()),
            "file: key 'u64' must be an integer from 0 to 9, but is "
            "9223372036854775807");
}

TEST(GGUF, EveryTruncation) {
  std::string bytes = smallModel();
  ASSERT_EQ(errorOfBytes(bytes), "");
  size_t header = bytes.find("output_norm") + 64;
  for (size_t size = 0; size < header; ++size)
    EXPECT_NE(errorOfBytes(StringRef(bytes).take_front(size)), "") << size;
  EXPECT_NE(errorOfBytes(StringRef(bytes).drop_back()), "");
}

/// Names and text of the file that are not text do not reach a terminal.
TEST(GGUF, MessagesAreOneLine) {
  Builder b;
  b.begin(0, 1).string("a\n\x1b[31m").number<uint32_t>(99);
  EXPECT_EQ(errorOfBytes(b.end()),
            "file: key 'a\\0A\\1B[31m' has the unknown type 99; expected a "
            "number from 0 to 12");
}

void expectInside(const gguf::File &file) {
  for (const gguf::StoredTensor &tensor : file.tensors()) {
    EXPECT_GE(tensor.offset, 0);
    EXPECT_GT(tensor.bytes, 0);
    EXPECT_LE(uint64_t(tensor.offset + tensor.bytes), file.size());
  }
}

TEST(GGUF, Corruption) {
  const std::string good = smallModel();
  const size_t header = good.find("output_norm") + 64;
  std::mt19937 random(1);
  constexpr uint8_t likely[] = {0, 1, 2, 8, 9, 0x7f, 0x80, 0xff};
  int accepted = 0;
  for (int i = 0; i != 4000; ++i) {
    std::string bytes = good;
    for (unsigned n = random() % 4 + 1; n != 0; --n) {
      char &byte = bytes[random() % header];
      byte = random() % 2 ? char(likely[random() % std::size(likely)])
                          : char(byte ^ 1 << random() % 8);
    }
    Expected<gguf::File> file = readBytes(bytes);
    if (!file) {
      EXPECT_NE(toString(file.takeError()), "");
      continue;
    }
    ++accepted;
    expectInside(*file);
  }
  // Changed names and values are for others to notice.
  EXPECT_GT(accepted, 100);
}

} // namespace
