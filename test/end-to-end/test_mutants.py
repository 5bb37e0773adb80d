# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Modules that were changed at random compile, or end in one line on stderr and leave nothing: the compiler never crashes.

The changes are the same each time. TERNAC_MUTANTS=N tries N of each module, others than those of a smaller N as well.
"""

import os
import random
import re

import pytest
import support

from ternac import checkpoints

MUTANTS = int(os.environ.get("TERNAC_MUTANTS", 12))
PHASES = ("imported", "normalized", "quantized", "packed", "bufferized", "vectorized", "llvm")
NUMBERS = ("0", "1", "-1", "3", "7", "64", "127", "4095", "2147483647", "2147483648", "9223372036854775807", "18446744073709551616")
TYPES = ("f32", "f64", "f16", "bf16", "i1", "i8", "i16", "i32", "i64", "index", "!tern.trit")


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """Texts by (name, phase): the example of functions, and a model of one layer with synthetic weights."""
    folder = tmp_path_factory.mktemp("modules")
    checkpoints.write_checkpoint(folder / "model", layers=1, vocab=64, hidden=64, intermediate=64)
    sources = {"functions": (support.ROOT / "examples" / "functions" / "mlp.mlir", ()), "model": (folder / "model", ("--synthetic-weights=1",))}
    texts = {}
    for name, (source, options) in sources.items():
        support.check("ternac", source, *options, "--target=cpu,arch=x86-64-v3", f"--dump-phases-to={folder / name}", "-o", folder / "whole.so")
        for number, phase in enumerate(PHASES):
            texts[name, phase] = (folder / name / f"0{number}-{phase}.mlir").read_text()
    return texts


def mutate(text, chance):
    """`text` after one to three changes."""
    for _ in range(chance.randint(1, 3)):
        lines = text.split("\n")
        at = chance.randrange(len(lines))
        kind = chance.randrange(8)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(chance.randrange(len(lines)), lines[at])
        elif kind == 2:
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3 and chance.randrange(4) == 0:
            lines = lines[:at]
        else:
            # A word of the line becomes another: most changes are of numbers, types and names.
            pattern, words = chance.choice(((r"(?<![\w.])-?\d+(?![\w.])", NUMBERS), (r"\d+|\?", (*NUMBERS[:6], "?")), (r"!?\b(tern\.trit|bf16|[fi]\d+|index)\b", TYPES), (r"%\w+", ())))
            places = list(re.finditer(pattern, lines[at]))
            if places:
                place = chance.choice(places)
                word = chance.choice(words or [match.group() for match in re.finditer(r"%\w+", text)])
                lines[at] = lines[at][: place.start()] + word + lines[at][place.end() :]
        text = "\n".join(lines)
    return text


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", ("functions", "model"))
def test_mutants(modules, tmp_path, name, phase):
    text = modules[name, phase]
    outcomes = set()
    for number in range(MUTANTS):
        mutant = mutate(text, random.Random(f"{name} {phase} {number}"))
        file = tmp_path / f"{number}.mlir"
        file.write_text(mutant)
        result = support.run("ternac", file, f"--compile-from={phase}", "-o", tmp_path / "out.so")
        said = f"{file}: status {result.returncode}\n{result.stderr[:2000]}"
        assert result.returncode in (0, 1), said
        if result.returncode:
            assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, said
            assert sorted(path.name for path in tmp_path.iterdir()) == [file.name], said
        else:
            (tmp_path / "out.so").unlink()
        file.unlink()
        outcomes.add(result.returncode)
    assert 1 in outcomes
