#!/usr/bin/env bash
# Configures and builds everything into build/. Arguments go to ninja.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

printf '==> configuring build/\n'
# The preset names compilers without their paths: given twice, cmake takes them
# for others and forgets what else was set.
if [[ -f build/build.ninja ]]; then
  cmake -S . -B build -Wno-dev --log-level=WARNING
else
  cmake --preset release -Wno-dev --log-level=WARNING
fi
printf '==> building (about five minutes the first time on two processors)\n'
ninja -C build "$@"
