"""Checks that the figures of a report of ternac-bench fit together. No figure is compared with a time."""

import json
import statistics
import sys

report = json.load(open(sys.argv[1]))
machine = report["machine"]
threads = {"1", "2"}


def close(a, b):
    return abs(a - b) <= 1e-4 * abs(b)


for key in ("read_bandwidth_gb_s", "int8_peak_gmac_s", "read_bandwidth_range_gb_s", "read_bandwidth_huge_pages_gb_s"):
    assert set(machine[key]) == threads, key
for count in threads:
    lowest, highest = machine["read_bandwidth_range_gb_s"][count]
    assert 0 < lowest <= machine["read_bandwidth_gb_s"][count] <= highest
kinds = [(result["kind"], result["threads"], result["tokens"], result["context"]) for result in report["results"]]
expected = [("prefill", 5, 0), ("prefill", 32, 0), *(("decode", 8, context) for context in (0, 100, 248))]
assert kinds == [(kind, count, *rest) for count in (1, 2) for kind, *rest in expected], kinds
for result in report["results"]:
    samples, parts = result["samples"], result["bytes_per_token"]
    assert len(samples) == 4 and min(samples) > 0
    assert close(result["tokens_per_s"], statistics.median(samples))
    assert close(result["tokens_per_s_per_sequence"] * result["sequences"], result["tokens_per_s"])
    assert ("cache" in parts) == (result["kind"] == "decode")
    if "cache" in parts:  # the position of the token itself included, over all steps
        steps = [result["context"] + step + 1 for step in range(result["tokens"])]
        assert parts["cache"] == 8 * statistics.mean(steps)
    lowest, highest = machine["read_bandwidth_range_gb_s"][str(result["threads"])]
    assert lowest * 0.9999 <= result["read_bandwidth_gb_s"] <= highest * 1.0001
    read = [rate * sum(parts.values()) / 1e9 for rate in samples]
    assert min(read) / highest * 0.9999 <= result["roof_fraction"] <= max(read) / lowest * 1.0001
    assert result["peak_fraction"] > 0
assert report["peak_rss_bytes"] > 0 and report["first_token_s"] > 0
