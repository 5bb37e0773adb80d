# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quantised activations: the integers of the formula, its rounding half to even, and zeros in the padding."""

import numpy as np
import pytest

from harness import TOLERANCES, Anything, Build, Cases, Close, Exact, Rounded
from targets import TARGETS

ROWS = (0, 1, 2, 5)
SIZES = ((1, 1), (5, 16), (16, 16), (17, 17), (17, 320), (40, 64), (100, 256), (321, 640))  # K, columns of the result
WIDE_SIZES = ((1, 1), (17, 17), (17, 64), (100, 128), (640, 640), (2560, 2560))
# For targets that have few shapes: no padding, less and more of it than a vector, rests of vectors.
FEW_SIZES = ((1, 1), (5, 16), (17, 320), (40, 64), (321, 640))
FEW_WIDE_SIZES = ((1, 1), (17, 64), (640, 640))
EPS = "1.0e-5"


def module_of(sizes, wide_sizes):
    functions = []
    for k, p in sizes:
        x, g = f"tensor<?x{k}xf32>", f"tensor<{k}xf32>"
        results = f"(tensor<?x{p}xi8>, tensor<?xf32>, tensor<?xi32>)"
        for name, more, op, types in (
            ("plain", "", "", x),
            ("norm", f", %g: {g}", f"norm %g {{eps = {EPS} : f32}}", f"{x}, {g}"),
            ("relu2", f", %u: {x}", "gated <relu2> %u", f"{x}, {x}"),
            ("relu2_norm", f", %u: {x}, %g: {g}", f"gated <relu2> %u norm %g {{eps = {EPS} : f32}}", f"{x}, {x}, {g}"),
            ("silu", f", %u: {x}", "gated <silu> %u", f"{x}, {x}"),
        ):
            functions.append(
                f"""func.func @{name}_{k}_{p}(%x: {x}{more}) -> {results} {{
  %q, %step, %sum = tern.quantize %x {op} : ({types}) -> {results}
  return %q, %step, %sum : {results[1:-1]}
}}"""
            )
    for k, p in wide_sizes:
        x, results = f"tensor<?x{k}xf32>", f"(tensor<?x{p}xi16>, tensor<?xf32>)"
        functions.append(
            f"""func.func @wide_{k}_{p}(%x: {x}) -> {results} {{
  %q, %step = tern.quantize %x : ({x}) -> {results}
  return %q, %step : {results[1:-1]}
}}"""
        )
    return "\n".join(functions)


def module():
    return module_of(SIZES, WIDE_SIZES)


def few_module():
    return module_of(FEW_SIZES, FEW_WIDE_SIZES)


builds = pytest.mark.parametrize("build", [Build.of(target, few_module if target.few_shapes() else module) for target in TARGETS], ids=str)


def sizes_of(build):
    return FEW_SIZES if build.target.few_shapes() else SIZES


def outputs(n, p):
    return [((n, p), np.int8), ((n,), np.float32), ((n,), np.int32)]


def pad(q, p):
    return np.pad(q, ((0, 0), (0, p - q.shape[1])))


def inputs(n, k):
    """All (label, x)."""
    generator = np.random.default_rng([n, k])
    yield "random", generator.standard_normal((n, k)).astype(np.float32)
    yield "wide range", (generator.standard_normal((n, k)) * 10.0 ** generator.integers(-6, 6, (n, k))).astype(np.float32)
    yield "below 1e-5", (generator.standard_normal((n, k)) * 1e-6).astype(np.float32)
    yield "large", (generator.standard_normal((n, k)) * 1e30).astype(np.float32)
    yield "zero", np.zeros((n, k), np.float32)
    # With 127 as the largest value the scale is 1, and every number is halfway.
    ties = np.resize(np.float32([127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5, -126.5, 63.5, -127, 0.49999997, 0.50000006]), (n, k))
    if k >= 2:
        ties[:, 0] = 127
    yield "ties", ties
    mixed = generator.standard_normal((n, k)).astype(np.float32)
    mixed[::2] = 0
    yield "zero rows", mixed


def check_exact(cases, function, place, x, arguments, p):
    """The integers of the formula in f32, bit for bit."""
    with np.errstate(over="ignore"):
        largest = np.maximum(np.abs(x).max(axis=1), np.float32(1e-5))
    q = np.clip(np.rint(x * (np.float32(127) / largest)[:, None]), -128, 127).astype(np.int8)
    expected = [Exact(pad(q, p)), Exact(largest / np.float32(127)), Exact(q.sum(axis=1, dtype=np.int32))]
    cases.run(place, function, arguments, outputs(len(x), p), expected)


def check_close(cases, function, place, wide, arguments, p):
    """The integers of the formula in f64, but where rounding errors of f32 may decide."""
    largest = np.maximum(np.abs(wide).max(axis=1), float(np.float32(1e-5)))
    scaled = wide * (127 / largest)[:, None]
    q = np.clip(np.rint(scaled), -128, 127).astype(np.int8)
    tie = np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) < 127 * TOLERANCES["quantize"]
    step = largest / 127
    expected = [Rounded(pad(q, p), pad(tie, p)), Close(step, TOLERANCES["quantize"], step), Anything()]
    actual, _, total = cases.run(place, function, arguments, outputs(len(wide), p), expected)
    same = np.array_equal(total, actual.sum(axis=1, dtype=np.int32))
    cases.judge(f"{function} {place}", "" if same else "sum is not that of the integers")


def normalised(x, weight, label):
    wide = x.astype(np.float64)
    inverse = 1 / np.sqrt((wide**2).mean(axis=1, keepdims=True) + float(np.float32(EPS)))
    normal = wide * inverse * weight
    return normal * 0 if label == "large" else normal  # its squares leave f32


@builds
def test_quantize(build):
    with Cases(build, "quantize") as cases:
        for k, p in sizes_of(build):
            for n in ROWS:
                for label, x in inputs(n, k):
                    check_exact(cases, f"plain_{k}_{p}", f"n={n} {label}", x, [x], p)


@builds
def test_quantize_with_norm(build):
    with Cases(build, "quantize") as cases:
        for k, p in sizes_of(build):
            weight = np.random.default_rng(k).standard_normal(k).astype(np.float32)
            for n in ROWS:
                for label, x in inputs(n, k):
                    check_close(cases, f"norm_{k}_{p}", f"n={n} {label}", normalised(x, weight, label), [x, weight], p)


@builds
def test_quantize_gated(build):
    with Cases(build, "quantize") as cases:
        for k, p in sizes_of(build):
            generator = np.random.default_rng(k)
            weight = generator.standard_normal(k).astype(np.float32)
            for n in ROWS:
                for label, gate in inputs(n, k):
                    if label == "large":
                        continue  # the square of a gate leaves f32
                    up = generator.standard_normal((n, k)).astype(np.float32)
                    place, positive = f"n={n} {label}", np.maximum(gate, np.float32(0))
                    relu2 = positive * positive * up
                    check_exact(cases, f"relu2_{k}_{p}", place, relu2, [gate, up], p)
                    check_close(cases, f"relu2_norm_{k}_{p}", place, normalised(relu2, weight, label), [gate, up, weight], p)
                    wide = gate.astype(np.float64)
                    silu = wide / (1 + np.exp(-np.maximum(wide, -700))) * up
                    check_close(cases, f"silu_{k}_{p}", place, silu, [gate, up], p)


@builds
def test_quantize_wide(build):
    with Cases(build, "quantize") as cases:
        for k, p in FEW_WIDE_SIZES if build.target.few_shapes() else WIDE_SIZES:
            limit = np.float32(min(2**15 - 1, (2**31 - 1) // (128 * k)))
            for n in ROWS:
                for label, x in inputs(n, k):
                    largest = np.maximum(np.abs(x).max(axis=1), np.float32(1e-5))
                    scaled = x * (limit / largest)[:, None]
                    q = np.clip(np.rint(scaled), -limit, limit).astype(np.int16)
                    expected = [Exact(pad(q, p)), Exact(largest / limit)]
                    results = [((n, p), np.int16), ((n,), np.float32)]
                    cases.run(f"n={n} {label}", f"wide_{k}_{p}", [x], results, expected)
