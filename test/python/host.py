# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the machine that runs the tests can do."""

import functools
import os
from pathlib import Path


@functools.cache
def host_features():
    """The processor's features as Linux names them; empty where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())


def use_cuda_emulator(build):
    """Makes the devices of CUDA those of the emulated driver in the folder `build`, unless the environment names another driver."""
    emulator = Path(build) / "lib" / "libternac-cuda-emulator.so"
    if emulator.is_file():
        os.environ.setdefault("TERNAC_CUDA_DRIVER", str(emulator))
