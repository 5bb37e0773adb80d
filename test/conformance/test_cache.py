# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cache and attention, whose layout in memory is a target's own: what is appended is what attention reads.

Everything that no append wrote is NaN, and so is not allowed to matter; so are the entries of the block table for blocks
that no position needs.
"""

import functools

import numpy as np
import pytest

from harness import TOLERANCES, Build, Cases, Close, InOut, complaint, same_bits
from targets import TARGETS

BLOCK = 64
LAYERS = 2
# Heads of queries, heads of the cache, size of a head.
SHAPES = ((1, 1, 8), (4, 2, 8), (5, 1, 20), (4, 4, 64), (6, 2, 80))
ELEMENTS = {"f32": np.float32, "f16": np.float16, "i8": np.int8}
SCENES = [(*shape, element) for shape in SHAPES for element in ELEMENTS]
# For targets of which every instruction is emulated: each shape, and each element with several of them.
FEW_SCENES = [(1, 1, 8, "f32"), (4, 2, 8, "f16"), (5, 1, 20, "f16"), (5, 1, 20, "i8"), (4, 4, 64, "i8"), (6, 2, 80, "f32")]
LONG_SCENES = [(1, 1, 8, "f32"), (1, 1, 8, "f16"), (4, 2, 8, "i8")]
ENDS = (0, 63, 64, 65, 200)  # last positions of the sequences


def name_of(heads, shared, d, element, windows=(), narrow=False):
    return "_".join(map(str, ("narrow" if narrow else "step", element, heads, f"{shared}x{d}", *windows)))


def function(heads, shared, d, element, windows=(), narrow=False):
    """Appends keys and values and computes attention; windows and narrow as in the op."""
    q, kv, ints = f"tensor<?x{heads * d}xf32>", f"tensor<?x{shared * d}xf32>", "tensor<?xi32>"
    cache = f"!tern.kv_cache<{LAYERS}x{shared}x{d}x{element}>"
    words = ["narrow"] * narrow + [f"windows = array<i64: {', '.join(map(str, windows))}>"] * bool(windows)
    return f"""func.func @{name_of(heads, shared, d, element, windows, narrow)}(%q: {q}, %k: {kv}, %v: {kv}, %c: {cache}, %l: index, %p: {ints}, %s: {ints}) -> {q} {{
  %d = tern.kv_append %k, %v, %c[%l] at %p of %s : ({kv}, {kv}, {cache}, index, {ints}, {ints}) -> {cache}
  %y = tern.attention %q, %d[%l] at %p of %s {{{', '.join(words)}}} : ({q}, {cache}, index, {ints}, {ints}) -> {q}
  return %y : {q}
}}"""


def module():
    return "\n".join(function(*parameters) for parameters in SCENES)


def few_module():
    return "\n".join(function(*parameters) for parameters in FEW_SCENES)


def attention(q, k, v, window):
    """Rows [positions, heads * size] of one sequence, of arrays [heads, positions, size]; a part of the rows at a time, as most scores are of long ones."""
    heads, n, d = q.shape
    y = np.empty((heads, n, d))
    for rows in np.array_split(np.arange(n), -(-n // 256)):
        seen = slice(0, rows[-1] + 1)
        scores = q[:, rows] @ k[:, seen].swapaxes(1, 2) / np.sqrt(d)
        distance = rows[:, None] - np.arange(seen.stop)
        scores[:, (distance < 0) | (distance >= (window or n))] = -np.inf
        weight = np.exp(scores - scores.max(axis=2, keepdims=True))
        y[:, rows] = weight @ v[:, seen] / weight.sum(axis=2, keepdims=True)
    return y.swapaxes(0, 1).reshape(n, heads * d)


class Scene:
    """Sequences of several lengths, their rows, and the attention of each row."""

    def __init__(self, heads, shared, d, element, windows=(), ends=ENDS):
        generator = np.random.default_rng([heads, shared, d])
        self.shape, self.element, self.windows = (heads, shared, d), element, windows
        lengths = [end + 1 for end in ends]
        self.sequences = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
        self.positions = np.concatenate([np.arange(length) for length in lengths]).astype(np.int32)
        n = len(self.positions)
        self.q = generator.standard_normal((n, heads * d)).astype(np.float32) * 2
        self.k = generator.standard_normal((n, shared * d)).astype(np.float32)
        self.v = generator.standard_normal((n, shared * d)).astype(np.float32)
        # Blocks in an order of their own, more of them than are used.
        used = [-(-length // BLOCK) for length in lengths]
        numbers = iter(generator.permutation(sum(used) + 2))
        self.table = np.full((len(lengths), max(used) + 1), 2**30, np.int32)
        for row, count in zip(self.table, used):
            row[:count] = [next(numbers) for _ in range(count)]
        if element == "i8":  # NaN as a scale
            bytes_ = (sum(used) + 2) * LAYERS * shared * (d + 4) * BLOCK * 2
            self.pool = np.full(bytes_, -1, np.int8)
        else:
            self.pool = np.full((sum(used) + 2) * LAYERS * shared * d * BLOCK * 2, np.nan, ELEMENTS[element])

    def name(self):
        return name_of(*self.shape, self.element, self.windows)

    def arguments(self, rows, pool, layer):
        return [self.q[rows], self.k[rows], self.v[rows], InOut(pool), self.table, layer, self.positions[rows], self.sequences[rows]]

    def output(self, rows):
        return [(self.q[rows].shape, np.float32)]

    def cached(self, numbers):
        """Numbers [positions, heads, size] as the cache gives them back, in f64."""
        if self.element != "i8":
            return numbers.astype(ELEMENTS[self.element]).astype(np.float64)
        largest = np.abs(numbers).max(axis=2, keepdims=True)
        steps = np.rint(numbers * (np.float32(127) / largest))
        return steps.astype(np.float64) * largest / 127

    # By what a scene is made of: targets share what is expected of them.
    known = {}

    def expected(self, layer=0):
        key = *self.shape, self.element, self.windows, tuple(np.bincount(self.sequences)), layer
        if key not in self.known:
            self.known[key] = self.compute(layer)
        return self.known[key]

    def compute(self, layer):
        heads, shared, d = self.shape
        window = self.windows[layer % len(self.windows)] if self.windows else 0
        y = np.empty(self.q.shape)
        for sequence in range(len(self.table)):
            mine = self.sequences == sequence
            q = self.q[mine].reshape(-1, heads, d).astype(np.float64)
            k, v = (
                np.repeat(self.cached(a[mine].reshape(-1, shared, d)), heads // shared, axis=1)
                for a in (self.k, self.v)
            )
            y[mine] = attention(*(a.swapaxes(0, 1) for a in (q, k, v)), window)
        return y


@functools.cache
def scene_of(*parameters, ends=ENDS):
    """Every target has the same scenes."""
    return Scene(*parameters, ends=ends)


builds = pytest.mark.parametrize("build", [Build.of(target, few_module if target.few_shapes() else module) for target in TARGETS], ids=str)


@builds
def test_long_cache(build):
    """Few rows beyond 64 blocks, which the scratch of partial results has no room for, as many rows compute them."""
    with Cases(build, "attention") as cases:
        for parameters in LONG_SCENES[:1] if build.target.few_shapes() else LONG_SCENES:
            scene = scene_of(*parameters, ends=(64 * BLOCK + 40,))
            name, everything = scene.name(), slice(0, len(scene.q))
            whole, pool = cases.library.call(name, scene.arguments(everything, scene.pool, 1), scene.output(everything), 2)
            problem = Close(scene.expected(), TOLERANCES["attention"], np.abs(scene.v).max())
            cases.judge(f"{name} whole", complaint(problem, whole))
            for first in (64 * BLOCK - 1, 64 * BLOCK, 64 * BLOCK + 1):
                for count, threads in ((1, 1), (1, 3), (15, 2)):
                    rows = slice(first, first + count)
                    y, _ = cases.library.call(name, scene.arguments(rows, pool, 1), scene.output(rows), threads)
                    same = same_bits(y, whole[rows])
                    cases.judge(f"{name} {count} from {first} threads={threads}", "" if same else "other bits than in one call")


@builds
def test_cache(build):
    with Cases(build, "attention") as cases:
        for scene in (scene_of(*parameters) for parameters in (FEW_SCENES if build.target.few_shapes() else SCENES)):
            name, everything = scene.name(), slice(None)
            expected = scene.expected()

            def close(rows, expected=expected, unit=np.abs(scene.v).max()):
                return Close(expected[rows], TOLERANCES["attention"], unit)

            # All rows of all sequences in one call, mixed.
            order = np.random.default_rng(1).permutation(len(scene.q))
            y, pool = cases.run("whole", name, scene.arguments(order, scene.pool, 1), scene.output(order), [close(order)])
            whole = np.empty_like(y)
            whole[order] = y

            # The other layer of the same cache; what the first holds must stay.
            last = np.flatnonzero(np.diff(scene.sequences, append=-1))
            other = pool
            for rows in np.array_split(np.arange(len(scene.q)), 3):
                _, other = cases.library.call(name, scene.arguments(rows, other, 0), scene.output(rows))
            again, _ = cases.library.call(name, scene.arguments(last, other, 1), scene.output(last), threads=2)
            cases.judge(f"{name} two layers", "" if same_bits(again, whole[last]) else "one layer's append changed another's rows")

            # In chunks, some of which end inside of a block, and token by token where blocks meet. Few rows are split by
            # blocks, many by rows: both sides of that number, with one thread and with several.
            for label, bounds, threads in (
                ("chunks", (0, 3, 66, 130, 131), (2,)),
                ("tokens", (0, 62, 63, 64, 65, 66), (2,)),
                ("few and many", (0, 100, 101, 103, 118, 134, 151, 166), (1, 2, 3)),
            ):
                for number in cases.threads(threads):
                    parts, pool = [], scene.pool
                    rows = np.flatnonzero(scene.sequences == len(ENDS) - 1)
                    for begin, end in zip(bounds, (*bounds[1:], len(rows))):
                        part = rows[begin:end]
                        y, pool = cases.library.call(name, scene.arguments(part, pool, 1), scene.output(part), number)
                        parts.append(y)
                    same = same_bits(np.concatenate(parts), whole[rows])
                    cases.judge(f"{name} {label} threads={number}", "" if same else "other bits than in one call")
            cases.run("no rows", name, scene.arguments(order[:0], scene.pool, 1), scene.output(order[:0]), [close(order[:0])])
