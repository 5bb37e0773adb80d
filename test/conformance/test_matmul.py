# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The ternary matmul: every strategy and packing that a target claims gives the same integers."""

import functools
import zlib

import numpy as np
import pytest

from harness import Build, Cases, Exact
from targets import TARGETS

# Rows M of the matrix around a tile of rows, and columns K around everything that layouts pad to and sums are flushed at. Far
# apart lie the widths where sums of 16 bits over single rows are flushed, and where two-bit digits no longer stay in place. One
# matrix is large enough for threads to share it out in pieces.
SHAPES = [(1, 5), (15, 5), (16, 5), (40, 5), (1, 321), (17, 321), (32, 321), (40, 321)]
SHAPES += [(17, k) for k in (1, 64, 255, 256, 257, 320, 513)]
SHAPES += [(3, 50), (3, 257)]
SHAPES += [(600, 1280)]
# More rows than a tile of any layout.
SHAPES += [(1, 2049), (65, 50), (255, 65), (257, 2049)]
SHAPES += [(19, 2560), (19, 2561), (19, 6912), (2, 16500), (2, 2**19 - 1), (2, 2**19 + 1)]
ROWS = (0, 1, 2, 3, 4, 5, 7, 9)
# For targets that have few shapes. Every number of rows is tried with them, but with the largest and where emulation is slow.
FEW_SHAPES = [(1, 5), (40, 321), (17, 513), (65, 50), (600, 1280), (2, 16500)]

# Calls whose rows are taken together: by lut in blocks of 16, up to 256 of them before its threads wait for one another, by tile in
# blocks of 16 and 32, by dot from 17 on in blocks of 2 or 6. A block in part, whole blocks, what is left padded to a block or shared with
# the block before, or else one row after the other.
MANY_ROWS = (8, 15, 16, 17, 33, 64, 100)
MANY_SHAPES = {(1, 321), (17, 1), (40, 5), (65, 50), (255, 65), (257, 2049), (17, 513), (19, 2560), (2, 16500)}
MOST_ROWS = {(600, 1280): (17, 300)}
# For other machines, whose emulation is slow: a part of a block, a block, and whole ones with a rest.
FEW_MANY_ROWS = (8, 16, 17, 33)


def padded(k):
    """Columns of q: enough for every packing, whose padding is a multiple of 256 or of 320 columns."""
    return max(-(-k // unit) * unit for unit in (256, 320))


@functools.cache
def matrix(m, k):
    """Random trits, with rows of all +1 and all -1 among them, the last included, where sums are largest."""
    trits = np.random.default_rng(zlib.crc32(b"%dx%d" % (m, k))).integers(-1, 2, (m, k), dtype=np.int8)
    if m > 1:
        trits[0], trits[-1] = -1, 1
    if m > 16:
        trits[7], trits[13] = 1, -1
    return trits


def module_of(shapes):
    functions = []
    for m, k in shapes:
        q, w, y = f"tensor<?x{padded(k)}xi8>", f"tensor<{m}x{k}x!tern.trit>", f"tensor<?x{m}xi32>"
        text = bytes(b"-0+"[trit + 1] for trit in matrix(m, k).flat).decode()
        functions.append(
            f"""func.func @matmul_{m}x{k}(%q: {q}, %sum: tensor<?xi32>) -> {y} {{
  %w = tern.constant <"{text}"> : {w}
  %y = tern.matmul %q, %sum, %w : ({q}, tensor<?xi32>, {w}) -> {y}
  return %y : {y}
}}"""
        )
    return "\n".join(functions)


def module():
    return module_of(SHAPES)


def small_module():
    return module_of(FEW_SHAPES)


@functools.cache
def activations(k):
    """Rows of all kinds: extremes that trap sums of 16 bits, alternating signs, random, single ones, zero."""
    random = np.random.default_rng(k)
    rows = np.zeros((9, k), np.int8)
    rows[0], rows[1] = 127, -128
    rows[2, ::2], rows[2, 1::2] = 127, -128
    rows[3:6] = random.integers(-128, 128, (3, k))
    rows[6, 0], rows[7, -1] = -128, 127
    return rows


@functools.cache
def single_ones(k, few):
    """Rows with one 1 each: for every column, or for the first, the last and some more of a wide matrix, and where few are enough."""
    columns, part = np.arange(k), 16 if few else 64
    if k > (3 * part if few else 400):
        columns = np.unique(np.r_[:part, k - part : k, np.random.default_rng(k).integers(0, k, part)])
    return (columns[:, None] == np.arange(k)).astype(np.int8)


def inputs(m, k, slow=False, few=False):
    """All (label, q, threads)."""
    rows = activations(k)
    if slow:
        cases = (("n=0", rows[:0]), ("n=1 all 127", rows[:1]), ("n=4 extremes", rows[:4]), ("n=5", rows[3:8]))
        return [(label, np.pad(q, ((0, 0), (0, padded(k) - k))), (1, 2)) for label, q in cases]
    if k > 10000 or (few and m * k > 500000):
        cases = (("n=1 all 127", rows[:1]), ("n=5", rows[:5]), ("n=20", np.resize(rows, (20, k))))
        return [(label, np.pad(q, ((0, 0), (0, padded(k) - k))), (1, 2)) for label, q in cases[: 2 if k > 10000 else 3]]
    cases = [(f"n={n}", np.roll(rows, -n, axis=0)[:n], (1, 2, 5) if n == 7 else (1, 2)) for n in ROWS]
    cases += [("n=20", np.resize(rows, (20, k)), (1, 2)), ("n=1 all 127", rows[:1], (1, 2)), ("n=4 extremes", rows[:4], (1, 2)), ("single ones", single_ones(k, few), (2,) if few else (1, 2))]
    if k == 50:  # more rows than kernels keep sums of
        cases.append(("n=530", np.resize(rows, (530, k)), (1, 2)))
    return [(label, np.pad(q, ((0, 0), (0, padded(k) - k))), threads) for label, q, threads in cases]


def many_rows(target, m, k):
    """The numbers of rows of calls of strategies that take many rows together."""
    if target.slow():
        return ()
    if (m, k) in MANY_SHAPES:
        return FEW_MANY_ROWS if target.machine else MANY_ROWS
    return () if target.machine or target.kernels else MOST_ROWS.get((m, k), ())


def many_inputs(k, numbers):
    """The same for calls with many rows, of all kinds, in turn."""
    rows = activations(k)
    for n in numbers:
        q = rows[(np.arange(n) + n) % len(rows)]
        yield f"n={n}", np.pad(q, ((0, 0), (0, padded(k) - k))), (1, 2, 5) if n in (17, 33, 300) else (1, 2)


@functools.cache
def calls(m, k, slow, few, many):
    """All (label, arguments, product, threads) of a matrix, which targets share; `many` has numbers of many rows."""
    weight, result = matrix(m, k).T.astype(np.float64), []
    for label, q, threads in (*inputs(m, k, slow, few), *many_inputs(k, many)):
        product = (q[:, :k].astype(np.float64) @ weight).astype(np.int32)  # below 2^53: exact
        result.append((label, [q, q.sum(axis=1, dtype=np.int32)], product, threads))
    return result


BUILDS = [
    Build.of(target, small_module if target.slow() or target.few_shapes() else module, strategy, packing)
    for target in TARGETS
    for strategy in target.matmul
    for packing in target.matmul[strategy]
]


@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_matmul(build):
    target = build.target
    slow, few = target.slow(), target.few_shapes()
    with Cases(build, "matmul") as cases:
        for m, k in FEW_SHAPES if slow or few else SHAPES:
            many = many_rows(target, m, k) if build.strategy in ("lut", "dot", "tile") else ()
            for label, arguments, product, threads in calls(m, k, slow, few, many):
                cases.run(label, f"matmul_{m}x{k}", arguments, [(product.shape, np.int32)], [Exact(product)], threads)
