#!/usr/bin/env python3
# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures the BitNet b1.58 2B4T shape with synthetic weights and prints the tables of the results page.

Libraries that are compared run in turn, round by round, so that a machine whose speed drifts treats them alike; each figure is a
median over all rounds, and fractions come from the machine's own speed in the same process.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(os.environ.get("TERNAC_BIN") or ROOT / "build" / "bin")
MODEL = ROOT / "benchmarks" / "bitnet-2b4t"

# What is compared: (label, options of the compiler). What a compiler does not know it says, and the tables go on without.
STRATEGIES = (
    ("`auto`", ""),
    ("`dot`, `base3`", "--strategy=dot --packing=base3"),
    ("`dot`, `tile2`", "--strategy=dot --packing=tile2"),
    ("`lut`", "--strategy=lut"),
    ("`add_sub`, `tile2`", "--strategy=add_sub --packing=tile2"),
    ("`add_sub`, `planes`", "--strategy=add_sub --packing=planes"),
    ("`auto`, head `i4`", "--head=i4"),
    ("`auto`, head `as-stored`", "--head=as-stored"),
)
CACHES = (("f16", ""), ("i8", "--kv-cache=i8"), ("f32", "--kv-cache=f32"))


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def table(header, rows):
    for row in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


def run(*command):
    """Runs a command; returns (status, stdout and stderr, seconds, peak memory in bytes)."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, output, time.perf_counter() - begin, usage.ru_maxrss * 1024


class Libraries:
    """Compiles each set of options once."""

    def __init__(self, folder):
        self.folder, self.paths, self.refused = folder, {}, []
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, label, flags):
        """The library of some options, or None if the compiler refuses them."""
        if flags not in self.paths:
            path = self.folder / f"results-{len(self.paths)}.so"
            say(f"compiling {label}")
            status, output, seconds, memory = run(BIN / "ternac", MODEL, "--synthetic-weights=1", *flags.split(), "-o", path)
            self.paths[flags] = None if status else (path, seconds, memory)
            if status:
                self.refused.append(f"{label}: {output.strip().splitlines()[-1]}")
        return self.paths[flags] and self.paths[flags][0]

    def close(self):
        for built in self.paths.values():
            if built:
                built[0].unlink(missing_ok=True)


def bench(library, *options):
    """The report of ternac-bench; ends the program if it fails."""
    result = subprocess.run([str(BIN / "ternac-bench"), str(library), *map(str, options), "--json"], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{library}: {result.stderr.strip()}")
    return json.loads(result.stdout)


def in_turn(kinds, rounds, options):
    """The reports of each of `kinds`, (label, library, more options), by label."""
    reports = {label: [] for label, *_ in kinds}
    for number in range(rounds):
        for label, library, more in kinds:
            say(f"round {number + 1} of {rounds}: {label}")
            reports[label].append(bench(library, *options, *more))
    return reports


class Figures:
    """One measurement over several reports."""

    def __init__(self, reports, kind, threads, context=0, sequences=1, tokens=None):
        found = [r for report in reports for r in report["results"]]
        wanted = (kind, threads, context, sequences)
        found = [r for r in found if (r["kind"], r["threads"], r["context"], r["sequences"]) == wanted]
        found = [r for r in found if tokens in (None, r["tokens"])]
        self.samples = [sample for result in found for sample in result["samples"]]
        self.rate = statistics.median(self.samples)
        self.roof = statistics.median(result["roof_fraction"] for result in found)
        self.peak = statistics.median(result["peak_fraction"] for result in found)
        self.bytes = found[0]["bytes_per_token"]

    def __str__(self):
        return f"{self.rate:.1f} ({min(self.samples):.1f} to {max(self.samples):.1f})"


def machine_tables(reports, threads):
    print("## Machine\n")
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    print(f"{os.cpu_count()} processors, {model}; {platform.system()} {platform.release().split('-')[0]}\n")
    rows = []
    for count in map(str, threads):
        machines = [report["machine"] for report in reports]
        read = [machine["read_bandwidth_gb_s"][count] for machine in machines]
        ranges = [machine["read_bandwidth_range_gb_s"][count] for machine in machines]
        huge = statistics.median(machine["read_bandwidth_huge_pages_gb_s"][count] for machine in machines)
        peak = statistics.median(machine["int8_peak_gmac_s"][count] for machine in machines)
        spread = f"{min(low for low, _ in ranges):.1f} to {max(high for _, high in ranges):.1f}"
        rows.append([count, f"{statistics.median(read):.1f} ({spread})", f"{huge:.1f}", f"{peak:.0f}", machines[0]["int8_peak_feature"]])
    table(["threads", "reads of the mapped weights, GB/s", "of huge pages, GB/s", "int8 peak, GMAC/s", "by"], rows)


def strategy_tables(libraries, options, threads):
    kinds = [(label, library, ()) for label, flags in STRATEGIES if (library := libraries.get(label, flags))]
    counts = ",".join(map(str, threads))
    reports = in_turn(kinds, options.rounds, ["-p", 128, "-n", 24, "-t", counts, "-r", options.repetitions])
    machine_tables([report for label in reports for report in reports[label]], threads)
    print("## Speed by strategy and packing\n")
    header = ["strategy, packing", "MB per token (body + head)"]
    header += [f"decode, {count} threads" for count in threads] + [f"of the memory roof, {count}" for count in threads]
    header += [f"prefill of 128, {count} threads" for count in threads] + [f"of the int8 peak, {count}" for count in threads]
    rows = []
    for label, *_ in kinds:
        decode = [Figures(reports[label], "decode", count) for count in threads]
        prefill = [Figures(reports[label], "prefill", count) for count in threads]
        size = decode[0].bytes
        row = [label, f"{size['body'] / 1e6:.0f} + {size['head'] / 1e6:.0f}", *decode, *(f"{100 * f.roof:.0f} %" for f in decode)]
        rows.append([*row, *prefill, *(f"{100 * f.peak:.0f} %" for f in prefill)])
    table(header, rows)


def context_tables(libraries, options, threads):
    print("## Decode after a context\n")
    contexts, counts = (0, 1024, 4080), ",".join(map(str, threads))
    kinds = [(label, library, ()) for label, flags in CACHES if (library := libraries.get(f"cache {label}", flags))]
    arguments = ["-p", 0, "-n", 16, "-t", counts, "-c", ",".join(map(str, contexts)), "-r", options.repetitions]
    reports = in_turn(kinds, 1, arguments)
    rows = []
    for label, *_ in kinds:
        for context in contexts:
            figures = [Figures(reports[label], "decode", count, context) for count in threads]
            cache = f"{figures[0].bytes['cache'] / 1e6:.0f}"
            rows.append([label, context, cache, *figures, *(f"{100 * f.roof:.0f} %" for f in figures)])
    header = ["cache", "context", "MB of it per token", *(f"decode, {count} threads" for count in threads)]
    table([*header, *(f"of the memory roof, {count}" for count in threads)], rows)


def prefill_tables(libraries, options, threads):
    print("## Prefill\n")
    prompts, counts = (32, 128, 512, 4080), ",".join(map(str, threads))
    library = libraries.get("auto", "")
    arguments = ["-p", ",".join(map(str, prompts)), "-n", 0, "-t", counts, "-r", options.repetitions]
    reports = in_turn([("auto", library, ())], options.rounds, arguments)["auto"]
    rows = []
    for prompt in prompts:
        figures = [Figures(reports, "prefill", count, tokens=prompt) for count in threads]
        rows.append([prompt, *(cell for f in figures for cell in (f, f"{100 * f.peak:.0f} %"))])
    header = ["tokens"]
    for count in threads:
        header += [f"tokens/s, {count} threads", "of the int8 peak"]
    table(header, rows)


def batch_tables(libraries, options, threads):
    print("## Decode of several sequences\n")
    batches, counts = (1, 4, 16, 64), ",".join(map(str, threads))
    library = libraries.get("auto", "")
    arguments = ["-p", 0, "-n", 4, "-t", counts, "-s", ",".join(map(str, batches)), "-r", options.repetitions]
    reports = in_turn([("auto", library, ())], options.rounds, arguments)["auto"]
    rows = []
    for batch in batches:
        figures = [Figures(reports, "decode", count, sequences=batch) for count in threads]
        row = [batch, f"{(figures[0].bytes['body'] + figures[0].bytes['head']) / 1e6:.0f}"]
        for f in figures:
            row += [f, f"{f.rate / batch:.1f}", f"{100 * f.roof:.0f} %", f"{100 * f.peak:.0f} %"]
        rows.append(row)
    header = ["sequences", "MB per token (body + head)"]
    for count in threads:
        header += [f"tokens/s, {count} threads", "of each", "of the memory roof", "of the int8 peak"]
    table(header, rows)


def start_tables(libraries, options, threads):
    print("## Start, memory, huge pages\n")
    library = libraries.get("auto", "")
    kinds = [("mapped file", library, ()), ("huge pages", library, ("--huge-pages",))]
    counts = ",".join(map(str, threads))
    reports = in_turn(kinds, options.rounds, ["-p", 0, "-n", 24, "-t", counts, "-r", options.repetitions])
    rows = []
    for label, _, more in kinds:
        for count in threads:
            command = [BIN / "ternac-run", library, "--tokens=1", f"--threads={count}", "--ignore-eos", *more]
            run(*command, "--max-new-tokens=1")
            first = [run(*command, "--max-new-tokens=1") for _ in range(5)]
            figures = Figures(reports[label], "decode", count)
            seconds, step = statistics.median(second for _, _, second, _ in first), 1 / figures.rate
            memory = max(peak for *_, peak in first)
            row = [label, count, figures, f"{100 * figures.roof:.0f} %"]
            rows.append([*row, f"{seconds:.3f}", f"{seconds - step:.3f}", f"{memory / 1e6:.0f}"])
    header = ["weights in", "threads", "decode", "of the memory roof", "first token, s", "of it more than a step, s", "memory, MB"]
    table(header, rows)
    size = sum(Figures(reports["mapped file"], "decode", threads[0]).bytes[part] for part in ("body", "head"))
    print(f"First token: the process `ternac-run --tokens=1 --max-new-tokens=1`, file in the page cache. Body and head: {size / 1e6:.0f} MB.\n")


def kernel_tables(options, threads):
    script = [sys.executable, ROOT / "benchmarks" / "kernels.py"]
    counts = ",".join(map(str, threads))
    for title, flags in (
        ("Kernels, this processor", ["--arch=native", f"--threads={counts}", f"--repetitions={options.repetitions}"]),
        ("Kernels, levels of the architecture", ["--shapes=2560x2560", "--threads=1", "--seconds=0.05"]),
    ):
        say(title)
        print(f"## {title}\n", flush=True)
        subprocess.run([*map(str, script), *flags], check=True)
        print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="how often libraries run in turn (default 2)")
    parser.add_argument("--repetitions", "-r", type=int, default=3, help="samples in each round (default 3)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "benchmarks", help="for libraries, which are deleted at the end")
    parser.add_argument("--parts", default="strategies,contexts,prefill,batches,start,kernels", help="tables to make (default: all)")
    options = parser.parse_args()
    threads = sorted({1, len(os.sched_getaffinity(0))})
    libraries = Libraries(options.folder)
    parts = {
        "strategies": lambda: strategy_tables(libraries, options, threads),
        "contexts": lambda: context_tables(libraries, options, threads),
        "prefill": lambda: prefill_tables(libraries, options, threads),
        "batches": lambda: batch_tables(libraries, options, threads),
        "start": lambda: start_tables(libraries, options, threads),
        "kernels": lambda: kernel_tables(options, threads),
    }
    wanted = options.parts.split(",")
    if unknown := [part for part in wanted if part not in parts]:
        sys.exit(f"error: expected parts of {', '.join(parts)}, but got {', '.join(unknown)}")
    try:
        for part in wanted:
            parts[part]()
        print("## Compiling\n")
        built = [path for path in libraries.paths.values() if path]
        if built:
            seconds, memory = (statistics.median(path[i] for path in built) for i in (1, 2))
            print(f"The shape to a library, weights made from a seed: {seconds:.1f} s, {memory / 1e6:.0f} MB of memory (median of {len(built)}).\n")
        for sentence in libraries.refused:
            print(f"Not measured: {sentence}")
    finally:
        libraries.close()


if __name__ == "__main__":
    main()
