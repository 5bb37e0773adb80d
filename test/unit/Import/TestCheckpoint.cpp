//===- TestCheckpoint.cpp - Small checkpoints for tests -------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestCheckpoint.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

using namespace llvm;

namespace ternac::import::test {

Directory::Directory() {
  SmallString<128> unique;
  if (sys::fs::createUniqueDirectory("ternac-import", unique))
    ADD_FAILURE() << "cannot create a temporary directory";
  root = unique.str().str();
}

Directory::~Directory() { sys::fs::remove_directories(root); }

void Directory::write(StringRef name, StringRef bytes) const {
  std::error_code code;
  raw_fd_ostream os((root + "/" + name).str(), code);
  os << bytes;
}

std::string rawSafetensors(StringRef header, uint64_t dataBytes) {
  char prefix[8];
  support::endian::write64le(prefix, header.size());
  return std::string(prefix, 8) + header.str() + std::string(dataBytes, '\0');
}

std::string safetensors(ArrayRef<RawTensor> tensors) {
  json::Object header;
  int64_t end = 0;
  for (const RawTensor &tensor : tensors) {
    int64_t bits = 0;
    StringRef(tensor.dtype).ltrim("BFUI").getAsInteger(10, bits);
    int64_t bytes = bits / 8;
    for (int64_t extent : tensor.shape)
      bytes *= extent;
    header[tensor.name] =
        json::Object{{"dtype", tensor.dtype},
                     {"shape", json::Array(tensor.shape)},
                     {"data_offsets", json::Array{end, end + bytes}}};
    end += bytes;
  }
  header["__metadata__"] = json::Object{{"format", "pt"}};
  return rawSafetensors(formatv("{0}", json::Value(std::move(header))).str(),
                        end);
}

json::Object configOf(Kind kind) {
  json::Object config{
      {"hidden_size", 8},         {"intermediate_size", 12},
      {"num_hidden_layers", 2},   {"num_attention_heads", 2},
      {"num_key_value_heads", 1}, {"max_position_embeddings", 64},
      {"vocab_size", 16},         {"bos_token_id", 1},
      {"eos_token_id", 2},        {"torch_dtype", "bfloat16"}};
  config["model_type"] =
      kind == Kind::BitNetOffline || kind == Kind::BitNetOnline ? "bitnet"
                                                                : "llama";
  switch (kind) {
  case Kind::BitNetOffline:
  case Kind::BitNetOnline:
    config["architectures"] = json::Array{"BitNetForCausalLM"};
    config["hidden_act"] = "relu2";
    config["tie_word_embeddings"] = true;
    config["quantization_config"] =
        json::Object{{"quant_method", "bitnet"},
                     {"linear_class", "autobitlinear"},
                     {"quantization_mode",
                      kind == Kind::BitNetOnline ? "online" : "offline"}};
    break;
  case Kind::OneBit:
    config["architectures"] = json::Array{"BitnetForCausalLM"};
    config["hidden_act"] = "silu";
    config["tie_word_embeddings"] = true;
    config["input_bits"] = 8;
    config["weight_bits"] = 1;
    break;
  case Kind::Llama:
    config["architectures"] = json::Array{"LlamaForCausalLM"};
    config["hidden_act"] = "silu";
    config["quantization_config"] = json::Object{
        {"quant_method", "bitnet"}, {"modules_to_not_convert", nullptr}};
    break;
  }
  return config;
}

std::vector<RawTensor> tensorsOf(Kind kind) {
  bool packed = kind == Kind::BitNetOffline || kind == Kind::Llama;
  std::vector<RawTensor> tensors;
  auto add = [&](const std::string &name, std::vector<int64_t> shape) {
    tensors.push_back({name, "BF16", std::move(shape)});
  };
  auto addLinear = [&](const std::string &module, int64_t m, int64_t k) {
    if (packed) {
      tensors.push_back({module + ".weight", "U8", {m / 4, k}});
      add(module + ".weight_scale", {1});
    } else {
      add(module + ".weight", {m, k});
    }
  };
  add("model.embed_tokens.weight", {16, 8});
  for (std::string layer : {"model.layers.0.", "model.layers.1."}) {
    add(layer + "input_layernorm.weight", {8});
    add(layer + "post_attention_layernorm.weight", {8});
    addLinear(layer + "self_attn.q_proj", 8, 8);
    addLinear(layer + "self_attn.k_proj", 4, 8);
    addLinear(layer + "self_attn.v_proj", 4, 8);
    addLinear(layer + "self_attn.o_proj", 8, 8);
    addLinear(layer + "mlp.gate_proj", 12, 8);
    addLinear(layer + "mlp.up_proj", 12, 8);
    addLinear(layer + "mlp.down_proj", 8, 12);
    if (kind == Kind::Llama)
      continue;
    bool oneBit = kind == Kind::OneBit;
    add(layer + (oneBit ? "self_attn.inner_attn_ln.weight"
                        : "self_attn.attn_sub_norm.weight"),
        {8});
    add(layer +
            (oneBit ? "mlp.ffn_layernorm.weight" : "mlp.ffn_sub_norm.weight"),
        {12});
  }
  add("model.norm.weight", {8});
  if (kind == Kind::Llama)
    add("lm_head.weight", {16, 8});
  return tensors;
}

void writeConfig(const Directory &directory, json::Object config) {
  directory.write("config.json",
                  formatv("{0:2}", json::Value(std::move(config))).str());
}

void writeCheckpoint(const Directory &directory, Kind kind) {
  writeConfig(directory, configOf(kind));
  directory.write("model.safetensors", safetensors(tensorsOf(kind)));
}

RawTensor &named(std::vector<RawTensor> &tensors, StringRef name) {
  auto it =
      find_if(tensors, [&](const RawTensor &t) { return t.name == name; });
  if (it == tensors.end()) {
    ADD_FAILURE() << "no tensor " << name.str();
    return tensors.front();
  }
  return *it;
}

std::string errorOf(const Directory &directory,
                    std::optional<uint64_t> syntheticSeed,
                    std::optional<int64_t> contextLength) {
  Expected<Checkpoint> checkpoint =
      readHuggingFace(directory.path(), syntheticSeed, contextLength);
  if (checkpoint)
    return "";
  std::string message = toString(checkpoint.takeError());
  for (size_t at; (at = message.find(directory.path())) != message.npos;)
    message.replace(at, directory.path().size(), "DIR");
  return message;
}

std::string errorAfter(
    Kind kind,
    function_ref<void(json::Object &, std::vector<RawTensor> &)> change) {
  Directory directory;
  json::Object config = configOf(kind);
  std::vector<RawTensor> tensors = tensorsOf(kind);
  change(config, tensors);
  writeConfig(directory, std::move(config));
  directory.write("model.safetensors", safetensors(tensors));
  return errorOf(directory);
}

Checkpoint mustRead(json::Object config, std::optional<int64_t> contextLength) {
  Directory directory;
  writeConfig(directory, std::move(config));
  Expected<Checkpoint> checkpoint =
      readHuggingFace(directory.path(), 1, contextLength);
  if (checkpoint)
    return *checkpoint;
  ADD_FAILURE() << toString(checkpoint.takeError());
  return {};
}

std::string errorOfConfig(json::Object config,
                          std::optional<int64_t> contextLength) {
  Directory directory;
  writeConfig(directory, std::move(config));
  return errorOf(directory, 1, contextLength);
}

std::string errorWith(Kind kind, StringRef key, StringRef value) {
  json::Object config = configOf(kind);
  config[key] = cantFail(json::parse(value));
  return errorOfConfig(std::move(config));
}

void expectErrors(Kind kind, ArrayRef<KeyCase> cases) {
  for (const KeyCase &test : cases)
    EXPECT_EQ(errorWith(kind, test.key, test.value),
              "DIR/config.json: " + test.message)
        << test.key.str() << ": " << test.value.str();
}

void expectTensor(const Tensor &tensor, StringRef name,
                  packing::Encoding encoding, int64_t rows, int64_t cols) {
  EXPECT_EQ(tensor.name, name.str());
  EXPECT_EQ(tensor.encoding, encoding) << name.str();
  EXPECT_EQ(tensor.rows, rows) << name.str();
  EXPECT_EQ(tensor.cols, cols) << name.str();
  EXPECT_EQ(tensor.file, 0) << name.str();
}

} // namespace ternac::import::test
