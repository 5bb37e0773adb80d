# The lit suite: IR tests and tests of the tools. See docs for how to run it.

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(config.ternac_src_root, "test", "python"))
from long_first import LongFirst

config.name = "Ternac"
# These build projects of their own.
config.test_format = LongFirst(
    ["Docs/adding-a-target.test", "plugin/ternary-array.test", "plugin/installed.test"], execute_external=False
)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "unit", "python", "conformance", "end-to-end"]
config.test_source_root = os.path.join(config.ternac_src_root, "test")
config.test_exec_root = os.path.join(config.ternac_obj_root, "test")

config.environment["PATH"] = os.pathsep.join(
    [config.ternac_tools_dir, config.llvm_tools_dir, config.environment["PATH"]]
)
# Assertions and sanitizers print stack traces with symbols.
config.environment["LLVM_SYMBOLIZER_PATH"] = os.path.join(
    config.llvm_tools_dir, "llvm-symbolizer"
)
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
# CUDA's devices are those of the emulated driver, unless another one is named.
cuda_emulator = os.path.join(config.ternac_obj_root, "lib", "libternac-cuda-emulator.so")
config.environment["TERNAC_CUDA_DRIVER"] = os.environ.get("TERNAC_CUDA_DRIVER", cuda_emulator)

if config.compiler_launcher:
    config.environment["CMAKE_CXX_COMPILER_LAUNCHER"] = config.compiler_launcher

unit_dir = os.path.join(config.test_exec_root, "unit")
config.substitutions += [
    ("%cc", config.cc),
    ("%cxx", config.cxx),
    ("%fake_models", os.path.join(unit_dir, "Runtime", "models")),
    ("%fake_model", os.path.join(unit_dir, "Runtime", "models", "FakeModel.so")),
    ("%plugins", os.path.join(config.test_exec_root, "plugin")),
    ("%python", config.python),
    ("%cuda_emulator", cuda_emulator),
    ("%src_root", config.ternac_src_root),
    ("%obj_root", config.ternac_obj_root),
    ("%tiny_model", os.path.join(config.ternac_src_root, "examples", "tiny-bitnet")),
]


def host_words():
    """The words that describe this host: capabilities and features of its processor."""
    target = subprocess.run(
        [os.path.join(config.ternac_tools_dir, "ternac"), "--print-target"],
        capture_output=True,
        text=True,
    )
    if target.returncode:
        lit_config.warning("ternac --print-target: " + target.stderr.strip())
        return set()
    words = set()
    for key, opening, closing in (("required_features", '"', '"'), ("capabilities", r"\[", r"\]")):
        match = re.search(rf"{key} = {opening}([^{closing}]*){closing}", target.stdout)
        if match:
            words.update(re.findall(r"[\w.-]+", match.group(1)))
    return words


# Tests that run code name what the code needs, e.g. `REQUIRES: int8_dot`. Tests
# that only compile need no hardware.
words = host_words()
config.available_features |= words
if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= words:
    config.available_features.add("avx512")
if config.sanitize == "ON":
    config.available_features.add("sanitizers")
if shutil.which("clang-format-22"):
    config.available_features.add("clang-format-22")
devices = subprocess.run(
    [os.path.join(config.ternac_tools_dir, "ternac-run"), "--list-devices"],
    capture_output=True,
    text=True,
    env=dict(os.environ, **config.environment),
).stdout
for kind in re.findall(r"^(\w+):0: (?!.*cannot be used)", devices, re.MULTILINE):
    config.available_features.add(kind + "-device")
for package in ("numpy", "tokenizers", "torch", "onnx"):
    if not subprocess.run(
        [config.python, "-c", f"import {package}"], capture_output=True
    ).returncode:
        config.available_features.add("python-" + package)
try:
    with open("/sys/kernel/mm/transparent_hugepage/enabled") as setting:
        if "[never]" not in setting.read():
            config.available_features.add("huge-pages")
except OSError:
    pass
