"""Wants a negative test for each numbered constraint of the dialect: a comment `// <mnemonic> Cn` in an invalid-*.mlir.

usage: check_constraints.py ROOT"""

import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
tests = "".join(path.read_text() for path in (root / "test" / "Dialect" / "Tern").glob("invalid-*.mlir"))
count, missing = 0, []
for path in sorted((root / "include" / "ternac" / "Dialect" / "Tern" / "IR").glob("*.td")):
    for definition in re.split(r"^def ", path.read_text(), flags=re.MULTILINE)[1:]:
        # The mnemonic is the first string of an op and the second of a type or an attribute.
        header = re.match(r'\w+\s*:\s*\w+<\s*"(\w+)"(?:,\s*"(\w+)")?', definition)
        if not header:
            continue
        mnemonic = header[2] or header[1]
        for number in dict.fromkeys(re.findall(r"\* \((C\d+)\)", definition)):
            count += 1
            if not re.search(rf"// {mnemonic} {number}\b", tests):
                missing.append(f"{path.name}: {mnemonic} ({number}) has no negative test")
print("\n".join([*missing, f"{count} constraints, {len(missing)} without a test"]))
sys.exit(1 if missing or not count else 0)
