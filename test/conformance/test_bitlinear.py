# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A matmul and its rescale, which some strategies compute as one: the same bits as one after the other."""

import functools

import numpy as np
import pytest

from harness import Build, Cases, Exact
from targets import TARGETS
from test_matmul import ROWS, activations, matrix, padded

# Columns K and the rows of each scale, with borders inside of tiles and at their ends.
SHAPES = [(5, (1,)), (100, (17, 23)), (257, (16, 16, 32)), (320, (48,)), (321, (19,)), (64, (3, 1, 2, 30, 5))]
# For targets that have few shapes.
FEW_SHAPES = [(5, (1,)), (257, (16, 16, 32)), (64, (3, 1, 2, 30, 5))]
FEW_ROWS = (0, 1, 2, 5, 9)


def module_of(shapes):
    functions = []
    for k, segments in shapes:
        m, attribute = sum(segments), f"{{segments = array<i64: {', '.join(map(str, segments))}>}}"
        q, w, y, scale = f"tensor<?x{padded(k)}xi8>", f"tensor<{m}x{k}x!tern.trit>", f"tensor<?x{m}xf32>", f"tensor<{len(segments)}xf32>"
        text = bytes(b"-0+"[trit + 1] for trit in matrix(m, k).flat).decode()
        for name, plus, argument, kind in (("plain", "", "", ""), ("residual", "plus %r", f", %r: {y}", f", {y}")):
            functions.append(
                f"""func.func @{name}_{m}x{k}(%q: {q}, %sum: tensor<?xi32>, %step: tensor<?xf32>, %s: {scale}{argument}) -> {y} {{
  %w = tern.constant <"{text}"> : {w}
  %a = tern.matmul %q, %sum, %w : ({q}, tensor<?xi32>, {w}) -> tensor<?x{m}xi32>
  %y = tern.rescale %a, %step, %s {plus} {attribute} : (tensor<?x{m}xi32>, tensor<?xf32>, {scale}{kind}) -> {y}
  return %y : {y}
}}"""
            )
    return "\n".join(functions)


def module():
    return module_of(SHAPES)


def few_module():
    return module_of(FEW_SHAPES)


def few(target):
    return target.slow() or target.few_shapes()


@functools.cache
def calls(k, segments, n):
    """The (function, arguments, result) of `n` rows of a shape, which targets share."""
    m, generator = sum(segments), np.random.default_rng([n, k])
    q = np.roll(activations(k), -n, axis=0)[:n]
    acc = (q.astype(np.int64) @ matrix(m, k).astype(np.int64).T).astype(np.float32)  # below 2^24: exact
    step, scale = generator.random(n, np.float32), generator.standard_normal(len(segments)).astype(np.float32)
    residual = generator.standard_normal((n, m)).astype(np.float32)
    expected = acc * (step[:, None] * np.repeat(scale, segments))
    arguments = [np.pad(q, ((0, 0), (0, padded(k) - k))), q.sum(axis=1, dtype=np.int32), step, scale]
    return (f"plain_{m}x{k}", arguments, expected), (f"residual_{m}x{k}", [*arguments, residual], expected + residual)


BUILDS = [
    Build.of(target, few_module if few(target) else module, strategy, packing)
    for target in TARGETS
    for strategy in target.matmul
    for packing in target.matmul[strategy]
]


@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_bitlinear(build):
    with Cases(build, "bitlinear") as cases:
        shapes, rows = (FEW_SHAPES, FEW_ROWS) if few(build.target) else (SHAPES, ROWS)
        for k, segments in shapes:
            for n in rows:
                for function, arguments, expected in calls(k, segments, n):
                    cases.run(f"n={n}", function, arguments, [(expected.shape, np.float32)], [Exact(expected)])
