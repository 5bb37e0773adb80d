#!/usr/bin/env bash
# shellcheck disable=SC2016
# Compares the pages with what they describe: the table of phases with
# --list-phases, the options of docs/Tools.md with --help both ways, links and
# paths with the tree. Takes the folder of the tools, by default build/bin.
set -euo pipefail
bin=$(cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../build/bin}" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."

problems=0
problem() {
  printf 'error: %s\n' "$*" >&2
  problems=$((problems + 1))
}

diff <(sed -n '/^| Phase | What/,/^$/p' docs/Phases.md | sed -e 1,2d -e '/^$/d') \
  <("$bin/ternac" --list-phases | sed -E 's/^([a-z]+) +(.*)$/| `\1` | \2 |/') >&2 ||
  problem "docs/Phases.md: the table of phases is not what --list-phases prints"

help=$(for tool in ternac ternac-run ternac-bench; do "$bin/$tool" --help; done)
options=$(sed -nE 's/^  ((-[a-z], )?--?[a-z][a-z-]*).*/\1/p' <<<"$help" | grep -oE -- '--?[a-z][a-z-]*' | sort -u)
named=$(grep -oE '`--?[a-z][a-z-]*' docs/Tools.md | tr -d '`' | sort -u)
while read -r option; do
  [[ -z $option ]] || problem "docs/Tools.md: does not name the option $option"
done < <(comm -23 <(echo "$options") <(echo "$named"))
while read -r option; do
  [[ -z $option ]] || problem "docs/Tools.md: no tool has the option $option"
done < <(comm -13 <(echo "$options") <(echo "$named"))

for page in README.md CONTRIBUTING.md docs/*.md; do
  while read -r link; do
    [[ -e $(dirname "$page")/$link ]] || problem "$page: links to $link, which is not there"
  done < <(sed '/^```/,/^```/d' "$page" | grep -oE '\]\([^)#]+' | cut -c3- | grep -v '^https\?:' || true)
  while read -r path; do
    [[ -e $path || $path == */Foo ]] || problem "$page: names $path, which is not there"
  done < <(grep -oE '`(include|lib|test|python|scripts|docs|examples|tools)/[A-Za-z0-9_./-]+`' "$page" | tr -d '`' || true)
done

((problems == 0)) || exit 1
printf 'the pages agree with the tree and the tools\n'
