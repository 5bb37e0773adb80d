# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A target computes with the strategy and packing that it was asked for, and refuses those that it does not claim.

These tests only compile: they need no hardware."""

import pytest

from harness import folder, tally, ternac
from targets import IN_TREE, PACKINGS, TARGETS

MODULE = """func.func @f(%q: tensor<?x320xi8>, %sum: tensor<?xi32>) -> tensor<?x2xi32> {
  %w = tern.constant <"+0-0+-"> : tensor<2x3x!tern.trit>
  %y = tern.matmul %q, %sum, %w : (tensor<?x320xi8>, tensor<?xi32>, tensor<2x3x!tern.trit>) -> tensor<?x2xi32>
  return %y : tensor<?x2xi32>
}"""


def strategies():
    return sorted({strategy for target in (*IN_TREE, *TARGETS) for strategy in target.matmul})


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_claims(target):
    if target.name == "native" and target.why_not_here():
        pytest.skip(target.why_not_here())
    source = folder() / "claims.mlir"
    source.write_text(MODULE)
    for strategy in strategies():
        for packing in ("i8", *PACKINGS):
            claimed = packing in {**target.matmul, **target.elsewhere}.get(strategy, ())
            result = ternac(
                source, "--compile-from=quantized", *target.options(), f"--strategy={strategy}", f"--packing={packing}", "--emit=vectorized"
            )
            kernel = f"@tern_matmul_{strategy}_{packing}"
            right = kernel in result.stdout if claimed else result.returncode == 1 and "error: " in result.stderr and not result.stdout
            tally[target.name, "claims"][not right] += 1
            assert right, f"{strategy} {packing} {'claimed' if claimed else 'not claimed'}: {result.returncode} {result.stderr}"
