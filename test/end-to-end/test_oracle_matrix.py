# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiled models against the NumPy reference: every kind of checkpoint, crossed with targets, strategies and packings.

Prompts are chosen by the reference (`prompts.clear_prompt`), so that float32 differs by the order of operations alone, which is far
less than the table of tolerances allows.
"""

import itertools
import json

import numpy
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
            checkpoints.write_checkpoint(root / kind, vocab=VOCABULARY, seed=len(kind), **KINDS[kind])
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
    def agree(kind, mode, *options):
        library = support.compile(checkpoint(kind), tmp_path / "model.so", *OPTIONS[mode], *options)
        model, tokens, expected = reference(kind, mode)
        actual = support.logits(library, tokens)
        largest, mean = support.errors(actual, expected)
        print(f"{kind} {mode} {' '.join(options)}: max {largest:.2e} mean {mean:.2e}")
        tolerance, mean_tolerance = support.TOLERANCES[MODES[mode]]
        assert largest <= tolerance and mean <= mean_tolerance
        assert mode != "exact" or largest <= prompts.ROUNDING

        # Token by token, what follows is the reference's choice wherever that is clear.
        new = support.generate(library, tokens, NEW_TOKENS)
        rows = model.logits(tokens + new[:-1])[len(tokens) - 1 :]
        assert len(new) == len(rows) == NEW_TOKENS
        for token, row in zip(new, rows):
            assert row[token] >= row.max() - tolerance * expected.std()

    return agree


@pytest.mark.parametrize("mode", ("exact", "default"))
@pytest.mark.parametrize("kind", KINDS)
def test_kind(agree, kind, mode):
    agree(kind, mode)


@pytest.mark.parametrize("kind", sorted(KINDS)[::3])
@pytest.mark.parametrize("mode", ("f16-cache", "i8-cache"))
def test_kind_with_stored_head(agree, kind, mode):
    agree(kind, mode)


@pytest.mark.parametrize("kind", sorted(KINDS)[1::3])
@pytest.mark.parametrize("mode", ("int4-head", "smallest"))
def test_kind_with_int4_head(agree, kind, mode):
    agree(kind, mode)


# What the choice by estimated time may leave out on this machine.
STRATEGIES = (("lut", "auto"), ("add_sub", "planes"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy, packing", STRATEGIES)
def test_kind_with_strategy(agree, kind, strategy, packing):
    agree(kind, "exact", f"--strategy={strategy}", f"--packing={packing}")


@pytest.mark.parametrize("strategy, packing", STRATEGIES)
def test_strategy_with_smallest(agree, strategy, packing):
    agree("bitnet-odd-sizes", "smallest", f"--strategy={strategy}", f"--packing={packing}")


@pytest.mark.parametrize("kind", KINDS)
def test_kind_on_reference_target(agree, kind):
    agree(kind, "exact", "--target=reference")


@pytest.mark.parametrize("mode", ("default", "int4-head", "smallest"))
@pytest.mark.parametrize("kind", ("bitnet-odd-sizes", "bitnet-wide"))
def test_integer_head_on_reference_target(agree, kind, mode):
    agree(kind, mode, "--target=reference")


def _cells():
    for architecture in ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "native"):
        kinds = ("bitnet-odd-sizes", "bitnet-wide") if architecture in ("x86-64-v3", "native") else ("bitnet-odd-sizes",)
        yield from itertools.product([architecture], ("add_sub", "dot"), ("row2", "tile2", "base3"), kinds)
        yield from itertools.product([architecture], ("add_sub",), ("planes",), kinds)
        yield from itertools.product([architecture], ("lut",), ("tile2", "base3"), kinds)


@pytest.mark.parametrize("architecture, strategy, packing, kind", list(_cells()))
def test_strategy(agree, kind, architecture, strategy, packing):
    if not support.host_runs(architecture):
        pytest.skip(f"this machine is no {architecture}")
    agree(kind, "exact", f"--target=cpu,arch={architecture}", f"--strategy={strategy}", f"--packing={packing}")


@pytest.mark.parametrize("kind", ("llama-long-heads", "bitnet-dense-down", "1bitllm-f32"))
@pytest.mark.parametrize("architecture", ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"))
def test_architecture(agree, kind, architecture):
    if not support.host_runs(architecture):
        pytest.skip(f"this machine is no {architecture}")
    agree(kind, "default", f"--target=cpu,arch={architecture}")


class _LargeWeights(checkpoints._RandomWeights):
    """Ternary weights of one sign, and activations at the end of their range: sums far beyond 16 bits."""

    def linear(self, module, rows, columns):
        super().linear(module, rows, columns)
        dtype, packed = self.tensors[module + ".weight"]
        self.tensors[module + ".weight"] = dtype, numpy.full_like(packed, 0b10101010)

    def matrix(self, module, rows, columns, deviation):
        if module != "model.embed_tokens":
            return super().matrix(module, rows, columns, deviation)
        values = numpy.repeat([[1.0], [1e4], [1e-3], [0.0]], columns, axis=1)
        # Were all elements alike, the norm behind a sum would divide out whatever it is.
        values[:, ::2] *= 0.6
        self.tensors[module + ".weight"] = checkpoints.encode(values, self._dtype)

    def norm(self, module, size):
        self.tensors[module + ".weight"] = checkpoints.encode(numpy.ones(size), self._dtype)


@pytest.mark.parametrize(
    "target, strategy, packing",
    [
        *itertools.product(("cpu,arch=x86-64", "cpu"), ("add_sub", "dot"), ("row2", "tile2", "base3")),
        *itertools.product(("cpu,arch=x86-64", "cpu"), ("add_sub",), ("planes",)),
        *itertools.product(("cpu,arch=x86-64", "cpu"), ("lut",), ("tile2", "base3")),
    ],
)
def test_largest_products(tmp_path, monkeypatch, target, strategy, packing):
    monkeypatch.setattr(checkpoints, "_RandomWeights", _LargeWeights)
    model = tmp_path / "model"
    sizes = dict(hidden=2600, heads=26, kv_heads=1, head_dim=100, intermediate=3000, layers=1, vocab=4, tied=False)
    checkpoints.write_checkpoint(model, **sizes)
    options = (f"--target={target}", f"--strategy={strategy}", f"--packing={packing}")
    library = support.compile(model, tmp_path / "model.so", *support.EXACT, *options)
    tokens = [0, 1, 2, 3, 1]
    expected = oracle.Model.load(model).logits(tokens)
    assert support.errors(support.logits(library, tokens), expected)[0] <= prompts.ROUNDING


@pytest.mark.parametrize("mode", MODES)
def test_example_model(tmp_path, mode):
    """The trained model, whose activations are no random numbers."""
    questions = json.loads((support.EXAMPLE / "evaluation.json").read_text())
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(support.EXAMPLE / "tokenizer.json"))
    head, cache, _ = MODES[mode]
    model = oracle.Model.load(support.EXAMPLE, head, cache)
    library = support.compile(support.EXAMPLE, tmp_path / "model.so", *OPTIONS[mode])
    tolerance, mean_tolerance = support.TOLERANCES[MODES[mode]]
    for question in questions[::50]:
        tokens = tokenizer.encode(question["prompt"]).ids
        largest, mean = support.errors(support.logits(library, tokens), model.logits(tokens))
        assert largest <= tolerance and mean <= mean_tolerance, question["prompt"]
