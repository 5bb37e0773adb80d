# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls a model library without a runtime, and with environments and devices that it must refuse.

usage: check_device.py LIBRARY-THAT-NEEDS-A-DEVICE LIBRARY-THAT-NEEDS-NONE"""

import ctypes
import sys
from ctypes import CFUNCTYPE, c_int32, c_uint32, c_uint64, c_void_p
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from bare import DeviceTable  # noqa: E402
from forward import Environment, Model  # noqa: E402

OK, VERSION, DEVICE = 0, 1, 4
OLD_ENVIRONMENT = Environment.device.offset  # the size that it had before there were devices
Submit = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_uint64, c_void_p, c_uint32)
submits = []


def device(result=0, struct_size=ctypes.sizeof(DeviceTable), abi_version=1):
    """A device of which every submit returns `result`."""
    function = Submit(lambda *arguments: submits.append(arguments) or result)
    table = DeviceTable(struct_size, abi_version, b"ternary-array", None, ctypes.cast(function, c_void_p))
    table.keep = function
    return table


def status(path, device=None, environment_size=ctypes.sizeof(Environment)):
    """What a call returns."""
    model = Model(path, threads=2, device=device and ctypes.addressof(device))
    model.environment.struct_size = environment_size
    try:
        model.forward([1, 2])
    except RuntimeError as error:
        return int(str(error).rsplit(" ", 1)[1])
    return OK


def expect(what, actual, expected):
    if actual != expected:
        sys.exit(f"{what}: expected {expected}, but got {actual}")


def main():
    needs_device, needs_none = sys.argv[1:]
    expect("no device", status(needs_device), DEVICE)
    expect("an old host", status(needs_device, device(), OLD_ENVIRONMENT), DEVICE)
    expect("a small table", status(needs_device, device(struct_size=16)), VERSION)
    expect("a newer table", status(needs_device, device(abi_version=2)), VERSION)
    expect("submits until then", len(submits), 0)
    expect("a device that fails", status(needs_device, device(result=-1)), DEVICE)
    expect("a device that does not", status(needs_device, device()), OK)
    submitted = len(submits)
    expect("submits", submitted > 0, True)
    expect("no need", status(needs_none), OK)
    expect("no need, an old host", status(needs_none, None, OLD_ENVIRONMENT), OK)
    expect("no need, less than any host", status(needs_none, None, OLD_ENVIRONMENT - 8), VERSION)
    expect("a device without need", status(needs_none, device()), OK)
    expect("submits without need", len(submits), submitted)


main()
