# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The targets under test and what each claims: a new target is one line of IN_TREE."""

import functools
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from bare import BUILD, Device, emulate, missing  # noqa: E402
from host import host_features, use_cuda_emulator  # noqa: E402
from machines import AARCH64, RISCV64, Machine  # noqa: E402, F401

use_cuda_emulator(BUILD)

PACKINGS = ("row2", "tile2", "base3")
_LEVEL2 = ("ssse3", "sse4_2")
_LEVEL3 = (*_LEVEL2, "avx2", "fma", "f16c", "bmi2")
_LEVEL4 = (*_LEVEL3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_AMX = ("amx_tile", "amx_int8", "amx_bf16")

# RISC-V as qemu names it: rv64gc without what qemu adds to it.
_RV64 = "rv64,zba=false,zbb=false,zbc=false,zbs=false"


def _rvv(vlen):
    """The same with vectors of `vlen` bits."""
    return f"{_RV64},v=true,vext_spec=v1.0,vlen={vlen}"


@functools.cache
def why_no_device(name, device):
    """Why the device cannot be used here, or None."""
    try:
        Device(device)
    except (OSError, RuntimeError) as error:
        return f"{name}: {error}"
    return None


@dataclass(frozen=True)
class Target:
    name: str
    spec: str  # the value of --target
    matmul: dict  # strategy -> packings; every other op but ternary_linear is claimed by every target
    elsewhere: dict = field(default_factory=dict)  # what it claims beside `matmul`, with code that other targets have and run
    needs: tuple = ()  # the processor features, as Linux names them, without which its code cannot run here
    machine: Machine | None = None  # what its code runs on, if not this host
    cpu: str = ""  # the processor that the machine emulates, as qemu names it
    vlen: int = 0  # the bits of its vectors, where the same code runs on several lengths
    version: int = 0  # which version of the code is called, where `spec` names several processors
    few: bool = False  # whether few shapes are enough, as other lines have code of the same kind, and all shapes
    load_target: str = ""  # the plug-in that has it
    device: str = ""  # what its code needs: the driver library of a device, or one of the runtime's own, as `ternac-run --device` takes it
    kernels: bool = False  # whether its code is kernels of that device, started by one thread of this host

    def __str__(self):
        return self.name

    def options(self):
        """The options of the compiler that mean this target."""
        return [f"--load-target={self.load_target}"] * bool(self.load_target) + [f"--target={self.spec}"]

    def emulated(self):
        """Whether some of its code's instructions are emulated here."""
        if self.machine:
            return True
        return bool(missing(self.needs)) and emulate(missing(self.needs))

    def slow(self):
        """Whether every emulated instruction does so little that tests should have few cases."""
        return self.emulated() and "avx_vnni" in missing(self.needs)

    def few_shapes(self):
        """Whether tests should have few shapes, and of what is slowest few rows: for lines that say so, for kernels, and where all instructions
        are emulated."""
        return self.few or self.kernels or self.machine is not None

    def why_not_here(self):
        """Why this host cannot run the target's code, or None."""
        if self.kernels:
            return why_no_device(self.name, self.device)
        if self.machine:
            reason = self.machine.why_not_here()
            return reason and f"{self.name}: {reason}"
        lacks = missing(self.needs)
        return f"{self.name}: this host lacks {', '.join(sorted(lacks))}" if lacks and not emulate(lacks) else None


ADD_SUB = {"add_sub": (*PACKINGS, "planes")}
DOT = {"dot": PACKINGS}
LUT = {"lut": ("tile2", "base3")}
ALL = {**ADD_SUB, **LUT, **DOT}
TILE = {"tile": ("tile2", "base3")}
NATIVE = {**ALL, **TILE} if {"amx_tile", "amx_int8"} <= host_features() else ALL

REFERENCE = Target("reference", "reference", {"reference": ("i8",)})
IN_TREE = (
    REFERENCE,
    Target("x86-64", "cpu,arch=x86-64", ALL, needs=("sse2",), few=True),
    Target("x86-64-v2", "cpu,arch=x86-64-v2", ALL, needs=_LEVEL2, few=True),
    Target("x86-64-v3", "cpu,arch=x86-64-v3", ALL, needs=_LEVEL3),
    Target("x86-64-v3+avxvnni", "cpu,arch=x86-64-v3,features=+avxvnni", ALL, needs=(*_LEVEL3, "avx_vnni"), few=True),
    Target("x86-64-v3+avx512vnni", "cpu,arch=x86-64-v3,features=+avx512vl,+avx512vnni", ALL, needs=(*_LEVEL3, "avx512vl", "avx512_vnni"), few=True),
    Target("x86-64-v4", "cpu,arch=x86-64-v4", ALL, needs=_LEVEL4, few=True),
    Target("x86-64-v4+amx", "cpu,arch=x86-64-v4,features=+avx512vnni,+amx-tile,+amx-int8,+amx-bf16", TILE, ALL, (*_LEVEL4, "avx512_vnni", *_AMX)),
    Target("native", "cpu,arch=native", NATIVE, needs=_LEVEL2),
    Target("x86-64+v3-version1", "cpu,arch=x86-64+v3", ALL, needs=_LEVEL3, version=1, few=True),
    Target("aarch64", "cpu,triple=aarch64-linux-gnu", ALL, machine=AARCH64, cpu="cortex-a53"),
    Target("aarch64+dotprod", "cpu,triple=aarch64-linux-gnu,features=+dotprod", ALL, machine=AARCH64, cpu="cortex-a76"),
    Target("aarch64+i8mm", "cpu,triple=aarch64-linux-gnu,features=+dotprod,+i8mm", TILE, ALL, machine=AARCH64, cpu="max,sve=off"),
    Target("neoverse-v1", "cpu,triple=aarch64-linux-gnu,cpu=neoverse-v1", {**ALL, **TILE}, machine=AARCH64, cpu="max,sve256=on"),
    Target("riscv64", "cpu,triple=riscv64-linux-gnu", {**ADD_SUB, **LUT}, machine=RISCV64, cpu=_RV64),
    Target("riscv64+v", "cpu,triple=riscv64-linux-gnu,arch=rv64gcv", ALL, machine=RISCV64, cpu=_rvv(128), vlen=128),
    Target("riscv64+v on 256 bits", "cpu,triple=riscv64-linux-gnu,features=+v", ALL, machine=RISCV64, cpu=_rvv(256), vlen=256),
    Target("riscv64+zvl256b", "cpu,triple=riscv64-linux-gnu,cpu=generic-rv64,features=+v,+zvl256b", ALL, machine=RISCV64, cpu=_rvv(256), vlen=256),
    Target("vulkan", "vulkan", {**ADD_SUB, **DOT}, device="vulkan:0", kernels=True),
    Target("nvptx", "nvptx,arch=sm_90", {**ADD_SUB, **DOT, **TILE}, device="cuda:0", kernels=True),
)
# Those with two instructions for products of bf16.
_BF16 = (Target("x86-64-v4+bf16+amx", "cpu,arch=x86-64-v4,features=+avx512bf16,+amx-tile,+amx-bf16", {}, needs=(*_LEVEL4, "avx512_bf16", "amx_tile", "amx_bf16")),)


def out_of_tree(path):
    """The target that a JSON file describes; see README.md."""
    path = Path(path).resolve()
    facts = json.loads(path.read_text())
    known = {"name", "target", "load_target", "device", "matmul", "needs", "few"}
    if unknown := sorted(set(facts) - known):
        raise ValueError(f"{path}: unknown key '{unknown[0]}'; expected {', '.join(sorted(known))}")
    files = {key: str(path.parent / facts[key]) for key in ("load_target", "device") if key in facts}
    matmul = {strategy: tuple(packings) for strategy, packings in facts["matmul"].items()}
    return Target(facts["name"], facts["target"], matmul, needs=tuple(facts.get("needs", ())), few=facts.get("few", False), **files)


_FILE = os.environ.get("TERNAC_TARGET_FILE")
TARGETS = (REFERENCE, out_of_tree(_FILE)) if _FILE else IN_TREE
BF16 = () if _FILE else _BF16
