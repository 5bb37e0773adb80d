# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A host of model libraries that needs no runtime, and so may run what the runtime refuses: code whose instructions are emulated.

The structs are those of `ternac/Runtime/ModelABI.h`.
"""

import ctypes
import threading
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_float, c_int32, c_uint32, c_uint64, c_void_p

import numpy as np

from bare import Kernels, emulate, granted, missing

ABI_VERSION = 1
BLOCK_POSITIONS = 64
ALIGNMENT = 64
Body = CFUNCTYPE(None, c_void_p, c_uint32, c_uint32)
Parallel = CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)
Barrier = CFUNCTYPE(None, c_void_p, c_uint32)


class Environment(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("threads", c_uint32),
        ("reserved", c_uint32),
        ("granted_features", c_uint64),
        ("context", c_void_p),
        ("parallel", Parallel),
        ("barrier", Barrier),
        ("device", c_void_p),
    ]


class Call(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("rows", c_uint32),
        ("logit_count", c_uint32),
        ("tokens", c_void_p),
        ("positions", c_void_p),
        ("sequences", c_void_p),
        ("logit_rows", c_void_p),
        ("logits", c_void_p),
        ("block_table", c_void_p),
        ("block_table_rows", c_uint32),
        ("block_table_columns", c_uint32),
        ("cache", c_void_p),
        ("cache_blocks", c_uint32),
        ("reserved", c_uint32),
        ("workspace", c_void_p),
        ("weights", c_void_p),
    ]


class Version(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("name", c_char_p),
        ("target", c_char_p),
        ("cpu_features", c_char_p),
        ("workspace_bytes", CFUNCTYPE(c_uint64, c_uint32, c_uint32)),
        ("forward", CFUNCTYPE(c_int32, POINTER(Environment), POINTER(Call))),
    ]


class Table(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("vocab_size", c_uint32),
        ("hidden_size", c_uint32),
        ("layers", c_uint32),
        ("context_length", c_uint32),
        ("max_rows", c_uint32),
        ("max_sequences", c_uint32),
        ("max_threads", c_uint32),
        ("end_token_count", c_uint32),
        ("end_tokens", POINTER(c_int32)),
        ("begin_token", c_int32),
        ("weights_embedded", c_uint32),
        ("weights_bytes", c_uint64),
        ("target", c_char_p),
        ("cpu_features", c_char_p),
        ("facts", c_char_p),
        ("weights", c_void_p),
        ("workspace_bytes", CFUNCTYPE(c_uint64, c_uint32, c_uint32)),
        ("cache_bytes", CFUNCTYPE(c_uint64, c_uint32)),
        ("forward", CFUNCTYPE(c_int32, POINTER(Environment), POINTER(Call))),
        ("device", c_char_p),
        ("versions", POINTER(Version)),
        ("version_count", c_uint32),
        ("reserved", c_uint32),
        ("kernels", POINTER(Kernels)),
    ]


# LLVM's names of the features that may be emulated, and those of Linux.
_LINUX_NAMES = {"avxvnni": "avx_vnni", "amx-tile": "amx_tile", "amx-int8": "amx_int8", "amx-bf16": "amx_bf16"}


def _aligned(size):
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    return memory[-memory.ctypes.data % ALIGNMENT :][:size]


class Model:
    """A model library and one sequence. The caller sees to it that this host has all features that cannot be emulated.
    Without `grant` the library may not use features that a host has to grant. `version` is the number of the code to run. `device` is
    the table of the device it needs, if any."""

    def __init__(self, path, threads=1, grant=True, version=0, device=None):
        library = ctypes.CDLL(str(path))
        library.ternac_model.restype = POINTER(Table)
        self.library, self.table = library, library.ternac_model().contents
        if not version < self.table.version_count:
            raise RuntimeError(f"{path}: expected a version below {self.table.version_count}, but got {version}")
        self.code = self.table.versions[version]
        features = self.code.cpu_features.decode().split(",")
        lacks = missing(tuple(_LINUX_NAMES[feature] for feature in features if feature in _LINUX_NAMES))
        if lacks and not emulate(lacks):
            raise RuntimeError(f"{path}: this host lacks {', '.join(sorted(lacks))}, and nothing emulates that")
        self.barrier = threading.Barrier(threads)
        callbacks = Parallel(self._parallel), Barrier(lambda context, thread: self.barrier.wait(60) and None)
        self.environment = Environment(ctypes.sizeof(Environment), ABI_VERSION, threads, 0, granted() if grant else 0, None, *callbacks, device)
        self.block_table = np.arange(-(-self.table.context_length // BLOCK_POSITIONS), dtype=np.int32)
        self.cache = _aligned(self.table.cache_bytes(len(self.block_table)))
        self.workspace = _aligned(self.code.workspace_bytes(self.table.max_rows, threads))
        self.position = 0

    def _parallel(self, context, body, argument):
        run, count = Body(body), self.environment.threads
        others = [threading.Thread(target=run, args=(argument, thread, count)) for thread in range(1, count)]
        for other in others:
            other.start()
        run(argument, 0, count)
        for other in others:
            other.join()

    def forward(self, tokens):
        """The logits after each of `tokens`, which follow those of earlier calls; at most `max_rows`."""
        rows = len(tokens)
        tokens = np.array(tokens, np.int32)
        positions = np.arange(self.position, self.position + rows, dtype=np.int32)
        sequences, logit_rows = np.zeros(rows, np.int32), np.arange(rows, dtype=np.int32)
        logits = np.full((rows, self.table.vocab_size), np.nan, np.float32)
        arrays = (array.ctypes.data for array in (tokens, positions, sequences, logit_rows, logits, self.block_table))
        sizes = ctypes.sizeof(Call), ABI_VERSION, rows, rows
        blocks = len(self.block_table)
        memory = self.cache.ctypes.data, blocks, 0, self.workspace.ctypes.data, None
        call = Call(*sizes, *arrays, 1, blocks, *memory)
        status = self.code.forward(ctypes.byref(self.environment), ctypes.byref(call))
        if status:
            raise RuntimeError(f"the model returned {status}")
        self.position += rows
        return logits

    def generate(self, tokens, count):
        """The `count` likeliest tokens after a prompt, and the logits of all calls."""
        generated, logits = [], [self.forward(tokens)]
        for _ in range(count):
            generated.append(int(logits[-1][-1].argmax()))
            logits.append(self.forward(generated[-1:]))
        return generated, np.concatenate(logits)
