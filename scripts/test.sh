#!/usr/bin/env bash
# Sets up, builds and runs all tests. The last line is the summary,
# "N passed, N failed"; the exit status is 0 only if none failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
scripts/build.sh
log=build/check.log
status=0
ninja -C build check 2>&1 | tee "$log" || status=$?
# ninja has words of its own after a failure; the summary comes last.
((status == 0)) || grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1
exit "$status"
