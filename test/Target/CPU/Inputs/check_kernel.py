"""Checks that the loops of kernels, in assembly on stdin, hold no instruction that multiplies.

usage: check_kernel.py NAME...   the kernels expected; every function tern_matmul_* and tern_build_tables_* is checked
Prints a line per kernel with the instructions in its loops. With --multiplies each kernel must hold one instead. With --innermost
only loops without loops in them are checked, and those that surround them may multiply, to find where a place is."""

import re
import sys

# Integer and float products, dot products and fused multiply-adds: of x86, as AT&T assembly names them, of AArch64, of RISC-V.
MULTIPLIES = re.compile(
    r"v?(i?mul|p?mul|pmadd|pdp|dpp|fn?m(add|sub|ul)|fm(addsub|subadd)|mpsadbw|maddw?d?|p?clmul)"
    r"|(f|bf|s|u|us|su|p|sq|sqr|uq|n)*(d?mul|ml[as]|m(add|sub|neg)|mmla|dot|cmla)"
    r"|v[fw]*(mul|n?macc|n?msac|n?madd|n?msub|dot)"
)
JUMPS = re.compile(r"(?:j\w*|b[\w.]*|[ct]bn?z)\s+(?:#?\w+,\s*)*(\.\w+)$")


def functions(lines):
    """The lines of each function tern_matmul_* and tern_build_tables_*, by name."""
    name, body = None, []
    for line in lines:
        start = re.match(r'"?(tern_(?:matmul|build_tables)_\w+)"?:', line)
        if start:
            name, body = start.group(1), []
        elif name and re.match(r"\.Lfunc_end\d+:", line):
            yield name, body
            name = None
        elif name:
            body.append(line)


def looped(body, innermost):
    """The instructions from the first label that is jumped back to, to the last such jump."""
    labels, instructions, jumps = {}, [], []
    for line in body:
        code = re.sub(r"(^|\s)(#|//)\s.*", "", line).strip()
        label = re.match(r"(\.\w+):", code)
        if label:
            labels[label.group(1)] = len(instructions)
        elif code and not code.startswith("."):
            if spill := re.match(r"mul\s+(\w+), \1, \w+$", code):
                # The place of a spilled register whose length the machine says.
                code = "place" if any(re.match(rf"csrr\s+{spill[1]}, vlenb$", before) for before in instructions[-3:]) else code
            jump = JUMPS.match(code)
            if jump and jump.group(1) in labels:
                jumps.append((labels[jump.group(1)], len(instructions)))
            instructions.append(code)
    if not jumps:
        return []
    if innermost:
        inner = [(first, last) for first, last in jumps if not any(first <= a and b <= last and (a, b) != (first, last) for a, b in jumps)]
        return [code for first, last in inner for code in instructions[first : last + 1]]
    return instructions[min(first for first, _ in jumps) : max(last for _, last in jumps) + 1]


def main():
    wanted = [word for word in sys.argv[1:] if not word.startswith("--")]
    expect = "--multiplies" in sys.argv
    found = dict(functions(sys.stdin))
    status = 0
    for name in sorted(set(wanted) | set(found)):
        if name not in found:
            print(f"{name}: missing; there are: {', '.join(found) or 'none'}")
            status = 1
            continue
        instructions = looped(found[name], "--innermost" in sys.argv)
        multiplications = [code for code in instructions if MULTIPLIES.match(code)]
        print(f"{name}: {len(instructions)} instructions in loops, {len(multiplications)} multiply")
        if not instructions or bool(multiplications) != expect:
            print("\n".join("  " + code for code in multiplications))
            status = 1
    return status if found else 1


sys.exit(main())
