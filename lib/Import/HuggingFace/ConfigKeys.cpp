//===- ConfigKeys.cpp - Keys of config.json that are not read -------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace ternac::import::hf {

namespace {
/// A key that changes the result unless it has this value (or is absent).
struct NeutralKey {
  StringLiteral key;
  StringLiteral value; ///< JSON
};
} // namespace

static constexpr NeutralKey neutralKeys[] = {
    // Linear modules.
    {"attention_bias", "false"},
    {"mlp_bias", "false"},
    {"input_bits", "8"},
    {"weight_bits", "1"},
    {"compression_config", "null"},
    // Attention.
    {"add_cross_attention", "false"},
    {"attention_multiplier", "null"},
    {"attn_logit_softcapping", "null"},
    {"clip_qkv", "null"},
    {"cross_attention_hidden_size", "null"},
    {"is_causal", "true"},
    {"is_encoder_decoder", "false"},
    {"partial_rotary_factor", "1"},
    {"pruned_heads", "{}"},
    {"qk_layernorm", "false"},
    {"qk_norm", "false"},
    {"query_pre_attn_scalar", "null"},
    {"rope_interleave", "false"},
    {"rope_interleaved", "false"},
    {"use_bidirectional_attention", "false"},
    {"use_qk_norm", "false"},
    // Elsewhere in the layer.
    {"activation",
     "\"swiglu\""}, // Falcon3: the gated silu that hidden_act says
    {"embedding_multiplier", "1"},
    {"final_logit_softcapping", "null"},
    {"logits_scaling", "1"},
    {"n_routed_experts", "0"},
    {"num_experts", "0"},
    {"num_experts_per_tok", "0"},
    {"num_local_experts", "0"},
    {"per_layer_config", "{}"},
    {"residual_multiplier", "1"},
    {"tie_encoder_decoder", "false"},
};

/// Keys without effect on the logits: how the file came about, how training
/// went, how code runs, how tokens are sampled, tasks other than ours.
static constexpr StringLiteral harmlessKeys[] = {
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_name_or_path",
    "attention_dropout",
    "attn_implementation",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "chunk_size_feed_forward",
    "custom_pipelines",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_decoder",
    "label2id",
    "length_penalty",
    "mask_token_id",
    "max_length",
    "min_length",
    "model_max_length",
    "name_or_path",
    "neftune_noise_alpha",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
};

void checkRemainingKeys(ObjectReader &reader) {
  for (const NeutralKey &neutral : neutralKeys) {
    const json::Value *value = reader.find(neutral.key);
    if (value && *value != cantFail(json::parse(neutral.value)))
      reader.expected(neutral.key, neutral.value + " or absent (nothing else "
                                                   "is supported)");
  }
  for (const std::string &key : reader.unknownKeys())
    if (!is_contained(harmlessKeys, key))
      reader.fail("unknown key " + quoted(key) +
                  ": it is not known whether it changes the result; remove it "
                  "from the file if it does not");
}

} // namespace ternac::import::hf
