# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How well a compiled model predicts a text."""

from __future__ import annotations

import dataclasses
import math
from typing import Callable, Sequence

import numpy as np

from .runtime import CompiledModel

# Rows of logits that are in memory at a time: 128 of 128256 floats are 66 MB.
_ROWS = 128


@dataclasses.dataclass
class Perplexity:
    """The sum of -ln p over ``tokens`` predicted tokens."""

    loss: float = 0.0
    tokens: int = 0

    @property
    def value(self) -> float:
        """exp of the mean loss; NaN if nothing was predicted."""
        return math.exp(self.loss / self.tokens) if self.tokens else math.nan


def losses(logits: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """-ln softmax(logits)[token], float64 [n], of ``logits`` float32 [n, vocabulary] and ``tokens`` [n]."""
    high = logits.max(axis=-1)
    total = np.log(np.exp((logits - high[:, None]).astype(np.float64)).sum(axis=-1))
    return total + high - logits[np.arange(len(tokens)), tokens].astype(np.float64)


def measure(
    model: CompiledModel,
    tokens: Sequence[int],
    window: int | None = None,
    progress: Callable[[Perplexity], None] | None = None,
) -> Perplexity:
    """The perplexity of ``tokens``, cut into windows of ``window`` tokens
    (default: the context), one after the other: every token of a window but the
    first is predicted from those before it in the window.

    ``progress``, where given, is called after each window. Sequence 0 is used.
    Raises ValueError if ``window`` does not fit the context or has no token to
    predict, TernacError if a token is outside the vocabulary.
    """
    window = model.context_length if window is None else window
    if not 2 <= window <= model.context_length:
        raise ValueError(f"expected a window of 2 to {model.context_length} tokens, but got {window}")
    result = Perplexity()
    for start in range(0, len(tokens) - 1, window):
        part = np.asarray(tokens[start : start + window], np.int64)
        model.truncate()
        for row in range(0, len(part) - 1, _ROWS):
            wanted = part[row + 1 : row + 1 + _ROWS]
            given = part[row : row + len(wanted)]
            result.loss += losses(model.feed(given, rows=len(given)), wanted).sum()
            result.tokens += len(wanted)
        if progress:
            progress(result)
    return result
