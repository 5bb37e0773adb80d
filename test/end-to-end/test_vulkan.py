# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models compiled for Vulkan, on the first device that there is: what the NumPy reference says, and the same tokens as on the CPU."""

from pathlib import Path

import pytest
import support

import ternac

DEVICE = "--device=vulkan:0"
OPTIONS = ("--target=vulkan",)


@pytest.fixture(scope="module", autouse=True)
def device():
    support.need_device("vulkan")


# All ops, elements of weights, caches and heads.
@pytest.mark.parametrize(
    "kind, mode",
    [
        ("bitnet-reciprocal", "exact"),
        ("bitnet-odd-sizes", "default"),
        ("bitnet-odd-sizes", "smallest"),
        ("bitnet-dense-down", "i8-cache"),
        ("1bitllm-f32", "f16-cache"),
        ("llama-short-heads", "exact"),
        ("llama-dense-down", "default"),
    ],
)
def test_kind(agree, kind, mode):
    agree(kind, mode, *OPTIONS, run=(DEVICE,))


@pytest.mark.parametrize("packing", ("row2", "base3", "planes"))
def test_packing(agree, packing):
    agree("bitnet-half-blocks", "exact", *OPTIONS, f"--packing={packing}", run=(DEVICE,))


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    return support.compile(support.EXAMPLE, folder / "gpu.so", *OPTIONS), support.compile(support.EXAMPLE, folder / "cpu.so")


def test_same_tokens_as_on_cpu(example):
    gpu, cpu = example
    for tokens in ([1], [1, 5, 9], list(range(2, 75))):
        assert support.generate(gpu, tokens, 12, DEVICE) == support.generate(cpu, tokens, 12)


def test_sequences(example):
    """Forks share cache blocks until they differ; sequences of one batch have the bits that each has alone."""
    library, _ = example
    prompt = list(range(2, 70))
    with ternac.load(library, sequences=2, device="vulkan:0") as model:
        model.feed(prompt)
        model.fork(0, 1)
        together = model.feed_batch({0: [7, 8, 9], 1: [10]})
    for sequence, new in enumerate(([7, 8, 9], [10])):
        with ternac.load(library, device="vulkan:0") as model:
            assert (model.feed(prompt + new)[0] == together[sequence]).all()


def test_validation_layer(example, monkeypatch):
    """Khronos' layer, which writes what it finds to stdout, has nothing to say of the kernels and of how they are run."""
    layer = "VK_LAYER_KHRONOS_validation"
    if not any(layer in file.read_text() for file in Path("/usr/share/vulkan/explicit_layer.d").glob("*.json")):
        pytest.skip("no validation layer: install the package vulkan-validationlayers")
    arguments = [example[0], DEVICE, f"--tokens={support.comma(range(2, 75))}", "--max-new-tokens=3", "--ignore-eos"]
    expected = support.check("ternac-run", *arguments)
    monkeypatch.setenv("VK_INSTANCE_LAYERS", layer)
    monkeypatch.setenv("VK_LOADER_DEBUG", "layer")
    result = support.run("ternac-run", *arguments)
    assert result.stdout == expected
    assert f'Insert instance layer "{layer}"' in result.stderr
