# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The suite itself: a function is called as compiled code expects, on every machine, and what it must not do is found out."""

import shutil
import subprocess

import numpy as np
import pytest

from harness import ForeignLibrary, InOut, Library, fingerprint, folder, same_bits
from machines import AARCH64, HOST, RISCV64

FUNCTIONS = """
#include <stdint.h>
#define MEMREF(x) int32_t *x, int32_t *x##_aligned, int64_t x##_offset, int64_t x##_size, int64_t x##_stride
#define FUNCTION(name) void name(MEMREF(x), MEMREF(z), int64_t factor, MEMREF(y), MEMREF(scratch), MEMREF(weights), struct Frame *frame)
struct Frame {
  int64_t thread, threads;
  void *context;
  void (*barrier)(void *, uint32_t);
  int64_t *counter, claimed, granted;
  const void *device;
  int64_t failed;
};
/* y = factor * x backwards, and z grows by one: shared out among the threads, by way of the scratch memory of them all. */
FUNCTION(works) {
  for (int64_t i = frame->thread; i < x_size; i += frame->threads)
    scratch[i] = (int32_t)factor * x[i];
  __atomic_fetch_add(frame->counter, 1, __ATOMIC_RELAXED);
  frame->barrier(frame->context, (uint32_t)frame->thread);
  int all = __atomic_load_n(frame->counter, __ATOMIC_RELAXED) == frame->threads && !frame->claimed && !frame->granted &&
            !frame->device && !frame->failed;
  for (int64_t i = frame->thread; i < x_size; i += frame->threads) {
    y[i] = all && y_size == x_size && y_stride == 1 && !weights_size ? scratch[x_size - 1 - i] : -1;
    z[i] += 1;
  }
}
FUNCTION(reads_beyond) { y[0] = ((volatile int32_t *)x)[x_size]; }
FUNCTION(writes_beyond) { ((volatile int32_t *)y)[y_size] = 1; }
FUNCTION(writes_before) { ((volatile int32_t *)y)[-1] = 1; }
FUNCTION(writes_beyond_scratch) { ((volatile char *)scratch)[scratch_size] = 1; }
FUNCTION(changes_argument) { ((volatile int32_t *)x)[0] = 1; }
FUNCTION(reads_scratch) { y[0] = scratch[0]; }
FUNCTION(traps) { __builtin_trap(); }
FUNCTION(leaves_barrier) {
  if (frame->thread == 0)
    frame->barrier(frame->context, 0);
}
"""
NAMES = ("works", "reads_beyond", "writes_beyond", "writes_before", "writes_beyond_scratch", "changes_argument", "reads_scratch", "traps", "leaves_barrier")
X = np.array([3, -5, 7], np.int32)
Z = np.array([0, 10, 20], np.int32)
# The processor of each machine.
MACHINES = {HOST: "", AARCH64: "cortex-a53", RISCV64: "rv64"}


def compiled(machine):
    if reason := machine.why_not_here():
        pytest.skip(reason)
    if not shutil.which(machine.compiler):
        pytest.skip(f"no {machine.compiler}")
    source, library = folder() / "functions.c", folder() / f"functions-{machine}.so"
    source.write_text(FUNCTIONS)
    subprocess.run([machine.compiler, "-O1", "-shared", "-fPIC", source, "-o", library], check=True)
    return library


WORKSPACE = dict.fromkeys(NAMES, (52, 4))


@pytest.fixture(scope="module")
def native():
    return Library(compiled(HOST), WORKSPACE)


@pytest.fixture(scope="module", params=MACHINES, ids=str)
def foreign(request):
    machine = request.param
    return ForeignLibrary(compiled(machine), WORKSPACE, machine, MACHINES[machine], seconds=5)


def call(library, name, threads=1):
    return library.call(name, [X, InOut(Z), 1000], [(X.shape, X.dtype)], threads, grant=False)


def check_works(library):
    for threads in (1, 2, 5):
        y, z = call(library, "works", threads)
        assert y.tolist() == [7000, -5000, 3000] and z.tolist() == [1, 11, 21]
    (y, _) = call(library, "reads_scratch")
    assert y[0] == -1


def check_fails(library, name, expected, threads=1):
    with pytest.raises(AssertionError, match=expected):
        call(library, name, threads)


def test_native(native):
    check_works(native)
    check_fails(native, "writes_before", "wrote before a result")
    check_fails(native, "changes_argument", "changed an argument")


def test_foreign(foreign):
    check_works(foreign)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("reads_beyond", r"signal 11 .*touched byte 12 of memory 0, which has 12 bytes"),
        ("writes_beyond", r"signal 11 .*touched byte 76 of memory 2, which has 76 bytes"),  # 64 of them before the result
        ("writes_before", r"wrote before a result"),
        ("writes_beyond_scratch", r"signal 11 .*touched byte 64 of memory 3, which has 64 bytes"),
        ("changes_argument", r"touched byte 0 of memory 0, which has 12 bytes and may only be read"),
        ("traps", r"crashed with signal"),
        ("leaves_barrier", r"a thread did not come to a barrier"),
    ],
)
def test_foreign_failures(foreign, name, expected):
    check_fails(foreign, name, expected, threads=2 if name == "leaves_barrier" else 1)
    check_works(foreign)  # as if nothing had happened


def test_answers_of_equal_code(monkeypatch):
    """Another library of the same code is not asked again; the same library, another processor and other arguments are."""
    path = compiled(HOST)
    performed = []
    perform = Library.perform
    monkeypatch.setattr(Library, "perform", lambda self, request: performed.append(self) or perform(self, request))
    monkeypatch.setattr(Library, "known", {})
    first, second, other = (Library(path, WORKSPACE, processor=name) for name in ("one", "one", "other"))
    y, z = call(first, "works")
    for library, asked in ((second, []), (first, [first]), (other, [other])):
        performed.clear()
        again, changed = call(library, "works")
        assert same_bits(again, y) and same_bits(changed, z) and performed == asked
    performed.clear()
    nameless = Library(path, WORKSPACE)
    assert call(nameless, "works")[0].tolist() == y.tolist() and performed == [nameless]
    performed.clear()
    assert call(second, "works", threads=2)[0].tolist() == y.tolist() and performed == [second]
    assert second.call("works", [X + 1, InOut(Z), 1000], [(X.shape, X.dtype)], grant=False)[0].tolist() == [8000, -4000, 4000]


def test_fingerprint():
    assert fingerprint([X, 3]) == fingerprint([X.copy(), 3]) == fingerprint([InOut(X), 3])
    others = [X, 4], [X + 1, 3], [X[:2], 3], [X.reshape(1, 3), 3], [X.view(np.float32), 3], [X.astype(np.int64), 3]
    assert len({fingerprint(arguments) for arguments in ([X, 3], *others)}) == 1 + len(others)


def test_library_that_cannot_be_loaded():
    path = folder() / "text.so"
    path.write_text("no library")
    check_fails(ForeignLibrary(path, WORKSPACE, HOST, ""), "works", "ended with status 2")
