# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Logits are one fixed sequence of operations: threads, chunks, other sequences, strategies and packings change no bit."""

import numpy
import pytest
import support

from ternac import checkpoints, load

VOCABULARY = 160
TOKENS = 150

KINDS = {
    # Sizes that divide neither by a vector nor by a tile, so that every tail has work.
    "bitnet": dict(hidden=100, heads=5, kv_heads=1, intermediate=148),
    "llama": dict(model_type="llama", hidden=72, heads=3, kv_heads=1, head_dim=32, intermediate=300, layers=3, tied=False),
}
MODES = {"exact": support.EXACT, "default": (), "smallest": ("--head=i4", "--kv-cache=i8")}
TARGETS = {"native": "cpu", "x86-64": "cpu,arch=x86-64", "reference": "reference"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compiles a kind with options, once."""
    root = tmp_path_factory.mktemp("models")

    def compile(kind, *options):
        directory = root / kind
        if not directory.exists():
            checkpoints.write_checkpoint(directory, vocab=VOCABULARY, seed=3, **KINDS[kind])
        library = root / f"{kind}{abs(hash(options))}.so"
        return library if library.exists() else support.compile(directory, library, *options)

    return compile


@pytest.fixture(scope="module")
def tokens():
    return support.prompt(VOCABULARY, TOKENS, seed=1)


@pytest.fixture(params=[(target, mode) for target in TARGETS for mode in MODES if target != "reference" or mode == "exact"])
def options(request):
    target, mode = request.param
    return (f"--target={TARGETS[target]}", *MODES[mode])


@pytest.mark.parametrize("kind", KINDS)
def test_threads(compiled, tokens, kind, options):
    library = compiled(kind, *options)
    one = support.logits(library, tokens, "--threads=1")
    for threads in (2, 3, 7):
        assert numpy.array_equal(support.logits(library, tokens, f"--threads={threads}"), one), threads


@pytest.mark.parametrize("kind", KINDS)
def test_chunks(compiled, tokens, kind, options):
    if "--attention=f32" not in options:
        # `auto` may compute long runs of rows by other means than short ones.
        options = (*options, "--attention=f32")
    library = compiled(kind, *options)
    whole = support.logits(library, tokens)
    # Token by token, pairs, either side of a tile of 16 rows and of a block of 64 positions, and most of the prompt.
    for chunk in (1, 2, 5, 15, 16, 17, 63, 64, 65, 149):
        assert numpy.array_equal(support.logits(library, tokens, f"--chunk={chunk}"), whole), chunk
    # A prefix has the same logits as the whole.
    assert numpy.array_equal(support.logits(library, tokens[:70]), whole[:70])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", (1, 3, 16, 40))
def test_rows_of_a_call(compiled, tokens, kind, rows):
    whole = support.logits(compiled(kind, *support.EXACT), tokens)
    library = compiled(kind, *support.EXACT, f"--max-tokens-per-call={rows}")
    assert numpy.array_equal(support.logits(library, tokens), whole)


def test_generation(compiled, tokens):
    """Decoding reaches the logits that a prefill of the same tokens has."""
    library = compiled("bitnet", *support.EXACT)
    new = support.generate(library, tokens[:60], 20, "--threads=2")
    assert new == support.generate(library, tokens[:60], 20, "--threads=1", "--chunk=7")
    choices = support.logits(library, tokens[:60] + new).argmax(axis=1)
    assert new == choices[59:-1].tolist()


@pytest.mark.parametrize(
    "kind, architecture", (("llama", "x86-64"), ("bitnet", "x86-64-v3"), ("llama", "native"))
)
def test_strategies_and_packings(compiled, tokens, kind, architecture):
    """The integer products are equal, and so is all that follows from them."""
    if not support.host_runs(architecture):
        pytest.skip(f"this machine is no {architecture}")
    target = f"--target=cpu,arch={architecture}"
    expected = support.logits(compiled(kind, target, *support.EXACT), tokens)
    packings = {"add_sub": ("row2", "tile2", "base3", "planes"), "lut": ("tile2", "base3"), "dot": ("row2", "tile2", "base3")}
    for strategy in packings:
        for packing in packings[strategy]:
            library = compiled(kind, target, *support.EXACT, f"--strategy={strategy}", f"--packing={packing}")
            assert numpy.array_equal(support.logits(library, tokens), expected), (strategy, packing)


# Several sequences in one call.


@pytest.mark.parametrize("threads", (1, 2))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_sequences(compiled, kind, mode, threads):
    # More tokens than a call takes: where calls end, other sequences must not matter.
    library = compiled(kind, "--max-sequences=5", "--max-tokens-per-call=100", *MODES[mode])
    rng = numpy.random.default_rng(5)
    texts = [rng.integers(0, VOCABULARY, length).tolist() for length in (250, 1, 64, 190, 127)]
    fed = []

    with load(library, threads, pinning=False, sequences=len(texts)) as session:
        done = [0] * len(texts)
        # Ragged: chunks of 1 to 140 tokens of some sequences, in any order, until all are through.
        while left := [i for i, text in enumerate(texts) if done[i] < len(text)]:
            chosen = rng.permutation(left)[: rng.integers(1, len(left) + 1)].tolist()
            chunks = {i: texts[i][done[i] : done[i] + int(rng.choice([1, 1, 3, 17, 40, 140]))] for i in chosen}
            for sequence, logits in session.feed_batch(chunks).items():
                done[sequence] += len(chunks[sequence])
                fed.append((sequence, chunks[sequence], logits, done[sequence]))
    # The same chunks of each sequence on its own.
    with load(library, 1, pinning=False, sequences=len(texts)) as session:
        for sequence, chunk, logits, end in fed:
            alone = session.feed_batch({sequence: chunk})[sequence]
            assert numpy.array_equal(logits, alone), (sequence, end)
    if "--attention=f32" in MODES[mode]:
        for sequence, text in enumerate(texts):
            alone = support.logits(library, text, "--threads=1", "--chunk=1")
            assert all(numpy.array_equal(logits, alone[end - 1]) for number, _, logits, end in fed if number == sequence), sequence


def test_decoding_side_by_side(compiled, tokens):
    """One token each of several sequences at different positions, as a server does it."""
    library = compiled("bitnet", "--max-sequences=4")
    starts = (3, 63, 64, 100)
    alone = support.logits(library, tokens, "--chunk=1")
    with load(library, 2, pinning=False, sequences=len(starts)) as session:
        for sequence, start in enumerate(starts):
            session.feed_batch({sequence: tokens[:start]})
        for step in range(20):
            logits = session.feed_batch({sequence: tokens[start + step : start + step + 1] for sequence, start in enumerate(starts)})
            for sequence, start in enumerate(starts):
                assert numpy.array_equal(logits[sequence], alone[start + step]), (sequence, start + step)
