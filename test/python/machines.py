# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Machines other than this host, whose programs run here in user emulation (Debian's package qemu-user)."""

import os
import shutil
import subprocess
from dataclasses import dataclass

from bare import BUILD


@dataclass(frozen=True)
class Machine:
    """A kind of processor. `name` is that of its emulator, its compilers and its folders."""

    name: str

    def __str__(self):
        return self.name

    @property
    def compiler(self):
        """The command of its C compiler."""
        return f"{self.name}-linux-gnu-gcc"

    def command(self, cpu, program, *arguments):
        """The command that runs a program of this machine on a processor as `qemu -cpu` names it."""
        return [f"qemu-{self.name}", "-L", f"/usr/{self.name}-linux-gnu", "-cpu", cpu, str(program), *map(str, arguments)]

    def program(self, name):
        """The path of a program that the build made for this machine."""
        return BUILD / "cross" / self.name / "bin" / name

    def why_not_here(self):
        """Why its programs cannot run here, or None."""
        if not shutil.which(f"qemu-{self.name}"):
            return f"no qemu-{self.name}: install the package qemu-user"
        if not self.program("caller").is_file():
            return f"no {self.program('caller')}: install the package g++-{self.name}-linux-gnu and build again"
        return None


class Host(Machine):
    """This machine, where what runs programs of others can be tested without an emulator."""

    compiler = "cc"

    def command(self, cpu, program, *arguments):
        return [str(program), *map(str, arguments)]

    def why_not_here(self):
        return None if self.program("caller").is_file() else f"no {self.program('caller')}: build it"


HOST = Host("host")
AARCH64 = Machine("aarch64")
RISCV64 = Machine("riscv64")
