//===- WindowsConfigTest.cpp - Which positions layers see -----------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "gtest/gtest.h"

using namespace llvm;
using namespace ternac::import;
using namespace ternac::import::test;

using Sizes = std::vector<int64_t>;

/// A config of two layers and 64 positions, with `members` (JSON).
static json::Object configWith(StringRef modelType, StringRef members) {
  json::Object config = configOf(Kind::Llama);
  config["model_type"] = modelType;
  config["architectures"] =
      json::Array{modelType == "mistral"     ? "MistralForCausalLM"
                  : modelType == "ministral" ? "MinistralForCausalLM"
                                             : "LlamaForCausalLM"};
  json::Value object = cantFail(json::parse(("{" + members + "}").str()));
  for (auto &[key, value] : *object.getAsObject())
    config[key] = value;
  return config;
}

static Sizes windowsOf(StringRef modelType, StringRef members) {
  return mustRead(configWith(modelType, members)).windows;
}

static void expectError(StringRef modelType, StringRef members,
                        StringRef message) {
  EXPECT_EQ(errorOfConfig(configWith(modelType, members)),
            ("DIR/config.json: " + message).str());
}

static constexpr StringLiteral mixed =
    R"("layer_types": ["sliding_attention", "full_attention"])";

TEST(WindowsConfig, Mistral) {
  EXPECT_EQ(windowsOf("mistral", R"("sliding_window": 5)"), Sizes{5});
  EXPECT_EQ(windowsOf("mistral", R"("sliding_window": null)"), Sizes());
  EXPECT_EQ(windowsOf("mistral", R"("sliding_window": 5,
      "use_sliding_window": true, "max_window_layers": 0,
      "layer_types": ["sliding_attention", "sliding_attention"])"),
            Sizes{5});
  EXPECT_EQ(windowsOf("mistral", R"("sliding_window": null,
      "use_sliding_window": false, "max_window_layers": 1,
      "layer_types": ["full_attention", "full_attention"])"),
            Sizes());
  // Where the key is not there, the class has a window of its own.
  EXPECT_EQ(windowsOf("mistral", R"("max_position_embeddings": 4097)"),
            Sizes{4096});
  expectError("mistral", R"("sliding_window": 5, )" + mixed.str(),
              "'layer_types' must hold only \"sliding_attention\" for the "
              "model_type \"mistral\", but holds \"full_attention\"");
  expectError("mistral", R"("sliding_window": null, )" + mixed.str(),
              "'layer_types' must hold only \"full_attention\" for the "
              "model_type \"mistral\", but holds \"sliding_attention\"");
}

TEST(WindowsConfig, Ministral) {
  EXPECT_EQ(windowsOf("ministral", R"("sliding_window": 5)"), Sizes{5});
  EXPECT_EQ(windowsOf("ministral", R"("sliding_window": null)"), Sizes());
  EXPECT_EQ(windowsOf("ministral", R"("sliding_window": 5, )" + mixed.str()),
            (Sizes{5, 0}));
  EXPECT_EQ(windowsOf("ministral", R"("sliding_window": 5,
      "max_window_layers": 1,
      "layer_types": ["full_attention", "sliding_attention"])"),
            (Sizes{0, 5}));
  EXPECT_EQ(windowsOf("ministral", R"("sliding_window": 5,
      "layer_types": ["full_attention", "full_attention"])"),
            Sizes());
  expectError("ministral", R"("sliding_window": null, )" + mixed.str(),
              "'sliding_window' must be a number where 'layer_types' has "
              "\"sliding_attention\", but is missing");
  expectError("ministral",
              R"("sliding_window": 5, "max_window_layers": 1, )" + mixed.str(),
              "'max_window_layers' must be absent for the model_type "
              "\"ministral\", where not just the layers from it on slide, but "
              "is 1");
}

TEST(WindowsConfig, ContextLength) {
  // What is as long as the context is no window.
  EXPECT_EQ(windowsOf("mistral", R"("sliding_window": 63)"), Sizes{63});
  EXPECT_EQ(windowsOf("mistral", R"("sliding_window": 64)"), Sizes());
  EXPECT_EQ(windowsOf("ministral", R"("sliding_window": 64, )" + mixed.str()),
            Sizes());
  json::Object config = configWith("mistral", R"("sliding_window": 32)");
  EXPECT_EQ(mustRead(config, 33).windows, Sizes{32});
  EXPECT_EQ(mustRead(config, 32).windows, Sizes());
}

TEST(WindowsConfig, ModelTypesWithout) {
  EXPECT_EQ(windowsOf("llama", R"("sliding_window": null)"), Sizes());
  EXPECT_EQ(windowsOf("llama", R"("sliding_window": 5,
      "use_sliding_window": false, "max_window_layers": 1)"),
            Sizes());
  EXPECT_EQ(windowsOf("llama", R"("sliding_window": 5,
      "layer_types": ["full_attention", "full_attention"])"),
            Sizes());
  StringRef none = "must be null or absent for the model_type \"llama\", which "
                   "has no windows in transformers, but is 5";
  expectError("llama", R"("sliding_window": 5)",
              ("'sliding_window' " + none).str());
  expectError("llama", R"("use_sliding_window": true)",
              "'use_sliding_window' must be false or absent for the model_type "
              "\"llama\", none of whose layers slides, but is true");
  expectError("llama", mixed,
              "'layer_types' must hold only \"full_attention\" for the "
              "model_type \"llama\", but holds \"sliding_attention\"");
}

TEST(WindowsConfig, Nonsense) {
  std::string number = "'sliding_window' must be an integer from 1 to "
                       "2147483647, but is ";
  for (auto [value, shown] : {std::pair<StringRef, StringRef>{"0", "0"},
                              {"-1", "-1"},
                              {"1.5", "1.5"},
                              {"\"5\"", "\"5\""},
                              {"4294967296", "4294967296"}})
    expectError("mistral", ("\"sliding_window\": " + value).str(),
                number + shown.str());
  expectError("mistral", R"("sliding_window": 5, "use_sliding_window": false)",
              "'use_sliding_window' must be true or absent for the model_type "
              "\"mistral\", whose layers slide, but is false");
  expectError("mistral", R"("sliding_window": 5, "use_sliding_window": 1)",
              "'use_sliding_window' must be true or false, but is 1");
  expectError("mistral", R"("sliding_window": 5, "max_window_layers": -1)",
              "'max_window_layers' must be an integer from 0 to 2147483647, "
              "but is -1");
  expectError("ministral", R"("layer_types": ["full_attention"])",
              "'layer_types' must have one entry for each of the 2 layers, but "
              "has 1");
  expectError("ministral", R"("layer_types": "full_attention")",
              "'layer_types' must be a list of strings, but is "
              "\"full_attention\"");
  expectError("ministral",
              R"("layer_types": ["full_attention", "chunked_attention"])",
              "'layer_types' must hold only \"full_attention\" and "
              "\"sliding_attention\", but holds \"chunked_attention\"");
}
