# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles from Python: runs the compiler, ``ternac``, as a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .runtime import TernacError


def find_compiler() -> Path:
    """The compiler: the one that TERNAC_COMPILER names, beside this package, in
    the build folder of a source tree, or on PATH. Raises TernacError if it is
    nowhere."""
    named = os.environ.get("TERNAC_COMPILER")
    if named:
        return Path(named)
    package = Path(__file__).resolve().parent
    for folder in (package / "bin", package.parents[1] / "build" / "bin"):
        if (folder / "ternac").is_file():
            return folder / "ternac"
    found = shutil.which("ternac")
    if found:
        return Path(found)
    raise TernacError("there is no compiler: build the project, or set TERNAC_COMPILER to the path of 'ternac'")


def compile(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    target: str | None = None,
    **options: str | int | bool | None,
) -> Path:
    """Compiles a model, or a module of functions, to a library and returns its
    path.

    ``model`` is a checkpoint directory, a .gguf, .mlir or .mlirbc file, or the
    text of a module: a str of more than one line. ``output`` defaults to the
    name of the model with .so in the current directory; a text has no name, so
    it must be given. ``target`` is what --target takes; by default the code is
    for this machine. ``options`` are other options of the command line, with _
    for -: ``head="as-stored"``, ``max_tokens_per_call=64``, ``remarks=True``.

    Raises TernacError with the compiler's message if it refuses, ValueError for
    a text without output.
    """
    compiler = find_compiler()
    arguments = []
    if target is not None:
        arguments.append(f"--target={target}")
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif value is not None and value is not False:
            arguments.append(f"{flag}={value}")
    if isinstance(model, str) and "\n" in model:
        if output is None:
            raise ValueError("expected an output for the text of a module, which has no name")
        with tempfile.TemporaryDirectory(prefix="ternac-") as folder:
            file = Path(folder) / "module.mlir"
            file.write_text(model, encoding="utf-8")
            return _run(compiler, file, Path(output), arguments)
    path = Path(model)
    return _run(compiler, path, Path(output or path.resolve().stem + ".so"), arguments)


def _run(compiler: Path, model: Path, output: Path, arguments: list[str]) -> Path:
    try:
        result = subprocess.run(
            [compiler, model, "-o", output, *arguments], capture_output=True, text=True, errors="replace"
        )
    except OSError as error:
        raise TernacError(f"cannot run the compiler '{compiler}': {error}") from error
    if result.returncode:
        message = result.stderr.strip()
        raise TernacError(message.removeprefix("error: ") or f"the compiler ended with status {result.returncode}")
    return output
