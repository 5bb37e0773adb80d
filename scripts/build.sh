#!/usr/bin/env bash
# Configures and builds everything into build/. Arguments go to ninja.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

printf '==> configuring build/\n'
cmake --preset release -Wno-dev --log-level=WARNING
printf '==> building (about five minutes the first time on two processors)\n'
ninja -C build "$@"
