# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What targets claim and how many cases of the conformance suite they passed, over the processes that ran parts of it."""

import json


def merge(paths):
    """The records of all files, one for each target, in the order of the first that has it."""
    merged = {}
    for path in paths:
        with open(path) as file:
            for record in json.load(file):
                groups = merged.setdefault(record["target"], {**record, "groups": {}})["groups"]
                for group, count in record["groups"].items():
                    groups[group] = [a + b for a, b in zip(groups.get(group, (0, 0)), count)]
    return list(merged.values())


def lines(records):
    for record in records:
        groups = sorted(record["groups"].items())
        passed, failed = (sum(count[i] for _, count in groups) for i in range(2))
        verdict = f"{passed} cases passed, {failed} failed" + ", emulated" * record["emulated"]
        if record["not run"]:
            verdict = f"not run: {record['not run']}"
        yield f"{record['target']} claims {record['claims']}: {verdict}"
        if passed + failed:
            yield "    " + ", ".join(f"{group} {ok}" + (f" ({bad} failed)" if bad else "") for group, (ok, bad) in groups)
