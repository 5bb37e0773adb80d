# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The same input gives the same bytes, also by way of a dumped phase; and the IR does not grow with the depth of a model."""

import json
import shutil

import pytest
import support

from ternac import checkpoints

PHASES = ("imported", "normalized", "quantized", "packed", "bufferized", "vectorized", "llvm")

# A single layer with a dense linear makes runs of layers, shards make several files.
KINDS = {
    "runs": dict(layers=4, shards=2, modules_to_not_convert=["lm_head", "model.layers.1.mlp.down_proj"]),
    "master": dict(model_type="1bitllm", tied=False, hidden=100, heads=5, kv_heads=5, intermediate=36),
}
TARGETS = ("cpu", "cpu,arch=x86-64", "reference")

# Sizes of BitNet b1.58 2B4T.
BIG = dict(
    architectures=["BitNetForCausalLM"],
    model_type="bitnet",
    vocab_size=128256,
    hidden_size=2560,
    intermediate_size=6912,
    num_hidden_layers=30,
    num_attention_heads=20,
    num_key_value_heads=5,
    hidden_act="relu2",
    max_position_embeddings=4096,
    rms_norm_eps=1e-5,
    rope_theta=500000.0,
    tie_word_embeddings=True,
    bos_token_id=128000,
    eos_token_id=128001,
    torch_dtype="bfloat16",
    quantization_config=dict(
        quant_method="bitnet", linear_class="autobitlinear", quantization_mode="offline", modules_to_not_convert=None
    ),
)


@pytest.fixture(scope="module", params=KINDS)
def checkpoint(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("checkpoints") / request.param
    checkpoints.write_checkpoint(directory, seed=6, **KINDS[request.param])
    return directory


def same_bytes(first, second):
    return first.read_bytes() == second.read_bytes()


def test_list_of_phases():
    lines = support.check("ternac", "--list-phases").splitlines()
    assert tuple(line.split()[0] for line in lines) == PHASES


@pytest.mark.parametrize("target", TARGETS)
def test_same_bytes_again(checkpoint, tmp_path, target):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # The checkpoint in another place, the output under another name, another working directory.
    copy = shutil.copytree(checkpoint, elsewhere / "copy")
    first = support.compile(checkpoint, tmp_path / "first.so", f"--target={target}")
    second = support.compile(copy, "named-otherwise.so", f"--target={target}", cwd=elsewhere)
    assert same_bytes(first, elsewhere / second)
    assert {path.name for path in elsewhere.iterdir()} == {"copy", "named-otherwise.so"}


# Each option that a phase passes on, with one of the checkpoints or the other.
@pytest.mark.parametrize(
    "checkpoint, options",
    (
        ("runs", ("--target=cpu",)),
        ("master", ("--target=cpu",)),
        ("master", ("--target=cpu,arch=x86-64", *support.EXACT, "--max-tokens-per-call=5")),
        ("runs", ("--target=cpu", "--strategy=lut", "--head=i4", "--kv-cache=i8")),
        ("runs", ("--target=cpu,arch=x86-64-v3", "--strategy=add_sub", "--packing=planes", "--max-sequences=4")),
        ("master", ("--target=cpu,arch=x86-64-v2+v3",)),
    ),
    indirect=["checkpoint"],
)
def test_every_phase_resumes(checkpoint, tmp_path, options):
    every_phase_resumes(checkpoint, tmp_path, options)


def test_every_phase_resumes_on_reference_target(tmp_path):
    checkpoints.write_checkpoint(tmp_path / "model", layers=1)
    every_phase_resumes(tmp_path / "model", tmp_path, ("--target=reference",))


def dump_phases(checkpoint, tmp_path, options):
    """A library, the folder of its phases and their files."""
    dump = tmp_path / "dump"
    library = support.compile(checkpoint, tmp_path / "model.so", *options, f"--dump-phases-to={dump}")
    files = [f"0{number}-{phase}.mlir" for number, phase in enumerate(PHASES)]
    assert sorted(path.name for path in dump.iterdir()) == sorted(files + ["07-model.ll", "08-model.s"])
    return library, dump, files


def every_phase_resumes(checkpoint, tmp_path, options):
    library, dump, files = dump_phases(checkpoint, tmp_path, options)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # Strategy and packing are in the IR from `packed` on.
    chosen = [option for option in options if option.startswith(("--strategy", "--packing"))]
    for name, phase in zip(files, PHASES):
        more = chosen if PHASES.index(phase) < PHASES.index("packed") else ()
        resumed = support.compile(f"../dump/{name}", "again.so", f"--compile-from={phase}", *more, cwd=elsewhere)
        assert same_bytes(library, elsewhere / resumed), phase


def test_dump_elsewhere(checkpoint, tmp_path):
    """Apart from its weights, a dump names the place where they are."""
    library, dump, files = dump_phases(checkpoint, tmp_path, ())
    moved = shutil.copytree(dump, tmp_path / "deep" / "er" / "dump")
    weights = shutil.copytree(checkpoint, tmp_path / "weights")
    for name, phase in list(zip(files, PHASES))[::3]:
        again = support.compile(moved / name, tmp_path / "again.so", f"--compile-from={phase}", f"--weights-root={weights}")
        assert same_bytes(library, again), phase


def test_emitted_phase_is_the_dumped_one(checkpoint, tmp_path):
    dump = tmp_path / "dump"
    support.compile(checkpoint, tmp_path / "model.so", f"--dump-phases-to={dump}")
    for number, phase in enumerate(PHASES[:-1]):
        dumped = dump / f"0{number}-{phase}.mlir"
        emitted = dump / "emitted.mlir"
        support.check("ternac", checkpoint, f"--emit={phase}", "-o", emitted)
        assert same_bytes(emitted, dumped), phase
        # On standard output, files are named from the working directory.
        assert support.check("ternac", checkpoint, f"--emit={phase}", cwd=dump) == dumped.read_text(), phase
        # And from an earlier phase to a later one.
        if number:
            earlier = dump / f"0{number - 1}-{PHASES[number - 1]}.mlir"
            support.check("ternac", earlier, f"--compile-from={PHASES[number - 1]}", f"--emit={phase}", "-o", emitted)
            assert same_bytes(emitted, dumped), phase
    assert support.check("ternac", checkpoint, "--emit=llvm") == (dump / "07-model.ll").read_text()
    assert support.check("ternac", checkpoint, "--emit=asm") == (dump / "08-model.s").read_text()


def test_synthetic_weights_resume(tmp_path):
    """The seed travels with the IR; there is no weight file."""
    checkpoints.write_checkpoint(tmp_path / "model", vocab=64)
    (tmp_path / "model" / "model.safetensors").unlink()
    dump = tmp_path / "dump"
    library = support.compile(tmp_path / "model", tmp_path / "model.so", "--synthetic-weights=7", f"--dump-phases-to={dump}")
    shutil.rmtree(tmp_path / "model")
    for number, phase in enumerate(PHASES):
        resumed = support.compile(dump / f"0{number}-{phase}.mlir", tmp_path / "again.so", f"--compile-from={phase}")
        assert same_bytes(library, resumed), phase


def write_config(directory, **changes):
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(BIG | changes))
    return directory


def test_imported_fits_on_a_screen(tmp_path):
    text = support.check("ternac", write_config(tmp_path / "big"), "--synthetic-weights=1", "--emit=imported")
    assert text.count("\n") < 150
    assert len(text.encode()) < 16 * 1024


def test_code_does_not_grow_with_depth(tmp_path):
    sizes = {}
    for layers in (6, 60):
        directory = write_config(tmp_path / str(layers), num_hidden_layers=layers)
        sizes[layers] = len(support.check("ternac", directory, "--synthetic-weights=1", "--emit=llvm"))
    assert sizes[60] <= 1.1 * sizes[6]
