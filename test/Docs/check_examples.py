"""Runs every ```mlir block of the .td files and of docs/*.md through ternac-opt, and wants one in each definition.

usage: check_examples.py ROOT [TERNAC-OPT]
A block of a pass whose first line is `// Before:` is also run through the pass, and the block after it, `// After:`, is parsed."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

BLOCK = re.compile(r"```mlir\n(.*?)```", re.DOTALL)
# What must have an example: ops, types, attributes and passes.
DEFINITION = re.compile(r"^def (\w+)\s*:\s*(\w+)<\s*\"([\w-]+)\"(?:,\s*\"([\w.]+)\")?", re.MULTILINE)
BASES = {"Tern_Op", "Tern_ComputeOp", "Tern_Type", "Tern_Attr", "Pass"}


def run(opt, arguments, text):
    """None, or what went wrong."""
    result = subprocess.run([opt, *arguments], input=text, capture_output=True, text=True)
    return result.stderr.strip() or f"status {result.returncode}" if result.returncode else None


def definitions(text):
    """(name, base class, mnemonic or argument, body, line) of each definition of a .td file."""
    starts = list(DEFINITION.finditer(text))
    for start, end in zip(starts, [*starts[1:], None]):
        body = text[start.end() : end.start() if end else len(text)]
        yield start[1], start[2], start[3], body, text.count("\n", 0, start.start()) + 1


def main():
    root = Path(sys.argv[1])
    opt = sys.argv[2] if len(sys.argv) > 2 else "ternac-opt"
    files = [path for folder in ("include", "lib", "docs") for path in sorted((root / folder).rglob("*"))
             if path.suffix in (".td", ".md")]
    errors, examples, documented = [], 0, 0
    for path in files:
        text = path.read_text()
        for match in BLOCK.finditer(text):
            examples += 1
            code = textwrap.dedent(match[1])
            if message := run(opt, [], code):
                line = text.count("\n", 0, match.start()) + 1
                errors.append(f"{path.relative_to(root)}:{line}: {message}\n{textwrap.indent(code, '    ')}")
        if path.suffix != ".td":
            continue
        for name, base, word, body, line in definitions(text):
            if base not in BASES:
                continue
            documented += 1
            blocks = [textwrap.dedent(block) for block in BLOCK.findall(body)]
            place = f"{path.relative_to(root)}:{line}: {name}"
            if not blocks:
                errors.append(f"{place} has no example")
            elif base in ("Tern_Op", "Tern_ComputeOp") and f"tern.{word}" not in "".join(blocks):
                errors.append(f"{place}: the example does not use tern.{word}")
            elif base == "Pass":
                before = [block for block in blocks if block.startswith("// Before")]
                options = re.search(r"`--([\w-]+=[^`]*)`", body)
                for block in before:
                    if message := run(opt, [f"--{options[1]}" if options else f"--{word}"], block):
                        errors.append(f"{place}: the pass fails on its example: {message}")
                if not before:
                    errors.append(f"{place}: the example does not begin with '// Before'")
    print("\n".join(errors))
    print(f"{examples} examples, {documented} definitions, {len(errors)} errors")
    return 1 if errors or not examples or not documented else 0


sys.exit(main())
