# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prompts on which a compiled model and the reference differ by the order of float32 operations alone."""

import itertools

import numpy
import pytest
import support

from ternac import oracle

# What the order of float32 operations may change in an activation q of -127 .. 127, and in logits.
NEAR = 4e-7
ROUNDING = 1e-4


def clear_prompt(model, count, least=8):
    """The first, from fixed random prompts, in which the reference quantises no activation that comes near a half.

    A quantised activation flips where it lies within rounding error of a half, and one flip moves logits by more than all rounding
    together. The error of an activation q of -127 .. 127 is taken to be NEAR * (|q| + least): in longer prompts sums cancel more.
    """
    prompts = (support.prompt(model.embedding.shape[0], count, seed) for seed in itertools.count())
    return next(tokens for tokens in prompts if is_clear(model, tokens, least))


def comes_near_a_half(model, tokens, least):
    """Whether the reference quantises an activation that another order of operations could round otherwise."""
    near = False
    quantize = oracle.quantize_activations

    def watch(x):
        nonlocal near
        q, factor = quantize(x)
        scaled = numpy.abs(x * factor)
        near |= bool((numpy.abs(scaled % 1 - 0.5) < NEAR * (scaled + least)).any())
        return q, factor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle, "quantize_activations", watch)
        model.logits(tokens)
    return near


def is_clear(model, tokens, least):
    """Whether no activation of the prompt comes near a half, however the keys and values of a float16 cache are rounded."""
    if comes_near_a_half(model, tokens, least):
        return False
    if model.kv_cache == "f32":
        return True
    embedding = model.embedding
    try:
        for seed in range(4):
            error = numpy.random.default_rng(seed).uniform(-3e-7, 3e-7, embedding.shape)
            model.embedding = (embedding * (1 + error)).astype(numpy.float32)
            if comes_near_a_half(model, tokens, least):
                return False
    finally:
        model.embedding = embedding
    return True
