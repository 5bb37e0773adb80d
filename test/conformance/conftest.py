# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles the modules of all selected tests ahead, in the background, and ends with a summary per target."""

import harness
from targets import TARGETS


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


def pytest_terminal_summary(terminalreporter):
    if not harness.tally:
        return
    terminalreporter.section("conformance")
    for target in TARGETS:
        claims = ", ".join(f"{strategy} x {'/'.join(packings)}" for strategy, packings in target.matmul.items())
        groups = {group: count for (name, group), count in harness.tally.items() if name == target.name}
        passed, failed = (sum(count[i] for count in groups.values()) for i in range(2))
        reason = target.why_not_here()
        verdict = f"not run: {reason}" if reason else f"{passed} cases passed, {failed} failed" + ", emulated" * target.emulated()
        terminalreporter.write_line(f"{target.name} claims {claims}: {verdict}")
        if passed + failed:
            parts = (f"{group} {ok}" + (f" ({bad} failed)" if bad else "") for group, (ok, bad) in sorted(groups.items()))
            terminalreporter.write_line("    " + ", ".join(parts))
