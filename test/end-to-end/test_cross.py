# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The example model, compiled here for other machines, says there what it says here: with the runtime of those machines, in user emulation."""

import re
import subprocess
import sys

import numpy
import prompts
import pytest
import support

from ternac import oracle

sys.path.insert(0, str(support.ROOT / "test" / "conformance"))
from machines import AARCH64, RISCV64  # noqa: E402
from targets import IN_TREE  # noqa: E402

# The rows of the table of tolerances, and the options of each.
DEFAULT = ("i8", "f16", "auto")
MODES = {("as-stored", "f32", "f32"): support.EXACT, DEFAULT: ()}
NEW_TOKENS = 8
# A processor of each machine that has no more than every one has.
BASELINE = {AARCH64: "cortex-a53", RISCV64: "rv64"}


def run(machine, cpu, *arguments):
    """Runs the machine's ternac-run and returns the completed process."""
    if reason := machine.why_not_here():
        pytest.skip(reason)
    command = machine.command(cpu, machine.program("ternac-run"), *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def refusal(result):
    """The sentence that a program ended with."""
    assert result.returncode == 1 and not result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def required_features(target):
    description = support.check("ternac", f"--target={target.spec}", "--print-target")
    found = re.search(r'required_features = "([^"]*)"', description)
    return found[1].split(",") if found else []


@pytest.fixture(scope="module", params=MODES, ids="-".join)
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def expected(mode, tmp_path_factory):
    """A prompt, its logits and what follows it, by the library for this host and by the reference, which must agree."""
    model = oracle.Model.load(support.EXAMPLE, *mode[:2])
    prompt = prompts.clear_prompt(model, 20)
    library = support.compile(support.EXAMPLE, tmp_path_factory.mktemp("here") / "model.so", *MODES[mode])
    tokens = support.generate(library, prompt, NEW_TOKENS)
    logits = model.logits(prompt + tokens[:-1])
    assert logits[len(prompt) - 1 :].argmax(axis=1).tolist() == tokens
    return prompt, logits[: len(prompt)], support.logits(library, prompt), tokens


@pytest.fixture(scope="module", params=[target for target in IN_TREE if target.machine], ids=str)
def target(request):
    if reason := request.param.why_not_here():
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compiles the example model for a target in a mode, once."""
    folder, known = tmp_path_factory.mktemp("there"), {}

    def compile(target, mode):
        key = target.spec, mode
        if key not in known:
            known[key] = support.compile(support.EXAMPLE, folder / f"{len(known)}.so", f"--target={target.spec}", *MODES[mode])
        return known[key]

    return compile


def test_same_tokens(target, mode, expected, compiled, tmp_path):
    prompt, *others, tokens = expected
    library = compiled(target, mode)
    first = None
    for threads in (1, 2):
        file = tmp_path / "logits.npy"
        options = (f"--tokens={support.comma(prompt)}", f"--threads={threads}")
        result = run(target.machine, target.cpu, library, *options, f"--logits={file}")
        assert result.returncode == 0, result.stderr
        logits = numpy.load(file)
        for other in others:
            largest, mean = support.errors(logits, other)
            tolerance, mean_tolerance = support.TOLERANCES[mode]
            assert largest <= tolerance and mean <= mean_tolerance
        first = logits if first is None else first
        assert logits.tobytes() == first.tobytes()

    result = run(target.machine, target.cpu, library, *options, f"--max-new-tokens={NEW_TOKENS}", "--ignore-eos")
    assert result.returncode == 0, result.stderr
    assert [int(token) for token in result.stdout.split()] == tokens


def test_missing_features(target, compiled):
    """What the processor lacks is said, before an instruction does."""
    features = required_features(target)
    result = run(target.machine, BASELINE[target.machine], compiled(target, DEFAULT), "--tokens=0")
    if features:
        missing = re.search(r"needs processor features that this machine does not have: ([^;]*);", refusal(result))
        assert missing[1].split(", ") == features
    else:
        assert result.returncode == 0


MACHINES = {machine: next((target for target in IN_TREE if target.machine == machine), None) for machine in BASELINE}
NAMES = {AARCH64: "AArch64", RISCV64: "RISC-V"}


@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_library_of_another_machine(machine, tmp_path):
    """A library for there is refused here, and one from here there."""
    theirs = support.compile(support.EXAMPLE, tmp_path / "theirs.so", f"--target={MACHINES[machine].spec}")
    mine = support.compile(support.EXAMPLE, tmp_path / "mine.so", "--target=cpu,arch=x86-64")
    sentence = "error: '{}' is for {}, but this machine is {}; use a Ternac model library for this machine"
    assert refusal(support.run("ternac-run", theirs, "--tokens=0")) == sentence.format(theirs, NAMES[machine], "x86-64")
    assert refusal(run(machine, BASELINE[machine], mine, "--tokens=0")) == sentence.format(mine, "x86-64", NAMES[machine])
