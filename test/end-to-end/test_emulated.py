# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A model whose instructions this processor lacks gives the bits of one whose instructions it has, by emulation."""

import numpy
import pytest
import support

from bare import emulate, emulator, missing
from forward import Model

PROMPT, COUNT = [0, 20, 21], 1  # an emulated token takes half a second
BASE = "x86-64-v3"


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """What the same model says, compiled for instructions that every host of this level has."""
    if not support.host_runs(BASE):
        pytest.skip(f"this host is below {BASE}")
    library = support.compile(support.EXAMPLE, tmp_path_factory.mktemp("native") / "model.so", f"--target=cpu,arch={BASE}")
    tokens, logits = Model(library).generate(PROMPT, COUNT)
    assert tokens == support.generate(library, PROMPT, COUNT)
    assert numpy.array_equal(logits[: len(PROMPT)], support.logits(library, PROMPT))
    return tokens, logits


LACKS = missing(("avx_vnni",))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if LACKS and not emulate(LACKS):
        pytest.skip("this host lacks AVX-VNNI, and there is no emulator")
    library = tmp_path_factory.mktemp("emulated") / "model.so"
    return support.compile(support.EXAMPLE, library, f"--target=cpu,arch={BASE},features=+avxvnni", "--strategy=dot")


@pytest.mark.parametrize("threads", (1, 2), ids=lambda threads: f"{threads}-emulated" if LACKS else str(threads))
def test_avx_vnni(native, library, threads):
    before = emulator().ternac_emulator_count() if LACKS else 0
    tokens, logits = Model(library, threads).generate(PROMPT, COUNT)
    assert tokens == native[0]
    assert logits.tobytes() == native[1].tobytes()
    assert not LACKS or emulator().ternac_emulator_count() > before


@pytest.mark.skipif(not LACKS, reason="this host has AVX-VNNI")
def test_runtime_refuses(library):
    refused = support.run("ternac-run", library, "--tokens=0")
    assert refused.returncode == 1 and "avxvnni" in refused.stderr
