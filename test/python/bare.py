# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles modules without a model to libraries, and what it takes to call their functions with ctypes.

A function of such a module keeps its arguments; each memref among them is (pointer, pointer, offset, sizes, strides). After its
own arguments come a memref per result, the workspace, the weights and the frame of the calling thread.
"""

import ctypes
import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from host import host_features

ROOT = Path(__file__).resolve().parents[2]
TERNAC = os.path.join(os.path.abspath(os.environ.get("TERNAC_BIN") or ROOT / "build" / "bin"), "ternac")
BUILD = Path(TERNAC).parents[1]
EMULATOR = BUILD / "test" / "emulation" / "libternac_emulator.so"

FEATURE_TILES = 1  # TERNAC_FEATURE_TILES

# The features, as Linux names them, whose instructions the emulator knows.
EMULATED = frozenset(("avx_vnni", "amx_tile", "amx_int8", "amx_bf16"))


@functools.cache
def _system_saves_tiles():
    """Asks Linux to save the tiles of this process, which it does not otherwise."""
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return ctypes.CDLL(None).syscall(*map(ctypes.c_long, (arch_prctl, request_permission, tile_data))) == 0


@functools.cache
def missing(features):
    """Those of a tuple of features, as Linux names them, that this process cannot use."""
    lacks = set(features) - host_features()
    tiles = {feature for feature in features if feature.startswith("amx")} - lacks
    if tiles and not _system_saves_tiles():
        lacks |= tiles
    return frozenset(lacks)


@functools.cache
def emulator():
    """The library that emulates instructions, once it does, or None."""
    if not EMULATOR.is_file():
        return None
    library = ctypes.CDLL(str(EMULATOR))
    library.ternac_emulator_count.restype = ctypes.c_uint64
    return None if library.ternac_emulator_install() else library


def emulate(features):
    """Whether this process can run code that needs `features`, which it lacks, from now on."""
    return EMULATED.issuperset(features) and emulator() is not None


def granted():
    """What a host here may grant to code that asks: bits of TERNAC_FEATURE_*."""
    lacks = missing(("amx_tile",))
    return FEATURE_TILES if not lacks or emulate(lacks) else 0


class CompileError(Exception):
    """The compiler refused a module; the text is what it said."""


def ternac(*arguments):
    """Runs the compiler and returns the completed process, whatever its status."""
    return subprocess.run([TERNAC, *map(str, arguments)], capture_output=True, text=True, timeout=600)


def linker():
    """A command that links objects to a shared library, or None."""
    for command in ("ld.lld-22", "ld.lld", "/usr/lib/llvm-22/bin/ld.lld", "cc"):
        if shutil.which(command):
            return [command, "-shared"]
    return None


def build(text, stem, options, bufferized=True):
    """Compiles the module `text` to the library `stem`.so; returns its path and the module at the phase `bufferized`."""
    source, object_file, library, dump = (Path(f"{stem}{suffix}") for suffix in (".mlir", ".o", ".so", ".bufferized.mlir"))
    source.write_text(text)
    outputs = {"bufferized": dump, "obj": object_file}
    if not bufferized:
        del outputs["bufferized"]
    for output, destination in outputs.items():
        result = ternac(source, *options, f"--emit={output}", "-o", destination)
        if result.returncode:
            raise CompileError(result.stderr)
    link = subprocess.run([*linker(), object_file, "-o", library], capture_output=True, text=True)
    if link.returncode:
        raise CompileError(link.stderr)
    return library, dump.read_text() if bufferized else ""


def workspace_sizes(bufferized):
    """Bytes of workspace by function: those of every call, and those that each of its rows adds."""
    sizes = r"@(\w+)\(.*tern\.workspace_bytes_fixed = (\d+).*tern\.workspace_bytes_per_row = (\d+)"
    return {name: (int(fixed), int(per_row)) for name, fixed, per_row in re.findall(sizes, bufferized)}


def layout(shape):
    """What follows the two pointers of a memref: offset, sizes and strides."""
    strides = [1]
    for size in shape[:0:-1]:
        strides.insert(0, strides[0] * size)
    return [0, *shape, *strides]


def memref(array):
    """The C arguments that stand for `array`."""
    pointer = ctypes.c_void_p(array.ctypes.data)
    return [pointer, pointer, *map(ctypes.c_int64, layout(array.shape))]


# Of last_error and report: copies a text out as snprintf does.
DeviceText = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64)


def _function(*arguments):
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *arguments)


class DeviceTable(ctypes.Structure):
    """`TernacDevice` of ModelABI.h."""

    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("abi_version", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        ("context", ctypes.c_void_p),
        ("submit", ctypes.c_void_p),
        ("last_error", DeviceText),
        ("report", DeviceText),
        ("allocate", _function(ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint64))),
        ("release", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64)),
        ("upload", _function(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64)),
        ("download", _function(ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)),
        ("copy", _function(ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)),
        ("load", _function(ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64))),
        ("unload", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64)),
        ("launch", ctypes.c_void_p),
        ("busy", _function(ctypes.POINTER(ctypes.c_double))),
    ]


class Kernels(ctypes.Structure):
    """`TernacKernels` of ModelABI.h."""

    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("abi_version", ctypes.c_uint32),
        ("format", ctypes.c_char_p),
        ("code", ctypes.c_void_p),
        ("bytes", ctypes.c_uint64),
        ("names", ctypes.c_void_p),
        ("count", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("processor", ctypes.c_char_p),
        ("object", ctypes.c_void_p),
        ("object_bytes", ctypes.c_uint64),
        ("constants", ctypes.c_void_p),
        ("constants_bytes", ctypes.c_uint64),
    ]


class Device:
    """The device of a driver library, or one of the runtime's own if `name` is like "vulkan:0"; `table` is what code takes as its
    TernacDevice."""

    def __init__(self, name):
        if ":" in str(name):
            runtime = ctypes.CDLL(str(BUILD / "lib" / "libternac_runtime.so"))
            runtime.ternac_driver_open.restype = ctypes.c_void_p
            runtime.ternac_device_of.restype = ctypes.c_void_p
            runtime.ternac_last_error.restype = ctypes.c_char_p
            driver = runtime.ternac_driver_open(str(name).encode())
            if not driver:
                raise RuntimeError(runtime.ternac_last_error().decode())
            self.table = runtime.ternac_device_of(ctypes.c_void_p(driver))
        else:
            self.driver = ctypes.CDLL(str(name))
            self.driver.ternac_device.restype = ctypes.c_void_p
            self.table = self.driver.ternac_device()
        self.functions = DeviceTable.from_address(self.table)

    def last_error(self):
        table = self.functions
        text = ctypes.create_string_buffer(table.last_error(table.context, None, 0) + 1)
        table.last_error(table.context, text, len(text))
        return text.value.decode()

    def do(self, function, *arguments):
        """Calls a function of the table. Raises RuntimeError if it fails."""
        if getattr(self.functions, function)(self.functions.context, *arguments):
            raise RuntimeError(f"{function}: {self.last_error()}")

    def get(self, function, *arguments):
        """The same, of a function that gives back a number: an address or a module."""
        number = ctypes.c_uint64()
        self.do(function, *arguments, ctypes.byref(number))
        return number.value


class Frame(ctypes.Structure):
    _fields_ = [
        ("thread", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("context", ctypes.c_void_p),
        ("barrier", ctypes.c_void_p),
        ("counter", ctypes.POINTER(ctypes.c_int64)),  # shared by the threads of a call, 0 at its begin
        ("claimed", ctypes.c_int64),
        ("granted", ctypes.c_int64),  # bits of TERNAC_FEATURE_*
        ("device", ctypes.c_void_p),  # a TernacDevice, or null
        ("failed", ctypes.c_int64),  # not 0 once the device refused something
        ("module", ctypes.c_uint64),  # what the device made of the library's kernels
    ]
