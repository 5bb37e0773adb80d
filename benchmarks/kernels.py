#!/usr/bin/env python3
# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures every ternary matmul kernel that the compiler makes, next to the memory it reads.

For each target, strategy, packing and shape: weights per second of one call after another, from a matrix that stays in the L2 cache,
and over a gigabyte of matrices in a mapped file, each read once before any is read again. Samples of the kernel alternate with
samples of a loop that only reads the same mapping, so that both see the same machine; figures are medians.
"""

import argparse
import contextlib
import ctypes
import dataclasses
import itertools
import json
import mmap
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "test" / "python"), str(ROOT / "test" / "conformance")]

from bare import CompileError, Frame, build, linker, memref, ternac, workspace_sizes  # noqa: E402
from targets import TARGETS  # noqa: E402

# (rows, columns) of the matrices of BitNet b1.58 2B4T: q/k/v together, output, gate and up together, down.
SHAPES = ((3840, 2560), (2560, 2560), (13824, 2560), (2560, 6912))
LEVELS = ("native", "x86-64-v4", "x86-64-v3", "x86-64-v2", "x86-64")

# Reads [begin, end) of a memory, a multiple of 512 bytes: full vectors, eight sums, one prefetch per line.
READER = """
func.func @no_barrier() {
  return
}
func.func @read(%memory: memref<?xi8>, %begin: index, %end: index, %sum: memref<?xi64>) {
  %none = arith.constant dense<0> : vector<8xi64>
  %zero = arith.constant 0 : index
  %step = arith.constant 512 : index
  %ahead = arith.constant 2048 : index
  %total:8 = scf.for %at = %begin to %end step %step iter_args(NONE) -> (TYPES) {
LINES    scf.yield NEXT : TYPES
  }
SUM  return
}
"""


def reader_module():
    lines = total = ""
    for i in range(8):
        lines += f"""    %offset{i} = arith.constant {64 * i} : index
    %at{i} = arith.addi %at, %offset{i} : index
    %bytes{i} = vector.load %memory[%at{i}] : memref<?xi8>, vector<64xi8>
    %ahead{i} = arith.addi %at{i}, %ahead : index
    memref.prefetch %memory[%ahead{i}], read, locality<3>, data : memref<?xi8>
    %words{i} = vector.bitcast %bytes{i} : vector<64xi8> to vector<8xi64>
    %next{i} = arith.addi %sum{i}, %words{i} : vector<8xi64>
"""
        left = f"%all{i - 1}" if i else "%none"
        total += f"  %all{i} = arith.addi {left}, %total#{i} : vector<8xi64>\n"
    total += "  vector.store %all7, %sum[%zero] : memref<?xi64>, vector<8xi64>\n"
    types = ", ".join(["vector<8xi64>"] * 8)
    text = READER.replace("NONE", ", ".join(f"%sum{i} = %none" for i in range(8)))
    text = text.replace("NEXT", ", ".join(f"%next{i}" for i in range(8)))
    return text.replace("TYPES", types).replace("LINES", lines).replace("SUM", total)


def padded(k):
    """Columns of activations: enough for every packing."""
    return max(-(-k // unit) * unit for unit in (256, 320))


def kernel_function(name, m, k, layers):
    """`count` products one after another with the matrices first, first + step, ..., summed up."""
    q, w, y, out = f"tensor<?x{padded(k)}xi8>", f"tensor<{m}x{k}x!tern.trit>", f"tensor<?x{m}xi32>", f"tensor<?x{m}xf32>"
    arguments = f"%q: {q}, %sum: tensor<?xi32>, %a: tensor<?xf32>, %b: tensor<1xf32>, %first: index, %step: index, %count: index"
    segments = f"{{segments = array<i64: {m}>}}"
    return f"""
tern.global @w_{name} : tensor<{layers}x{m}x{k}x!tern.trit> =
  <trits, sources = [<"w.{{}}", packed_rows, rows = {m}, cols = {k}, first_layer = 0>]>
func.func @{name}({arguments}) -> {out} {{
  %one = arith.constant 1 : index
  %w0 = tern.load_global @w_{name}[%first] : {w}
  %p0 = tern.matmul %q, %sum, %w0 : ({q}, tensor<?xi32>, {w}) -> {y}
  %y0 = tern.rescale %p0, %a, %b {segments} : ({y}, tensor<?xf32>, tensor<1xf32>) -> {out}
  %y = scf.for %i = %one to %count step %one iter_args(%before = %y0) -> {out} {{
    %distance = arith.muli %i, %step : index
    %layer = arith.addi %first, %distance : index
    %w1 = tern.load_global @w_{name}[%layer] : {w}
    %p1 = tern.matmul %q, %sum, %w1 : ({q}, tensor<?xi32>, {w}) -> {y}
    %y1 = tern.rescale %p1, %a, %b plus %before {segments} : ({y}, tensor<?xf32>, tensor<1xf32>, {out}) -> {out}
    scf.yield %y1 : {out}
  }}
  return %y : {out}
}}"""


# ---------------------------------------------------------------- memory and threads


def l2_bytes():
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
        return int(text[:-1]) * {"K": 2**10, "M": 2**20}[text[-1]]
    except (OSError, ValueError, KeyError, IndexError):
        return 2**20


class Weights:
    """A mapped file of bytes that every packing can read: each is four two-bit codes of 0, 1 or 2, and below 3^5."""

    def __init__(self, folder, size):
        self.size = size
        path = Path(folder) / "weights.bin"
        codes = np.random.default_rng(1).integers(0, 3, (4, 2**20), dtype=np.uint8)
        block = (codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6).tobytes()
        with open(path, "wb") as file:
            for begin in range(0, size, len(block)):
                file.write(block[: size - begin])
        with open(path, "rb") as file:
            self.mapping = mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE, mmap.PROT_READ)
        self.array = np.frombuffer(self.mapping, np.uint8)
        self.array[:: mmap.PAGESIZE].max()  # touches every page


class Team:
    """Threads that run one function each at the same time, pinned to a processor each."""

    def __init__(self, threads):
        self.threads = threads
        self.processors = sorted(os.sched_getaffinity(0))[:threads]

    def run(self, work):
        """Calls work(thread) on every thread; returns the seconds from the first start to the last end."""
        barrier, times = threading.Barrier(self.threads), [None] * self.threads

        def body(thread):
            os.sched_setaffinity(0, {self.processors[thread]})
            barrier.wait()
            begin = time.perf_counter()
            work(thread)
            times[thread] = begin, time.perf_counter()

        others = [threading.Thread(target=body, args=(thread,)) for thread in range(self.threads)]
        for other in others:
            other.start()
        for other in others:
            other.join()
        return max(end for _, end in times) - min(begin for begin, _ in times)


class Reader:
    """Samples of the read bandwidth, over the same mapping as the kernels' weights."""

    SAMPLE = 256 << 20

    def __init__(self, folder, weights):
        path, _ = build(reader_module(), Path(folder) / "reader", ["--compile-from=vectorized", "--target=cpu"], bufferized=False)
        self.library, self.weights, self.at = ctypes.CDLL(str(path)), weights, 0
        self.library.read.restype = None
        self.barrier = ctypes.cast(self.library.no_barrier, ctypes.c_void_p)

    def sample(self, team):
        """Bytes per second; continues where the last sample ended."""
        size = min(self.SAMPLE, self.weights.size)
        if self.at + size > self.weights.size:
            self.at = 0
        bounds = [self.at + size * i // team.threads // 4096 * 4096 for i in range(team.threads + 1)]
        sums = [np.zeros(8, np.int64) for _ in range(team.threads)]
        memory = memref(self.weights.array)

        def work(thread):
            self.library.read(*memory, ctypes.c_int64(bounds[thread]), ctypes.c_int64(bounds[thread + 1]), *memref(sums[thread]))

        seconds = team.run(work)
        self.at += size
        return (bounds[-1] - bounds[0]) / seconds


# ---------------------------------------------------------------- kernels


@dataclasses.dataclass
class Matrix:
    """One function of a compiled module."""

    function: str
    rows: int
    cols: int
    layer_bytes: int


class Kernel:
    """One shape of one target, strategy and packing, from memory and from L2."""

    def __init__(self, folder, stem, shape, options, weights, tokens):
        self.weights, self.tokens = weights, tokens
        m, k = shape
        small = min(m, max(16, l2_bytes() // 2 * 4 // k // 16 * 16))
        text = "module attributes {tern.weights = #tern.weights<synthetic_seed = 1 : i64>} {"
        text += kernel_function("memory", m, k, 1) + kernel_function("cache", small, k, 1) + "\n}\n"
        path, bufferized = build(text, Path(folder) / stem, ["--compile-from=quantized", *options])
        self.workspace = workspace_sizes(bufferized)
        self.library = ctypes.CDLL(str(path))
        sizes = {name: int(size) for name, size in re.findall(r'name = "w_(\w+)", offset = \d+, layer_bytes = (\d+)', bufferized)}
        # The second matrix lies behind the first in the weights; both are read from anywhere.
        self.cache_offset = int(re.search(r'name = "w_cache", offset = (\d+)', bufferized)[1])
        self.memory = Matrix("memory", m, k, sizes["memory"])
        self.cache = Matrix("cache", small, k, sizes["cache"])
        self.next_layer = 0

    def bits_per_weight(self):
        return 8 * self.memory.layer_bytes / (self.memory.rows * self.memory.cols)

    def run(self, matrix, team, barrier, first, step, count):
        """`count` products, shared out between the threads by matrices; seconds."""
        random = np.random.default_rng(1)
        function = getattr(self.library, matrix.function)
        function.restype = None
        fixed_bytes, bytes_per_row = self.workspace[matrix.function]
        calls = []
        for thread in range(team.threads):
            begin, end = (count * i // team.threads for i in (thread, thread + 1))
            q = random.integers(-127, 128, (self.tokens, padded(matrix.cols)), dtype=np.int8)
            q[:, matrix.cols :] = 0
            arrays = [
                q,
                q.sum(axis=1, dtype=np.int32),
                np.ones(self.tokens, np.float32),
                np.ones(1, np.float32),
                np.zeros((self.tokens, matrix.rows), np.float32),
                aligned(fixed_bytes + bytes_per_row * self.tokens),
                self.weights.array,
            ]
            indices = [ctypes.c_int64(value) for value in (first + step * begin, step, end - begin)]
            fixed = [value for array in arrays[:4] for value in memref(array)] + indices
            fixed += [value for array in arrays[4:] for value in memref(array)]
            calls.append((fixed, Frame(0, 1, None, barrier, ctypes.pointer(ctypes.c_int64(0)), 0, 1), arrays))

        def work(thread):
            fixed, frame, _ = calls[thread]
            function(*fixed, ctypes.byref(frame))

        return team.run(work)

    def sample_cache(self, team, barrier, seconds):
        """Weights per second per thread."""
        count = team.threads
        while True:
            took = self.run(self.cache, team, barrier, 0, 0, count)
            if took >= seconds / 2:
                return count * self.cache.rows * self.cache.cols / took / team.threads
            count = max(2 * count, int(count * seconds / took) // team.threads * team.threads)

    def sample_memory(self, team, barrier, seconds, speed):
        """Weights per second of all threads, in about `seconds` if it runs at `speed`."""
        matrix = self.memory
        layers = (self.weights.size - self.cache_offset) // matrix.layer_bytes
        count = int(seconds * speed / (matrix.rows * matrix.cols)) // team.threads * team.threads
        count = min(max(count, team.threads), layers)
        if self.next_layer + count > layers:
            self.next_layer = 0
        took = self.run(matrix, team, barrier, self.next_layer, 1, count)
        self.next_layer += count
        return count * matrix.rows * matrix.cols / took


def aligned(size):
    """Memory at a multiple of 64 bytes."""
    memory = np.zeros(size + 64, np.uint8)
    begin = -memory.ctypes.data % 64
    return memory[begin : begin + size]


def measure(kernel, team, reader, options):
    """The figures of one kernel with one number of threads."""
    cache, memory, bandwidth = [], [], []
    speed = kernel.sample_cache(team, reader.barrier, options.seconds / 4) * team.threads
    kernel.sample_memory(team, reader.barrier, options.seconds / 4, speed)
    for _ in range(options.repetitions):
        bandwidth.append(reader.sample(team))
        memory.append(kernel.sample_memory(team, reader.barrier, options.seconds, speed))
        cache.append(kernel.sample_cache(team, reader.barrier, options.seconds / 4))
    bandwidth.append(reader.sample(team))
    weights_per_s, bytes_per_s = statistics.median(memory), statistics.median(bandwidth)
    read = weights_per_s * kernel.bits_per_weight() / 8
    return {
        "threads": team.threads,
        "cache_gw_s_per_thread": statistics.median(cache) / 1e9,
        "memory_gw_s_per_thread": weights_per_s / team.threads / 1e9,
        "memory_gb_s": read / 1e9,
        "read_bandwidth_gb_s": bytes_per_s / 1e9,
        "roof_fraction": read / bytes_per_s,
        "samples": {
            "cache_gw_s_per_thread": [value / 1e9 for value in cache],
            "memory_gw_s_per_thread": [value / team.threads / 1e9 for value in memory],
            "read_bandwidth_gb_s": [value / 1e9 for value in bandwidth],
        },
    }


# ---------------------------------------------------------------- command line


def offered(option):
    """The values of an option that the compiler's --help lists, without `auto`."""
    found = re.search(rf"--{option}=NAME +[^:\n]*: ([^\n]*(?:\n {{10,}}[^-\n]*)*)", ternac("--help").stdout)
    values = [word.split()[0] for word in found[1].replace("\n", " ").split(",")] if found else []
    return [value for value in values if value != "auto"]


def numbers(text):
    return [int(word) for word in text.split(",")]


def shapes(text):
    return [tuple(int(size) for size in word.split("x")) for word in text.split(",")]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")  # noqa: E731
    processors = len(os.sched_getaffinity(0))
    parser.add_argument("--arch", type=words, default=LEVELS, metavar="A,...", help="levels, or names of test/conformance/targets.py")
    parser.add_argument("--strategy", type=words, metavar="S,...", help="default: all that the compiler knows")
    parser.add_argument("--packing", type=words, metavar="P,...", help="default: all that the compiler knows")
    parser.add_argument("--shapes", type=shapes, default=SHAPES, metavar="MxK,...")
    parser.add_argument("--threads", type=numbers, default=sorted({1, processors}), metavar="N,...", help="default: 1 and all")
    parser.add_argument("--tokens", type=int, default=1, metavar="N", help="rows of activations per product (default 1)")
    parser.add_argument("--repetitions", "-r", type=int, default=3, metavar="N", help="samples of each figure (default 3)")
    parser.add_argument("--seconds", type=float, default=0.1, metavar="X", help="length of a sample (default 0.1)")
    parser.add_argument("--megabytes", type=int, default=1024, metavar="N", help="weights to stream (default 1024)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures and samples to FILE")
    return parser.parse_args()


HEADER = ("target", "strategy", "packing", "shape", "threads", "bits", "L2 Gw/s", "mem Gw/s", "mem GB/s", "read GB/s", "% of read")


def print_row(cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main():
    options = parse_options()
    if not linker():
        sys.exit("error: no linker: neither ld.lld nor cc")
    # Code for other machines is slower here than what is measured.
    targets = {target.name: target for target in TARGETS if not target.machine}
    if unknown := [name for name in options.arch if name not in targets]:
        sys.exit(f"error: expected one of {', '.join(targets)}, but got {', '.join(unknown)}")
    results, refused = [], {}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ternac-kernels-"))
        weights = Weights(folder, options.megabytes << 20)
        reader = Reader(folder, weights)
        teams = [Team(threads) for threads in options.threads]
        print_row(HEADER)
        print_row(["---"] * len(HEADER))
        kinds = itertools.product(options.arch, options.strategy or offered("strategy"), options.packing or offered("packing"))
        for number, (arch, strategy, packing) in enumerate(kinds):
            if reason := targets[arch].why_not_here():
                refused[reason] = None
                continue
            flags = [f"--target={targets[arch].spec}", f"--strategy={strategy}", f"--packing={packing}"]
            for m, k in options.shapes:
                try:
                    kernel = Kernel(folder, f"{number}-{m}x{k}", (m, k), flags, weights, options.tokens)
                except CompileError as error:
                    sentence = re.sub(r"^error: (\S*\.mlir:\S* )?", "", str(error).strip().splitlines()[0])
                    refused[f"{arch}, {strategy}, {packing}: {sentence}"] = None
                    break
                for team in teams:
                    figures = measure(kernel, team, reader, options)
                    what = {"target": arch, "strategy": strategy, "packing": packing, "rows": m, "cols": k, "tokens": options.tokens}
                    results.append({**what, "bits_per_weight": kernel.bits_per_weight(), **figures})
                    keys = ("cache_gw_s_per_thread", "memory_gw_s_per_thread", "memory_gb_s", "read_bandwidth_gb_s")
                    cells = [f"{figures[key]:.1f}" for key in keys]
                    cells.append(f"{100 * figures['roof_fraction']:.0f}")
                    print_row([arch, strategy, packing, f"{m}x{k}", team.threads, f"{kernel.bits_per_weight():.2f}", *cells])
    for reason in refused:
        print(f"not measured: {reason}")
    if options.json:
        Path(options.json).write_text(json.dumps({"l2_bytes": l2_bytes(), "results": results, "refused": list(refused)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
