# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiled models against the NumPy reference: every kind of checkpoint and every mode of computing.

What a kind is about is its import, which knows no mode: each is computed exactly, and in one or two of the other modes."""

import itertools

import pytest
from matrix import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_kind(agree, kind):
    agree(kind, "exact")


# Every kind in one of the modes, the modes in turn.
IN_TURN = ("default", "f16-cache", "i8-cache", "int4-head", "smallest")


@pytest.mark.parametrize("kind, mode", list(zip(sorted(KINDS), itertools.cycle(IN_TURN))))
def test_kind_in_mode(agree, kind, mode):
    agree(kind, mode)


# The shapes that no tile or vector divides, and a dense layer, in the mode that most models are compiled in.
@pytest.mark.parametrize("kind", ("bitnet-odd-sizes", "bitnet-half-blocks", "bitnet-dense-gates", "1bitllm-f32", "llama-short-heads", "llama-sharded"))
def test_kind_by_default(agree, kind):
    agree(kind, "default")


# What the choice by estimated time may leave out on this machine.
STRATEGIES = (("lut", "auto"), ("add_sub", "planes"))


@pytest.mark.parametrize("kind, lowering", list(zip(KINDS, itertools.cycle(STRATEGIES))))
def test_kind_with_strategy(agree, kind, lowering):
    strategy, packing = lowering
    agree(kind, "exact", f"--strategy={strategy}", f"--packing={packing}")


@pytest.mark.parametrize("strategy, packing", STRATEGIES)
def test_strategy_with_smallest(agree, strategy, packing):
    agree("bitnet-odd-sizes", "smallest", f"--strategy={strategy}", f"--packing={packing}")
