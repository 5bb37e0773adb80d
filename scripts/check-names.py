#!/usr/bin/env python3
# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fails where a generic file names a processor, an instruction set or a target, in code, comment or example.

usage: check-names.py [ROOT]
Generic is everything in include/, lib/ and tools/ but what OWN matches. Prints file:line of each name."""

import re
import sys
from pathlib import Path

# What begins so is for one target, for one processor or for one kind of device.
OWN = re.compile(
    r"lib/Target/(?!CPU/)\w+/|lib/Target/CPU/(\w+/|CMakeLists\.txt)|(lib/Runtime|tools/ternac-bench)/Processor/|lib/Runtime/Devices/\w+/"
)

# Names of families, of their extensions and instructions, of processors and of toolchains. Each is a word of an identifier
# ("TERNAC_FEATURE_AMX", "runAVX2", "__x86_64__") or of text; digits and a suffix may follow where the name has versions.
NAMES = r"""
    x86 | amd64 | ia32 | i[3-6]86 | cpuid
    mmx | s?sse[0-9]* | avx[a-z0-9]* | amx | apx | e?vex | vnni | gfni | f16c | bmi[12]? | popcnt | [xyz]mm[0-9]* | mm(?:256|512) | vp?dp[a-z0-9]+
    p?maddubs[a-z]* | immintrin
    aarch64 | arm | arm64 | armv[0-9]+ | neon | asimd | sve2? | sme2? | dotprod | i8mm | [su]{1,2}dot | [su]{1,2}mmla | tbl
    riscv[0-9]* | risc-v | rv32 | rv64[a-z]* | rvv | zv[a-z]+ | vrgather | vsetvli?
    ppc | ppc64(?:le)? | powerpc | altivec | vsx | s390x? | mips(?:64)? | sparc(?:v9|64)? | loongarch[0-9]* | lasx | lsx
    wasm[0-9]* | hexagon | hvx | xtensa
    nvptx[0-9]* | nvvm | ptx | cuda | amdgpu | amdgcn | rocdl | rocm | spir-?v | opencl | vulkan
    intel | amd | epyc | xeon | znver[0-9]* | skylake | alderlake | sapphirerapids | cortex | neoverse | graviton
"""
ANY = "|".join(NAMES.split("|")).replace(" ", "").replace("\n", "|").strip("|").replace("||", "|")
# A word of an identifier begins after no letter or digit, or with a capital after a small letter.
WORD = re.compile(rf"((?:(?<![A-Za-z0-9])(?i:{ANY})|(?<=[a-z])(?=[A-Z])(?i:{ANY}))(?![a-z0-9]))")

# What a line may say: (file, expression, reason). One that is not needed is an error.
EXCEPTIONS = (
    ("include/ternac/Runtime/ModelABI.h", r'of the code: "spirv"', "an example of a format"),
    ("include/ternac/Dialect/Tern/IR/TernAttributes.td", r'"Reference", 0, "reference"', "the strategy"),
    ("include/ternac/Dialect/Tern/IR/TernAttributes.td", r"`reference`: scalar", "the strategy"),
    ("include/ternac/Dialect/Tern/IR/TernAttributes.td", r"`triple`, `cpu` and", "the parameter of #tern.target"),
    ("include/ternac/Support/ELFFile.h", r'\{\d+, "', "what people call the machines of ELF files"),
    ("lib/Target/Registry.cpp", r'{"cpu", attr', "the parameter of #tern.target"),
    ("lib/Conversion/TernToVector/MatmulKernel.cpp", r'matmulKernelName\("reference"', "the strategy"),
    ("tools/ternac/Options.cpp", r'\{"reference", true\}', "the strategy"),
)


def names_of_targets(root):
    """The folders of the targets and families there are, and expressions for their names: in quotes, where no strategy is meant, and
    before Target or Family. What lies in the folder may say them."""
    for folder in sorted(path.parent for path in (root / "lib" / "Target").glob("*/**/CMakeLists.txt")):
        name, own = folder.name, folder.relative_to(root).as_posix() + "/"
        yield own, re.compile(rf"""^(?!.*[Ss]trateg).*(["'`]{name.lower()}["'`,])""")
        yield own, re.compile(rf"({name}(?:Target|Family))")


def generic_files(root):
    for folder in ("include", "lib", "tools"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not OWN.match(path.relative_to(root).as_posix()):
                yield path


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1])
    targets = list(names_of_targets(root))
    unused, found, files = list(EXCEPTIONS), 0, 0
    for path in generic_files(root):
        files += 1
        name = path.relative_to(root).as_posix()
        names = [WORD, *(expression for own, expression in targets if not name.startswith(own))]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = next(filter(None, (expression.search(line) for expression in names)), None)
            if not match:
                continue
            excused = [entry for entry in EXCEPTIONS if entry[0] == name and re.search(entry[1], line)]
            unused = [entry for entry in unused if entry not in excused]
            if not excused:
                found += 1
                print(f"{name}:{number}: names {match[1]}: {line.strip()}")
    for name, expression, reason in unused:
        print(f"{name}: has no line '{expression}' to excuse ({reason}); remove it from EXCEPTIONS")
    print(f"{files} generic files, {found} lines with names, {len(unused)} exceptions without need")
    return 1 if found or unused or not files else 0


if __name__ == "__main__":
    sys.exit(main())
