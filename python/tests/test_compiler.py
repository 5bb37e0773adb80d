# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiling from Python."""

import os
from pathlib import Path

import numpy as np
import pytest

import ternac
from ternac import compiler
from ternac.runtime import TernacError

ROOT = Path(__file__).resolve().parents[2]
TEXT = """func.func @twice(%x: tensor<?xf32> {tern.name = "x"}) -> tensor<?xf32> {
  %y = arith.addf %x, %x : tensor<?xf32>
  return %y : tensor<?xf32>
}
"""


@pytest.fixture(autouse=True)
def found(monkeypatch):
    if "TERNAC_BIN" in os.environ:
        monkeypatch.setenv("TERNAC_COMPILER", str(Path(os.environ["TERNAC_BIN"]) / "ternac"))
    try:
        compiler.find_compiler()
    except TernacError as error:
        pytest.skip(str(error))


def test_text(tmp_path):
    library = ternac.compile(TEXT, tmp_path / "twice.so", target="cpu,arch=x86-64")
    with ternac.load(library) as module:
        assert module.twice(np.arange(5, dtype=np.float32)).tolist() == [0, 2, 4, 6, 8]
    with pytest.raises(ValueError, match="expected an output for the text of a module"):
        ternac.compile(TEXT)


def test_file_and_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    library = ternac.compile(ROOT / "examples" / "tiny-bitnet", head="as-stored", max_tokens_per_call=8, remarks=True, packing=None)
    assert library == Path("tiny-bitnet.so")
    with ternac.load(library) as model:
        assert model.facts["max_rows"] == 8 and model.facts["head"] == "as-stored"


def test_refusals(tmp_path, monkeypatch):
    with pytest.raises(TernacError, match="^unknown target 'nothing'"):
        ternac.compile(TEXT, tmp_path / "out.so", target="nothing")
    with pytest.raises(TernacError, match="none: no such file or directory"):
        ternac.compile(tmp_path / "none", tmp_path / "out.so")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("TERNAC_COMPILER", str(tmp_path / "none"))
    with pytest.raises(TernacError, match="cannot run the compiler"):
        ternac.compile(TEXT, tmp_path / "out.so")
