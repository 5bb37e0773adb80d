# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A model library stands alone: one symbol out, none in, and a C program can run it with nothing else."""

import subprocess

import pytest
import support

from ternac import checkpoints

# Architectures without FMA, without byte products, with everything.
ARCHITECTURES = ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "native")
TARGETS = [(f"--target=cpu,arch={architecture}",) for architecture in ARCHITECTURES] + [("--target=reference",)]
# What the defaults leave out.
OTHERS = (
    ("--target=cpu,arch=x86-64", *support.EXACT),
    ("--target=cpu,arch=x86-64", "--strategy=lut", "--head=i4", "--kv-cache=i8"),
    ("--strategy=lut", "--head=i4", "--kv-cache=i8"),
    ("--strategy=add_sub", "--packing=planes"),
)

KINDS = {
    # Square roots, exponentials and both widths of float: what compilers like to call a library for.
    "relu2": dict(hidden=100, heads=5, kv_heads=1, intermediate=36, master_dtype="f16"),
    "silu": dict(model_type="llama", tied=False, modules_to_not_convert=["lm_head", "model.layers.0.mlp.down_proj"]),
}


@pytest.fixture(scope="module", params=KINDS)
def checkpoint(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("checkpoints") / request.param
    checkpoints.write_checkpoint(directory, **KINDS[request.param])
    return directory


def symbols(file, *options):
    """The names that nm lists."""
    output = subprocess.run(
        [support.llvm_tool("nm"), "--format=posix", *options, file], check=True, capture_output=True, text=True
    ).stdout
    return [line.split()[0] for line in output.splitlines()]


@pytest.mark.parametrize("options", [*TARGETS, *OTHERS])
def test_symbols(checkpoint, tmp_path, options):
    library = support.compile(checkpoint, tmp_path / "model.so", *options)
    assert symbols(library, "-D", "--undefined-only") == []
    assert symbols(library, "-D", "--defined-only") == ["ternac_model"]


@pytest.mark.parametrize("target", ("cpu", "cpu,arch=x86-64", "reference"))
def test_symbols_of_the_object(checkpoint, tmp_path, target):
    file = tmp_path / "model.o"
    support.check("ternac", checkpoint, "--emit=obj", f"--target={target}", "-o", file)
    assert symbols(file, "--undefined-only") == ["ternac_weights"]
    assert symbols(file, "--defined-only", "--extern-only") == ["ternac_model"]


def test_needs_no_library_and_no_writable_code(checkpoint, tmp_path):
    library = support.compile(checkpoint, tmp_path / "model.so")
    readelf = support.llvm_tool("readelf")
    text = subprocess.run([readelf, "-dlW", library], check=True, capture_output=True, text=True).stdout
    assert "NEEDED" not in text and "RPATH" not in text and "RUNPATH" not in text
    assert "TEXTREL" not in text
    assert " RWE " not in text


@pytest.mark.parametrize("options", ((), ("--target=reference",), *OTHERS))
def test_c_program(tmp_path, options):
    """The example in C, linked with the trained model and nothing of ours, generates what the runtime does."""
    library = support.compile(support.EXAMPLE, tmp_path / "libmodel.so", *options)
    program = tmp_path / "generate"
    source = support.ROOT / "examples" / "c" / "generate.c"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-I", support.ROOT / "include"]
    subprocess.run([support.c_compiler(), *flags, source, library, f"-Wl,-rpath,{tmp_path}", "-o", program], check=True)
    for prompt in ([0, 20, 21, 295, 321, 24, 276], [0], support.prompt(569, 120)):
        result = subprocess.run([program, *map(str, prompt)], check=True, capture_output=True, text=True)
        assert [int(token) for token in result.stdout.split()] == support.generate(library, prompt, 16)


def test_abi_header_is_plain_c(tmp_path):
    source = tmp_path / "header.c"
    source.write_text('#include "ternac/Runtime/ModelABI.h"\nint main(void) { return sizeof(TernacModel) == 0; }\n')
    for standard in ("c99", "c17"):
        flags = [f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I", support.ROOT / "include"]
        subprocess.run([support.c_compiler(), *flags, source, "-o", tmp_path / "header"], check=True)


def weight_segment(library):
    """(offset, address, size, alignment) of the last segment that is loaded."""
    text = subprocess.run([support.llvm_tool("readelf"), "-lW", library], check=True, capture_output=True, text=True).stdout
    loaded = [line.split() for line in text.splitlines() if line.split()[:1] == ["LOAD"]]
    offset, address, _, size, _, *_, alignment = loaded[-1][1:]
    return tuple(int(number, 16) for number in (offset, address, size, alignment))


def test_large_weights_lie_in_huge_pages(tmp_path):
    huge = 2 << 20
    checkpoints.write_checkpoint(tmp_path / "small")
    offset, address, size, alignment = weight_segment(support.compile(tmp_path / "small", tmp_path / "small.so"))
    assert size < huge and alignment < huge
    checkpoints.write_checkpoint(tmp_path / "large", vocab=20000, hidden=128)
    library = support.compile(tmp_path / "large", tmp_path / "large.so")
    offset, address, size, alignment = weight_segment(library)
    assert size >= huge and alignment == huge
    assert offset % huge == address % huge
    output = support.check("ternac-run", library, "--tokens=1,2,19999", "--max-new-tokens=4", "--ignore-eos")
    assert len(output.split()) == 4
