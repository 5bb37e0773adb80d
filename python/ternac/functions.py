# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls the functions of a compiled module with NumPy arrays.

    module = ternac.load("mlp.so")
    y = module.forward(x=x)

A thin binding, by ctypes, of the C API in ``ternac/Runtime/Functions.h``.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from typing import Iterator

import numpy as np

from .runtime import TernacError, _integer, _last_error, _runtime

# By TERNAC_I1 and so on. NumPy has no bfloat16: its bits are taken and given.
_DTYPES = [None, np.bool_, np.int8, np.int16, np.int32, np.int64, np.float16, np.uint16, np.float32, np.float64]
_BF16 = 7


class _Tensor(ctypes.Structure):
    """``TernacTensor`` of ModelABI.h."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("name", c_char_p),
        ("element", c_uint32),
        ("rank", c_uint32),
        ("shape", POINTER(c_int64)),
    ]


class _Function(ctypes.Structure):
    """``TernacFunction`` of ModelABI.h, up to the last field used here."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("name", c_char_p),
        ("argument_count", c_uint32),
        ("result_count", c_uint32),
        ("arguments", c_void_p),
        ("results", c_void_p),
    ]


_SIGNATURES = {
    "ternac_function_count": (c_uint32, [c_void_p]),
    "ternac_function_at": (c_void_p, [c_void_p, c_uint32]),
    "ternac_caller_create": (c_void_p, [c_uint32, c_uint32]),
    "ternac_caller_destroy": (None, [c_void_p]),
    "ternac_result_sizes": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "ternac_call": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
}


def _bind(runtime: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(runtime, name)
        function.restype, function.argtypes = result, arguments
    return runtime


def has_functions(path: str | os.PathLike[str]) -> bool:
    """Whether the library at ``path`` is one of functions. Raises TernacError
    if it is no library that this machine can run."""
    runtime = _bind(_runtime())
    library = runtime.ternac_open_version(os.fsencode(path), None)
    if not library:
        raise _last_error()
    count = runtime.ternac_function_count(library)
    runtime.ternac_close(library)
    return count > 0


class Tensor:
    """An argument or a result: its ``name``, NumPy ``dtype`` (uint16 for the
    bits of bfloat16) and ``shape``, in which None is a size that is known when
    the function is called."""

    def __init__(self, table: _Tensor):
        self.name = table.name.decode()
        self.is_bfloat16 = table.element == _BF16
        self.dtype = np.dtype(_DTYPES[table.element])
        self.shape = tuple(None if size < 0 else size for size in table.shape[: table.rank]) if table.rank else ()

    def __repr__(self) -> str:
        shape = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {'bfloat16' if self.is_bfloat16 else self.dtype}[{shape}]"

    def convert(self, value: object, function: str) -> np.ndarray:
        """``value`` as the function takes it. Raises ValueError if it has
        another type or shape."""
        array = np.asarray(value)
        if self.is_bfloat16 and array.dtype.name == "bfloat16":
            array = array.view(np.uint16)
        if array.dtype != self.dtype:
            wanted = "bfloat16, or its bits as uint16" if self.is_bfloat16 else self.dtype
            raise ValueError(f"{function}: expected '{self.name}' to be {wanted}, but got {array.dtype}")
        fits = array.ndim == len(self.shape) and all(
            size is None or size == given for size, given in zip(self.shape, array.shape)
        )
        if not fits:
            raise ValueError(f"{function}: expected {self!r}, but got the shape {list(array.shape)}")
        return np.require(array, requirements=["C", "A"]).reshape(array.shape)


def _tensors(address: int | None, count: int) -> list[Tensor]:
    if not count:
        return []
    size = _Tensor.from_address(address).struct_size
    return [Tensor(_Tensor.from_address(address + i * size)) for i in range(count)]


class Function:
    """A compiled function. Called with an array for each of its ``arguments``,
    by place or by name, it returns its result, or a tuple if it has several
    ``results``.

    Raises TypeError for missing, surplus or unknown arguments, ValueError for
    arrays of another type or shape, TernacError if sizes do not fit each other.
    """

    def __init__(self, module: CompiledModule, address: int):
        table = _Function.from_address(address)
        self._module, self._address = module, address
        self.name = table.name.decode()
        self.arguments = _tensors(table.arguments, table.argument_count)
        self.results = _tensors(table.results, table.result_count)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))}) -> ({', '.join(map(repr, self.results))})"

    def __call__(self, /, *given: object, **named: object) -> np.ndarray | tuple[np.ndarray, ...]:
        caller, runtime = self._module._open_caller(), self._module._runtime
        arrays = [tensor.convert(value, self.name) for tensor, value in zip(self.arguments, self._match(given, named))]
        sizes = [
            size
            for tensor, array in zip(self.arguments, arrays)
            for wanted, size in zip(tensor.shape, array.shape)
            if wanted is None
        ]
        argument_sizes = np.array(sizes, np.int64)
        result_sizes = np.zeros(sum(tensor.shape.count(None) for tensor in self.results), np.int64)
        if runtime.ternac_result_sizes(self._address, argument_sizes.ctypes.data, result_sizes.ctypes.data):
            raise _last_error()
        rest = iter(result_sizes.tolist())
        results = [
            np.empty([next(rest) if size is None else size for size in tensor.shape], tensor.dtype)
            for tensor in self.results
        ]
        pointers = [(c_void_p * max(len(list_), 1))(*[a.ctypes.data for a in list_]) for list_ in (arrays, results)]
        if runtime.ternac_call(caller, self._address, pointers[0], argument_sizes.ctypes.data, pointers[1]):
            raise _last_error()
        return results[0] if len(results) == 1 else tuple(results)

    def _match(self, given: tuple, named: dict) -> list:
        """The values of the arguments in order."""
        names = [tensor.name for tensor in self.arguments]
        if len(given) > len(names):
            raise TypeError(f"{self.name}: expected at most {len(names)} arguments, but got {len(given)}")
        values = dict(zip(names, given))
        for name, value in named.items():
            if name not in names:
                raise TypeError(f"{self.name}: there is no argument '{name}'; expected {', '.join(names)}")
            if name in values:
                raise TypeError(f"{self.name}: argument '{name}' is given twice")
            values[name] = value
        missing = [name for name in names if name not in values]
        if missing:
            raise TypeError(f"{self.name}: missing arguments: {', '.join(missing)}")
        return [values[name] for name in names]


class CompiledModule:
    """A library of functions, each of which is an attribute and, by its name,
    an item. Made by :func:`load`.

    A module may be used by one thread at a time. It holds its memory until
    :meth:`close`, the end of a ``with`` block, or its own end.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None, pinning: bool = True):
        self._library = self._caller = None
        self._runtime = _bind(_runtime())
        if threads == 0:
            raise ValueError("expected at least one thread")
        count = 0 if threads is None else _integer("threads", threads, 2**32 - 1)
        self._library = self._runtime.ternac_open_version(os.fsencode(path), None)
        if not self._library:
            raise _last_error()
        number = self._runtime.ternac_function_count(self._library)
        if not number:
            self.close()
            raise TernacError(f"'{os.fspath(path)}' has no functions; it is a model")
        self._caller = self._runtime.ternac_caller_create(count, 0 if pinning else 1)
        if not self._caller:
            error = _last_error()
            self.close()
            raise error
        functions = (
            Function(self, self._runtime.ternac_function_at(self._library, i)) for i in range(number)
        )
        self._functions = {function.name: function for function in functions}

    def close(self) -> None:
        """Frees the memory and the library. The functions are of no use then."""
        if self._caller:
            self._runtime.ternac_caller_destroy(self._caller)
        if self._library:
            self._runtime.ternac_close(self._library)
        self._library = self._caller = None

    def __enter__(self) -> CompiledModule:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Absent if the constructor failed before it opened anything.
        if getattr(self, "_runtime", None):
            self.close()

    def _open_caller(self) -> int:
        if not self._caller:
            raise TernacError("the module is closed")
        return self._caller

    def __iter__(self) -> Iterator[str]:
        """The names of the functions."""
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __getitem__(self, name: str) -> Function:
        return self._functions[name]

    def __getattr__(self, name: str) -> Function:
        functions = self.__dict__.get("_functions", {})
        if name not in functions:
            raise AttributeError(f"there is no function '{name}'; expected one of: {', '.join(functions)}")
        return functions[name]
