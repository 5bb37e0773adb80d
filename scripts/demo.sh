#!/usr/bin/env bash
# From nothing to generated text: sets up, builds, compiles the model in
# examples/tiny-bitnet and lets it answer a few prompts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
scripts/build.sh

demo=build/demo
rm -rf "$demo"
mkdir -p "$demo"

printf '\n==> compiling examples/tiny-bitnet to %s/tiny-bitnet.so\n' "$demo"
start=$(date +%s%N)
build/bin/ternac examples/tiny-bitnet -o "$demo/tiny-bitnet.so" --dump-phases-to="$demo/phases"
printf 'compiled in %d ms\n' $((($(date +%s%N) - start) / 1000000))

printf '\n==> generating text with python/ternac\n'
PYTHONPATH=python .venv/bin/python - "$demo/tiny-bitnet.so" examples/tiny-bitnet/tokenizer.json <<'PYTHON'
import sys
import time

import ternac

prompts = [
    "34 + 57 =",
    "72 - 38 =",
    "Which is larger, 34 or 43?",
    "Sort: tower apple kite bear.",
    "Reverse: red green blue.",
    "Story: Anna has a red ball. Ben is in the garden. Where is Ben?",
]
library, tokenizer = sys.argv[1:]
# So small a model is fastest on one thread.
model = ternac.load(library, threads=1, tokenizer=tokenizer)
model.tokenizer  # is loaded when it is first used, which is no part of generating
tokens, seconds = 0, 0.0
for prompt in prompts:
    start = time.perf_counter()
    pieces = list(model.generate(prompt, max_new_tokens=24))
    seconds += time.perf_counter() - start
    tokens += len(pieces)
    print(f"  {prompt}\033[1m{''.join(pieces)}\033[0m" if sys.stdout.isatty() else f"  {prompt}{''.join(pieces)}")
print(f"{tokens} tokens after {len(prompts)} prompts in {1000 * seconds:.1f} ms, "
      f"{tokens / seconds:.0f} tokens/s on one thread, prompts included")
PYTHON

printf '\n==> the IR of each phase, LLVM IR and assembly\n'
wc -l "$demo"/phases/* | sed '$d' | awk '{ printf "  %s, %d lines\n", $2, $1 }'

cat <<TEXT

==> what to try next
  compile your own checkpoint    build/bin/ternac DIRECTORY -o model.so
  without multiplications        build/bin/ternac examples/tiny-bitnet -o $demo/add_sub.so --strategy=add_sub
  change the IR and go on        build/bin/ternac $demo/phases/03-packed.mlir --compile-from=packed -o $demo/again.so
  measure against the machine    build/bin/ternac-bench $demo/tiny-bitnet.so -p 128 -n 64
  read                           README.md, docs/Phases.md, docs/Architecture.md
TEXT
