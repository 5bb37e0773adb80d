# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles small modules with the compiler under test, calls their functions and judges what they return."""

import collections
import ctypes
import dataclasses
import enum
import functools
import hashlib
import itertools
import mmap
import os
import select
import signal
import struct
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from targets import REFERENCE  # noqa: I001  (makes the next one visible)
from bare import CompileError, Device, Frame, Kernels, build, granted, layout, linker, ternac, workspace_sizes  # noqa: F401

# Largest relative errors of ops whose order of additions is a target's own; all other results are equal bit for bit. The
# unit is in each test: the value itself, the sum of absolute products, or the largest value.
TOLERANCES = {"rms_norm": 1e-5, "quantize": 1e-5, "silu": 2e-6, "linear": 1e-6, "attention": 1e-5}

# ---------------------------------------------------------------- compiling


@functools.cache
def folder():
    """Where modules and libraries are written; removed at the end."""
    folder.owner = tempfile.TemporaryDirectory(prefix="ternac-conformance-")
    return Path(folder.owner.name)


@functools.cache
def pool():
    return ThreadPoolExecutor(os.cpu_count())


class Build:
    """One module for one target, strategy and packing. `text` is a function of no arguments that returns the module."""

    builds = {}

    @classmethod
    def of(cls, target, text, strategy="auto", packing="auto"):
        key = target.name, text, strategy, packing
        return cls.builds.setdefault(key, cls(target, text, strategy, packing))

    def __init__(self, target, text, strategy, packing):
        self.target, self.text, self.strategy, self.packing = target, text, strategy, packing
        self.future, self.lock = None, threading.Lock()

    def __str__(self):
        words = [self.target.name] + [word for word in (self.strategy, self.packing) if word != "auto"]
        return "-".join(words + ["emulated"] * self.target.emulated())

    def start(self):
        """Begins to compile in the background."""
        with self.lock:
            if self.future is None:
                folder()
                self.future = pool().submit(self.compile)

    def library(self):
        """The compiled module; skips the test where this host cannot run it."""
        if reason := self.target.why_not_here():
            pytest.skip(reason)
        if not linker():
            pytest.skip("no linker: neither ld.lld nor cc")
        self.start()
        return self.future.result()

    def reference(self):
        """The same module compiled for the target that is the definition."""
        return Build.of(REFERENCE, self.text)

    def options(self):
        return [
            "--compile-from=quantized",
            *self.target.options(),
            f"--strategy={self.strategy}",
            f"--packing={self.packing}",
        ]

    def compile(self):
        stem = folder() / f"{self.text.__module__}-{self.text.__name__}-{self}"
        try:
            library, bufferized = build(self.text(), stem, self.options())
        except CompileError as error:
            raise AssertionError(f"{self}: {str(error)[:4000]}") from None
        sizes, version = workspace_sizes(bufferized), self.target.version
        if self.target.machine:
            return ForeignLibrary(library, sizes, self.target.machine, self.target.cpu, version=version, vlen=self.target.vlen)
        device = Device(self.target.device) if self.target.device else None
        return (KernelLibrary if self.target.kernels else Library)(library, sizes, version, device)


# ---------------------------------------------------------------- calling

_libc = ctypes.CDLL(None, use_errno=True)


def guarded(array, alignment=1):
    """A copy of `array` that ends where memory that cannot be touched begins; reading or writing beyond it is a crash."""
    room = -(-array.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, room + mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if _libc.mprotect(ctypes.c_void_p(address + room), ctypes.c_size_t(mmap.PAGESIZE), 0):
        raise OSError(ctypes.get_errno(), "mprotect")
    start = (room - array.nbytes) // alignment * alignment
    copy = np.frombuffer(memory, np.uint8, room)[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


Wait = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32)


@dataclasses.dataclass
class InOut:
    """An argument that the function changes; its new value is a result."""

    array: np.ndarray


def fingerprint(arguments):
    """The same for the same arguments of a function, and for no others."""
    digest = hashlib.sha256()
    for argument in arguments:
        value = np.ascontiguousarray(argument.array if isinstance(argument, InOut) else argument)
        digest.update(repr((value.shape, value.dtype.str)).encode() + value.tobytes())
    return digest.digest()


class Use(enum.IntEnum):
    """What becomes of memory in a call, as test/foreign/caller.c numbers it."""

    KEPT = 0  # stays as it is
    RETURNED = 1
    SCRATCH = 2  # of no interest


class Request:
    """A call of a function: the memory that it needs and the words that it is passed. A call of the same memory and words returns the
    same, if the code is the same."""

    def __init__(self, name, threads, granted):
        self.name, self.threads, self.granted = name, threads, granted
        self.memory = []  # (contents as bytes, alignment, use)
        self.words = []  # numbers, or (index of memory, offset) for an address

    def add(self, contents, use, shape, alignment=1, offset=0):
        """Memory, and the words of a memref of `shape` that begins at `offset` in it."""
        address = len(self.memory), offset
        self.memory.append((np.ascontiguousarray(contents).reshape(-1).view(np.uint8), alignment, use))
        self.words += [address, address, *layout(shape)]

    def digest(self):
        """Equal for equal requests."""
        facts = [(contents.nbytes, alignment, use) for contents, alignment, use in self.memory]
        digest = hashlib.sha256(repr((self.name, self.threads, self.granted, facts, self.words)).encode())
        for contents, _, use in self.memory:
            if use != Use.SCRATCH:
                digest.update(contents)
        return digest.digest()


class Library:
    """Compiled code, whose functions are called in this process."""

    # What calls returned, by the code, the processor and the request: (library, memory by index). Targets that differ in instructions that
    # a module has no use for have the same code for it, byte for byte; what one of them has computed need not be computed again. Results are
    # kept only where calls are slow, on processors that have a name.
    known = {}

    def __init__(self, path, workspace, version=0, device=None, processor=None):
        """`workspace` has, by function, the bytes that a call needs and those that each of its rows adds. Calls are of the functions
        of `version`, and may use `device`. Code does the same on all processors that have the same name."""
        self.path, self.workspace, self.suffix = path, workspace, f"_version{version}" if version else ""
        self.device, self.processor = device, processor

    def call(self, name, arguments, outputs, threads=1, grant=True):
        """Calls a function with `threads` threads, granting it what the host can. `arguments` are arrays, InOut arrays or integers;
        `outputs` are (shape, type).

        Returns the outputs and then the changed arguments. Memory around an output must stay as it was, and so must arguments."""
        name += self.suffix
        request = Request(name, threads, self.grants() if grant else 0)
        changed, border = [], 64
        for argument in arguments:
            if isinstance(argument, InOut):
                changed.append((len(request.memory), 0, argument.array.shape, argument.array.dtype))
                request.add(argument.array, Use.RETURNED, argument.array.shape)
            elif isinstance(argument, np.ndarray):
                request.add(argument, Use.KEPT, argument.shape)
            else:
                request.words.append(int(argument))
        results = []
        for shape, kind in outputs:
            results.append((len(request.memory), border, shape, kind))
            size = int(np.prod(shape)) * np.dtype(kind).itemsize + border
            request.add(np.full(size, 0xA5, np.uint8), Use.RETURNED, shape, offset=border)
        rows = len(arguments[0])  # the first argument of every function has the rows of the call
        fixed_bytes, bytes_per_row = self.workspace[name]
        workspace = np.full(fixed_bytes + bytes_per_row * rows, 0xFF, np.uint8)
        request.add(workspace, Use.SCRATCH, workspace.shape, alignment=64)
        request.add(self.weights, Use.KEPT, self.weights.shape)

        returned = self.answer(request)
        assert all((returned[i][:border] == 0xA5).all() for i, *_ in results), f"{name}: wrote before a result"
        return [returned[i][offset:].copy().view(kind).reshape(shape) for i, offset, shape, kind in (*results, *changed)]

    @functools.cached_property
    def weights(self):
        """What functions take as their weights: none, as the code has its constants itself."""
        return np.zeros(0, np.uint8)

    @functools.cached_property
    def code(self):
        return hashlib.sha256(Path(self.path).read_bytes()).digest()

    @functools.cached_property
    def library(self):
        return ctypes.CDLL(str(self.path))

    def answer(self, request):
        """What `perform` returns, taken from another library that has the same code if that was asked the same. A library that is asked
        the same twice does it twice."""
        if not self.processor:
            return self.perform(request)
        key = self.code, self.processor, request.digest()
        library, returned = self.known.get(key, (self, None))
        if library is self:
            returned = self.perform(request)
            self.known[key] = self, returned
        return returned

    def grants(self):
        return granted()

    def perform(self, request):
        """Performs a request; returns the contents of its memory, by index, None but for what is returned. Raises AssertionError if the call does what it must not."""
        memory = [guarded(contents, alignment) for contents, alignment, use in request.memory]
        words = [
            ctypes.c_void_p(memory[word[0]].ctypes.data + word[1]) if isinstance(word, tuple) else ctypes.c_int64(word)
            for word in request.words
        ]
        barrier = threading.Barrier(request.threads)
        wait = Wait(lambda context, thread: barrier.wait(60) and None)
        function = getattr(self.library, request.name)
        function.restype = None
        counter = ctypes.c_int64(0)
        device = self.device and self.device.table
        refused = []

        def run(thread):
            callback = ctypes.cast(wait, ctypes.c_void_p)
            frame = Frame(thread, request.threads, None, callback, ctypes.pointer(counter), 0, request.granted, device, 0, 0)
            function(*words, ctypes.byref(frame))
            if frame.failed:
                refused.append(thread)

        others = [threading.Thread(target=run, args=(thread,)) for thread in range(1, request.threads)]
        for other in others:
            other.start()
        run(0)
        for other in others:
            other.join()

        assert not barrier.broken, f"{request.name}: a thread did not come to a barrier"
        assert not refused, f"{request.name}: the device failed: {self.device.last_error()}"
        for (contents, _, use), after in zip(request.memory, memory):
            assert use != Use.KEPT or same_bits(contents, after), f"{request.name}: changed an argument"
        return [after.copy() if use == Use.RETURNED else None for (_, _, use), after in zip(request.memory, memory)]


class KernelLibrary(Library):
    """Compiled code that launches kernels: memory is the device's, between borders that must stay as they were."""

    BORDER = 256

    @functools.cached_property
    def module(self):
        """What the device made of the kernels."""
        return self.device.get("load", ctypes.byref(self.kernels))

    @functools.cached_property
    def kernels(self):
        self.library.ternac_kernels.restype = ctypes.POINTER(Kernels)
        return self.library.ternac_kernels().contents

    @functools.cached_property
    def weights(self):
        """Constants, of which the device has a copy in each call."""
        return np.frombuffer(ctypes.string_at(self.kernels.constants, self.kernels.constants_bytes), np.uint8)

    def perform(self, request):
        addresses, after = [], []
        try:
            for contents, _, _ in request.memory:
                image = np.full(contents.nbytes + 2 * self.BORDER, 0xA5, np.uint8)
                image[self.BORDER : self.BORDER + contents.nbytes] = contents
                addresses.append(self.device.get("allocate", image.nbytes))
                self.device.do("upload", addresses[-1], image.ctypes.data, image.nbytes)
            words = [
                ctypes.c_void_p(addresses[word[0]] + self.BORDER + word[1]) if isinstance(word, tuple) else ctypes.c_int64(word)
                for word in request.words
            ]
            frame = Frame(threads=1, granted=request.granted, device=self.device.table, module=self.module)
            function = getattr(self.library, request.name)
            function.restype = None
            function(*words, ctypes.byref(frame))
            assert not frame.failed, f"{request.name}: the device failed: {self.device.last_error()}"
            for address, (contents, _, _) in zip(addresses, request.memory):
                after.append(np.empty(contents.nbytes + 2 * self.BORDER, np.uint8))
                self.device.do("download", after[-1].ctypes.data, address, after[-1].nbytes)
        finally:
            for address in addresses:
                self.device.functions.release(self.device.functions.context, address)
        results = []
        for number, (image, (contents, _, use)) in enumerate(zip(after, request.memory)):
            begin, end = self.BORDER, self.BORDER + contents.nbytes
            assert (image[:begin] == 0xA5).all() and (image[end:] == 0xA5).all(), f"{request.name}: wrote beyond memory {number}"
            assert use != Use.KEPT or same_bits(contents, image[begin:end]), f"{request.name}: changed an argument"
            results.append(image[begin:end].copy() if use == Use.RETURNED else None)
        return results


class ForeignLibrary(Library):
    """Compiled code of another machine: a process of that machine calls its functions, see test/foreign/caller.c."""

    def __init__(self, path, workspace, machine, cpu, seconds=300, version=0, vlen=0):
        """`seconds` is how long a call may take, `vlen` the bits of the machine's vectors where code can tell."""
        super().__init__(path, workspace, version, processor=f"{machine} {vlen}")
        self.command, self.seconds, self.process = machine.command(cpu, machine.program("caller"), path), seconds, None

    def grants(self):
        return 0

    def perform(self, request):
        if not self.process:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            return self.exchange(request)
        except (BrokenPipeError, EOFError):
            status, self.process = self.process.wait(), None
            reason = signal.Signals(-status).name if status < 0 else f"status {status}"
            raise AssertionError(f"{request.name}: the process of the call ended with {reason}") from None

    def exchange(self, request):
        """Sends the request and reads the answer."""
        name = request.name.encode()
        pieces = [_numbers(len(name)), name, _numbers(request.threads, request.granted, len(request.memory))]
        for contents, alignment, use in request.memory:
            pieces += [_numbers(contents.nbytes, alignment, use), b"" if use == Use.SCRATCH else contents.tobytes()]
        words = [(word[0] + 1, word[1]) if isinstance(word, tuple) else (0, word) for word in request.words]
        pieces += [_numbers(len(words), *itertools.chain(*words))]
        self.process.stdin.write(b"".join(pieces))
        self.process.stdin.flush()

        if not select.select([self.process.stdout], [], [], self.seconds)[0]:
            self.process.kill()
            self.process = None
            raise AssertionError(f"{request.name}: a thread did not come to a barrier, or the call takes more than {self.seconds} seconds")
        (length,) = struct.unpack("=Q", self.read(8))
        if length:
            sentence = self.read(length).decode()
            self.process.wait()
            self.process = None
            raise AssertionError(f"{request.name}: {sentence}")
        return [
            np.frombuffer(self.read(contents.nbytes), np.uint8) if use == Use.RETURNED else None for contents, _, use in request.memory
        ]

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) < size:
            raise EOFError
        return data


def _numbers(*values):
    return struct.pack(f"={len(values)}q", *values)


# ---------------------------------------------------------------- judging


def bf16_bits(values):
    """The upper halves of f32: bf16 rounded towards zero."""
    return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@dataclasses.dataclass
class Exact:
    """Equal values of equal type; NaNs are equal, and so are zeros."""

    value: np.ndarray

    def wrong(self, actual):
        return ~((actual == self.value) | ((actual != actual) & (self.value != self.value)))


@dataclasses.dataclass
class Close:
    """Within `tolerance` of the value, in units of `unit`."""

    value: np.ndarray
    tolerance: float
    unit: np.ndarray = 1.0

    def wrong(self, actual):
        with np.errstate(invalid="ignore"):  # of infinities, which are equal or not
            difference = np.abs(actual.astype(np.float64) - self.value)
        return ~((difference <= self.tolerance * self.unit) | (actual == self.value))


@dataclasses.dataclass
class Rounded:
    """Equal integers, except by one where `tie` says that the number before rounding is too near to .5 to tell."""

    value: np.ndarray
    tie: np.ndarray

    def wrong(self, actual):
        difference = np.abs(actual.astype(np.int64) - self.value.astype(np.int64))
        return difference > self.tie


class Anything:
    """A result that the test judges itself."""

    value = None

    def wrong(self, actual):
        return np.zeros(actual.shape, bool)


def complaint(expected, actual):
    """What is wrong with a result, or ""."""
    if isinstance(expected, Exact) and expected.value.dtype != actual.dtype:
        return f"expected {expected.value.dtype}, but got {actual.dtype}"
    wrong = np.broadcast_to(expected.wrong(actual), actual.shape)
    if not wrong.any():
        return ""
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    want = np.broadcast_to(expected.value, actual.shape)[place]
    return f"{wrong.sum()} of {wrong.size} wrong, first at {list(place)}: expected {want!r}, but got {actual[place]!r}"


# (target, group) -> [passed, failed]
tally = collections.defaultdict(lambda: [0, 0])


class Cases:
    """The cases of one test: a context manager that counts them and fails at its end."""

    results_of_reference = {}

    def __init__(self, build, group):
        self.build, self.count, self.failures = build, tally[build.target.name, group], []

    def __enter__(self):
        self.library = self.build.library()
        return self

    def __exit__(self, kind, error, traceback):
        if kind and issubclass(kind, Exception):  # a skipped test is none
            self.count[1] += 1
        if kind is None and self.failures:
            shown = "\n".join(self.failures[:10])
            pytest.fail(f"{self.build}: {len(self.failures)} cases failed\n{shown}", pytrace=False)

    def judge(self, label, problem):
        self.count[bool(problem)] += 1
        if problem:
            self.failures.append(f"{label}: {problem}")

    def threads(self, numbers):
        """Those of the numbers of threads that make a difference: kernels are started by one."""
        return numbers[:1] if self.build.target.kernels else numbers

    def run(self, label, function, arguments, outputs, expected, threads=(1, 2)):
        """Calls a function of the module with each number of threads. The results must be as expected, those of `reference`
        as judged by the same measure, and the same bits whatever the threads. Returns the results."""
        first = None
        for number in self.threads(threads):
            results = self.library.call(function, arguments, outputs, number)
            problems = [complaint(*pair) for pair in zip(expected, results)]
            if first is None:
                first = results
                problems += self.compare_with_reference(function, arguments, outputs, expected, results)
            elif not all(same_bits(*pair) for pair in zip(results, first)):
                problems.append("other bits than with one thread")
            self.judge(f"{function} {label} threads={number}", "; ".join(filter(None, problems)))
        return first

    def compare_with_reference(self, function, arguments, outputs, expected, results):
        build = self.build.reference()
        key = build, function, fingerprint(arguments)
        if key not in self.results_of_reference:
            self.results_of_reference[key] = build.library().call(function, arguments, outputs)
        for measure, result, reference in zip(expected, results, self.results_of_reference[key]):
            if isinstance(measure, Anything):
                continue
            if problem := complaint(dataclasses.replace(measure, value=reference), result):
                yield "against reference: " + problem
