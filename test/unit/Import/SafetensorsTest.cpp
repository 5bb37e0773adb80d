//===- SafetensorsTest.cpp - Files that are not what they say -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"

using namespace llvm;
using namespace ternac;
using namespace ternac::import;
using namespace ternac::import::test;

/// What is said about a model.safetensors of these bytes.
static std::string errorOfFile(StringRef bytes) {
  Directory directory;
  writeConfig(directory, configOf(Kind::BitNetOffline));
  directory.write("model.safetensors", bytes);
  return errorOf(directory);
}

/// What is said about a header in front of 8 bytes of data.
static std::string errorOfHeader(StringRef header) {
  return errorOfFile(rawSafetensors(header, 8));
}

TEST(Safetensors, FileTooShort) {
  EXPECT_EQ(errorOfFile(""),
            "DIR/model.safetensors: is no safetensors file: it has 0 bytes, "
            "less than the 8 of the header's length");
  EXPECT_EQ(errorOfFile("1234567"),
            "DIR/model.safetensors: is no safetensors file: it has 7 bytes, "
            "less than the 8 of the header's length");
}

TEST(Safetensors, HeaderTooLong) {
  EXPECT_EQ(errorOfFile(StringRef("\x03\0\0\0\0\0\0\0{}", 10)),
            "DIR/model.safetensors: is truncated: its header of 3 bytes does "
            "not fit into the file of 10");
  EXPECT_EQ(errorOfFile(StringRef("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)),
            "DIR/model.safetensors: is no safetensors file: a header of "
            "18446744073709551615 bytes is beyond the limit of 100000000");
}

TEST(Safetensors, NoRegularFile) {
  Directory directory;
  writeConfig(directory, configOf(Kind::BitNetOffline));
  ASSERT_FALSE(
      sys::fs::create_directory(directory.path() + "/model.safetensors"));
  EXPECT_EQ(errorOf(directory), "DIR/model.safetensors: is no regular file");
}

TEST(Safetensors, HeaderIsNoJson) {
  EXPECT_EQ(errorOfHeader("{\"a\": "),
            "DIR/model.safetensors: header: invalid JSON: [1:6, byte=6]: "
            "Unexpected EOF");
  EXPECT_EQ(errorOfHeader("[1, 2]"),
            "DIR/model.safetensors: header: expected a JSON object, but got "
            "a list");
  EXPECT_EQ(errorOfHeader("{\"a\": \"\xff\"}"),
            "DIR/model.safetensors: header: invalid JSON: [1:7, byte=7]: "
            "Invalid UTF-8 sequence");
}

TEST(Safetensors, HeaderNestedTooDeep) {
  std::string expected = "DIR/model.safetensors: header: the JSON text is "
                         "nested more than 64 levels deep";
  EXPECT_EQ(errorOfHeader(std::string(1'000'000, '[')), expected);
  std::string objects;
  for (int i = 0; i != 100'000; ++i)
    objects += "{\"a\":";
  EXPECT_EQ(errorOfHeader(objects), expected);
}

TEST(Safetensors, DuplicateNames) {
  std::string entry =
      R"({"dtype": "U8", "shape": [8], "data_offsets": [0, 8]})";
  std::string expected = "DIR/model.safetensors: header: the JSON text has the "
                         "key 'a' twice in one object";
  EXPECT_EQ(errorOfHeader("{\"a\": " + entry + ", \"a\": " + entry + "}"),
            expected);
  EXPECT_EQ(errorOfHeader("{\"a\": " + entry + ", \"\\u0061\": " + entry + "}"),
            expected);
}

TEST(Safetensors, Metadata) {
  std::string expected = "DIR/model.safetensors: '__metadata__' must map "
                         "strings to strings";
  EXPECT_EQ(errorOfHeader(R"({"__metadata__": 1})"), expected);
  EXPECT_EQ(errorOfHeader(R"({"__metadata__": {"a": 1}})"), expected);
}

TEST(Safetensors, BadEntries) {
  std::string unknownDtype =
      "has the unknown dtype 'F4'; expected one of BOOL, U8, I8, F8_E5M2, "
      "F8_E4M3, F8_E8M0, I16, U16, F16, BF16, I32, U32, F32, I64, U64, F64, "
      "C64";
  struct {
    StringRef entry;
    std::string message;
  } cases[] = {
      {"7", "must be described by an object, but is by 7"},
      {R"({"shape": [8], "data_offsets": [0, 8]})", "has no dtype"},
      {R"({"dtype": "F4", "shape": [8], "data_offsets": [0, 8]})",
       unknownDtype},
      {R"({"dtype": "U8", "data_offsets": [0, 8]})",
       "must have a shape of non-negative integers"},
      {R"({"dtype": "U8", "shape": [-8], "data_offsets": [0, 8]})",
       "must have a shape of non-negative integers"},
      {R"({"dtype": "U8", "shape": [8.5], "data_offsets": [0, 8]})",
       "must have a shape of non-negative integers"},
      {R"({"dtype": "U8", "shape": [4294967296, 4294967296],
           "data_offsets": [0, 8]})",
       "has a shape whose size overflows 64 bits"},
      {R"({"dtype": "U8", "shape": [8]})",
       "must have data_offsets of two non-negative integers"},
      {R"({"dtype": "U8", "shape": [8], "data_offsets": [0, 8, 9]})",
       "must have data_offsets of two non-negative integers"},
      {R"({"dtype": "U8", "shape": [8], "data_offsets": [-1, 8]})",
       "must have data_offsets of two non-negative integers"},
      {R"({"dtype": "U8", "shape": [8], "data_offsets": [8, 0]})",
       "has the data_offsets [8, 0], which is no range of the 8 bytes of data"},
      {R"({"dtype": "U8", "shape": [8], "data_offsets": [1, 9]})",
       "has the data_offsets [1, 9], which is no range of the 8 bytes of data"},
      {R"({"dtype": "F32", "shape": [8], "data_offsets": [0, 8]})",
       "must have 32 bytes by its dtype and shape, but its data_offsets span "
       "8"},
  };
  for (const auto &test : cases)
    EXPECT_EQ(errorOfHeader(("{\"a\": " + test.entry + "}").str()),
              "DIR/model.safetensors: tensor 'a' " + test.message)
        << test.entry.str();
}

TEST(Safetensors, NamesArePrintable) {
  EXPECT_EQ(errorOfHeader(R"({"\u001b[31m": 7})"),
            "DIR/model.safetensors: tensor '\\1B[31m' must be described by an "
            "object, but is by 7");
}

/// What is said about two U8 tensors in 8 bytes.
static std::string errorOfTwo(int aBegin, int aEnd, int bBegin, int bEnd) {
  constexpr const char *entry =
      R"("{0}": {{"dtype": "U8", "shape": [{1}], "data_offsets": [{2}, {3}]})";
  return errorOfHeader(
      "{" + formatv(entry, "a", aEnd - aBegin, aBegin, aEnd).str() + "," +
      formatv(entry, "b", bEnd - bBegin, bBegin, bEnd).str() + "}");
}

TEST(Safetensors, Tiling) {
  EXPECT_EQ(errorOfTwo(0, 5, 4, 8),
            "DIR/model.safetensors: tensors 'a' and 'b' overlap");
  EXPECT_EQ(errorOfTwo(4, 8, 0, 3),
            "DIR/model.safetensors: the data from byte 3 to 4, before tensor "
            "'a', belongs to no tensor");
  EXPECT_EQ(errorOfTwo(0, 4, 4, 7),
            "DIR/model.safetensors: the tensors end at byte 7 of the data, "
            "but there are 8 bytes of it");
  // Nothing wrong with the file; the model misses its tensors.
  std::string wellFormed = "DIR: expected tensor 'model.embed_tokens.weight', "
                           "but no file of the checkpoint holds it";
  EXPECT_EQ(errorOfTwo(4, 8, 0, 4), wellFormed);
  EXPECT_EQ(errorOfTwo(0, 0, 0, 8), wellFormed);
  EXPECT_EQ(errorOfTwo(0, 8, 8, 8), wellFormed);
}

//===----------------------------------------------------------------------===//
// Shards
//===----------------------------------------------------------------------===//

namespace {
/// A checkpoint in two shards, with any weight map.
class Shards : public testing::Test {
protected:
  Shards() {
    writeConfig(directory, configOf(Kind::Llama));
    std::vector<RawTensor> tensors = tensorsOf(Kind::Llama);
    for (auto [i, tensor] : enumerate(tensors)) {
      first.push_back(tensor);
      if (i % 2 == 0)
        std::swap(first, second);
    }
    for (const RawTensor &tensor : first)
      weightMap[tensor.name] = "model-1.safetensors";
    for (const RawTensor &tensor : second)
      weightMap[tensor.name] = "model-2.safetensors";
  }

  std::string error() {
    directory.write("model-1.safetensors", safetensors(first));
    directory.write("model-2.safetensors", safetensors(second));
    json::Object index{{"metadata", json::Object{{"total_size", 1}}},
                       {"weight_map", json::Object(weightMap)}};
    directory.write("model.safetensors.index.json",
                    formatv("{0}", json::Value(std::move(index))).str());
    return errorOf(directory);
  }

  Directory directory;
  std::vector<RawTensor> first, second;
  json::Object weightMap;
};
} // namespace

TEST_F(Shards, AreRead) {
  ASSERT_EQ(error(), "");
  Checkpoint checkpoint =
      cantFail(readHuggingFace(directory.path(), std::nullopt, std::nullopt));
  ASSERT_EQ(checkpoint.files.size(), 2u);
  EXPECT_EQ(checkpoint.files[0].path, "model-1.safetensors");
  EXPECT_EQ(checkpoint.files[1].path, "model-2.safetensors");
  for (const packing::File &file : checkpoint.files) {
    uint64_t size = 0;
    ASSERT_FALSE(sys::fs::file_size(directory.path() + "/" + file.path, size));
    EXPECT_EQ(file.size, size);
  }
  StringRef embeddingShard = *weightMap.getString("model.embed_tokens.weight");
  EXPECT_EQ(checkpoint.files[checkpoint.embedding.file].path,
            embeddingShard.str());
  EXPECT_NE(checkpoint.embedding.file, checkpoint.layers[0].inputNorm.file);
}

TEST_F(Shards, ListedTensorMissing) {
  weightMap["extra"] = "model-2.safetensors";
  EXPECT_EQ(error(), "DIR/model-2.safetensors: expected tensor 'extra', as "
                     "model.safetensors.index.json says, but it is not there");
}

TEST_F(Shards, ListedInOtherShard) {
  weightMap["model.norm.weight"] =
      *weightMap.getString("model.norm.weight") == "model-1.safetensors"
          ? "model-2.safetensors"
          : "model-1.safetensors";
  EXPECT_NE(error().find("'model.norm.weight'"), std::string::npos);
}

TEST_F(Shards, UnlistedTensor) {
  first.push_back({"extra", "BF16", {4}});
  EXPECT_EQ(error(),
            "DIR/model-1.safetensors: holds tensor 'extra', which "
            "model.safetensors.index.json does not list for this file");
}

TEST_F(Shards, OneTensorInTwoShards) {
  second.push_back(first.front());
  EXPECT_EQ(error(), "DIR/model-2.safetensors: holds tensor '" +
                         first.front().name +
                         "', which model.safetensors.index.json does not list "
                         "for this file");
}

TEST_F(Shards, MissingFile) {
  weightMap["extra"] = "model-3.safetensors";
  EXPECT_EQ(error(), "DIR/model-3.safetensors: cannot be opened: No such file "
                     "or directory");
}

TEST_F(Shards, NamesStayInTheDirectory) {
  for (StringRef name :
       {"../model-1.safetensors", "/etc/passwd", "..", ".", "", "a\\b"}) {
    weightMap["extra"] = name;
    EXPECT_NE(error().find("must be a file name without directories"),
              std::string::npos)
        << name.str();
  }
  weightMap["extra"] = 7;
  EXPECT_EQ(error(), "DIR/model.safetensors.index.json: the shard of tensor "
                     "'extra' must be a file name without directories, but is "
                     "7");
}

TEST_F(Shards, IndexWithoutMap) {
  ASSERT_EQ(error(), "");
  directory.write("model.safetensors.index.json", "{\"weight_map\": 1}");
  EXPECT_EQ(errorOf(directory),
            "DIR/model.safetensors.index.json: 'weight_map' must map tensor "
            "names to file names");
}

TEST_F(Shards, SingleFileTakesPrecedence) {
  weightMap["extra"] = "model-3.safetensors";
  directory.write("model.safetensors", safetensors(tensorsOf(Kind::Llama)));
  EXPECT_EQ(error(), "");
}

TEST(Safetensors, NoWeights) {
  Directory directory;
  writeConfig(directory, configOf(Kind::Llama));
  EXPECT_EQ(errorOf(directory),
            "DIR: expected weights in model.safetensors or "
            "model.safetensors.index.json, but there is neither; other formats "
            "are not read");
}
