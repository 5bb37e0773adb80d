# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the tests of compiled models against the NumPy reference cross: kinds of checkpoints and modes of computing.

Prompts are chosen by the reference (`prompts.clear_prompt`), so that float32 differs by the order of operations alone, which is far
less than the table of tolerances allows.
"""

import prompts
import pytest
import support

from ternac import checkpoints, oracle

VOCABULARY = 96

# Every kind of checkpoint that the importer reads; the options are those of `checkpoints.write_checkpoint`.
KINDS = {
    "bitnet-reciprocal": dict(),
    "bitnet-offline": dict(quantization="autobitlinear_offline", theta=500000.0),
    "bitnet-online": dict(quantization="autobitlinear_online"),
    "bitnet-online-f32": dict(quantization="autobitlinear_online", master_dtype="f32"),
    "bitnet-master": dict(quantization="master", master_dtype="f16"),
    "bitnet-untied": dict(tied=False, modules_to_not_convert=["lm_head"]),
    "bitnet-silu": dict(activation="silu"),
    "bitnet-odd-sizes": dict(hidden=100, heads=5, kv_heads=1, intermediate=36),
    "bitnet-half-blocks": dict(hidden=56, heads=7, kv_heads=7, intermediate=1028),
    "bitnet-wide": dict(hidden=320, heads=5, kv_heads=5, intermediate=484, layers=1),
    "bitnet-dense-down": dict(layers=4, modules_to_not_convert=["lm_head", "model.layers.1.mlp.down_proj"]),
    "bitnet-dense-query": dict(layers=3, modules_to_not_convert=["lm_head", "model.layers.2.self_attn.q_proj"]),
    "bitnet-dense-gates": dict(modules_to_not_convert=["lm_head", "gate_proj", "up_proj"]),
    "bitnet-sharded": dict(layers=3, shards=4),
    "1bitllm-bf16": dict(model_type="1bitllm", tied=False),
    "1bitllm-f16": dict(model_type="1bitllm", master_dtype="f16", heads=4, kv_heads=4),
    "1bitllm-f32": dict(model_type="1bitllm", master_dtype="f32", hidden=50, heads=5, kv_heads=5, intermediate=70, shards=2),
    "llama-reciprocal": dict(model_type="llama", tied=False),
    "llama-offline": dict(model_type="llama", quantization="autobitlinear_offline", master_dtype="f16", kv_heads=1),
    "llama-online": dict(model_type="llama", quantization="autobitlinear_online", theta=1000042.0),
    "llama-relu2": dict(model_type="llama", activation="relu2", kv_heads=4),
    "llama-long-heads": dict(model_type="llama", hidden=72, heads=3, kv_heads=3, head_dim=32, intermediate=100),
    "llama-short-heads": dict(model_type="llama", hidden=100, heads=6, kv_heads=2, head_dim=10, intermediate=132),
    "llama-dense-down": dict(model_type="llama", layers=3, modules_to_not_convert=["lm_head", "model.layers.0.mlp.down_proj"]),
    "llama-sharded": dict(model_type="llama", tied=False, shards=3),
}

# Floats that are ternary already: weight-only as llamas, with int8 activations as the others; groups that divide K and that do not.
VALUE_KINDS = {
    "values-matrix": dict(model_type="llama", quantization="values_matrix", master_dtype="f16"),
    "values-shards": dict(model_type="llama", quantization="values_shards", master_dtype="f16", tied=False, shards=2),
    "values-rows": dict(model_type="llama", quantization="values_rows", hidden=100, heads=5, kv_heads=1, intermediate=148),
    "values-groups": dict(model_type="llama", quantization="values_groups", master_dtype="f32", hidden=192, heads=6, intermediate=320),
    "values-groups-32": dict(model_type="mistral", quantization="values_groups", group=32, hidden=80, intermediate=150, master_dtype="f16"),
    "values-rows-i8": dict(model_type="1bitllm", quantization="values_rows", master_dtype="f16"),
    "values-groups-i8": dict(quantization="values_groups", group=64, hidden=160, heads=5, kv_heads=1, intermediate=100),
}

MODES = {
    "exact": ("as-stored", "f32", "f32"),
    "f16-cache": ("as-stored", "f16", "auto"),
    "i8-cache": ("as-stored", "i8", "auto"),
    "default": ("i8", "f16", "auto"),
    "int4-head": ("i4", "f16", "auto"),
    "smallest": ("i4", "i8", "auto"),
}
OPTIONS = {
    "exact": support.EXACT,
    "f16-cache": ("--head=as-stored",),
    "i8-cache": ("--head=as-stored", "--kv-cache=i8"),
    "default": (),
    "int4-head": ("--head=i4",),
    "smallest": ("--head=i4", "--kv-cache=i8"),
}

# Tokens of the prompt, by cache. 67 are beyond one block of 64 cache positions. A cache of float16 or int8 turns rounding errors
# into steps, and few prompts as long as that keep clear of them.
PROMPT_TOKENS = {"f32": 67, "f16": 24, "i8": 24}
NEW_TOKENS = 6


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Writes each kind of checkpoint once."""
    root = tmp_path_factory.mktemp("checkpoints")

    def write(kind):
        if not (root / kind).exists():
            facts = KINDS.get(kind) or VALUE_KINDS.get(kind, {})
            checkpoints.write_checkpoint(root / kind, vocab=VOCABULARY, seed=len(kind), **facts)
        return root / kind

    return write


@pytest.fixture(scope="module")
def reference(checkpoint):
    """The reference's model of a kind and a mode, a prompt that is clear in it, and its logits; each computed once."""
    known = {}

    def compute(kind, mode):
        if (kind, mode) not in known:
            head, cache, _ = MODES[mode]
            model = oracle.Model.load(checkpoint(kind), head, cache)
            tokens = prompts.clear_prompt(model, PROMPT_TOKENS[cache])
            known[kind, mode] = model, tokens, model.logits(tokens)
        return known[kind, mode]

    return compute


@pytest.fixture
def agree(checkpoint, reference, tmp_path):
    def agree(kind, mode, *options, run=()):
        """`options` are the compiler's, `run` those of ternac-run."""
        library = support.compile(checkpoint(kind), tmp_path / "model.so", *OPTIONS[mode], *options)
        model, tokens, expected = reference(kind, mode)
        actual = support.logits(library, tokens, *run)
        largest, mean = support.errors(actual, expected)
        print(f"{kind} {mode} {' '.join(options)}: max {largest:.2e} mean {mean:.2e}")
        tolerance, mean_tolerance = support.TOLERANCES[MODES[mode]]
        assert largest <= tolerance and mean <= mean_tolerance
        assert mode != "exact" or largest <= prompts.ROUNDING

        # Token by token, what follows is the reference's choice wherever that is clear.
        new = support.generate(library, tokens, NEW_TOKENS, *run)
        rows = model.logits(tokens + new[:-1])[len(tokens) - 1 :]
        assert len(new) == len(rows) == NEW_TOKENS
        for token, row in zip(new, rows):
            assert row[token] >= row.max() - tolerance * expected.std()

    return agree
