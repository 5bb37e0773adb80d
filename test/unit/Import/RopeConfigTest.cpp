//===- RopeConfigTest.cpp - How positions are encoded ---------------------===//
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
using ternac::packing::Rope;
using ternac::packing::RopeScaling;

/// The config of a llama of 64 positions and heads of 4, with `value` for
/// `key`.
static json::Object configWith(StringRef key, StringRef value) {
  json::Object config = configOf(Kind::Llama);
  config[key] = cantFail(json::parse(value));
  return config;
}

static Rope ropeOf(StringRef value, StringRef key = "rope_scaling") {
  return mustRead(configWith(key, value)).rope;
}

TEST(RopeConfig, Theta) {
  json::Object config = configOf(Kind::Llama);
  config["rope_theta"] = 1000042;
  config["rope_scaling"] = nullptr;
  EXPECT_EQ(mustRead(config).rope.theta, 1000042.0);
  config["rope_scaling"] = json::Object{{"rope_type", "default"}};
  EXPECT_EQ(mustRead(config).rope.theta, 1000042.0);
  EXPECT_EQ(mustRead(config).rope.scaling, RopeScaling::None);
  config.erase("rope_theta");
  config.erase("rope_scaling");
  config["rope_parameters"] =
      json::Object{{"rope_type", "default"}, {"rope_theta", 5e5}};
  EXPECT_EQ(mustRead(config).rope.theta, 5e5);
  config["rope_theta"] = 5e5;
  EXPECT_EQ(mustRead(config).rope.theta, 5e5);
  config["rope_theta"] = 1e4;
  EXPECT_EQ(errorOfConfig(std::move(config)),
            "DIR/config.json: rope_parameters: 'rope_theta' contradicts "
            "another rope_theta of the file");
}

TEST(RopeConfig, Linear) {
  Rope expected;
  expected.scaling = RopeScaling::Linear;
  expected.factor = 2.5;
  EXPECT_EQ(ropeOf(R"({"type": "linear", "factor": 2.5})"), expected);
  EXPECT_EQ(ropeOf(R"({"rope_type": "linear", "factor": 2.5})"), expected);
  EXPECT_EQ(ropeOf(R"({"rope_type": "linear", "type": "linear", "factor": 2.5,
                       "partial_rotary_factor": 1.0})"),
            expected);
  expected.theta = 777;
  EXPECT_EQ(
      ropeOf(R"({"rope_type": "linear", "factor": 2.5, "rope_theta": 777})",
             "rope_parameters"),
      expected);
}

TEST(RopeConfig, Dynamic) {
  Rope expected;
  expected.scaling = RopeScaling::Dynamic;
  expected.factor = 4;
  expected.originalLength = 64;
  EXPECT_EQ(ropeOf(R"({"type": "dynamic", "factor": 4})"), expected);
  EXPECT_EQ(ropeOf(R"({"type": "dynamic", "factor": 4,
                       "original_max_position_embeddings": 64})"),
            expected);
  // The original length is the config's, however long the context is to be.
  Checkpoint checkpoint = mustRead(
      configWith("rope_scaling", R"({"type": "dynamic", "factor": 4})"), 256);
  EXPECT_EQ(checkpoint.rope, expected);
  EXPECT_EQ(checkpoint.contextLength, 256);
}

TEST(RopeConfig, Llama3) {
  Rope expected;
  expected.scaling = RopeScaling::Llama3;
  expected.factor = 8;
  expected.originalLength = 32;
  expected.low = 1;
  expected.high = 4;
  EXPECT_EQ(ropeOf(R"({"rope_type": "llama3", "factor": 8.0, "high_freq_factor":
                       4.0, "low_freq_factor": 1.0,
                       "original_max_position_embeddings": 32})"),
            expected);
}

TEST(RopeConfig, Yarn) {
  Rope expected;
  expected.scaling = RopeScaling::Yarn;
  expected.factor = 4;
  expected.originalLength = 32;
  expected.low = 1;
  expected.high = 32;
  // 0.1 ln 4 + 1.
  expected.attentionFactor = 1.138629436111989;
  std::string begin = R"({"rope_type": "yarn", "factor": 4.0,
                          "original_max_position_embeddings": 32)";
  auto expectRope = [&](StringRef more) {
    Rope rope = ropeOf((begin + more + "}").str());
    EXPECT_DOUBLE_EQ(rope.attentionFactor, expected.attentionFactor)
        << more.str();
    rope.attentionFactor = expected.attentionFactor;
    EXPECT_EQ(rope, expected) << more.str();
  };
  expectRope("");
  expectRope(R"(, "beta_fast": 32, "beta_slow": null, "truncate": true)");
  // A scale of zero says that there is none.
  expectRope(R"(, "mscale": 1.0, "mscale_all_dim": 0)");
  expected.low = 0.5;
  expected.high = 8;
  expected.truncate = false;
  // (0.1 * 0.707 ln 4 + 1) / (0.1 * 1.2 ln 4 + 1)
  expected.attentionFactor = 0.941403523749669;
  expectRope(R"(, "beta_fast": 8, "beta_slow": 0.5, "truncate": false,
                "mscale": 0.707, "mscale_all_dim": 1.2)");
  expected.attentionFactor = 1.25;
  expectRope(R"(, "beta_fast": 8, "beta_slow": 0.5, "truncate": false,
                "mscale": 0.707, "mscale_all_dim": 1.2,
                "attention_factor": 1.25)");
}

TEST(RopeConfig, BothSpellings) {
  json::Object config =
      configWith("rope_scaling", R"({"type": "linear", "factor": 2})");
  config["rope_parameters"] =
      json::Object{{"rope_type", "linear"}, {"factor", 2}, {"rope_theta", 1e4}};
  config["rope_theta"] = 1e4;
  EXPECT_EQ(mustRead(config).rope.factor, 2);
  config.erase("rope_theta");
  EXPECT_EQ(errorOfConfig(config),
            "DIR/config.json: rope_scaling: 'rope_theta' is missing: "
            "transformers reads nothing of 'rope_parameters' beside it");
  config["rope_theta"] = 1e4;
  config["rope_scaling"] = json::Object{{"type", "linear"}, {"factor", 3}};
  EXPECT_EQ(errorOfConfig(config), "DIR/config.json: rope_scaling: contradicts "
                                   "'rope_parameters'");
  config["rope_scaling"] = json::Object{{"type", "default"}};
  EXPECT_EQ(errorOfConfig(config), "DIR/config.json: rope_scaling: contradicts "
                                   "'rope_parameters'");
}

TEST(RopeConfig, ContextLength) {
  auto error = [](StringRef scaling, int64_t length) {
    return errorOfConfig(configWith("rope_scaling", scaling), length);
  };
  std::string message = "DIR/config.json: the requested context length must be "
                        "from 1 to ";
  StringRef linear = R"({"type": "linear", "factor": 2.5})";
  EXPECT_EQ(error(linear, 160), "");
  EXPECT_EQ(error(linear, 161),
            message +
                "160, as far as the scaling of the rope goes, but is 161");
  // What the training saw is less than what the config already counts.
  StringRef yarn = R"({"type": "yarn", "factor": 2,
                       "original_max_position_embeddings": 16})";
  EXPECT_EQ(error(yarn, 64), "");
  EXPECT_EQ(error(yarn, 65),
            message + "the max_position_embeddings 64, but is 65");
  StringRef huge = R"({"type": "linear", "factor": 1e30})";
  EXPECT_EQ(error(huge, 16777217),
            message + "16777216, as far as the scaling of the rope goes, but "
                      "is 16777217");
}

TEST(RopeConfig, Types) {
  std::string types = "must be \"default\", \"linear\", \"dynamic\", "
                      "\"llama3\" or \"yarn\", but is ";
  expectErrors(
      Kind::Llama,
      {{"rope_scaling", "2",
        "'rope_scaling' must be an object or null, but is 2"},
       {"rope_scaling", R"({"rope_type": "longrope", "factor": 2.0})",
        "rope_scaling: 'rope_type' " + types + "\"longrope\""},
       {"rope_scaling", R"({"type": "su"})",
        "rope_scaling: 'type' " + types + "\"su\""},
       {"rope_parameters", R"({"rope_type": "proportional"})",
        "rope_parameters: 'rope_type' " + types + "\"proportional\""},
       {"rope_scaling", R"({"type": "mrope", "mrope_section": [1, 1]})",
        "rope_scaling: 'type' " + types + "\"mrope\""},
       {"rope_scaling", R"({"rope_type": 3})",
        "rope_scaling: 'rope_type' " + types + "3"},
       {"rope_scaling", R"({"rope_type": "linear", "type": "dynamic",
                            "factor": 2.0})",
        "rope_scaling: 'type' contradicts 'rope_type': \"dynamic\" is not "
        "\"linear\""}});
}

TEST(RopeConfig, UnknownKeys) {
  expectErrors(
      Kind::Llama,
      {{"rope_scaling", R"({"factor": 2.0})",
        "rope_scaling: unknown key 'factor'; the rope_type \"default\" has "
        "only "
        "rope_theta"},
       {"rope_parameters", R"({"full_attention": {}})",
        "rope_parameters: unknown key 'full_attention'; the rope_type "
        "\"default\" has only rope_theta"},
       {"rope_scaling", R"({"type": "linear", "factor": 2, "beta_fast": 32})",
        "rope_scaling: unknown key 'beta_fast'; the rope_type \"linear\" has "
        "factor"},
       {"rope_scaling", R"({"type": "dynamic", "factor": 2, "alpha": 1000})",
        "rope_scaling: unknown key 'alpha'; the rope_type \"dynamic\" has "
        "factor"},
       {"rope_scaling", R"({"type": "llama3", "factor": 2, "high_freq_factor":
                            4, "low_freq_factor": 1, "truncate": true,
                            "original_max_position_embeddings": 32})",
        "rope_scaling: unknown key 'truncate'; the rope_type \"llama3\" has "
        "factor, original_max_position_embeddings, low_freq_factor and "
        "high_freq_factor"},
       {"rope_scaling", R"({"type": "yarn", "factor": 2, "finetuned": true,
                            "original_max_position_embeddings": 32})",
        "rope_scaling: unknown key 'finetuned'; the rope_type \"yarn\" has "
        "factor, original_max_position_embeddings, beta_fast, beta_slow, "
        "attention_factor, mscale, mscale_all_dim and truncate"},
       {"rope_parameters", R"({"partial_rotary_factor": 0.5})",
        "rope_parameters: 'partial_rotary_factor' must be 1 or absent, but is "
        "0.5"}});
}

/// Checks what is said of `members` of a rope_scaling of the type.
static void expectScalingError(StringRef type, StringRef members,
                               StringRef message) {
  std::string value =
      ("{\"rope_type\": \"" + type + "\", " + members + "}").str();
  EXPECT_EQ(errorOfConfig(configWith("rope_scaling", value)),
            ("DIR/config.json: " + message).str())
      << value;
}

TEST(RopeConfig, Factors) {
  std::string message = "rope_scaling: 'factor' must be a finite number of at "
                        "least 1, but is ";
  for (StringRef type : {"linear", "dynamic", "llama3", "yarn"}) {
    expectScalingError(type, "\"factor\": 0.5", message + "0.5");
    expectScalingError(type, "\"factor\": \"2\"", message + "\"2\"");
    expectScalingError(type, "\"factor\": true", message + "true");
    expectScalingError(type, "\"factor\": -2", message + "-2");
    expectScalingError(type, "\"rope_theta\": 1e4", message + "missing");
  }
  expectScalingError("linear", "\"factor\": 2, \"rope_theta\": -1",
                     "rope_scaling: 'rope_theta' must be a positive finite "
                     "number, but is -1");
}

TEST(RopeConfig, OriginalLengths) {
  std::string message = "rope_scaling: 'original_max_position_embeddings' must "
                        "be an integer from 1 to 16777216, but is ";
  for (StringRef type : {"llama3", "yarn"}) {
    auto expect = [&](StringRef member, StringRef found) {
      expectScalingError(type, ("\"factor\": 2" + member).str(),
                         (message + found).str());
    };
    expect("", "missing");
    expect(R"(, "original_max_position_embeddings": 0)", "0");
    expect(R"(, "original_max_position_embeddings": 8.5)", "8.5");
    expect(R"(, "original_max_position_embeddings": "32")", "\"32\"");
  }
  expectScalingError(
      "dynamic", R"("factor": 2, "original_max_position_embeddings": 32)",
      "rope_scaling: 'original_max_position_embeddings' must be absent or the "
      "max_position_embeddings 64, but is 32");
}

TEST(RopeConfig, Llama3Parameters) {
  StringRef begin = R"("factor": 2, "original_max_position_embeddings": 32)";
  auto expect = [&](StringRef more, StringRef message) {
    expectScalingError("llama3", (begin + more).str(),
                       ("rope_scaling: " + message).str());
  };
  expect("", "'low_freq_factor' must be a positive finite number, but is "
             "missing");
  expect(R"(, "low_freq_factor": 0)",
         "'low_freq_factor' must be a positive finite number, but is 0");
  expect(R"(, "low_freq_factor": 1)",
         "'high_freq_factor' must be a positive finite number, but is missing");
  expect(R"(, "low_freq_factor": 4, "high_freq_factor": 4)",
         "'low_freq_factor' must be less than 'high_freq_factor', but 4 is not "
         "less than 4");
}

TEST(RopeConfig, YarnParameters) {
  StringRef begin = R"("factor": 2, "original_max_position_embeddings": 32)";
  auto expect = [&](StringRef more, StringRef message) {
    expectScalingError("yarn", (begin + ", " + more).str(),
                       ("rope_scaling: " + message).str());
  };
  expect(R"("beta_fast": 0)",
         "'beta_fast' must be a positive finite number, but is 0");
  expect(R"("beta_slow": 32)",
         "'beta_slow' must be less than 'beta_fast', but 32 is not less than "
         "32");
  expect(R"("attention_factor": 0)",
         "'attention_factor' must be a positive finite number, but is 0");
  expect(R"("mscale": -1, "mscale_all_dim": 1)",
         "'mscale' must be a finite number of at least 0, but is -1");
  expect(R"("mscale": 0.7)",
         "'mscale' and 'mscale_all_dim' must be there together or not at all");
  expect(R"("truncate": 1)", "'truncate' must be true or false, but is 1");
}

TEST(RopeConfig, WhatDoesNotFitTogether) {
  expectScalingError(
      "yarn", R"("factor": 2, "rope_theta": 1,
                                "original_max_position_embeddings": 32)",
      "in the rope, expected a theta above 1 for yarn, but got 1");
  expectScalingError(
      "yarn", R"("factor": 2, "original_max_position_embeddings": 1,
                 "truncate": false)",
      "in the rope, expected yarn to begin before the pair it ends with, but "
      "it goes from 0 to -0.39909 (the original length is too short, or theta "
      "too small)");
  json::Object config =
      configWith("rope_scaling", R"({"type": "dynamic", "factor": 2})");
  config["head_dim"] = 2;
  EXPECT_EQ(errorOfConfig(std::move(config)),
            "DIR/config.json: in the rope, expected heads of at least 4 "
            "elements for dynamic scaling, but got 2");
}
