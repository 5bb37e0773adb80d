#!/usr/bin/env bash
# Installs what is missing: the Debian packages of scripts/packages.txt and, in
# the virtual environment .venv, the Python packages of python/requirements.txt.
# Does nothing, and needs no network, when everything is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

install_packages() {
  local packages missing=() package status
  mapfile -t packages < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' scripts/packages.txt)
  command -v dpkg-query >/dev/null ||
    fail "this is no Debian system; install what scripts/packages.txt lists yourself"
  for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null || true)
    [[ " $status" == *" installed "* ]] || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say "Debian packages: all ${#packages[@]} are installed"
    return
  fi

  say "Debian packages: installing ${missing[*]}"
  local as_root=(env)
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      fail "installing packages needs root: run 'apt-get install ${missing[*]}' as root"
    as_root=(sudo env)
    # Nobody is there to type a password.
    [[ -t 0 ]] || as_root=(sudo -n env)
  fi
  local apt=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq)
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null ||
    fail "apt-get could not install ${missing[*]}; LLVM 22 is in the suite bookworm-security"
}

install_python() {
  local python=.venv/bin/python wanted=python/requirements.txt done=.venv/requirements.txt
  if [[ -x $python ]] && cmp -s "$wanted" "$done" && "$python" -c 'import numpy' 2>/dev/null; then
    say "Python packages: .venv is up to date"
    return
  fi
  say "Python packages: installing $wanted into .venv"
  /usr/bin/python3 -m venv --clear .venv
  "$python" -m pip install --quiet --disable-pip-version-check --no-input -r "$wanted"
  cp "$wanted" "$done"
}

install_packages
install_python
