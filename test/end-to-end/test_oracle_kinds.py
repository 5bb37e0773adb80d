# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiled models against the NumPy reference: every kind of checkpoint and every mode of computing."""

import pytest
from matrix import KINDS


@pytest.mark.parametrize("mode", ("exact", "default"))
@pytest.mark.parametrize("kind", KINDS)
def test_kind(agree, kind, mode):
    agree(kind, mode)


@pytest.mark.parametrize("kind", sorted(KINDS)[::3])
@pytest.mark.parametrize("mode", ("f16-cache", "i8-cache"))
def test_kind_with_stored_head(agree, kind, mode):
    agree(kind, mode)


@pytest.mark.parametrize("kind", sorted(KINDS)[1::3])
@pytest.mark.parametrize("mode", ("int4-head", "smallest"))
def test_kind_with_int4_head(agree, kind, mode):
    agree(kind, mode)


# What the choice by estimated time may leave out on this machine.
STRATEGIES = (("lut", "auto"), ("add_sub", "planes"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy, packing", STRATEGIES)
def test_kind_with_strategy(agree, kind, strategy, packing):
    agree(kind, "exact", f"--strategy={strategy}", f"--packing={packing}")


@pytest.mark.parametrize("strategy, packing", STRATEGIES)
def test_strategy_with_smallest(agree, strategy, packing):
    agree("bitnet-odd-sizes", "smallest", f"--strategy={strategy}", f"--packing={packing}")
