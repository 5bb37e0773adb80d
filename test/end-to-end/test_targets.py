# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What --list-targets and --print-target say: every model and every description can be used as it is printed."""

import re

import pytest
import support


def listed():
    """{target: ({key: what it says}, [model])}"""
    targets = {}
    for line in support.check("ternac", "--list-targets").splitlines():
        if match := re.fullmatch(r"  model=(\S+) is (\S+)", line):
            models.append(match[1])
        elif match := re.fullmatch(r"  (\w+)= +(.+); default: .+", line):
            keys[match[1]] = match[2]
        else:
            match = re.fullmatch(r"(\w+) +\S.+", line)
            assert match, line
            keys, models = targets.setdefault(match[1], ({}, []))
    return targets


def specs():
    for name, (keys, models) in listed().items():
        yield name
        yield from (f"{name},triple={triple}" for triple in re.findall(r"[\w.]+-[\w-]+", keys.get("triple", "")))
        yield from (f"{name},model={model}" for model in models)


def test_list_targets():
    targets = listed()
    assert list(targets)[0] == "cpu" and "reference" in targets
    assert not targets["reference"][0]
    keys, models = targets["cpu"]
    assert set(keys) == {"arch", "cpu", "features", "triple", "vector_bits", "l2", "bandwidth", "peak", "model"}
    assert "x86_64-unknown-linux-gnu" in keys["triple"]
    assert models and len(set(models)) == len(models)


@pytest.mark.parametrize("spec", [*specs(), "cpu,cpu=znver4,features=-avx512vnni", "cpu,cpu=bdver4"])
def test_print_target_is_an_attribute(spec, tmp_path):
    """The text of --print-target comes back from ternac-opt as it is, and a module that has it compiles."""
    text = support.check("ternac", "--print-target", f"--target={spec}").strip()
    file = tmp_path / "module.mlir"
    file.write_text(
        f"module attributes {{tern.target = {text}}} {{\n"
        "  func.func @f(%x: tensor<?x64xf32>, %g: tensor<64xf32>) -> tensor<?x64xf32> {\n"
        "    %y = tern.rms_norm %x, %g {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>\n"
        "    return %y : tensor<?x64xf32>\n  }\n}\n"
    )
    assert f"tern.target = {text}" in support.check("ternac-opt", file)
    assert "f:" in support.check("ternac", file, "--emit=asm")


def test_model_and_keys():
    """Keys that are given come before those of the model."""
    model = support.check("ternac", "--print-target", "--target=cpu,model=epyc-9004")
    assert 'cpu = "znver4"' in model and "l2 = 1048576, peak = 236800000000" in model
    changed = support.check("ternac", "--print-target", "--target=cpu,model=epyc-9004,l2=5,features=-avx512vnni,bandwidth=7")
    assert "l2 = 5, bandwidth = 7, peak = 236800000000" in changed and "x86_vnni_512" in model and "x86_vnni_512" not in changed
