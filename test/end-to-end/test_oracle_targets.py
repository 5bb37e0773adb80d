# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiled models against the NumPy reference: targets, strategies and packings."""

import itertools
import json

import numpy
import prompts
import pytest
import support
from matrix import KINDS, MODES, OPTIONS

from ternac import checkpoints, oracle


@pytest.mark.parametrize("kind", sorted(KINDS)[::2])
def test_kind_on_reference_target(agree, kind):
    agree(kind, "exact", "--target=reference")


@pytest.mark.parametrize("mode", ("default", "int4-head", "smallest"))
@pytest.mark.parametrize("kind", ("bitnet-odd-sizes", "bitnet-wide"))
def test_integer_head_on_reference_target(agree, kind, mode):
    agree(kind, mode, "--target=reference")


LOWERINGS = (
    *itertools.product(("add_sub", "dot"), ("row2", "tile2", "base3")),
    ("add_sub", "planes"),
    *itertools.product(("lut",), ("tile2", "base3")),
)


def _cells():
    """Every lowering on every level, with one kind or the other, in turn: what a level has with one the next has with the other."""
    kinds = itertools.cycle(("bitnet-odd-sizes", "bitnet-wide"))
    for architecture in ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "native"):
        yield from ((architecture, *lowering, kind) for lowering, kind in zip(LOWERINGS, kinds))


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
        *(("cpu", *lowering) for lowering in LOWERINGS),
        *(("cpu,arch=x86-64", *lowering) for lowering in (("add_sub", "tile2"), ("dot", "tile2"), ("lut", "base3"))),
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
