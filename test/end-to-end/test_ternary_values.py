# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checkpoints whose floats are ternary, with scales of every form, and activations that are not rounded: against the NumPy
reference."""

import json

import numpy
import prompts
import pytest
import support
from matrix import VALUE_KINDS

from ternac import checkpoints, oracle

SPANS = {
    "values-matrix": "matrix",
    "values-shards": "row",
    "values-rows": "row",
    "values-groups": "row and 128 columns",
    "values-groups-32": "row and 32 columns",
    "values-rows-i8": "row",
    "values-groups-i8": "row and 64 columns",
}


@pytest.mark.parametrize("kind", VALUE_KINDS)
def test_kind(agree, kind):
    agree(kind, "exact")


@pytest.mark.parametrize("kind", ("values-rows", "values-groups", "values-groups-i8"))
def test_default_mode(agree, kind):
    agree(kind, "default")


@pytest.mark.parametrize("target", ("cpu,arch=x86-64", "cpu,arch=x86-64-v3", "reference"))
@pytest.mark.parametrize("kind", ("values-shards", "values-groups", "values-groups-i8"))
def test_target(agree, kind, target):
    if "arch=" in target and not support.host_runs(target.split("arch=")[1]):
        pytest.skip(f"this host does not run {target}")
    agree(kind, "exact", f"--target={target}")


@pytest.mark.parametrize("kind", VALUE_KINDS)
def test_note(checkpoint, tmp_path, kind):
    result = support.run("ternac", checkpoint(kind), "--emit=imported", "-o", tmp_path / "model.mlir")
    rounded = "rounded to int8" if kind.endswith("-i8") else "not rounded"
    assert result.returncode == 0
    assert f"with one scale for each {SPANS[kind]}; activations are {rounded}," in result.stderr


@pytest.mark.parametrize("kind, activations", (("bitnet-reciprocal", "f32"), ("llama-offline", "f32"), ("values-groups", "i8"), ("values-groups-i8", "f32")))
def test_activations(checkpoint, tmp_path, kind, activations):
    """The option overrides what the kind of model says."""
    library = support.compile(checkpoint(kind), tmp_path / "model.so", *support.EXACT, f"--activations={activations}")
    model = oracle.Model.load(checkpoint(kind), activations=activations)
    tokens = prompts.clear_prompt(model, 67)
    largest, _ = support.errors(support.logits(library, tokens), model.logits(tokens))
    assert largest <= prompts.ROUNDING


@pytest.mark.parametrize("kind", ("values-groups", "values-groups-i8"))
@pytest.mark.parametrize("target", ("cpu", "reference"))
def test_determinism(checkpoint, tmp_path, kind, target):
    """Neither threads nor the cutting of a prompt change a bit."""
    tokens = support.prompt(96, 70)
    library = support.compile(checkpoint(kind), tmp_path / "model.so", *support.EXACT, f"--target={target}")
    whole = support.logits(library, tokens, "--threads=1")
    assert numpy.array_equal(support.logits(library, tokens, "--threads=2"), whole)
    chunked = support.compile(checkpoint(kind), tmp_path / "chunked.so", *support.EXACT, f"--target={target}", "--max-tokens-per-call=3")
    assert numpy.array_equal(support.logits(chunked, tokens, "--threads=2"), whole)


def test_resumed(checkpoint, tmp_path):
    """A dump of any phase gives the same library."""
    model = checkpoint("values-groups")
    support.compile(model, tmp_path / "model.so", f"--dump-phases-to={tmp_path / 'phases'}")
    for phase in ("imported", "normalized", "quantized", "packed", "bufferized"):
        (dump,) = (tmp_path / "phases").glob(f"*-{phase}.mlir")
        support.compile(dump, tmp_path / f"{phase}.so", f"--compile-from={phase}")
        assert (tmp_path / f"{phase}.so").read_bytes() == (tmp_path / "model.so").read_bytes(), phase


def refused(*arguments, words):
    result = support.run("ternac", *arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ") and result.stderr.count("error: ") == 1
    for word in words:
        assert word in result.stderr, result.stderr


def without_note(model, tmp_path, *options, words):
    """The same of a checkpoint that gives a note first."""
    result = support.run("ternac", model, "-o", tmp_path / "model.so", *options)
    assert result.returncode == 1 and not (tmp_path / "model.so").exists()
    errors = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert errors[0].startswith("error: "), result.stderr
    for word in words:
        assert word in errors[0], result.stderr


@pytest.mark.parametrize("strategy", ("dot", "lut"))
def test_impossible_strategy(checkpoint, tmp_path, strategy):
    without_note(checkpoint("values-rows"), tmp_path, f"--strategy={strategy}", words=(f"strategy '{strategy}'", "it has: auto, add_sub"))


@pytest.mark.parametrize("target", ("vulkan", "nvptx,arch=sm_90"))
def test_no_code_for_gpus(checkpoint, tmp_path, target):
    without_note(checkpoint("values-rows"), tmp_path, f"--target={target}", words=(f"target '{target.split(',')[0]}' has no code yet",))


def test_dense_llama(tmp_path):
    """A single weight that does not fit is found, wherever it is."""
    model = tmp_path / "model"
    checkpoints.write_checkpoint(model, model_type="llama", quantization="values_matrix", master_dtype="f32")
    header_length = int.from_bytes((model / "model.safetensors").read_bytes()[:8], "little")
    data = bytearray((model / "model.safetensors").read_bytes())
    entry = json.loads(data[8 : 8 + header_length])["model.layers.1.mlp.down_proj.weight"]
    rows, columns = entry["shape"]
    place = 8 + header_length + entry["data_offsets"][0] + 4 * ((rows - 1) * columns + columns - 2)
    data[place : place + 4] = numpy.float32(0.7).tobytes()
    (model / "model.safetensors").write_bytes(data)
    words = ("model.layers.1.mlp.down_proj.weight", f"row {rows - 1}, column", "'quantization_config'", "dense")
    refused(model, "-o", tmp_path / "model.so", words=words)
    with pytest.raises(oracle.CheckpointError, match="down_proj"):
        oracle.Model.load(model)


def test_weight_that_is_not_finite(tmp_path):
    model = tmp_path / "model"
    checkpoints.write_checkpoint(model, model_type="llama", quantization="values_rows", master_dtype="f32")
    data = bytearray((model / "model.safetensors").read_bytes())
    header_length = int.from_bytes(data[:8], "little")
    entry = json.loads(data[8 : 8 + header_length])["model.layers.0.self_attn.o_proj.weight"]
    place = 8 + header_length + entry["data_offsets"][0]
    data[place : place + 4] = numpy.float32("nan").tobytes()
    (model / "model.safetensors").write_bytes(data)
    refused(model, "-o", tmp_path / "model.so", words=("model.layers.0.self_attn.o_proj.weight", "NaN"))


def test_synthetic_weights_say_nothing(checkpoint, tmp_path):
    refused(checkpoint("values-rows"), "-o", tmp_path / "model.so", "--synthetic-weights=1", words=("quantization_config", "synthetic"))


def test_unknown_activations(checkpoint):
    refused(checkpoint("values-rows"), "--activations=f16", words=("--activations=f16 is not known", "auto, i8, f32"))
