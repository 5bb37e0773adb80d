# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention of few rows, of runs of rows and of many sequences, with and without sliding windows: whatever the call, a row has
the same bits.

What a row does not see (positions beyond its own, those before its window, blocks no row needs) is NaN or infinite.
"""

import numpy as np
import pytest

from harness import TOLERANCES, Build, Cases, Close, complaint, same_bits
from targets import BF16, TARGETS
from test_cache import Scene, function

# Heads of queries, heads of the cache, size of a head, cache, windows of the two layers or of both.
KINDS = (
    (2, 2, 64, "f16"),
    (8, 2, 128, "f16"),
    (5, 1, 20, "i8"),
    (4, 1, 8, "f32", (1,)),
    (5, 1, 20, "f32", (5,)),
    (4, 4, 64, "i8", (64,)),
    (8, 2, 20, "f16", (0, 100)),
)
# For targets of which every instruction is emulated: each element, with windows and without.
FEW_KINDS = ((2, 2, 64, "f16"), (5, 1, 20, "i8"), (5, 1, 20, "f32", (5,)), (8, 2, 20, "f16", (0, 100)))
# A head of no whole vector of four.
LONG_KIND = (3, 1, 6, "i8", (0, 70))
# Last positions of the sequences: calls of few rows and of many, and those whose runs end inside of a tile of rows.
LENGTHS = (1, 3, 15, 16, 17, 70, 200, *range(60, 70))
# Those that are also compiled with narrow factors.
NARROW = ((5, 1, 32, "i8", (100,)), (8, 2, 128, "f16"))


def module_of(kinds, narrow):
    exact = [function(*kind) for kind in dict.fromkeys((*kinds, *narrow))]
    return "\n".join(exact + [function(*kind, narrow=True) for kind in narrow])


def module():
    return module_of(KINDS, NARROW)


def few_module():
    return module_of(FEW_KINDS, NARROW[:1])


def builds(targets):
    return pytest.mark.parametrize("build", [Build.of(target, few_module if target.few_shapes() else module) for target in targets], ids=str)


@builds(TARGETS)
def test_attention(build):
    with Cases(build, "attention") as cases:
        for kind in FEW_KINDS if build.target.few_shapes() else KINDS:
            scene = Scene(*kind, ends=[length - 1 for length in LENGTHS])
            name, layer = scene.name(), 1

            def call(rows, pool, threads, scene=scene, name=name, layer=layer):
                return cases.library.call(name, scene.arguments(rows, pool, layer), scene.output(rows), threads)

            # All sequences in one call, one after another.
            everything = np.arange(len(scene.q))
            close = Close(scene.expected(layer), TOLERANCES["attention"], np.abs(scene.v).max())
            whole, pool = cases.run(
                "ragged", name, scene.arguments(everything, scene.pool, layer), scene.output(everything), [close], threads=(1, 2, 3)
            )

            # Each sequence on its own, and those of many rows in chunks that end inside of tiles and blocks.
            for sequence, length in enumerate(LENGTHS):
                rows = np.flatnonzero(scene.sequences == sequence)
                for bounds in ((0,), (0, 1, 18, 36)) if length == 70 else ((0,), (0, 90, 131, 147)) if length == 200 else ((0,),):
                    parts, alone = [], scene.pool
                    for part in np.split(rows, bounds[1:]):
                        y, alone = call(part, alone, 1 + len(parts) % 3)
                        parts.append(y)
                    same = same_bits(np.concatenate(parts), whole[rows])
                    cases.judge(f"{name} {length} rows from {bounds}", "" if same else "other bits than in one call")

            # The last rows of all sequences, which are many calls' worth of decoding, and with a run among them.
            last = np.flatnonzero(np.diff(scene.sequences, append=-1))
            run = np.flatnonzero(scene.sequences == 6)[120:141]
            for label, rows in (("one of each", last), ("with a run", np.concatenate([last[:6], run, last[7:]]))):
                for threads in cases.threads((1, 2, 5)):
                    y, _ = call(rows, pool, threads)
                    cases.judge(f"{name} {label} threads={threads}", "" if same_bits(y, whole[rows]) else "other bits than in one call")


def long_module():
    return function(*LONG_KIND)


@pytest.mark.parametrize("build", [Build.of(target, long_module) for target in TARGETS if target.kernels], ids=str)
def test_chunks(build):
    """Kernels go through positions by 256: rows that are computed together and of which some see no position of a chunk that others see."""
    with Cases(build, "attention") as cases:
        scene = Scene(*LONG_KIND, ends=(36, 399))
        name, everything = scene.name(), np.arange(len(scene.q))
        close = Close(scene.expected(1), TOLERANCES["attention"], np.abs(scene.v).max())
        arguments, output = scene.arguments(everything, scene.pool, 1), scene.output(everything)
        whole, pool = cases.run("in one call", name, arguments, output, [close])
        # Fewer rows than those that are computed together.
        for rows in np.array_split(everything, len(everything) // 30):
            y, _ = cases.library.call(name, scene.arguments(rows, pool, 1), scene.output(rows))
            cases.judge(f"{name} rows from {rows[0]}", "" if same_bits(y, whole[rows]) else "other bits than in one call")


@builds(TARGETS)
def test_unseen_positions(build):
    """Values that a row does not see may be infinite or not a number, even where another row of the call sees them."""
    with Cases(build, "attention") as cases:
        for kind in FEW_KINDS if build.target.few_shapes() else KINDS:
            if kind[3] == "i8":
                continue
            scene = Scene(*kind, ends=(199,))
            rows, name = np.arange(200), scene.name()
            good, _ = cases.library.call(name, scene.arguments(rows, scene.pool, 1), scene.output(rows), 2)
            scene.v[90], scene.k[90] = np.inf, np.nan
            y, _ = cases.library.call(name, scene.arguments(rows, scene.pool, 1), scene.output(rows), 2)
            window = scene.windows[-1] if scene.windows else 0
            blind = (rows < 90) | (rows >= 90 + window if window else rows < 0)
            cases.judge(f"{name} unseen", "" if same_bits(y[blind], good[blind]) else "a value that a row does not see changed it")
            seen = y[~blind]
            cases.judge(f"{name} seen", "finite numbers of an infinite value" if np.isfinite(seen).any() else "")


@builds((*TARGETS, *BF16))
def test_narrow_factors(build):
    """Factors of bf16 in whole tiles of rows: close to f32, whatever the threads and the other sequences of the call. Without tiles that
    are granted they are those of another instruction, or f32."""
    tiles, pairs = ("+amx-bf16" in build.target.spec, "+avx512bf16" in build.target.spec)
    with Cases(build, "attention") as cases:
        for kind in NARROW[:1] if build.target.few_shapes() else NARROW:
            scene = Scene(*kind, ends=[length - 1 for length in LENGTHS])
            rows, exact = np.arange(len(scene.q)), scene.name()
            name = exact.replace("step", "narrow")
            wide, pool = cases.library.call(exact, scene.arguments(rows, scene.pool, 1), scene.output(rows), 2)
            close = Close(scene.expected(1), 1e-2, np.abs(scene.v).max())
            whole = None
            for threads in cases.threads((1, 2, 3)):
                y, _ = cases.library.call(name, scene.arguments(rows, scene.pool, 1), scene.output(rows), threads)
                whole = y if whole is None else whole
                cases.judge(f"{name} threads={threads}", complaint(close, y) or ("" if same_bits(y, whole) else "other bits"))
            # Fewer rows than are many, on their own and beside those of another sequence.
            long, other = (np.flatnonzero(scene.sequences == LENGTHS.index(length)) for length in (200, 70))
            some = long[136:151]
            both = np.concatenate([some, other])
            y, _ = cases.library.call(name, scene.arguments(some, pool, 1), scene.output(some), 2)
            beside, _ = cases.library.call(name, scene.arguments(both, pool, 1), scene.output(both), 2)
            cases.judge(f"{name} beside others", "" if same_bits(y, beside[: len(some)]) else "other bits than alone")
            ungranted, _ = cases.library.call(name, scene.arguments(rows, scene.pool, 1), scene.output(rows), 2, grant=False)
            cases.judge(f"{name} without tiles", complaint(close, ungranted))
            for one, other, same in ((ungranted, whole, not tiles), (ungranted, wide, not pairs), (whole, wide, not tiles)):
                if build.target.name != "native":
                    cases.judge(f"{name} instructions", "" if same_bits(one, other) == same else "not the products expected")
            for sequence, length in enumerate(LENGTHS):
                mine = np.flatnonzero(scene.sequences == sequence)
                y, _ = cases.library.call(name, scene.arguments(mine, pool, 1), scene.output(mine), 2)
                cases.judge(f"{name} {length} rows alone", "" if same_bits(y, whole[mine]) else "other bits than in one call")
                if length < 8:  # no whole tile
                    cases.judge(f"{name} {length} rows", "" if same_bits(wide[mine], whole[mine]) else "few rows in bf16")
