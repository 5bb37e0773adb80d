# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What heads of integers do to logits, and what a library with one says of itself."""

import numpy
import pytest
import support

from ternac import checkpoints, load, oracle

VOCABULARY = 3001  # no whole tiles of 16 rows
COLUMNS = 360  # no whole groups of 32 columns
# Largest and mean error of the logits of the head as stored, in units of their deviation, and how often the best token is the same.
EFFECT = {"i8": (0.1, 0.01, 0.95), "i4": (0.8, 0.1, 0.7)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    model = tmp_path_factory.mktemp("heads") / "model"
    checkpoints.write_checkpoint(model, vocab=VOCABULARY, hidden=COLUMNS, heads=6, kv_heads=2, intermediate=400, layers=1)
    return model


@pytest.mark.parametrize("head", EFFECT)
def test_effect_on_logits(model, tmp_path, head):
    tokens = support.prompt(VOCABULARY, 40)
    library = support.compile(model, tmp_path / "model.so", f"--head={head}", "--kv-cache=f32")
    actual = support.logits(library, tokens)
    stored = oracle.Model.load(model).logits(tokens)
    largest, mean = support.errors(actual, stored)
    agreement = (actual.argmax(axis=1) == stored.argmax(axis=1)).mean()
    print(f"{head}: max {largest:.2e} mean {mean:.2e} top-1 {agreement:.3f}")
    limit, mean_limit, least = EFFECT[head]
    assert 0 < largest < limit and 0 < mean < mean_limit and agreement >= least


@pytest.mark.parametrize(
    "head, size",
    (
        ("i8", -(-VOCABULARY * COLUMNS // 64) * 64 + -(-VOCABULARY * 4 // 64) * 64),
        ("i4", -(-VOCABULARY // 16) * 16 * -(-COLUMNS // 64) * 64 * 9 // 16),
        ("as-stored", VOCABULARY * COLUMNS * 2),
    ),
)
def test_bytes_of_the_head(model, tmp_path, head, size):
    with load(support.compile(model, tmp_path / "model.so", f"--head={head}")) as compiled:
        facts = compiled.facts
    assert facts["head"] == head
    assert facts["macs_per_token"]["head"] == VOCABULARY * COLUMNS
    assert 0 <= facts["bytes_per_token"]["head"] - size < 64


@pytest.mark.parametrize("head", ("i8", "i4"))
def test_synthetic_weights(tmp_path, head):
    shape = tmp_path / "shape"
    shape.mkdir()
    (shape / "config.json").write_bytes((support.EXAMPLE / "config.json").read_bytes())
    library = support.compile(shape, tmp_path / "model.so", "--synthetic-weights=1", f"--head={head}")
    assert numpy.isfinite(support.logits(library, [1, 2, 3])).all()
    again = support.compile(shape, tmp_path / "again.so", "--synthetic-weights=1", f"--head={head}")
    assert library.read_bytes() == again.read_bytes()
