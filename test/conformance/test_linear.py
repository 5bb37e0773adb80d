# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Dense layers of every weight type; a row's bits do not depend on the other rows."""

import numpy as np
import pytest

from harness import TOLERANCES, Build, Cases, Close, bf16_bits, from_bf16, same_bits
from targets import TARGETS

ROWS = (11, 8, 7, 5, 4, 3, 2, 1, 0)
SHAPES = ((1, 1), (3, 5), (4, 16), (7, 31), (8, 32), (9, 33), (13, 100), (5, 257))  # M, K
ELEMENTS = ("f32", "f16", "bf16")


def module():
    functions = []
    for m, k in SHAPES:
        for element in ELEMENTS:
            x, w, y = f"tensor<?x{k}xf32>", f"tensor<{m}x{k}x{element}>", f"tensor<?x{m}xf32>"
            functions.append(
                f"""func.func @linear_{element}_{m}x{k}(%x: {x}, %w: {w}) -> {y} {{
  %y = tern.linear %x, %w : ({x}, {w}) -> {y}
  return %y : {y}
}}"""
            )
    return "\n".join(functions)


def weights(element, m, k):
    """The arguments for the weight, and the numbers that they stand for."""
    generator = np.random.default_rng([m, k])
    values = generator.standard_normal((m, k)).astype(np.float32)
    if element == "f32":
        return [values], values
    if element == "f16":
        half = values.astype(np.float16)
        return [half], half
    return [bf16_bits(values)], from_bf16(bf16_bits(values))


@pytest.mark.parametrize("build", [Build.of(target, module) for target in TARGETS], ids=str)
def test_linear(build):
    with Cases(build, "linear") as cases:
        for m, k in SHAPES:
            for element in ELEMENTS:
                arguments, matrix = weights(element, m, k)
                matrix = matrix.astype(np.float64)
                name = f"linear_{element}_{m}x{k}"
                x = np.random.default_rng(k).standard_normal((max(ROWS), k)).astype(np.float32)
                results = []
                for n in ROWS:
                    expected = Close(x[:n] @ matrix.T, TOLERANCES["linear"], np.abs(x[:n]) @ np.abs(matrix.T))
                    results += cases.run(f"n={n}", name, [x[:n], *arguments], [((n, m), np.float32)], [expected])
                results += cases.library.call(name, [x[4:5], *arguments], [((1, m), np.float32)])
                same = [same_bits(y, results[0][: len(y)]) for y in results[:-1]] + [same_bits(results[-1], results[0][4:5])]
                cases.judge(f"{name} rows together", "" if all(same) else "bits depend on how many rows there are")
