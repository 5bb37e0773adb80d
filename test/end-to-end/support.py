# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the end-to-end tests share: running the tools, and the one table of float tolerances.

The tools are those in the folder that the environment variable TERNAC_BIN names, by default build/bin of the source tree.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "python"))

from host import host_features, use_cuda_emulator  # noqa: E402

BIN = os.path.abspath(os.environ.get("TERNAC_BIN") or ROOT / "build" / "bin")
use_cuda_emulator(Path(BIN).parent)
EXAMPLE = ROOT / "examples" / "tiny-bitnet"

# The options of the strictest row of the table.
EXACT = ("--head=as-stored", "--kv-cache=f32", "--attention=f32")


def read_tolerances():
    """The table of docs/Numerics.md: by (head, cache, attention), the largest max|a-b|/std(b) and mean|a-b|/std(b) of logits."""
    text = (ROOT / "docs" / "Numerics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (\S+) \| ([\d.e-]+) \| ([\d.e-]+) \|$", text, re.MULTILINE)
    assert rows, "docs/Numerics.md has no table of tolerances"
    return {row[:3]: (float(row[3]), float(row[4])) for row in rows}


TOLERANCES = read_tolerances()


def run(tool, *arguments, cwd=None):
    """Runs a tool and returns the completed process, whatever its status."""
    command = [os.path.join(BIN, tool), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=300)


def check(tool, *arguments, cwd=None):
    """Runs a tool that must succeed, and returns its standard output."""
    result = run(tool, *arguments, cwd=cwd)
    assert result.returncode == 0, f"{tool} {' '.join(map(str, arguments))}\n{result.stderr}"
    return result.stdout


def need_device(kind):
    """Skips the test if the first device of this kind cannot be used."""
    line = next(line for line in check("ternac-run", "--list-devices").splitlines() if line.startswith(kind))
    if not line.startswith(f"{kind}:0:") or "cannot be used" in line:
        pytest.skip(line)


def compile(model, library, *options, cwd=None):
    """Compiles a model to `library`, silently but for notes, and returns the path of the library."""
    result = run("ternac", model, "-o", library, *options, cwd=cwd)
    assert result.returncode == 0, f"{' '.join(map(str, options))}\n{result.stderr}"
    assert not result.stdout and all(line.startswith("note: ") for line in result.stderr.splitlines())
    return Path(library)


def logits(library, tokens, *options):
    """The logits float32 [tokens, vocabulary] of a prompt, by ternac-run."""
    file = Path(f"{library}.npy")
    check("ternac-run", library, f"--tokens={comma(tokens)}", f"--logits={file}", *options)
    result = numpy.load(file)
    file.unlink()
    assert result.dtype == numpy.float32 and numpy.isfinite(result).all()
    return result


def generate(library, tokens, count, *options):
    """The `count` likeliest tokens after a prompt, end tokens or not, by ternac-run."""
    output = check("ternac-run", library, f"--tokens={comma(tokens)}", f"--max-new-tokens={count}", "--ignore-eos", *options)
    return [int(token) for token in output.split()]


def comma(tokens):
    return ",".join(map(str, tokens))


def prompt(vocabulary, count, seed=0):
    """A fixed prompt of random tokens."""
    return numpy.random.default_rng(seed).integers(0, vocabulary, count).tolist()


def errors(actual, expected):
    """The two measures of the tolerance table."""
    difference, deviation = numpy.abs(actual - expected), expected.std()
    return difference.max() / deviation, difference.mean() / deviation


# One telling feature of each level of the x86-64 architecture.
_LEVELS = {"x86-64": "sse2", "x86-64-v2": "sse4_2", "x86-64-v3": "avx2", "x86-64-v4": "avx512vl", "native": "sse2"}


def host_runs(architecture):
    return _LEVELS[architecture] in host_features()


def c_compiler():
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang") or shutil.which("clang-22")
    if not compiler:
        pytest.skip("no C compiler")
    return compiler


def llvm_tool(name):
    """A tool of LLVM, or its GNU namesake of the same command line."""
    for candidate in (f"/usr/lib/llvm-22/bin/llvm-{name}", f"llvm-{name}-22", f"llvm-{name}", name):
        if found := shutil.which(candidate):
            return found
    pytest.skip(f"no {name}")
