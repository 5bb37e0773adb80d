#!/usr/bin/env python3
# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs lit and ends with one plain line: N passed, N failed[, N skipped].

Fails if any test fails, if lit itself fails, and if no test ran at all."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent / "python"))

import tally  # noqa: E402

PASSED = {"PASS", "FLAKYPASS", "XFAIL"}


def read_results(path):
    """All tests as (name, passed | failed | skipped, reason).

    lit's JSON leaves out unit tests that skip themselves, its XML has them but no micro-tests: both are needed."""
    with open(path + ".json") as file:
        tests = json.load(file)["tests"]
    # A pytest file that lists its functions as micro-tests is counted as these.
    pieces = [test["name"] for test in tests if ".py:" in test["name"]]
    files = {name.split(".py:")[0] + ".py" for name in pieces}
    failed_files = {test["name"].split(".py:")[0] + ".py" for test in tests if ".py:" in test["name"] and test["code"] == "FAIL"}
    for test in tests:
        name, code = test["name"], test["code"]
        if name in files and (code in PASSED or name in failed_files):
            continue
        if code == "UNSUPPORTED":
            lines = test["output"].split("\n")
            yield name, "skipped", re.sub("^Test requires the following unavailable features", "needs", lines[0])
        else:
            yield name, "passed" if code in PASSED else "failed", ""
    for case in ElementTree.parse(path + ".xml").iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None and skipped.get("message") == "User interrupt":
            yield f"{case.get('classname')} :: {case.get('name')}", "skipped", "by the test itself"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lit", default="lit", help="the lit to run")
    parser.add_argument("--results", required=True, metavar="PATH", help="where lit's results go: PATH.json and PATH.xml")
    parser.add_argument("suites", nargs="+", help="folders or tests; other options go to lit, as do those in LIT_OPTS")
    options, lit_options = parser.parse_known_args()

    outputs = ["-o", options.results + ".json", "--xunit-xml-output", options.results + ".xml"]
    for path in outputs[1::2]:
        if os.path.exists(path):
            os.remove(path)
    begin = time.time()
    lit = subprocess.run([sys.executable, options.lit, "-sv", *lit_options, *outputs, *options.suites])
    try:
        tests = sorted(read_results(options.results))
    except FileNotFoundError:
        tests = []  # lit has said why

    # A suite's folder may lie in another's.
    tallies = {path for suite in options.suites for path in pathlib.Path(suite).rglob("*.tally.json") if path.stat().st_mtime >= begin}
    if tallies:
        print("conformance, by target:")
        print("\n".join("  " + line for line in tally.lines(tally.merge(sorted(tallies)))))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, outcome, reason in tests:
        counts[outcome] += 1
        if outcome != "passed":
            print(f"{outcome}: {name}" + (f": {reason}" if reason else ""))
    emulated = sum(outcome == "passed" and name.endswith("emulated]") for name, outcome, reason in tests)
    if emulated:
        print(f"emulated: instructions that this processor lacks, in {emulated} of the tests that passed")
    ran = counts["passed"] + counts["failed"]
    if not ran:
        print("error: no test ran", file=sys.stderr)
    print(f"{counts['passed']} passed, {counts['failed']} failed" + (f", {counts['skipped']} skipped" if counts["skipped"] else ""))
    return 1 if lit.returncode or counts["failed"] or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
