#!/usr/bin/env python3
# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks and measures the target `nvptx` on a card, in one command, and prints the tables of the results page.

    benchmarks/gpu.py                    where the compiler and the card are
    benchmarks/gpu.py --prepare DIR      what takes the compiler, into a folder to be carried to the card
    benchmarks/gpu.py --measure DIR      the rest, with that folder: the tools of build/bin, the runtime and Python are needed, not LLVM

Checked are the tokens of the example model against the CPU's, the same under compute-sanitizer if it is there, and, where the compiler is,
the conformance suite. Measured are the card's memory (copies), the matmul kernels alone over a gigabyte of weights, decode and prefill of
the 2B4T shape with synthetic weights, and the int8 peak of the vendor's library if PyTorch is there. Weights are stored once for each
kind of megabyte: which of the random numbers a kernel reads does not matter for its speed.
"""

import argparse
import ctypes
import gzip
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "test" / "python"), str(ROOT / "test" / "conformance"), str(ROOT / "benchmarks")]
os.environ.setdefault("TERNAC_CUDA_DRIVER", "libcuda.so.1")

from bare import TERNAC, Device, Frame, Kernels, build, layout, workspace_sizes  # noqa: E402
from forward import Table  # noqa: E402
from kernels import SHAPES, kernel_function, padded  # noqa: E402

BIN = Path(TERNAC).parent
DEVICE = "--device=cuda:0"
PROMPT = "--tokens=1,5,9,13,17,21"
BLOCK = 1 << 20
# (strategy, packing, rows of activations).
KERNELS = (("dot", "tile2", 1), ("dot", "base3", 1), ("dot", "row2", 1), ("add_sub", "planes", 1), ("dot", "tile2", 8), ("tile", "tile2", 512), ("tile", "base3", 512))
STREAMED = 1 << 30  # bytes of weights


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def table(header, rows):
    for row in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)


def run(*command, environment=None):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, env={**os.environ, **(environment or {})})
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return result.stdout


# ---------------------------------------------------------------- what takes the compiler


def is_random(block):
    return len(gzip.compress(block, 1)) > 0.7 * len(block)


def thin(library, destination):
    """Writes the library with each block of random bytes that follows another one left out."""
    kinds, kept, before = bytearray(), [], False
    with open(library, "rb") as file:
        while block := file.read(BLOCK):
            same = len(block) == BLOCK and is_random(block)
            kinds.append(same and before)
            if not kinds[-1]:
                kept.append(block)
            before = same
    with gzip.open(destination, "wb", 6) as out:
        out.write(len(kinds).to_bytes(8, "little") + bytes(kinds) + b"".join(kept))


def restore(source, library):
    with gzip.open(source, "rb") as file, open(library, "wb") as out:
        block = b""
        for repeats in file.read(int.from_bytes(file.read(8), "little")):
            block = block if repeats else file.read(BLOCK)
            out.write(block)


def kernel_stem(folder, strategy, packing, shape):
    return folder / f"{strategy}-{packing}-{shape[0]}x{shape[1]}"


def prepare(folder, arch):
    target = f"--target=nvptx,arch={arch}"
    say("compiling the example model")
    run(BIN / "ternac", ROOT / "examples" / "tiny-bitnet", target, "-o", folder / "example.so")
    run(BIN / "ternac", ROOT / "examples" / "tiny-bitnet", "-o", folder / "cpu.so")
    (folder / "tokens.txt").write_text(run(BIN / "ternac-run", folder / "cpu.so", PROMPT, "--max-new-tokens=8"))
    say("compiling kernels")
    for strategy, packing in dict.fromkeys(kind[:2] for kind in KERNELS):
        for m, k in SHAPES:
            stem, layers = kernel_stem(folder, strategy, packing, (m, k)), STREAMED * 8 // (m * k)
            options = ("--compile-from=quantized", target, f"--strategy={strategy}", f"--packing={packing}")
            text = "module attributes {tern.weights = #tern.weights<synthetic_seed = 1 : i64>} {" + kernel_function("product", m, k, layers) + "\n}\n"
            _, bufferized = build(text, stem, options)
            facts = {"sizes": workspace_sizes(bufferized)["product"], "bytes": int(re.search(r"layer_bytes = (\d+)", bufferized)[1])}
            Path(f"{stem}.json").write_text(json.dumps(facts))
    say("compiling the 2B4T shape")
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / "2b4t.so"
        run(BIN / "ternac", ROOT / "benchmarks" / "bitnet-2b4t", "--synthetic-weights=1", target, "-o", library)
        thin(library, folder / "2b4t.so.gz")


# ---------------------------------------------------------------- checks


def compiles():
    """Whether the compiler is here and finds the libraries that it needs."""
    try:
        return subprocess.run([BIN / "ternac", "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def check(folder):
    say("checking the example model")
    expected = (folder / "tokens.txt").read_text()
    command = [BIN / "ternac-run", folder / "example.so", DEVICE, PROMPT, "--max-new-tokens=8"]
    rows = [("the tokens of the example model are the CPU's", "yes" if run(*command) == expected else "**no**")]
    sanitizer = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    for tool in ("memcheck", "racecheck", "synccheck", "initcheck") if sanitizer else ():
        result = subprocess.run([sanitizer, f"--tool={tool}", "--error-exitcode=9", *map(str, command)], capture_output=True, text=True)
        lines = [line for line in result.stdout.splitlines() if "SUMMARY" in line] or result.stdout.splitlines()[-1:]
        lines = lines or result.stderr.splitlines()[-1:]
        wrong = "" if result.returncode == 0 else f" (**status {result.returncode}**)"
        rows.append((f"compute-sanitizer, {tool}", "; ".join(lines) + wrong))
    if not sanitizer:
        rows.append(("compute-sanitizer", "not there"))
    if compiles():
        say("running the conformance suite")
        suite = subprocess.run([sys.executable, "-m", "pytest", "-q", ROOT / "test" / "conformance", "-k", "nvptx"], capture_output=True, text=True)
        lines = (suite.stdout.strip() or suite.stderr.strip() or f"status {suite.returncode}").splitlines()
        rows.append(("conformance suite", lines[-1] if suite.returncode == 0 else f"**{lines[-1]}**"))
    table(("check", "result"), rows)


# ---------------------------------------------------------------- measurements


class Card(Device):
    def seconds(self):
        """How long the device has worked."""
        result = ctypes.c_double()
        self.do("busy", ctypes.byref(result))
        return result.value

    def bandwidth(self, size=STREAMED // 2):
        """Bytes a second, read and written, of copies inside of the device."""
        places = [self.get("allocate", size) for _ in range(2)]
        rates, end = [], time.monotonic() + 1
        # An idle card needs a while to raise its clocks.
        while len(rates) < 8 or time.monotonic() < end:
            begin = self.seconds()
            self.do("copy", places[0], places[1], size)
            rates.append(2 * size / (self.seconds() - begin))
        for place in places:
            self.functions.release(self.functions.context, place)
        return max(rates)


def random_weights():
    """Bytes that every packing can read: four two-bit codes of 0, 1 or 2, and below 3^5."""
    codes = np.random.default_rng(1).integers(0, 3, (4, BLOCK), dtype=np.uint8)
    return np.resize(codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6, STREAMED)


def kernel_seconds(card, folder, weights, kind, shape):
    """Seconds of one product, each of another matrix, and the bytes of a matrix."""
    (strategy, packing, rows), (m, k) = kind, shape
    stem = kernel_stem(folder, strategy, packing, shape)
    facts = json.loads(Path(f"{stem}.json").read_text())
    library = ctypes.CDLL(f"{stem}.so")
    library.ternac_kernels.restype = ctypes.POINTER(Kernels)
    module = card.get("load", library.ternac_kernels())
    q = np.random.default_rng(2).integers(-128, 128, (rows, padded(k))).astype(np.int8)
    fixed, per_row = facts["sizes"]
    memory = [q, q[:, :k].sum(1, dtype=np.int32), np.ones(rows, np.float32), np.ones(1, np.float32)]
    memory += [np.zeros((rows, m), np.float32), np.zeros(fixed + per_row * rows + 64, np.uint8)]
    addresses = [card.put(array) for array in memory]
    count = STREAMED // facts["bytes"]
    words = []
    for number, (address, array) in enumerate(zip(addresses, memory)):
        words += [address, address, *layout(array.shape)]
        if number == 3:
            words += [0, 1, count]
    words += [weights, weights, *layout((STREAMED,))]
    samples = []
    for _ in range(7):
        frame = Frame(threads=1, device=card.table, module=module)
        begin = card.seconds()
        library.product(*map(ctypes.c_int64, words), ctypes.byref(frame))
        if frame.failed:
            raise RuntimeError(card.last_error())
        card.do("download", memory[4].ctypes.data, addresses[4], memory[4].nbytes)
        samples.append((card.seconds() - begin) / count)
    for address in addresses:
        card.functions.release(card.functions.context, address)
    card.functions.unload(card.functions.context, module)
    return statistics.median(samples[2:]), facts["bytes"]


def measure_kernels(card, folder, roof, peak):
    say("measuring kernels")
    weights, rows = card.put(random_weights()), []
    for kind in KERNELS:
        for m, k in SHAPES:
            seconds, size = kernel_seconds(card, folder, weights, kind, (m, k))
            share, operations = 100 * size / seconds / roof, 2 * m * k * kind[2] / seconds
            of_peak = f"{100 * operations / peak:.0f}" if peak else ""
            rows.append((*kind, f"{m}x{k}", f"{1e6 * seconds:.2f}", f"{size / seconds / 1e9:.0f}", f"{share:.0f}", f"{operations / 1e12:.1f}", of_peak))
    card.functions.release(card.functions.context, weights)
    table(("strategy", "packing", "rows", "matrix", "us", "GB/s of weights", "% of copies", "Top/s", "% of the int8 peak"), rows)


def int8_peak(size=8192):
    """Operations a second of products of int8 by the vendor's library; None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    a, b = (torch.randint(-128, 128, (size, size), dtype=torch.int8, device="cuda") for _ in range(2))
    rates = []
    for _ in range(8):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        torch._int_mm(a, b.t())
        end.record()
        end.synchronize()
        rates.append(2 * size**3 / (begin.elapsed_time(end) / 1e3))
    return max(rates)


def measure_model(folder, roof, peak):
    say("measuring the 2B4T shape")
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / "2b4t.so"
        restore(folder / "2b4t.so.gz", library)
        code = ctypes.CDLL(str(library))
        code.ternac_model.restype = ctypes.POINTER(Table)
        macs_of = json.loads(code.ternac_model().contents.facts)["macs_per_token"]
        output = run(BIN / "ternac-bench", library, DEVICE, "-p=128,512,2048", "-n=64", "-c=0,2000,4000", "-s=1,8,64", "-r=3", "--json")
    rows = []
    for result in json.loads(output)["results"]:
        read = sum(result["bytes_per_token"].values()) * result["tokens_per_s"]
        # One token of a prompt has logits.
        macs = (macs_of["body"] + macs_of["head"] / result["tokens"]) * result["tokens_per_s"]
        what = f"{result['kind']} of {result['tokens']}" + (f" after {result['context']}" if result["context"] else "")
        share = f"{100 * read / roof:.0f}" if result["kind"] == "decode" else f"{200 * macs / peak:.0f}" if peak else ""
        rows.append((what, result["sequences"], f"{result['tokens_per_s']:.0f}", f"{1e6 * result['device_s_per_token']:.1f}", share))
    table(("2B4T", "sequences", "tokens/s", "us of the device per token", "% of copies (decode), of the int8 peak (prefill)"), rows)


def measure(folder):
    check(folder)
    card = Card("cuda:0")
    roof, peak = card.bandwidth(), int8_peak()
    print(f"Copies inside of the device: {roof / 1e9:.0f} GB/s read and written. Int8 peak of the vendor's library: {f'{peak / 1e12:.0f} Top/s' if peak else 'not measured'}.\n")
    measure_kernels(card, folder, roof, peak)
    measure_model(folder, roof, peak)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepare", type=Path, metavar="DIR")
    parser.add_argument("--measure", type=Path, metavar="DIR")
    parser.add_argument("--arch", default="sm_90", help="default: sm_90")
    options = parser.parse_args()
    if options.prepare:
        options.prepare.mkdir(parents=True, exist_ok=True)
        return prepare(options.prepare, options.arch)
    if options.measure:
        return measure(options.measure)
    with tempfile.TemporaryDirectory(prefix="ternac-gpu-") as folder:
        prepare(Path(folder), options.arch)
        measure(Path(folder))


if __name__ == "__main__":
    main()
