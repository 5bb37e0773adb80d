# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the Python package of this source tree, and the runtime beside the tools under test, the ones that the tests import."""

import os
import sys
from pathlib import Path

import support

sys.path.insert(0, str(support.ROOT / "python"))
beside_tools = Path(support.BIN).parent / "lib" / "libternac_runtime.so"
if beside_tools.is_file():
    os.environ.setdefault("TERNAC_RUNTIME_LIBRARY", str(beside_tools))

from matrix import agree, checkpoint, reference  # noqa: E402, F401  (fixtures)
