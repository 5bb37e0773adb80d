//===- CheckpointTest.cpp - Tensors of the model --------------------------===//
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
using ternac::packing::ScaleSense;

static Checkpoint readKind(Kind kind) {
  Directory directory;
  writeCheckpoint(directory, kind);
  Expected<Checkpoint> checkpoint =
      readHuggingFace(directory.path(), std::nullopt, std::nullopt);
  if (!checkpoint) {
    ADD_FAILURE() << toString(checkpoint.takeError());
    return {};
  }
  return *checkpoint;
}

TEST(Checkpoint, BitNetOffline) {
  Checkpoint checkpoint = readKind(Kind::BitNetOffline);
  EXPECT_EQ(checkpoint.modelType, "bitnet");
  EXPECT_EQ(checkpoint.architecture, "BitNetForCausalLM");
  EXPECT_EQ(checkpoint.hiddenSize, 8);
  EXPECT_EQ(checkpoint.intermediateSize, 12);
  EXPECT_EQ(checkpoint.vocabSize, 16);
  EXPECT_EQ(checkpoint.heads, 2);
  EXPECT_EQ(checkpoint.kvHeads, 1);
  EXPECT_EQ(checkpoint.headDim, 4);
  EXPECT_EQ(checkpoint.contextLength, 64);
  EXPECT_EQ(checkpoint.rope.theta, 500000.0);
  EXPECT_EQ(checkpoint.normEps, 1e-5);
  EXPECT_EQ(checkpoint.activation, Activation::Relu2);
  EXPECT_EQ(checkpoint.beginToken, 1);
  EXPECT_EQ(checkpoint.endTokens, std::vector<int64_t>{2});
  EXPECT_FALSE(checkpoint.head);
  EXPECT_FALSE(checkpoint.syntheticSeed);
  ASSERT_EQ(checkpoint.files.size(), 1u);
  EXPECT_EQ(checkpoint.files[0].path, "model.safetensors");

  expectTensor(checkpoint.embedding, "model.embed_tokens.weight",
               Encoding::BF16, 16, 8);
  expectTensor(checkpoint.finalNorm, "model.norm.weight", Encoding::BF16, 1, 8);
  ASSERT_EQ(checkpoint.layers.size(), 2u);
  const Layer &layer = checkpoint.layers[1];
  expectTensor(layer.inputNorm, "model.layers.1.input_layernorm.weight",
               Encoding::BF16, 1, 8);
  expectTensor(layer.postAttentionNorm,
               "model.layers.1.post_attention_layernorm.weight", Encoding::BF16,
               1, 8);
  ASSERT_TRUE(layer.attentionSubNorm);
  expectTensor(*layer.attentionSubNorm,
               "model.layers.1.self_attn.attn_sub_norm.weight", Encoding::BF16,
               1, 8);
  ASSERT_TRUE(layer.feedForwardSubNorm);
  expectTensor(*layer.feedForwardSubNorm,
               "model.layers.1.mlp.ffn_sub_norm.weight", Encoding::BF16, 1, 12);
  struct {
    const Linear &linear;
    std::string module;
    int64_t rows, cols;
  } linears[] = {
      {layer.q, "self_attn.q_proj", 8, 8},  {layer.k, "self_attn.k_proj", 4, 8},
      {layer.v, "self_attn.v_proj", 4, 8},  {layer.o, "self_attn.o_proj", 8, 8},
      {layer.gate, "mlp.gate_proj", 12, 8}, {layer.up, "mlp.up_proj", 12, 8},
      {layer.down, "mlp.down_proj", 8, 12},
  };
  for (const auto &[linear, module, rows, cols] : linears) {
    EXPECT_TRUE(linear.ternary);
    EXPECT_EQ(linear.scaleSense, ScaleSense::Direct);
    std::string name = "model.layers.1." + module + ".weight";
    expectTensor(linear.weight, name, Encoding::PackedRows, rows, cols);
    expectTensor(linear.scale, name + "_scale", Encoding::BF16, 1, 1);
  }
}

TEST(Checkpoint, OffsetsCountFromTheBeginningOfTheFile) {
  Directory directory;
  writeCheckpoint(directory, Kind::BitNetOffline);
  std::string bytes = safetensors(tensorsOf(Kind::BitNetOffline));
  Checkpoint checkpoint =
      cantFail(readHuggingFace(directory.path(), std::nullopt, std::nullopt));
  int64_t embeddingBytes = 16 * 8 * 2;
  EXPECT_EQ(checkpoint.files[0].size, bytes.size());
  EXPECT_EQ(bytes[checkpoint.embedding.offset - 1], '}');
  EXPECT_EQ(checkpoint.layers[0].inputNorm.offset,
            checkpoint.embedding.offset + embeddingBytes);
  EXPECT_EQ(checkpoint.finalNorm.offset + 8 * 2, int64_t(bytes.size()));
}

TEST(Checkpoint, BitNetOnline) {
  Checkpoint checkpoint = readKind(Kind::BitNetOnline);
  ASSERT_EQ(checkpoint.layers.size(), 2u);
  const Linear &down = checkpoint.layers[0].down;
  EXPECT_TRUE(down.ternary);
  EXPECT_EQ(down.scaleSense, ScaleSense::Absmean);
  expectTensor(down.weight, "model.layers.0.mlp.down_proj.weight",
               Encoding::BF16, 8, 12);
  expectTensor(down.scale, "model.layers.0.mlp.down_proj.weight",
               Encoding::BF16, 8, 12);
  EXPECT_EQ(down.scale.offset, down.weight.offset);
}

TEST(Checkpoint, BitNetWithoutQuantizationConfigHasMasterWeights) {
  EXPECT_EQ(errorAfter(Kind::BitNetOnline,
                       [](json::Object &config, auto &) {
                         config.erase("quantization_config");
                       }),
            "");
}

TEST(Checkpoint, OneBit) {
  Checkpoint checkpoint = readKind(Kind::OneBit);
  EXPECT_EQ(checkpoint.modelType, "llama");
  EXPECT_EQ(checkpoint.architecture, "BitnetForCausalLM");
  EXPECT_EQ(checkpoint.rope.theta, 10000.0);
  EXPECT_EQ(checkpoint.normEps, 1e-6);
  EXPECT_EQ(checkpoint.activation, Activation::Silu);
  ASSERT_EQ(checkpoint.layers.size(), 2u);
  const Layer &layer = checkpoint.layers[0];
  EXPECT_EQ(layer.q.scaleSense, ScaleSense::Absmean);
  EXPECT_EQ(layer.attentionSubNorm->name,
            "model.layers.0.self_attn.inner_attn_ln.weight");
  EXPECT_EQ(layer.feedForwardSubNorm->name,
            "model.layers.0.mlp.ffn_layernorm.weight");
}

TEST(Checkpoint, Llama) {
  Checkpoint checkpoint = readKind(Kind::Llama);
  ASSERT_EQ(checkpoint.layers.size(), 2u);
  EXPECT_EQ(checkpoint.layers[0].q.scaleSense, ScaleSense::Reciprocal);
  EXPECT_FALSE(checkpoint.layers[0].attentionSubNorm);
  EXPECT_FALSE(checkpoint.layers[0].feedForwardSubNorm);
  ASSERT_TRUE(checkpoint.head);
  expectTensor(*checkpoint.head, "lm_head.weight", Encoding::BF16, 16, 8);
}

TEST(Checkpoint, HeadDimNeedNotDivideHiddenSize) {
  EXPECT_EQ(errorAfter(Kind::Llama,
                       [](json::Object &config, auto &tensors) {
                         config["head_dim"] = 8;
                         for (StringRef layer : {"0", "1"}) {
                           std::string attention =
                               ("model.layers." + layer + ".self_attn.").str();
                           for (RawTensor &tensor : tensors) {
                             StringRef name = tensor.name;
                             if (!name.consume_front(attention))
                               continue;
                             if (name == "q_proj.weight")
                               tensor.shape = {4, 8};
                             if (name == "k_proj.weight" ||
                                 name == "v_proj.weight")
                               tensor.shape = {2, 8};
                             if (name == "o_proj.weight")
                               tensor.shape = {2, 16};
                           }
                         }
                       }),
            "");
}

TEST(Checkpoint, EveryFloatTypeAndScalarScales) {
  Directory directory;
  std::vector<RawTensor> tensors = tensorsOf(Kind::Llama);
  named(tensors, "model.norm.weight").dtype = "F32";
  named(tensors, "lm_head.weight").dtype = "F16";
  named(tensors, "model.layers.0.mlp.up_proj.weight_scale") = {
      "model.layers.0.mlp.up_proj.weight_scale", "F32", {}};
  writeConfig(directory, configOf(Kind::Llama));
  directory.write("model.safetensors", safetensors(tensors));
  Checkpoint checkpoint =
      cantFail(readHuggingFace(directory.path(), std::nullopt, std::nullopt));
  EXPECT_EQ(checkpoint.finalNorm.encoding, Encoding::F32);
  EXPECT_EQ(checkpoint.head->encoding, Encoding::F16);
  expectTensor(checkpoint.layers[0].up.scale,
               "model.layers.0.mlp.up_proj.weight_scale", Encoding::F32, 1, 1);
}

TEST(Checkpoint, MissingTensor) {
  auto errorWithout = [](Kind kind, StringRef name) {
    return errorAfter(kind, [&](json::Object &, auto &tensors) {
      erase_if(tensors, [&](const RawTensor &t) { return t.name == name; });
    });
  };
  EXPECT_EQ(errorWithout(Kind::Llama, "model.norm.weight"),
            "DIR: expected tensor 'model.norm.weight', but no file of the "
            "checkpoint holds it");
  EXPECT_EQ(
      errorWithout(Kind::Llama, "model.layers.1.mlp.up_proj.weight_scale"),
      "DIR: expected tensor 'model.layers.1.mlp.up_proj.weight_scale', but no "
      "file of the checkpoint holds it (of packed ternary weights, since "
      "linear_class is bitlinear)");
  EXPECT_EQ(errorWithout(Kind::Llama, "lm_head.weight"),
            "DIR: expected tensor 'lm_head.weight', but no file of the "
            "checkpoint holds it (the head, since tie_word_embeddings is not "
            "true)");
}

TEST(Checkpoint, UnreadTensors) {
  EXPECT_EQ(
      errorAfter(Kind::Llama,
                 [](json::Object &, auto &tensors) {
                   tensors.push_back(
                       {"model.layers.0.self_attn.q_proj.bias", "BF16", {8}});
                   tensors.push_back({"z", "I64", {1}});
                 }),
      "DIR/model.safetensors: nothing in this kind of model reads tensor "
      "'model.layers.0.self_attn.q_proj.bias' (nor 1 more); the result without "
      "it would be wrong, so the checkpoint is refused");
  EXPECT_EQ(errorAfter(Kind::Llama,
                       [](json::Object &, auto &tensors) {
                         tensors.push_back(
                             {"model.layers.0.self_attn.rotary_emb.inv_freq",
                              "F32",
                              {2}});
                       }),
            "");
}

TEST(Checkpoint, WrongTypesAndShapes) {
  struct {
    Kind kind;
    RawTensor tensor;
    std::string message;
  } cases[] = {
      {Kind::Llama,
       {"model.norm.weight", "I16", {8}},
       "must be F32, F16 or BF16, but is I16"},
      {Kind::Llama,
       {"model.norm.weight", "BF16", {1, 8}},
       "must have the shape [8], but has [1, 8]"},
      {Kind::Llama,
       {"model.embed_tokens.weight", "BF16", {8, 16}},
       "must have the shape [16, 8], but has [8, 16]"},
      {Kind::Llama,
       {"lm_head.weight", "U8", {4, 8}},
       "must be F32, F16 or BF16, but is U8 (the head, since "
       "tie_word_embeddings is not true)"},
      {Kind::Llama,
       {"model.layers.1.mlp.up_proj.weight", "BF16", {12, 8}},
       "must be U8, but is BF16 (packed ternary weights, since linear_class is "
       "bitlinear)"},
      {Kind::BitNetOffline,
       {"model.layers.1.mlp.up_proj.weight", "BF16", {12, 8}},
       "must be U8, but is BF16 (packed ternary weights, since linear_class is "
       "autobitlinear, quantization_mode offline)"},
      {Kind::BitNetOffline,
       {"model.layers.1.mlp.up_proj.weight", "U8", {12, 8}},
       "must have the shape [3, 8], but has [12, 8] (packed ternary weights, "
       "since linear_class is autobitlinear, quantization_mode offline)"},
      {Kind::BitNetOffline,
       {"model.layers.1.mlp.up_proj.weight_scale", "BF16", {12}},
       "must have the shape [1], but has [12] (of packed ternary weights, "
       "since linear_class is autobitlinear, quantization_mode offline)"},
      {Kind::BitNetOnline,
       {"model.layers.1.mlp.up_proj.weight", "U8", {3, 8}},
       "must be F32, F16 or BF16, but is U8 (master weights, since "
       "linear_class is autobitlinear, quantization_mode online)"},
      {Kind::OneBit,
       {"model.layers.1.mlp.up_proj.weight", "U8", {3, 8}},
       "must be F32, F16 or BF16, but is U8 (master weights, since "
       "config.json has no quantization_config)"},
      {Kind::OneBit,
       {"model.layers.1.self_attn.inner_attn_ln.weight", "F32", {}},
       "must have the shape [8], but has []"},
  };
  for (const auto &test : cases)
    EXPECT_EQ(errorAfter(test.kind,
                         [&](json::Object &, auto &tensors) {
                           named(tensors, test.tensor.name) = test.tensor;
                         }),
              "DIR/model.safetensors: tensor '" + test.tensor.name + "' " +
                  test.message);
}

TEST(Checkpoint, TiedHeadIsStored) {
  EXPECT_EQ(errorAfter(Kind::OneBit,
                       [](json::Object &, auto &tensors) {
                         tensors.push_back({"lm_head.weight", "BF16", {16, 8}});
                       }),
            "DIR: tie_word_embeddings is true in config.json, but there is a "
            "tensor 'lm_head.weight'; set the key to false to use it, or "
            "remove the tensor to use the embedding");
}

//===----------------------------------------------------------------------===//
// Synthetic weights
//===----------------------------------------------------------------------===//

TEST(Synthetic, ConfigIsEnough) {
  for (Kind kind :
       {Kind::BitNetOffline, Kind::BitNetOnline, Kind::OneBit, Kind::Llama}) {
    Directory directory;
    writeConfig(directory, configOf(kind));
    Checkpoint checkpoint =
        cantFail(readHuggingFace(directory.path(), 7, std::nullopt));
    EXPECT_EQ(checkpoint.syntheticSeed, 7u);
    EXPECT_TRUE(checkpoint.files.empty());
    ASSERT_EQ(checkpoint.layers.size(), 2u);
    const Layer &layer = checkpoint.layers[1];
    expectTensor(layer.down.weight, "model.layers.1.mlp.down_proj.weight",
                 Encoding::PackedRows, 8, 12);
    expectTensor(layer.down.scale, "model.layers.1.mlp.down_proj.weight_scale",
                 Encoding::BF16, 1, 1);
    EXPECT_EQ(layer.down.scaleSense, kind == Kind::Llama
                                         ? ScaleSense::Reciprocal
                                         : ScaleSense::Direct);
    expectTensor(checkpoint.embedding, "model.embed_tokens.weight",
                 Encoding::BF16, 16, 8);
    expectTensor(layer.inputNorm, "model.layers.1.input_layernorm.weight",
                 Encoding::BF16, 1, 8);
    EXPECT_EQ(layer.attentionSubNorm.has_value(), kind != Kind::Llama);
    EXPECT_EQ(checkpoint.head.has_value(), kind == Kind::Llama);
  }
}

TEST(Synthetic, RowsMustFillBytes) {
  Directory directory;
  json::Object config = configOf(Kind::Llama);
  config["intermediate_size"] = 10;
  writeConfig(directory, std::move(config));
  EXPECT_EQ(errorOf(directory, 7),
            "DIR: model.layers.0.mlp.gate_proj has 10 rows, but packed ternary "
            "weights need a multiple of 4");
}
