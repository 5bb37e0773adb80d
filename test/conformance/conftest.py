# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles the modules of all selected tests ahead, in the background, and ends with a summary per target.

Where the environment's TERNAC_TALLY names a file, the counts go there too: test/run.py adds up those of all processes."""

import json
import os

import harness
from targets import TARGETS  # makes the next one visible

import tally  # noqa: I001


def builds(session):
    """The modules that the tests to run will ask for, in their order."""
    for item in session.items:
        for value in getattr(item, "callspec", None) and item.callspec.params.values() or ():
            if isinstance(value, harness.Build):
                yield value


def pytest_collection_finish(session):
    if session.config.option.collectonly:
        return
    for build in builds(session):
        if not build.target.why_not_here():
            build.reference().start()
            build.start()


def pytest_sessionfinish():
    if harness.pool.cache_info().currsize:
        harness.pool().shutdown(cancel_futures=True)


def records():
    """What each target claims and how its cases went, as test/run.py reads it."""
    for target in TARGETS:
        yield {
            "target": target.name,
            "claims": ", ".join(f"{strategy} x {'/'.join(packings)}" for strategy, packings in target.matmul.items()),
            "not run": target.why_not_here(),
            "emulated": target.emulated(),
            "groups": {group: count for (name, group), count in harness.tally.items() if name == target.name},
        }


def pytest_terminal_summary(terminalreporter):
    if not harness.tally:
        return
    if path := os.environ.get("TERNAC_TALLY"):
        with open(path, "w") as file:
            json.dump(list(records()), file)
    terminalreporter.section("conformance")
    for line in tally.lines(records()):
        terminalreporter.write_line(line)
