# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Ternary layers with f32 sums, and scales of every form: the order of sums is stated, so that all bits are."""

import numpy as np
import pytest

from harness import Build, Cases, Exact, same_bits
from targets import TARGETS
from test_matmul import activations, matrix, padded

# Rows M of the matrix, columns K, and the columns of a group or the rows of each segment: below, at and beyond a tile of 16 x 32; the last
# group whole, short, and shorter than a tile; one matrix is large enough for threads to share it out in pieces.
GROUPS = ((1, 1, 1), (5, 70, 70), (16, 32, 32), (17, 100, 32), (40, 257, 128), (19, 320, 64), (33, 150, 128), (3, 64, 128), (528, 640, 128))
SEGMENTS = ((8, (8,)), (45, (3, 16)), (161, (1, 30, 17)))
FEW_GROUPS, FEW_SEGMENTS = ((5, 70, 70), (17, 100, 32), (40, 257, 128)), ((161, (1, 30, 17)),)
ROWS = (0, 1, 2, 3, 4, 5, 9)
FEW_ROWS = (1, 2, 5)
# Those whose integer products have a scale for each row, and their columns: whatever is chosen rescales on its own or at once.
ROW_SCALES = ((1, 5), (17, 100), (40, 321))


def few(target):
    return target.slow() or target.few_shapes()


def trits(m, k):
    return bytes(b"-0+"[trit + 1] for trit in matrix(m, k).flat).decode()


def linear(m, k, scale, attribute):
    """A function of f32 rows and one of i8 rows, which may have more columns."""
    for name, x, types, step in (("f32", f"tensor<?x{k}xf32>", "", ""), ("i8", f"tensor<?x{k + 3}xi8>", ", tensor<?xf32>", " step %step")):
        w, y = f"tensor<{m}x{k}x!tern.trit>", f"tensor<?x{m}xf32>"
        yield f"""func.func @linear_{name}_{m}x{k}(%x: {x}, %s: {scale}{", %step: tensor<?xf32>" if step else ""}) -> {y} {{
  %w = tern.constant <"{trits(m, k)}"> : {w}
  %y = tern.ternary_linear %x, %w, %s{step} {attribute} : ({x}, {w}, {scale}{types}) -> {y}
  return %y : {y}
}}"""


def module_of(groups, segments):
    functions = []
    for m, k, group in groups:
        functions += linear(m, k, f"tensor<{-(-k // group)}x{m}xf32>", f"{{group = {group} : i64}}")
    for k, rows in segments:
        functions += linear(sum(rows), k, f"tensor<{len(rows)}xf32>", f"{{segments = array<i64: {', '.join(map(str, rows))}>}}")
    return "\n".join(functions)


def module():
    return module_of(GROUPS, SEGMENTS)


def few_module():
    return module_of(FEW_GROUPS, FEW_SEGMENTS)


def definition(x, weight, scale, group):
    """The op's formula: `scale` is [G, M]."""
    total = np.zeros((len(x), len(weight)), np.float32)
    for number, factors in enumerate(scale):
        parts = np.zeros((4, *total.shape), np.float32)
        for column in range(number * group, min((number + 1) * group, x.shape[1])):
            parts[column % 4] += x[:, column, None].astype(np.float32) * weight[:, column]
        total += ((parts[0] + parts[2]) + (parts[1] + parts[3])) * factors
    return total


def shapes(target):
    """All (M, K, columns of a group, rows of each segment or None)."""
    for m, k, group in FEW_GROUPS if few(target) else GROUPS:
        yield m, k, group, None
    for k, rows in FEW_SEGMENTS if few(target) else SEGMENTS:
        yield sum(rows), k, k, rows


# Those that must have code for such layers: kernels and plug-ins need not.
HOSTS = [target for target in TARGETS if not target.kernels and not target.load_target]


@pytest.mark.parametrize("build", [Build.of(target, few_module if few(target) else module) for target in HOSTS], ids=str)
def test_ternary_linear(build):
    with Cases(build, "ternary_linear") as cases:
        for m, k, group, segments in shapes(build.target):
            generator, weight = np.random.default_rng([m, k]), matrix(m, k).astype(np.float32)
            scale = generator.standard_normal((len(segments),) if segments else (-(-k // group), m)).astype(np.float32)
            full = np.repeat(scale, segments)[None] if segments else scale
            x = generator.standard_normal((max(ROWS), k)).astype(np.float32)
            q, step = np.pad(activations(k), ((0, 0), (0, 3))), generator.random(len(activations(k)), np.float32)
            # One order of operations whatever the rows of the call: rows come in turn.
            expected = definition(x, weight, full, group)
            integers = definition(q[:, :k], weight, full, group) * step[:, None]
            for n in FEW_ROWS if few(build.target) else ROWS:
                output = [((n, m), np.float32)]
                cases.run(f"n={n}", f"linear_f32_{m}x{k}", [x[:n], scale], output, [Exact(expected[:n])])
                cases.run(f"n={n}", f"linear_i8_{m}x{k}", [q[:n], scale, step[:n]], output, [Exact(integers[:n])])
            (alone,) = cases.library.call(f"linear_f32_{m}x{k}", [x[4:5], scale], [((1, m), np.float32)])
            cases.judge(f"linear_f32_{m}x{k} row alone", "" if same_bits(alone[0], expected[4] + np.float32(0)) else "other bits than among others")


def row_scales():
    functions = []
    for m, k in ROW_SCALES:
        q, w, y, scale = f"tensor<?x{padded(k)}xi8>", f"tensor<{m}x{k}x!tern.trit>", f"tensor<?x{m}xf32>", f"tensor<1x{m}xf32>"
        functions.append(
            f"""func.func @product_{m}x{k}(%q: {q}, %sum: tensor<?xi32>, %step: tensor<?xf32>, %s: {scale}, %r: {y}) -> {y} {{
  %w = tern.constant <"{trits(m, k)}"> : {w}
  %a = tern.matmul %q, %sum, %w : ({q}, tensor<?xi32>, {w}) -> tensor<?x{m}xi32>
  %y = tern.rescale %a, %step, %s plus %r : (tensor<?x{m}xi32>, tensor<?xf32>, {scale}, {y}) -> {y}
  return %y : {y}
}}"""
        )
    return "\n".join(functions)


BUILDS = [Build.of(target, row_scales, strategy) for target in TARGETS for strategy in target.matmul]


@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_row_scales(build):
    with Cases(build, "row_scales") as cases:
        for m, k in ROW_SCALES:
            for n in (1, 5, 9):
                generator, q = np.random.default_rng([n, k]), activations(k)[:n]
                product = (q.astype(np.int64) @ matrix(m, k).astype(np.int64).T).astype(np.float32)  # below 2^24: exact
                step, scale = generator.random(n, np.float32), generator.standard_normal((1, m)).astype(np.float32)
                residual = generator.standard_normal((n, m)).astype(np.float32)
                arguments = [np.pad(q, ((0, 0), (0, padded(k) - k))), q.sum(axis=1, dtype=np.int32), step, scale, residual]
                expected = product * (step[:, None] * scale) + residual
                cases.run(f"n={n}", f"product_{m}x{k}", arguments, [((n, m), np.float32)], [Exact(expected)])
