# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Dense layers of integers: exact sums, whatever the tails; a row's bits do not depend on the other rows."""

import numpy as np
import pytest

from harness import TOLERANCES, Build, Cases, Close, Exact, bf16_bits, from_bf16, same_bits
from targets import TARGETS

# Whole blocks of rows, and every rest.
ROWS = (64, 33, 17, 16, 15, 8, 5, 4, 3, 2, 1, 0)
# M, K: below, at and beyond the columns of vectors and cache lines, and of groups and spans; whole blocks of outputs, and rests.
INT8_SHAPES = (
    *((1, 1), (3, 5), (4, 7), (2, 8), (5, 16), (7, 31), (8, 32), (9, 33), (6, 64), (4, 65), (13, 100), (5, 257), (3, 2560)),
    *((1, 31), (3, 32), (17, 64), (17, 100), (100, 100), (100, 2560)),
)
INT4_SHAPES = ((1, 1), (3, 31), (16, 32), (17, 33), (16, 64), (31, 65), (5, 100), (40, 257), (20, 640), (100, 2560))
# For targets that have few shapes: those of each kind of border once.
FEW_INT8_SHAPES = ((1, 1), (4, 7), (17, 64), (9, 33), (13, 100), (100, 100), (3, 2560))
FEW_INT4_SHAPES = ((1, 1), (17, 33), (31, 65), (20, 640))


def span(k):
    return -(-k // 64) * 64


def tiles(m):
    return -(-m // 16)


def module_of(int8_shapes, int4_shapes):
    functions = []
    for bits, shapes in ((8, int8_shapes), (4, int4_shapes)):
        for m, k in shapes:
            x = f"tensor<?x{k if bits == 8 else span(k)}xi16>"
            w = f"tensor<{m}x{k}xi8>" if bits == 8 else f"tensor<{tiles(m) * span(k) * 9}xi8>"
            y, step, scale = f"tensor<?x{m}xf32>", "tensor<?xf32>", f"tensor<{m}xf32>"
            more, op, types = (f", %scale: {scale}", " scaled %scale", f", {scale}") if bits == 8 else ("", "", "")
            functions.append(
                f"""func.func @linear_{bits}_{m}x{k}(%x: {x}, %step: {step}, %w: {w}{more}) -> {y} {{
  %y = tern.linear %x, %w step %step{op} : ({x}, {w}, {step}{types}) -> {y}
  return %y : {y}
}}"""
            )
    return "\n".join(functions)


def module():
    return module_of(INT8_SHAPES, INT4_SHAPES)


def few_module():
    return module_of(FEW_INT8_SHAPES, FEW_INT4_SHAPES)


builds = pytest.mark.parametrize("build", [Build.of(target, few_module if target.few_shapes() else module) for target in TARGETS], ids=str)


def largest(k):
    """What keeps sums of k products with -128 .. 127 in int32."""
    return min(2**15 - 1, (2**31 - 1) // (128 * k))


def rows(k):
    """int16 rows, the last two of the largest sums that there can be, and their steps."""
    generator = np.random.default_rng(k)
    x = generator.integers(-largest(k), largest(k), (max(ROWS), k), dtype=np.int16, endpoint=True)
    x[-2], x[-1] = largest(k), -largest(k)
    return x, generator.uniform(0.5, 2, max(ROWS)).astype(np.float32)


def check_rows(cases, name, arguments, results):
    """A row has the same bits among any number of others, and alone. `results` are of calls with fewer and fewer rows."""
    x, step, *weights = arguments
    most = results[0]
    wrong = [len(y) for y in results if not same_bits(y, most[: len(y)])]
    cases.judge(f"{name} n={wrong}", "other bits than among other rows" if wrong else "")
    for row in (4, 14, 32, 63):
        (alone,) = cases.library.call(name, [x[row : row + 1], step[row : row + 1], *weights], [((1, most.shape[1]), np.float32)])
        cases.judge(f"{name} row {row} alone", "" if same_bits(alone[0], most[row]) else "other bits than among other rows")


@builds
def test_int8(build):
    with Cases(build, "linear") as cases:
        for m, k in FEW_INT8_SHAPES if build.target.few_shapes() else INT8_SHAPES:
            x, step = rows(k)
            generator = np.random.default_rng([m, k])
            w = generator.integers(-128, 128, (m, k), dtype=np.int8)
            w[0] = -128
            scale = generator.standard_normal(m).astype(np.float32)
            product = x.astype(np.int64) @ w.T.astype(np.int64)
            assert np.abs(product).max() < 2**31
            expected = product.astype(np.float32) * (step[:, None] * scale)
            results = []
            for n in ROWS:
                arguments = [x[:n], step[:n], w, scale]
                results += cases.run(f"n={n}", f"linear_8_{m}x{k}", arguments, [((n, m), np.float32)], [Exact(expected[:n])])
            check_rows(cases, f"linear_8_{m}x{k}", [x, step, w, scale], results)


def pack_int4(q, scale):
    """Bytes of integers [M, K] and bfloat16 bits of scales [M, K/32]; M and K are whole tiles and spans."""
    m, k = q.shape
    spans = []
    for tile in range(0, m, 16):
        for column in range(0, k, 64):
            spans.append(scale[tile : tile + 16, column // 32 : column // 32 + 2].T.astype("<u2").tobytes())
            # [row, block, nibble, word] of codes, to words [block, row, word].
            codes = (q[tile : tile + 16, column : column + 64] + 8).astype(np.uint16).reshape(16, 8, 4, 2)
            words = sum(codes[:, :, j] << (4 * j) for j in range(4)).transpose(1, 0, 2)
            spans.append(words.astype("<u2").tobytes())
    return np.frombuffer(b"".join(spans), np.int8)


@builds
def test_int4(build):
    with Cases(build, "linear") as cases:
        for m, k in FEW_INT4_SHAPES if build.target.few_shapes() else INT4_SHAPES:
            x, step = rows(k)
            padded = np.pad(x, ((0, 0), (0, span(k) - k)))
            generator = np.random.default_rng([m, k])
            q = np.zeros((tiles(m) * 16, span(k)), np.int8)
            q[:m, :k] = generator.integers(-8, 8, (m, k))
            q[0, :k] = -8
            scale = np.zeros((len(q), span(k) // 32), np.uint16)
            scale[:m] = bf16_bits(generator.standard_normal((m, span(k) // 32)).astype(np.float32))
            weight = pack_int4(q, scale)
            matrix = (q * np.repeat(from_bf16(scale), 32, axis=1).astype(np.float64))[:m]
            values = padded * step[:, None].astype(np.float64)
            results = []
            for n in ROWS:
                unit = np.abs(values[:n]) @ np.abs(matrix.T)
                expected = Close(values[:n] @ matrix.T, TOLERANCES["linear"], unit)
                arguments = [padded[:n], step[:n], weight]
                results += cases.run(f"n={n}", f"linear_4_{m}x{k}", arguments, [((n, m), np.float32)], [expected])
            check_rows(cases, f"linear_4_{m}x{k}", [padded, step, weight], results)
