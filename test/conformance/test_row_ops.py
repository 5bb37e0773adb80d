# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Ops that treat each row alone: all but the norm and silu are one fixed sequence of roundings, hence equal bit for bit."""

import numpy as np
import pytest

from harness import TOLERANCES, Build, Cases, Close, Exact, bf16_bits, from_bf16
from targets import TARGETS

ROWS = (0, 1, 2, 5)
WIDTHS = (1, 2, 7, 15, 16, 17, 33, 100, 320)
HEADS = ((1, 2), (2, 8), (3, 20), (2, 64), (5, 80), (1, 34))  # heads, size of a head
CONTEXT = 70
SEGMENTS = ((8,), (3, 5), (1, 16, 2, 33), (320, 80, 80))
VOCABULARY = 40
TABLES = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16, "i8": np.int8}
EPS = "1.0e-5"


def function(name, arguments, body, result):
    """A function that returns what `body` calls %y."""
    named = ", ".join(f"{name}: {kind}" for name, kind in arguments.items())
    return f"func.func @{name}({named}) -> {result} {{\n{body}\n  return %y : {result}\n}}"


def module():
    functions = []

    def add(name, op, arguments, result):
        """A function of one op, which must leave its arguments alone even where the op may compute in place."""
        body = f"  %y = {op} : ({', '.join(arguments.values())}) -> {result}"
        functions.append(function(name, arguments, body, result))

    ints = "tensor<?xi32>"
    for h in WIDTHS:
        x = f"tensor<?x{h}xf32>"
        for element in TABLES:
            table = f"tensor<{VOCABULARY}x{h}x{element}>"
            add(f"embedding_{element}_{h}", "tern.embedding %t, %e", {"%t": ints, "%e": table}, x)
        add(f"gather_{h}", "tern.gather_rows %x, %r", {"%x": x, "%r": ints}, x)
        add(f"add_{h}", "tern.add %a, %b", {"%a": x, "%b": x}, x)
        add(f"norm_{h}", f"tern.rms_norm %x, %g {{eps = {EPS} : f32}}", {"%x": x, "%g": f"tensor<{h}xf32>"}, x)
        for act in ("relu2", "silu"):
            add(f"{act}_{h}", f"tern.gate <{act}> %g, %u", {"%g": x, "%u": x}, x)
    for heads, d in HEADS:
        x = f"tensor<?x{heads * d}xf32>"
        add(f"rope_{heads}x{d}", "tern.rope %x, %p, %t", {"%x": x, "%p": ints, "%t": f"tensor<{CONTEXT}x{d}xf32>"}, x)
    for segments in SEGMENTS:
        m, name = sum(segments), "_".join(map(str, segments))
        attribute = f"{{segments = array<i64: {', '.join(map(str, segments))}>}}"
        x = f"tensor<?x{m}xf32>"
        operands = {"%a": f"tensor<?x{m}xi32>", "%step": "tensor<?xf32>", "%s": f"tensor<{len(segments)}xf32>"}
        add(f"rescale_{name}", f"tern.rescale %a, %step, %s {attribute}", operands, x)
        add(f"residual_{name}", f"tern.rescale %a, %step, %s plus %r {attribute}", {**operands, "%r": x}, x)
    return "\n".join(functions)


builds = pytest.mark.parametrize("build", [Build.of(target, module) for target in TARGETS], ids=str)


def random(*shape, seed=0, scale=1.0):
    return (np.random.default_rng([seed, *shape]).standard_normal(shape) * scale).astype(np.float32)


def check(cases, name, n, h, arguments, expected, label=""):
    cases.run(f"n={n}{label}", name, arguments, [((n, h), np.float32)], [expected])


@builds
def test_embedding(build):
    with Cases(build, "embedding") as cases:
        for h in WIDTHS:
            values = random(VOCABULARY, h)
            tables = {"f32": values, "f16": values.astype(np.float16), "bf16": bf16_bits(values), "i8": (values * 40).astype(np.int8)}
            for element, table in tables.items():
                wide = from_bf16(table) if element == "bf16" else table.astype(np.float32)
                for n in ROWS:
                    tokens = np.array([0, VOCABULARY - 1, 7, 7, 21], np.int32)[:n]
                    check(cases, f"embedding_{element}_{h}", n, h, [tokens, table], Exact(wide[tokens]))


@builds
def test_gather_rows(build):
    with Cases(build, "gather_rows") as cases:
        for h in WIDTHS:
            x = random(4, h)
            for n in ROWS:
                rows = np.array([3, 0, 0, 2, 1], np.int32)[:n]
                check(cases, f"gather_{h}", n, h, [x, rows], Exact(x[rows]))


@builds
def test_add(build):
    with Cases(build, "add") as cases:
        for h in WIDTHS:
            for n in ROWS:
                a, b = random(n, h, seed=1, scale=1e3), random(n, h, seed=2)
                check(cases, f"add_{h}", n, h, [a, b], Exact(a + b))


@builds
def test_rms_norm(build):
    with Cases(build, "rms_norm") as cases:
        for h in WIDTHS:
            for n in ROWS:
                for label, scale in (("", 1.0), (" tiny", 1e-4), (" large", 1e6), (" zero", 0.0)):
                    x, weight = random(n, h, scale=scale), random(h, seed=3)
                    wide = x.astype(np.float64)
                    inverse = 1 / np.sqrt((wide**2).mean(axis=1, keepdims=True) + float(np.float32(EPS)))
                    expected = wide * inverse * weight
                    check(cases, f"norm_{h}", n, h, [x, weight], Close(expected, TOLERANCES["rms_norm"], np.abs(expected)), label)


@builds
def test_rope(build):
    with Cases(build, "rope") as cases:
        for heads, d in HEADS:
            angles = np.arange(CONTEXT)[:, None] / 10000.0 ** (np.arange(d // 2) * 2 / d)
            table = np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
            for n in ROWS:
                x, positions = random(n, heads * d), np.array([0, CONTEXT - 1, 5, 5, 64], np.int32)[:n]
                low, high = np.split(x.reshape(n, heads, d), 2, axis=2)
                cos, sin = np.split(table[positions][:, None], 2, axis=2)
                expected = np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=2).reshape(n, heads * d)
                check(cases, f"rope_{heads}x{d}", n, heads * d, [x, positions, table], Exact(expected))


EXTREMES = np.float32([0, -0.0, 1e-45, -1e-45, 1e-30, -1e-30, 0.5, -0.5, 20, -20, 80, -80, 86.9, -86.9, 87.1, -87.1, 87.9, -87.9])
EXTREMES = np.r_[EXTREMES, np.float32([88.1, -88.1, 89, -89, 104, -104, 1e4, -1e4, 1e19, -1e19, 1e30, -1e30, 3e38, -3e38])]


@builds
def test_gate(build):
    with Cases(build, "gate") as cases:
        for h in WIDTHS:
            for n in ROWS:
                ordinary = random(n, h, seed=4, scale=6.0)
                extreme = np.resize(EXTREMES, (n, h))
                for label, gate in (("", ordinary), (" extremes", extreme)):
                    up = random(n, h, seed=5)
                    wide = gate.astype(np.float64)
                    with np.errstate(over="ignore"):
                        square = np.maximum(gate, np.float32(0)) ** 2
                        silu = (wide / (1 + np.exp(-wide)) * up).astype(np.float32).astype(np.float64)
                        check(cases, f"relu2_{h}", n, h, [gate, up], Exact(square * up), label)
                    unit = np.abs(silu) + 1e-30 * np.abs(up)  # what is lost far below zero
                    check(cases, f"silu_{h}", n, h, [gate, up], Close(silu, TOLERANCES["silu"], unit), label)


@builds
def test_rescale(build):
    with Cases(build, "rescale") as cases:
        for segments in SEGMENTS:
            m, name = sum(segments), "_".join(map(str, segments))
            for n in ROWS:
                generator = np.random.default_rng(n)
                acc = generator.integers(-(2**31), 2**31, (n, m), dtype=np.int32)
                acc[:, ::3] //= 2**20
                step, scale = random(n, seed=6), random(len(segments), seed=7)
                factor = step[:, None] * np.repeat(scale, segments)
                expected = acc.astype(np.float32) * factor
                check(cases, f"rescale_{name}", n, m, [acc, step, scale], Exact(expected))
                residual = random(n, m, seed=8)
                check(cases, f"residual_{name}", n, m, [acc, step, scale, residual], Exact(expected + residual))
