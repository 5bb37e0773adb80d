//===- QuantizationTest.cpp - Which modules are ternary, and how ----------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"

using namespace llvm;
using namespace ternac::import;
using namespace ternac::import::test;
using ternac::packing::Encoding;

TEST(Quantization, Config) {
  std::string place = "quantization_config: ";
  std::string key = "quantization_config";
  expectErrors(
      Kind::Llama,
      {{key, "[]",
        "'quantization_config' must be an object or null, but is a "
        "list"},
       {key, "{}", place + "'quant_method' must be \"bitnet\", but is missing"},
       {key, R"({"quant_method": "gptq"})",
        place + "'quant_method' must be \"bitnet\", but is \"gptq\""},
       {key, R"({"quant_method": "bitnet", "linear_class": "linear"})",
        place + "'linear_class' must be \"bitlinear\" or \"autobitlinear\", "
                "but is \"linear\""},
       {key, R"({"quant_method": "bitnet", "quantization_mode": "late"})",
        place + "'quantization_mode' must be \"offline\" or \"online\", but is "
                "\"late\""},
       {key, R"({"quant_method": "bitnet", "use_rms_norm": true})",
        place + "'use_rms_norm' must be false (a norm inside of linear modules "
                "is not supported), but is true"},
       {key, R"({"quant_method": "bitnet", "group_size": 128})",
        place + "unknown key 'group_size', which may change the result; "
                "expected only quant_method, linear_class, quantization_mode, "
                "modules_to_not_convert, use_rms_norm and rms_norm_eps"},
       {key,
        R"({"quant_method": "bitnet", "modules_to_not_convert": "lm_head"})",
        place + "'modules_to_not_convert' must be a list of strings, but is "
                "\"lm_head\""},
       {key, R"({"quant_method": "bitnet", "modules_to_not_convert": ["a.*"]})",
        place + "'modules_to_not_convert' must list names of modules, but "
                "holds \"a.*\"; patterns are not supported"},
       {key, R"({"quant_method": "bitnet", "modules_to_not_convert": [""]})",
        place + "'modules_to_not_convert' must list names of modules, but "
                "holds \"\"; patterns are not supported"},
       {key,
        R"({"quant_method": "bitnet", "modules_to_not_convert": ["a.weight"]})",
        place + "'modules_to_not_convert' must list names of modules, but "
                "holds \"a.weight\", the name of a tensor"}});
  expectErrors(Kind::OneBit,
               {{key, R"({"quant_method": "bitnet"})",
                 "'quantization_config' must be absent with the architecture "
                 "\"BitnetForCausalLM\", whose linear modules quantise by "
                 "themselves"}});
  EXPECT_EQ(errorWith(Kind::Llama, key,
                      R"({"quant_method": "bitnet", "use_rms_norm": false,
                          "rms_norm_eps": 1e-6, "linear_class": "bitlinear",
                          "quantization_mode": "offline"})"),
            "");
}

//===----------------------------------------------------------------------===//
// modules_to_not_convert
//===----------------------------------------------------------------------===//

/// What is said about a llama whose list is `list`, with `dense` modules.
static std::string errorOfList(std::vector<std::string> list,
                               std::vector<std::string> dense) {
  return errorAfter(Kind::Llama, [&](json::Object &config, auto &tensors) {
    (*config.getObject("quantization_config"))["modules_to_not_convert"] =
        json::Array(list);
    for (const std::string &module : dense) {
      RawTensor &weight = named(tensors, module + ".weight");
      weight.dtype = "BF16";
      weight.shape.front() *= 4;
      erase_if(tensors, [&](const RawTensor &t) {
        return t.name == module + ".weight_scale";
      });
    }
  });
}

TEST(ModulesToNotConvert, FullNamesAndLastComponents) {
  EXPECT_EQ(errorOfList({"lm_head"}, {}), "");
  EXPECT_EQ(errorOfList({}, {}), "");
  EXPECT_EQ(errorOfList({"model.layers.1.mlp.down_proj"},
                        {"model.layers.1.mlp.down_proj"}),
            "");
  EXPECT_EQ(
      errorOfList({"down_proj", "lm_head"}, {"model.layers.0.mlp.down_proj",
                                             "model.layers.1.mlp.down_proj"}),
      "");
  EXPECT_EQ(
      errorOfList({"model.layers.0.mlp"},
                  {"model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj",
                   "model.layers.0.mlp.down_proj"}),
      "");
}

TEST(ModulesToNotConvert, DenseLinear) {
  Directory directory;
  json::Object config = configOf(Kind::Llama);
  (*config.getObject("quantization_config"))["modules_to_not_convert"] =
      json::Array{"model.layers.1.mlp.down_proj"};
  std::vector<RawTensor> tensors = tensorsOf(Kind::Llama);
  named(tensors, "model.layers.1.mlp.down_proj.weight") = {
      "model.layers.1.mlp.down_proj.weight", "F16", {8, 12}};
  erase_if(tensors, [](const RawTensor &t) {
    return t.name == "model.layers.1.mlp.down_proj.weight_scale";
  });
  writeConfig(directory, std::move(config));
  directory.write("model.safetensors", safetensors(tensors));
  Checkpoint checkpoint =
      cantFail(readHuggingFace(directory.path(), std::nullopt, std::nullopt));
  EXPECT_TRUE(checkpoint.layers[0].down.ternary);
  EXPECT_FALSE(checkpoint.layers[1].down.ternary);
  expectTensor(checkpoint.layers[1].down.weight,
               "model.layers.1.mlp.down_proj.weight", Encoding::F16, 8, 12);
}

TEST(ModulesToNotConvert, StoredOtherwise) {
  EXPECT_EQ(errorOfList({"model.layers.1.mlp.down_proj"}, {}),
            "DIR/model.safetensors: tensor "
            "'model.layers.1.mlp.down_proj.weight' must be F32, F16 or BF16, "
            "but is U8 (modules_to_not_convert keeps it dense)");
}

TEST(ModulesToNotConvert, RunsOfParts) {
  EXPECT_EQ(errorOfList(
                {"mlp"},
                {"model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj",
                 "model.layers.0.mlp.down_proj", "model.layers.1.mlp.gate_proj",
                 "model.layers.1.mlp.up_proj", "model.layers.1.mlp.down_proj"}),
            "");
  // No part of a name is meant by a piece of it.
  EXPECT_EQ(errorOfList({"proj"}, {}), "");
}

TEST(ModulesToNotConvert, HeadOfMasterWeights) {
  EXPECT_EQ(errorAfter(Kind::BitNetOnline,
                       [](json::Object &config, auto &) {
                         (*config.getObject(
                             "quantization_config"))["modules_to_not_convert"] =
                             json::Array();
                       }),
            "");
}
