#!/usr/bin/env bash
# Measures everything that benchmarks/README.md reports and prints its tables.
#
#   benchmarks/run.sh [options of results.py] > tables.md      (about 10 minutes, 12 GB of disk)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
[[ -x $(command -v "$python") ]] || python=python3
exec "$python" benchmarks/results.py "$@"
