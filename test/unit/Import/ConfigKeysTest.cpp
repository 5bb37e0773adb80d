//===- ConfigKeysTest.cpp - Keys that are not read ------------------------===//
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

TEST(ConfigKeys, UnsupportedValues) {
  struct {
    StringRef key, value, expected, found;
  } cases[] = {
      {"attention_bias", "true", "false", "true"},
      {"mlp_bias", "true", "false", "true"},
      {"input_bits", "4", "8", "4"},
      {"weight_bits", "2", "1", "2"},
      {"partial_rotary_factor", "0.5", "1", "0.5"},
      {"use_qk_norm", "true", "false", "true"},
      {"attention_multiplier", "1", "null", "1"},
      {"residual_multiplier", "0.5", "1", "0.5"},
      {"embedding_multiplier", "12", "1", "12"},
      {"logits_scaling", "8", "1", "8"},
      {"final_logit_softcapping", "30", "null", "30"},
      {"attn_logit_softcapping", "50", "null", "50"},
      {"clip_qkv", "6", "null", "6"},
      {"num_experts", "8", "0", "8"},
      {"num_local_experts", "8", "0", "8"},
      {"pruned_heads", "{\"1\": [0]}", "{}", "an object"},
      {"activation", "\"gelu\"", "\"swiglu\"", "\"gelu\""},
      {"is_encoder_decoder", "0", "false", "0"},
  };
  for (const auto &test : cases)
    EXPECT_EQ(errorWith(Kind::Llama, test.key, test.value),
              ("DIR/config.json: '" + test.key + "' must be " + test.expected +
               " or absent (nothing else is supported), but is " + test.found)
                  .str());
}

TEST(ConfigKeys, NeutralValues) {
  json::Object config = configOf(Kind::Llama);
  config["attention_bias"] = false;
  config["mlp_bias"] = nullptr;
  config["activation"] = "swiglu";
  config["partial_rotary_factor"] = 1.0;
  config["logits_scaling"] = 1;
  config["pruned_heads"] = json::Object();
  config["pretraining_tp"] = 2;
  EXPECT_EQ(errorOfConfig(std::move(config)), "");
}

TEST(ConfigKeys, UnknownKeys) {
  std::string message = ": it is not known whether it changes the result; "
                        "remove it from the file if it does not";
  expectErrors(Kind::BitNetOffline,
               {{"novel_norm", "1", "unknown key 'novel_norm'" + message},
                {"Hidden_size", "1", "unknown key 'Hidden_size'" + message}});
  // null is what many keys are by default, so it says nothing; but what is
  // unknown stays unknown.
  EXPECT_EQ(errorWith(Kind::Llama, "novel_norm", "null"),
            "DIR/config.json: unknown key 'novel_norm'" + message);
}

TEST(ConfigKeys, PublishedConfigs) {
  Directory directory;
  // BitNet b1.58 2B4T.
  directory.write("config.json", R"({
    "architectures": ["BitNetForCausalLM"],
    "auto_map": {"AutoConfig": "configuration_bitnet.BitNetConfig",
                 "AutoModelForCausalLM": "modeling_bitnet.BitNetForCausalLM"},
    "bos_token_id": 128000, "eos_token_id": 128001, "hidden_act": "relu2",
    "hidden_size": 2560, "initializer_range": 0.02, "intermediate_size": 6912,
    "max_position_embeddings": 4096, "model_type": "bitnet",
    "rms_norm_eps": 1e-05, "num_attention_heads": 20, "num_hidden_layers": 30,
    "num_key_value_heads": 5, "rope_theta": 500000.0,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_cache": true,
    "vocab_size": 128256,
    "quantization_config": {"quant_method": "bitnet",
                            "linear_class": "autobitlinear",
                            "quantization_mode": "offline"}})");
  EXPECT_EQ(errorOf(directory, 1), "");
  // 1bitLLM bitnet_b1_58-large.
  directory.write("config.json", R"({
    "_name_or_path": "1bitLLM/bitnet_b1_58-large",
    "architectures": ["BitnetForCausalLM"], "attention_bias": false,
    "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 1536, "initializer_range": 0.02,
    "input_bits": 8, "intermediate_size": 4096,
    "max_position_embeddings": 2048, "model_type": "llama",
    "num_attention_heads": 16, "num_hidden_layers": 24,
    "num_key_value_heads": 16, "pad_token_id": 32000, "pretraining_tp": 1,
    "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0,
    "tie_word_embeddings": true, "torch_dtype": "float16",
    "transformers_version": "4.39.0", "use_cache": true, "vocab_size": 32002,
    "weight_bits": 1})");
  EXPECT_EQ(errorOf(directory, 1), "");
}
