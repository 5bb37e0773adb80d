"""Does literally what a page of docs/ says, in a copy of the source tree.

usage: follow_page.py ROOT BUILD PAGE
A block whose first line is a comment with a path is that file; a `diff` block changes a file; a `sh` block is run in the root of the
copy and must succeed; the lines of a `text` block must be in the output of the `sh` block before it, in their order, `...` standing for
anything.

Nothing is built twice: where the system lets us, the copy is a layer over the source tree and its build folder, with what is written
kept apart, at the same path, so that ninja only makes what the page changes. Elsewhere the files are copied and the page's commands build
them from nothing."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"^(?://|#) ([\w./-]+\.(?:\w+))\n")


def fail(page, line, message):
    print(f"{page}:{line}: {message}")
    sys.exit(1)


def change(root, diff, complain):
    """Applies a diff by its text; its line numbers do not matter."""
    for part in re.split(r"^--- .*\n", diff, flags=re.MULTILINE)[1:]:
        name, hunks = re.match(r"\+\+\+ b/(\S+)\n(.*)", part, re.DOTALL).groups()
        path = root / name
        text = path.read_text()
        for hunk in re.split(r"^@@.*\n", hunks, flags=re.MULTILINE)[1:]:
            lines = [line or " " for line in hunk.splitlines()]
            old = "".join(line[1:] + "\n" for line in lines if line[0] in " -")
            new = "".join(line[1:] + "\n" for line in lines if line[0] in " +")
            if text.count(old) != 1:
                complain(f"the diff fits {text.count(old)} places of {name}")
            text = text.replace(old, new)
        path.write_text(text)


def run(root, script):
    environment = dict(os.environ, PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return result.returncode, result.stdout


def missing(expected, output):
    """The first line of `expected` that is not in `output`, or None."""
    lines = iter(output.splitlines())
    for wanted in filter(None, map(str.strip, expected.splitlines())):
        pattern = ".*".join(map(re.escape, wanted.split("...")))
        if not any(re.search(pattern, line) for line in lines):
            return wanted
    return None


def follow(root, page):
    text, output, count = (root / page).read_text(), None, 0
    for block in BLOCK.finditer(text):
        kind, code = block.groups()
        line = text.count("\n", 0, block.start()) + 1
        complain = lambda message: fail(page, line, message)  # noqa: E731
        if named := NAMED.match(code):
            path = root / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
        elif kind == "diff":
            change(root, code, complain)
        elif kind == "sh":
            status, output = run(root, code)
            print(f"$ {code.strip()}\n{output}", flush=True)
            if status:
                complain(f"status {status}")
        elif kind == "text":
            if output is None:
                complain("nothing was run before it")
            if line_missing := missing(code, output):
                complain(f"expected '{line_missing}' in the output")
        else:
            continue
        count += 1
    print(f"{page}: {count} blocks followed")
    return 0 if count else 1


def layer(root):
    """A command that runs another where `root` is a layer over itself, or None; what is written goes to `scratch`."""
    script = 'mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work,userxattr" "$1"; cd "$1"; shift 2; exec "$@"'

    def command(scratch, *inner):
        for name in ("upper", "work"):
            os.makedirs(os.path.join(scratch, name), exist_ok=True)
        return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh", str(root), scratch, *inner]

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            tried = subprocess.run(command(scratch, "true"), capture_output=True)
        except FileNotFoundError:
            return None
    return command if tried.returncode == 0 else None


def main():
    if sys.argv[1] == "--here":
        return follow(Path.cwd(), sys.argv[2])
    root, build, page = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    layered = layer(root) if build == root / "build" else None
    scratch = tempfile.mkdtemp(prefix="ternac-page-")
    try:
        if layered:
            return subprocess.run(layered(scratch, sys.executable, str(Path(__file__).resolve()), "--here", page)).returncode
        copy = Path(scratch) / "ternac"
        shutil.copytree(root, copy, symlinks=True, ignore=shutil.ignore_patterns("build*", ".git", ".venv", "__pycache__"))
        status, output = run(copy, "cmake --preset release")
        if status:
            print(output)
            return status
        os.chdir(copy)
        return follow(copy, page)
    finally:
        subprocess.run(["rm", "-rf", scratch])


if __name__ == "__main__":
    sys.exit(main())
