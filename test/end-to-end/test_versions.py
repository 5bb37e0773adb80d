# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One library with code for several processors over one copy of the weights: each version is what a library of its own would be."""

import json
import os
import re
import shutil
import subprocess

import numpy
import pytest
import support

import ternac
from bare import emulate, missing
from forward import Model
from ternac import checkpoints
from ternac.runtime import TernacError

LEVELS = ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4")
PROMPT = support.prompt(569, 40)
COUNT = 6


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """All levels, and this host, which may be one of them or lie between two."""
    file = tmp_path_factory.mktemp("versions") / "all.so"
    return support.compile(support.EXAMPLE, file, "--target=cpu,arch=x86-64+v2+v3+v4+native")


@pytest.fixture(scope="module")
def names(library):
    with ternac.load(library, threads=1) as model:
        return model.code_versions


def last_that_runs(names):
    """The number of the version that a library of `names` runs here, where the last of them is this host or a level above it."""
    runs = [number for number, name in enumerate(names) if name not in LEVELS or support.host_runs(name)]
    return runs[-1]


def version_of(result):
    """Which version ternac-run says that it ran."""
    return re.search(r"^code version: (\d+), (.*)$", result.stderr, re.MULTILINE).groups()


def test_versions_in_order(names):
    assert [name for name in names if name in LEVELS] == list(LEVELS)
    assert len(names) in (4, 5)  # the host may be a level


@pytest.mark.parametrize("level", LEVELS)
def test_level_is_that_of_its_own_library(library, names, tmp_path, level):
    if not support.host_runs(level):
        pytest.skip(f"this host is below {level}")
    alone = support.compile(support.EXAMPLE, tmp_path / "alone.so", f"--target=cpu,arch={level}")
    forced = f"--code-version={level}"
    assert numpy.array_equal(support.logits(library, PROMPT, forced), support.logits(alone, PROMPT))
    assert support.generate(library, PROMPT, COUNT, forced) == support.generate(alone, PROMPT, COUNT)


def test_native_is_that_of_its_own_library(library, tmp_path):
    alone = support.compile(support.EXAMPLE, tmp_path / "alone.so", "--target=cpu,arch=native")
    assert numpy.array_equal(support.logits(library, PROMPT), support.logits(alone, PROMPT))
    assert support.generate(library, PROMPT, COUNT) == support.generate(alone, PROMPT, COUNT)


def test_takes_the_last_that_runs(library, names):
    result = support.run("ternac-run", library, "--tokens=0,20,21")
    assert version_of(result) == (str(last_that_runs(names)), names[last_that_runs(names)])


def test_number_and_name_are_one(library, names):
    for number, name in enumerate(names[: last_that_runs(names) + 1]):
        for wanted in (number, name):
            result = support.run("ternac-run", library, "--tokens=0,20,21", f"--code-version={wanted}")
            assert version_of(result) == (str(number), name)


@pytest.mark.parametrize("wanted", ("x86-64-v9", "17", "-1"))
def test_no_such_version(library, names, wanted):
    listed = ", ".join(f"'{name}'" for name in names)
    sentence = f"has no code version '{wanted}'; expected a number below {len(names)} or one of: {listed}\n"
    for tool in (("ternac-run", "--tokens=0"), ("ternac-bench",)):
        result = support.run(tool[0], library, *tool[1:], f"--code-version={wanted}")
        assert result.returncode == 1 and not result.stdout
        assert result.stderr == f"error: '{library}' {sentence}"


def test_version_that_this_host_lacks(tmp_path):
    """Chosen by nobody it is not run; asked for it is refused."""
    newest = "cpu,arch=x86-64+diamondrapids"
    file = support.compile(support.EXAMPLE, tmp_path / "model.so", f"--target={newest}")
    result = support.run("ternac-run", file, "--tokens=0,20,21")
    if version_of(result)[0] == "1":
        pytest.skip("this host has it")
    result = support.run("ternac-run", file, "--tokens=0,20,21", "--code-version=1")
    assert result.returncode == 1
    assert re.fullmatch(
        rf"error: code version 'diamondrapids[^']*' of '{file}' needs processor features that this machine does not have: "
        r".+; leave the choice to the machine\n",
        result.stderr,
    )


def test_python(library, names):
    with ternac.load(library, threads=1) as model:
        assert model.code_version == last_that_runs(names)
        best = model.logits(PROMPT)
    for wanted in (0, "x86-64"):
        with ternac.load(library, threads=1, code_version=wanted) as model:
            assert model.code_version == 0 and 'cpu = "x86-64",' in model.target
            base = model.logits(PROMPT)
    assert numpy.less_equal(support.errors(best, base), support.TOLERANCES["i8", "f16", "auto"]).all()
    with pytest.raises(TernacError, match="has no code version '9'"):
        ternac.load(library, code_version=9)


def test_bench_says_which(library, names):
    options = ("-p=0", "-n=2", "-t=1", "-r=1", "--code-version=0")
    result = json.loads(support.check("ternac-bench", library, *options, "--json"))
    assert result["code_version"] == {"number": 0, "name": "x86-64"}
    assert 'cpu = "x86-64",' in result["target"]
    assert "code: version 0, x86-64\n" in support.check("ternac-bench", library, *options)


def test_weights_are_there_once(library, names, tmp_path):
    alone = support.compile(support.EXAMPLE, tmp_path / "alone.so", "--target=cpu,arch=x86-64")
    facts = [ternac.load(file, threads=1).facts for file in (library, alone)]
    assert facts[0]["bytes_per_token"] == facts[1]["bytes_per_token"]
    weights = sum(facts[0]["bytes_per_token"].values())
    assert library.stat().st_size - alone.stat().st_size < weights


def test_hosts_that_know_no_versions(library, tmp_path):
    """The example in C reads the table's own fields: the baseline."""
    shutil.copy(library, tmp_path / "libmodel.so")
    program = tmp_path / "generate"
    source = support.ROOT / "examples" / "c" / "generate.c"
    flags = ["-I", support.ROOT / "include", f"-Wl,-rpath,{tmp_path}"]
    subprocess.run([support.c_compiler(), *flags, source, tmp_path / "libmodel.so", "-o", program], check=True)
    result = subprocess.run([program, *map(str, PROMPT)], check=True, capture_output=True, text=True)
    assert [int(token) for token in result.stdout.split()] == support.generate(library, PROMPT, 16, "--code-version=0")


@pytest.mark.parametrize("cpu, level", (("qemu64", "x86-64"), ("Nehalem", "x86-64-v2"), ("Haswell", "x86-64-v3")))
def test_processors_that_have_less(library, cpu, level):
    """An emulated processor reports what it has, and has no more."""
    emulator = shutil.which("qemu-x86_64")
    if not emulator:
        pytest.skip("no qemu-x86_64")
    program = os.path.join(support.BIN, "ternac-run")
    command = [emulator, "-cpu", cpu, program, library, f"--tokens={support.comma(PROMPT)}", f"--max-new-tokens={COUNT}"]
    result = subprocess.run([*command, "--ignore-eos", "--threads=1"], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert version_of(result)[1] == level
    assert [int(token) for token in result.stdout.split()] == support.generate(library, PROMPT, COUNT, "--code-version=0")


def test_overrides(tmp_path):
    """Overrides and odd shapes: the versions agree."""
    if not support.host_runs("x86-64-v3"):
        pytest.skip("this host is below x86-64-v3")
    checkpoints.write_checkpoint(tmp_path / "model", seed=3, hidden=100, heads=5, kv_heads=1, intermediate=36)
    options = ("--head=as-stored", "--kv-cache=f32", "--attention=f32")
    for lowering in ("--strategy=lut", "--strategy=add_sub", "--packing=base3"):
        file = support.compile(tmp_path / "model", tmp_path / "model.so", "--target=cpu,arch=x86-64+v3", lowering, *options)
        with ternac.load(file, threads=2) as model:
            tokens = support.prompt(model.vocab_size, 20)
        base, better = (support.logits(file, tokens, f"--code-version={number}") for number in range(2))
        assert numpy.less_equal(support.errors(better, base), support.TOLERANCES["as-stored", "f32", "f32"]).all(), lowering


def test_tiles_are_granted_to_the_version_that_has_them(tmp_path):
    needs = ("amx_tile", "amx_int8")
    if missing(("avx512vl", "avx512_vnni")) or (missing(needs) and not emulate(missing(needs))):
        pytest.skip("this host lacks AVX-512 VNNI, or AMX and what emulates it")
    base, tiles = (
        support.check("ternac", "--print-target", f"--target=cpu,arch=x86-64-v4,features=+avx512vnni{more}").strip()
        for more in ("", ",+amx-tile,+amx-int8")
    )
    dump = tmp_path / "imported.mlir"
    support.check("ternac", support.EXAMPLE, "--target=cpu,arch=x86-64-v4,features=+avx512vnni", "--emit=imported", "-o", dump)
    text = dump.read_text()
    assert base in text
    dump.write_text(text.replace(base, f"{base[:-1]}, versions = [{tiles}]>"))
    file = support.compile(dump, tmp_path / "model.so")
    tokens, logits = Model(file).generate(PROMPT, 2)
    for grant in (True, False):
        other_tokens, other_logits = Model(file, grant=grant, version=1).generate(PROMPT, 2)
        assert other_tokens == tokens and numpy.array_equal(other_logits, logits)
