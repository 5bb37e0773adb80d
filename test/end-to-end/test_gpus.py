# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models compiled for GPUs, on the first device of each kind: what the NumPy reference says, and the same tokens as on the CPU. NVIDIA's kernels are
also assembled for several processors where NVIDIA's assembler is."""

import ctypes
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import support
from forward import Table
from matrix import OPTIONS

import ternac


@dataclass(frozen=True)
class GPU:
    target: str
    kind: str

    def __str__(self):
        return self.kind

    def options(self):
        return (f"--target={self.target}",)

    @property
    def device(self):
        return f"{self.kind}:0"

    def run(self):
        return (f"--device={self.device}",)


VULKAN = GPU("vulkan", "vulkan")
CUDA = GPU("nvptx,arch=sm_80", "cuda")
GPUS = (VULKAN, CUDA)

# All ops, elements of weights, caches and heads.
KINDS = (
    ("bitnet-reciprocal", "exact"),
    ("bitnet-odd-sizes", "default"),
    ("bitnet-odd-sizes", "smallest"),
    ("bitnet-dense-down", "i8-cache"),
    ("1bitllm-f32", "f16-cache"),
    ("llama-short-heads", "exact"),
    ("llama-dense-down", "default"),
)


@pytest.fixture(scope="module", params=GPUS, ids=str)
def gpu(request):
    support.need_device(request.param.kind)
    return request.param


@pytest.mark.parametrize("kind, mode", KINDS)
def test_kind(agree, gpu, kind, mode):
    agree(kind, mode, *gpu.options(), run=gpu.run())


@pytest.mark.parametrize("packing", ("row2", "base3", "planes"))
def test_packing(agree, gpu, packing):
    agree("bitnet-half-blocks", "exact", *gpu.options(), f"--packing={packing}", run=gpu.run())


@pytest.fixture(scope="module")
def example(gpu, tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    return support.compile(support.EXAMPLE, folder / "gpu.so", *gpu.options()), support.compile(support.EXAMPLE, folder / "cpu.so")


def test_same_tokens_as_on_cpu(example, gpu):
    """Questions that the model answers, where no other token comes near."""
    pytest.importorskip("tokenizers")
    library, cpu = example
    for prompt in ("34 + 57 =", "Reverse: red green blue."):
        answers = []
        for path, device in ((library, gpu.device), (cpu, None)):
            with ternac.load(path, device=device, tokenizer=support.EXAMPLE / "tokenizer.json") as model:
                answers.append(list(model.generate(prompt, max_new_tokens=8)))
        assert answers[0] == answers[1]


def test_sequences(example, gpu):
    """Forks share cache blocks until they differ; sequences of one batch have the bits that each has alone."""
    library, _ = example
    prompt = list(range(2, 70))
    with ternac.load(library, sequences=2, device=gpu.device) as model:
        model.feed(prompt)
        model.fork(0, 1)
        together = model.feed_batch({0: [7, 8, 9], 1: [10]})
    for sequence, new in enumerate(([7, 8, 9], [10])):
        with ternac.load(library, device=gpu.device) as model:
            assert (model.feed(prompt + new)[0] == together[sequence]).all()


@pytest.fixture(scope="module")
def short_run(example, gpu):
    """A command, and what it prints where nothing checks it."""
    arguments = [example[0], *gpu.run(), f"--tokens={support.comma(range(2, 75))}", "--max-new-tokens=3", "--ignore-eos"]
    return arguments, support.check("ternac-run", *arguments)


@pytest.mark.parametrize("gpu", (VULKAN,), indirect=True, ids=str)
def test_validation_layer(short_run, monkeypatch):
    """Khronos' layer, which writes what it finds to stdout, has nothing to say of the kernels and of how they are run."""
    layer = "VK_LAYER_KHRONOS_validation"
    if not any(layer in file.read_text() for file in Path("/usr/share/vulkan/explicit_layer.d").glob("*.json")):
        pytest.skip("no validation layer: install the package vulkan-validationlayers")
    arguments, expected = short_run
    monkeypatch.setenv("VK_INSTANCE_LAYERS", layer)
    monkeypatch.setenv("VK_LOADER_DEBUG", "layer")
    result = support.run("ternac-run", *arguments)
    assert result.stdout == expected
    assert f'Insert instance layer "{layer}"' in result.stderr


@pytest.mark.parametrize("gpu", (CUDA,), indirect=True, ids=str)
def test_races(short_run, monkeypatch):
    """No thread of a block reads or writes what another one writes with no barrier between them: the emulated driver fails a kernel if so."""
    arguments, expected = short_run
    monkeypatch.setenv("TERNAC_CUDA_EMULATOR_RACES", "1")
    assert support.check("ternac-run", *arguments) == expected


def assembler():
    """The path of ptxas; skips the test where there is none."""
    folders = os.pathsep.join([os.environ.get("PATH", ""), os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin")])
    if found := shutil.which("ptxas", path=folders):
        return found
    pytest.skip("no ptxas: it comes with CUDA's toolkit")


@pytest.mark.parametrize("arch", ("sm_80", "sm_90", "sm_100"))
def test_assembler(checkpoint, arch, tmp_path, monkeypatch):
    """ptxas takes the kernels of every kind of model."""
    monkeypatch.setenv("TERNAC_PTXAS", assembler())
    for kind, mode in KINDS:
        library = support.compile(checkpoint(kind), tmp_path / f"{kind}.so", f"--target=nvptx,arch={arch}", *OPTIONS[mode])
        assert kernels_of(library).processor == arch.encode()


def kernels_of(library):
    """The table of a model's kernels."""
    code = ctypes.CDLL(str(library))
    code.ternac_model.restype = ctypes.POINTER(Table)
    return code.ternac_model().contents.kernels.contents
