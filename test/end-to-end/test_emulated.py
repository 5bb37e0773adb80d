# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A model whose instructions this processor lacks gives the bits of one whose instructions it has, by emulation."""

from dataclasses import dataclass

import numpy
import pytest
import support

from bare import emulate, emulator, missing
from forward import Model


@dataclass(frozen=True)
class Kind:
    """Code that needs `needs`, for `target` with `strategy`, and the target whose bits it must give."""

    name: str
    needs: tuple
    target: str
    strategy: str
    like: str
    like_needs: tuple
    prompt: tuple
    count: int  # of tokens that are generated

    def __str__(self):
        return f"{self.name}-emulated" if missing(self.needs) else self.name


KINDS = (
    # Every vector instruction costs a signal: half a second per token.
    Kind("avx_vnni", ("avx_vnni",), "cpu,arch=x86-64-v3,features=+avxvnni", "dot", "cpu,arch=x86-64-v3", ("avx2", "fma"), (0, 20, 21), 1),
    # More tokens than two tiles have rows, then few.
    Kind(
        "amx",
        ("amx_tile", "amx_int8"),
        "cpu,arch=x86-64-v4,features=+avx512vnni,+amx-tile,+amx-int8",
        "tile",
        "cpu,arch=x86-64-v4,features=+avx512vnni",
        ("avx512vl", "avx512_vnni"),
        tuple(support.prompt(569, 45)),
        2,
    ),
)


@pytest.fixture(scope="module", params=KINDS, ids=str)
def kind(request):
    kind = request.param
    if absent := missing(kind.like_needs):
        pytest.skip(f"this host lacks {', '.join(sorted(absent))}")
    absent = missing(kind.needs)
    if absent and not emulate(absent):
        pytest.skip(f"this host lacks {', '.join(sorted(absent))}, and there is no emulator")
    return kind


@pytest.fixture(scope="module")
def native(kind, tmp_path_factory):
    """What the same model says with instructions that this host has."""
    library = support.compile(support.EXAMPLE, tmp_path_factory.mktemp("native") / "model.so", f"--target={kind.like}", "--strategy=dot")
    tokens, logits = Model(library).generate(kind.prompt, kind.count)
    assert tokens == support.generate(library, kind.prompt, kind.count)
    assert numpy.array_equal(logits[: len(kind.prompt)], support.logits(library, kind.prompt))
    return tokens, logits


@pytest.fixture(scope="module")
def library(kind, tmp_path_factory):
    library = tmp_path_factory.mktemp("emulated") / "model.so"
    return support.compile(support.EXAMPLE, library, f"--target={kind.target}", f"--strategy={kind.strategy}")


def instructions():
    """How many were emulated so far."""
    return emulator().ternac_emulator_count() if emulator() else 0


def check(model, kind, native):
    tokens, logits = model.generate(kind.prompt, kind.count)
    assert tokens == native[0]
    assert logits.tobytes() == native[1].tobytes()


@pytest.mark.parametrize("threads", (1, 2))
def test_same_bits(kind, native, library, threads):
    before = instructions()
    check(Model(library, threads), kind, native)
    assert (instructions() > before) == bool(missing(kind.needs))


def test_without_grant(kind, native, library):
    """Tiles are used only where the host grants them."""
    if not kind.name.startswith("amx"):
        pytest.skip("needs no grant")
    before = instructions()
    check(Model(library, grant=False), kind, native)
    assert instructions() == before


def test_runtime_refuses(kind, library):
    if not missing(kind.needs):
        pytest.skip("this host has what the code needs")
    refused = support.run("ternac-run", library, "--tokens=0")
    assert refused.returncode == 1 and "needs processor features" in refused.stderr
