//===- ConfigTest.cpp - Every key understood, harmless or refused ---------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include "gtest/gtest.h"

using namespace llvm;
using namespace ternac::import;
using namespace ternac::import::test;

static std::string errorWithout(Kind kind, StringRef key) {
  json::Object config = configOf(kind);
  config.erase(key);
  return errorOfConfig(std::move(config));
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

TEST(Config, File) {
  Directory directory;
  EXPECT_EQ(errorOf(directory),
            "DIR/config.json: cannot be read: No such file or directory");
  directory.write("config.json", "");
  EXPECT_EQ(errorOf(directory), "DIR/config.json: invalid JSON: [1:0, byte=0]: "
                                "Unexpected EOF");
  directory.write("config.json", "\"bitnet\"");
  EXPECT_EQ(errorOf(directory),
            "DIR/config.json: expected a JSON object, but got \"bitnet\"");
  directory.write("config.json", "{\"a\": {\"b\": 1, \"b\": 2}}");
  EXPECT_EQ(errorOf(directory), "DIR/config.json: the JSON text has the key "
                                "'b' twice in one object");
  int huge;
  ASSERT_FALSE(
      sys::fs::openFileForWrite(directory.path() + "/config.json", huge));
  ASSERT_FALSE(sys::fs::resize_file_sparse(huge, 100'000'001));
  sys::Process::SafelyCloseFileDescriptor(huge);
  EXPECT_EQ(errorOf(directory), "DIR/config.json: expected at most 100000000 "
                                "bytes, but has 100000001");
  ASSERT_FALSE(sys::fs::remove(directory.path() + "/config.json"));
  ASSERT_FALSE(sys::fs::create_directory(directory.path() + "/config.json"));
  EXPECT_EQ(errorOf(directory),
            "DIR/config.json: cannot be read: Is a directory");
}

//===----------------------------------------------------------------------===//
// Keys that are read
//===----------------------------------------------------------------------===//

TEST(Config, Family) {
  expectErrors(
      Kind::Llama,
      {{"model_type", "\"qwen3\"",
        "'model_type' must be \"bitnet\", \"llama\", \"mistral\" or "
        "\"ministral\", but is \"qwen3\""},
       {"model_type", "null",
        "'model_type' must be \"bitnet\", \"llama\", \"mistral\" or "
        "\"ministral\", but is missing"},
       {"model_type", "\"mistral\"",
        "'architectures' must begin with \"MistralForCausalLM\" for the "
        "model_type \"mistral\", but begins with \"LlamaForCausalLM\""},
       {"architectures", "[\"LlamaModel\"]",
        "'architectures' must begin with \"LlamaForCausalLM\" or "
        "\"BitnetForCausalLM\" for the model_type \"llama\", but begins with "
        "\"LlamaModel\""},
       {"architectures", "[\"BitNetForCausalLM\"]",
        "'architectures' must begin with \"LlamaForCausalLM\" or "
        "\"BitnetForCausalLM\" for the model_type \"llama\", but begins with "
        "\"BitNetForCausalLM\""},
       {"architectures", "\"LlamaForCausalLM\"",
        "'architectures' must be a list of strings, but is "
        "\"LlamaForCausalLM\""},
       {"architectures", "[1]",
        "'architectures' must be a list of strings, but holds 1"}});
  EXPECT_EQ(errorWithout(Kind::Llama, "architectures"), "");
  EXPECT_EQ(errorWith(Kind::Llama, "architectures", "[]"), "");
}

TEST(Config, Sizes) {
  std::string width = "must be an integer from 1 to 1048576, but is ";
  expectErrors(
      Kind::BitNetOffline,
      {{"num_attention_heads", "\"many\"",
        "'num_attention_heads' must be an integer from 1 to 65536, but is "
        "\"many\""},
       {"hidden_size", "0", "'hidden_size' " + width + "0"},
       {"hidden_size", "-8", "'hidden_size' " + width + "-8"},
       {"hidden_size", "8.5", "'hidden_size' " + width + "8.5"},
       {"hidden_size", "1e18",
        "'hidden_size' " + width + "1000000000000000000"},
       {"hidden_size", "[8]", "'hidden_size' " + width + "a list"},
       {"hidden_size", "null", "'hidden_size' " + width + "missing"},
       {"intermediate_size", "1048577",
        "'intermediate_size' " + width + "1048577"},
       {"vocab_size", "0",
        "'vocab_size' must be an integer from 1 to 16777216, but is 0"},
       {"num_hidden_layers", "0",
        "'num_hidden_layers' must be an integer from 1 to 4096, but is 0"},
       {"num_key_value_heads", "0",
        "'num_key_value_heads' must be an integer from 1 to 65536, but is 0"},
       {"max_position_embeddings", "0",
        "'max_position_embeddings' must be an integer from 1 to 16777216, but "
        "is 0"},
       {"head_dim", "0",
        "'head_dim' must be an integer from 1 to 4096, but is 0"}});
  for (StringRef key :
       {"hidden_size", "intermediate_size", "vocab_size", "num_hidden_layers",
        "num_attention_heads", "max_position_embeddings", "model_type"})
    EXPECT_NE(errorWithout(Kind::Llama, key).find(", but is missing"),
              std::string::npos)
        << key.str();
}

TEST(Config, SizesThatDoNotFitTogether) {
  expectErrors(
      Kind::Llama,
      {{"num_key_value_heads", "3",
        "'num_attention_heads' must be a multiple of 'num_key_value_heads', "
        "but 2 is none of 3"},
       {"hidden_size", "9",
        "without 'head_dim', 'hidden_size' must be a multiple of "
        "'num_attention_heads', but 9 is none of 2"},
       {"hidden_size", "6",
        "the size of a head must be even for rotary embeddings, but is 3"},
       {"num_attention_heads", "16",
        "without 'head_dim', 'hidden_size' must be a multiple of "
        "'num_attention_heads', but 8 is none of 16"}});
  json::Object wide = configOf(Kind::Llama);
  wide["num_attention_heads"] = 65536;
  wide["head_dim"] = 4096;
  EXPECT_EQ(errorOfConfig(std::move(wide)),
            "DIR/config.json: 'num_attention_heads' times the size of a head "
            "must be at most 1048576, but is 268435456");
}

TEST(Config, NumbersAndFlags) {
  expectErrors(
      Kind::Llama,
      {{"rms_norm_eps", "0",
        "'rms_norm_eps' must be a positive finite number, but is 0"},
       {"rms_norm_eps", "-1e-5",
        "'rms_norm_eps' must be a positive finite number, but is "
        "-1e-05"},
       {"rms_norm_eps", "\"1e-5\"",
        "'rms_norm_eps' must be a positive finite number, but is \"1e-5\""},
       {"rms_norm_eps", "1e-300",
        "'rms_norm_eps' must be a positive finite number, but is "
        "1e-300"},
       {"rope_theta", "0",
        "'rope_theta' must be a positive finite number, but is 0"},
       {"tie_word_embeddings", "1",
        "'tie_word_embeddings' must be true or false, but is 1"},
       {"hidden_act", "\"gelu\"",
        "'hidden_act' must be \"relu2\" or \"silu\", but is \"gelu\""},
       {"hidden_act", "7",
        "'hidden_act' must be \"relu2\" or \"silu\", but is 7"}});
  // JSON has no infinity, but numbers that are too large for a double.
  Directory directory;
  directory.write("config.json", R"({"model_type": "bitnet", "hidden_size": 8,
      "intermediate_size": 8, "vocab_size": 8, "num_hidden_layers": 1,
      "num_attention_heads": 1, "max_position_embeddings": 8,
      "rope_theta": 1e999})");
  EXPECT_EQ(errorOf(directory, 1),
            "DIR/config.json: 'rope_theta' must be a positive finite number, "
            "but is inf");
}

TEST(Config, Defaults) {
  json::Object bitnet = configOf(Kind::BitNetOffline);
  json::Object llama = configOf(Kind::Llama);
  for (StringRef key : {"num_key_value_heads", "hidden_act", "bos_token_id",
                        "eos_token_id", "tie_word_embeddings"}) {
    bitnet.erase(key);
    llama.erase(key);
  }
  json::Object large = bitnet;
  large["vocab_size"] = 128256;
  Checkpoint checkpoint = mustRead(std::move(bitnet));
  EXPECT_EQ(checkpoint.kvHeads, 2);
  EXPECT_EQ(checkpoint.activation, Activation::Relu2);
  EXPECT_TRUE(checkpoint.head);
  EXPECT_EQ(checkpoint.beginToken, -1);
  EXPECT_TRUE(checkpoint.endTokens.empty());

  checkpoint = mustRead(std::move(large));
  EXPECT_EQ(checkpoint.beginToken, 128000);
  EXPECT_EQ(checkpoint.endTokens, std::vector<int64_t>{128001});

  checkpoint = mustRead(std::move(llama));
  EXPECT_EQ(checkpoint.kvHeads, 2);
  EXPECT_EQ(checkpoint.activation, Activation::Silu);
  EXPECT_EQ(checkpoint.normEps, 1e-6);
  EXPECT_EQ(checkpoint.rope.theta, 10000.0);
  EXPECT_EQ(checkpoint.beginToken, 1);
  EXPECT_EQ(checkpoint.endTokens, std::vector<int64_t>{2});
}

TEST(Config, ContextLength) {
  Checkpoint checkpoint = mustRead(configOf(Kind::Llama), 32);
  EXPECT_EQ(checkpoint.contextLength, 32);
  Directory directory;
  writeConfig(directory, configOf(Kind::Llama));
  for (int64_t length : {0, 65})
    EXPECT_EQ(errorOf(directory, 1, length),
              "DIR/config.json: the requested context length must be from 1 "
              "to the max_position_embeddings 64, but is " +
                  std::to_string(length));
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

TEST(Config, Tokens) {
  std::string list = "must be a token number from 0 to 15, or a list of them, "
                     "but is or holds ";
  std::string one = "must be a token number from 0 to 15, but is or holds ";
  expectErrors(
      Kind::Llama,
      {{"eos_token_id", "16", "'eos_token_id' " + list + "16"},
       {"eos_token_id", "-1", "'eos_token_id' " + list + "-1"},
       {"eos_token_id", "[1, 16]", "'eos_token_id' " + list + "16"},
       {"eos_token_id", "\"</s>\"", "'eos_token_id' " + list + "\"</s>\""},
       {"bos_token_id", "16", "'bos_token_id' " + one + "16"},
       {"bos_token_id", "[1]", "'bos_token_id' " + one + "a list"}});
  json::Object config = configOf(Kind::Llama);
  config["eos_token_id"] = json::Array{3, 5, 3};
  EXPECT_EQ(mustRead(config).endTokens, (std::vector<int64_t>{3, 5}));
  config["eos_token_id"] = nullptr;
  config["bos_token_id"] = nullptr;
  Checkpoint checkpoint = mustRead(std::move(config));
  EXPECT_TRUE(checkpoint.endTokens.empty());
  EXPECT_EQ(checkpoint.beginToken, -1);
}

TEST(Config, GenerationConfig) {
  Directory directory;
  writeConfig(directory, configOf(Kind::Llama));
  auto read = [&] {
    return cantFail(readHuggingFace(directory.path(), 1, std::nullopt));
  };
  directory.write("generation_config.json",
                  R"({"eos_token_id": [4, 5], "temperature": 0.6})");
  EXPECT_EQ(read().endTokens, (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(read().beginToken, 1);
  directory.write("generation_config.json", R"({"bos_token_id": 3})");
  EXPECT_EQ(read().endTokens, std::vector<int64_t>{2});
  EXPECT_EQ(read().beginToken, 3);
  directory.write("generation_config.json", R"({"eos_token_id": 99})");
  EXPECT_EQ(errorOf(directory, 1),
            "DIR/generation_config.json: 'eos_token_id' must be a token number "
            "from 0 to 15, or a list of them, but is or holds 99");
  directory.write("generation_config.json", "{");
  EXPECT_EQ(errorOf(directory, 1),
            "DIR/generation_config.json: invalid JSON: [1:1, byte=1]: Expected "
            "object key");
}
