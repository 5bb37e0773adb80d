# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Conversions between f16 and f32, in hardware or not: those of NumPy, for every f16 and for f32 at every rounding limit."""

import numpy as np
import pytest

from harness import Build, Cases, Exact, InOut
from targets import TARGETS

WIDTH = 64
HALVES = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(-1, WIDTH)


def module():
    table, y, cache = f"tensor<{len(HALVES)}x{WIDTH}xf16>", f"tensor<?x{WIDTH}xf32>", f"!tern.kv_cache<1x1x{WIDTH}xf16>"
    ints = "tensor<?xi32>"
    return f"""func.func @decode(%t: {ints}, %e: {table}) -> {y} {{
  %y = tern.embedding %t, %e : ({ints}, {table}) -> {y}
  return %y : {y}
}}
func.func @encode(%q: {y}, %k: {y}, %v: {y}, %c: {cache}, %l: index, %p: {ints}, %s: {ints}) -> {y} {{
  %d = tern.kv_append %k, %v, %c[%l] at %p of %s : ({y}, {y}, {cache}, index, {ints}, {ints}) -> {cache}
  %y = tern.attention %q, %d[%l] at %p of %s : ({y}, {cache}, index, {ints}, {ints}) -> {y}
  return %y : {y}
}}"""


builds = pytest.mark.parametrize("build", [Build.of(target, module) for target in TARGETS], ids=str)


@builds
def test_decode(build):
    with Cases(build, "f16") as cases:
        rows = np.arange(len(HALVES), dtype=np.int32)
        cases.run("every f16", "decode", [rows, HALVES], [(HALVES.shape, np.float32)], [Exact(HALVES.astype(np.float32))])


def limits():
    """Every f16, the middle between each two, the neighbours of both, and numbers too large and too small for f16."""
    with np.errstate(over="ignore", invalid="ignore"):
        ordered = np.sort(HALVES[np.isfinite(HALVES)].astype(np.float32))
        middles = ((ordered[1:].astype(np.float64) + ordered[:-1]) / 2).astype(np.float32)
        exact = np.r_[ordered, middles, np.float32([65520, -65520, 65536, -65536])]
        around = [np.nextafter(exact, np.float32(side)) for side in (-np.inf, np.inf)]
    special = np.float32([np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 1e-45, -1e-45, 1e-38, 2.0**-25, -(2.0**-25), 2.0**-26])
    values = np.r_[exact, *around, special]
    return np.resize(values, -(-len(values) // WIDTH) * WIDTH).reshape(-1, WIDTH)


@builds
def test_encode(build):
    """One value per sequence, which is what attention to its single position returns."""
    with Cases(build, "f16") as cases:
        values = limits()
        for begin in range(0, len(values), 256):
            v = values[begin : begin + 256]
            n = len(v)
            zero, sequences = np.zeros(v.shape, np.float32), np.arange(n, dtype=np.int32)
            pool = np.full(n * 64 * WIDTH * 2, np.nan, np.float16)
            arguments = [zero, zero, v, InOut(pool), sequences[:, None], 0, np.zeros(n, np.int32), sequences]
            with np.errstate(over="ignore"):
                expected = v.astype(np.float16).astype(np.float32)
            cases.run(f"limits {begin}", "encode", arguments, [(v.shape, np.float32)], [Exact(expected)])
