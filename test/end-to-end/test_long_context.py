# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prompts beyond the positions that a model was trained on, or sees, against the NumPy reference: scaled ropes, sliding windows."""

import dataclasses
import itertools

import numpy
import prompts
import pytest
import support

from ternac import checkpoints, oracle, runtime

# Small models, on which clear prompts are frequent.
SIZES = dict(hidden=32, heads=2, kv_heads=1, intermediate=48, vocab=64)
TOKENS = 90

LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=24)
YARN = dict(factor=4.0, original_max_position_embeddings=24)
YARN_OPTIONS = dict(truncate=False, beta_fast=4, beta_slow=0.5, mscale=2.0, mscale_all_dim=0.5)

# A checkpoint, and the options that give it a context as long as the prompt. (What counts 24 positions reaches four times as far.)
LONGER = ("--context-length=96",)
ROPES = {
    "linear": (dict(rope_scaling=dict(type="linear", factor=4.0), max_position_embeddings=24), LONGER),
    "dynamic": (dict(rope_scaling=dict(type="dynamic", factor=4.0), max_position_embeddings=24), LONGER),
    "dynamic-llama": (
        dict(model_type="llama", rope_parameters=dict(rope_type="dynamic", factor=4.5), max_position_embeddings=24, theta=700.0),
        LONGER,
    ),
    "llama3": (dict(model_type="llama", rope_scaling=LLAMA3, theta=500000.0), ()),
    "llama3-parameters": (dict(rope_parameters=LLAMA3 | dict(factor=2.0, low_freq_factor=0.25), theta=100.0), ()),
    "yarn": (dict(rope_scaling=dict(type="yarn", **YARN), max_position_embeddings=24), LONGER),
    "yarn-unrounded": (dict(rope_parameters=YARN | YARN_OPTIONS | dict(rope_type="yarn")), ()),
}

# Smaller than the prompt, on either side of a block of 64 positions; in all layers, or in some of one run or of several.
SLIDING, FULL = "sliding_attention", "full_attention"
WINDOWS = {
    "one": dict(model_type="mistral", sliding_window=1),
    "uniform": dict(model_type="mistral", sliding_window=5),
    "block": dict(model_type="mistral", sliding_window=64),
    "two-blocks": dict(model_type="mistral", sliding_window=83, rope_scaling=dict(type="linear", factor=2.0)),
    "mixed": dict(model_type="ministral", sliding_window=23, layers=3, layer_types=[SLIDING, FULL, SLIDING]),
    "runs": dict(
        model_type="ministral",
        sliding_window=70,
        layers=3,
        layer_types=[FULL, SLIDING, SLIDING],
        modules_to_not_convert=["lm_head", "model.layers.1.mlp.down_proj"],
    ),
}

KINDS = ROPES | {kind: (model, ()) for kind, model in WINDOWS.items()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Writes a checkpoint, once; its directory, a clear prompt and the prompt's logits."""
    root, known = tmp_path_factory.mktemp("checkpoints"), {}

    def compute(kind):
        if kind not in known:
            checkpoints.write_checkpoint(root / kind, **SIZES, seed=len(kind), **KINDS[kind][0])
            model = oracle.Model.load(root / kind)
            tokens = prompts.clear_prompt(model, TOKENS, least=64)
            known[kind] = root / kind, tokens, model.logits(tokens)
        return known[kind]

    return compute


# Ropes are tables, which the importer computes; windows are code of the target.
ELSEWHERE = (*WINDOWS, "dynamic", "yarn")


@pytest.mark.parametrize(
    "target, kind", [*itertools.product(("cpu",), KINDS), *itertools.product(("cpu,arch=x86-64", "reference"), ELSEWHERE)]
)
def test_kind(reference, tmp_path, kind, target):
    directory, tokens, expected = reference(kind)
    library = support.compile(directory, tmp_path / "model.so", f"--target={target}", *support.EXACT, *KINDS[kind][1])
    logits = support.logits(library, tokens)
    assert support.errors(logits, expected)[0] <= prompts.ROUNDING
    # What a row sees, and its angles, depend on its own position alone, however the prompt is cut.
    for chunk in (1, 23, 64):
        assert numpy.array_equal(support.logits(library, tokens, f"--chunk={chunk}"), logits), chunk


@pytest.mark.parametrize("mode", (("i8", "f16", "auto"), ("i4", "i8", "auto")))
@pytest.mark.parametrize("kind", ("yarn", "mixed"))
def test_kind_with_other_caches(reference, tmp_path, kind, mode):
    head, cache, attention = mode
    options = (f"--head={head}", f"--kv-cache={cache}", f"--attention={attention}", *KINDS[kind][1])
    directory, _, _ = reference(kind)
    model = oracle.Model.load(directory, head, cache)
    tokens = prompts.clear_prompt(model, 50)
    library = support.compile(directory, tmp_path / "model.so", *options)
    largest, mean = support.errors(support.logits(library, tokens), model.logits(tokens))
    tolerance, mean_tolerance = support.TOLERANCES[mode]
    assert largest <= tolerance and mean <= mean_tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_not_plain(reference, kind):
    """Without its scaling and windows the model is another one."""
    directory, tokens, expected = reference(kind)
    model = oracle.Model.load(directory)
    plain = dict(rope_scaling={}, windows=(None,) * model.config.layers)
    model.config = dataclasses.replace(model.config, **plain)
    assert support.errors(model.logits(tokens), expected)[0] > 0.1


def test_context_beyond_the_scaling(reference, tmp_path):
    directory, _, _ = reference("linear")
    result = support.run("ternac", directory, "-o", tmp_path / "model.so", "--context-length=97")
    assert result.returncode == 1 and "from 1 to 96" in result.stderr and "97" in result.stderr


def test_facts_and_phases(reference, tmp_path):
    """The scaling is in the IR from `imported` on, and what it says survives a dump."""
    directory, _, _ = reference("yarn-unrounded")
    library = support.compile(directory, tmp_path / "model.so", f"--dump-phases-to={tmp_path / 'dump'}")
    for phase in ("00-imported", "03-packed"):
        text = (tmp_path / "dump" / f"{phase}.mlir").read_text()
        assert "scaling = <yarn, factor = 4.000000e+00 : f64, original_length = 24, low = 5.000000e-01 : f64" in text
        assert "truncate = false" in text and 'rope_scaling = "yarn"' in text
    again = tmp_path / "again.so"
    support.compile(tmp_path / "dump" / "03-packed.mlir", again, "--compile-from=packed")
    assert again.read_bytes() == library.read_bytes()


def test_windows_in_facts_and_phases(reference, tmp_path):
    """Layers of different windows are one run; the windows go into the attention."""
    directory, _, _ = reference("mixed")
    text = support.check("ternac", directory, "--emit=imported")
    assert text.count("tern.decoder_layer") == 1 and "windows = array<i64: 23, 0, 23>" in text
    text = support.check("ternac", directory, "--emit=normalized")
    assert text.count("tern.attention ") == 1 and "windows = array<i64: 23, 0, 23>" in text
    library = support.compile(directory, tmp_path / "model.so")
    assert runtime.load(library).facts["sliding_windows"] == [23, 0, 23]
    # A window as long as the context is none.
    text = support.check("ternac", directory, "--emit=imported", "--context-length=23")
    assert "windows" not in text
