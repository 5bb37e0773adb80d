#!/usr/bin/env bash
# Measures decode and prefill of the BitNet b1.58 2B4T shape, with synthetic
# weights, for several ways to compile it. The libraries are run in turn, so
# that a machine whose speed drifts treats them alike; each figure is a median.
#
#   benchmarks/decode.sh [rounds]      (needs 5 GB of disk; a round takes a minute)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-3}
out=build/benchmarks
mkdir -p "$out"

declare -A flags=(
  [auto]=""
  [dot-tile2]="--strategy=dot --packing=tile2"
  [dot-base3]="--strategy=dot --packing=base3"
  [add_sub-tile2]="--strategy=add_sub --packing=tile2"
)
for name in "${!flags[@]}"; do
  # shellcheck disable=SC2086 # several options in one string
  build/bin/ternac benchmarks/bitnet-2b4t --synthetic-weights=1 ${flags[$name]} -o "$out/$name.so"
done
for ((round = 1; round <= rounds; ++round)); do
  for name in $(printf '%s\n' "${!flags[@]}" | sort); do
    printf '\n==> round %d, %s\n' "$round" "$name"
    build/bin/ternac-bench "$out/$name.so" -p 128 -n 24 -t 1,2 -r 5
  done
done
