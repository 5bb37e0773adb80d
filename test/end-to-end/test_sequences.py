# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Batches, forks, truncation and shared prefixes of the example model: each sequence has the bits that it has alone."""

import numpy
import pytest
import support

from ternac import load

VOCABULARY = 569

F32 = "--attention=f32"
MODES = {"default": (), "f32": (F32,), "exact": support.EXACT, "i8": (F32, "--kv-cache=i8", "--head=i4")}
SHARING = ("f32", "exact", "i8")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compiles the example in a mode, once."""
    root = tmp_path_factory.mktemp("models")

    def compile(mode, *options):
        library = root / f"{mode}{''.join(options)}.so"
        return library if library.exists() else support.compile(support.EXAMPLE, library, *MODES[mode], *options)

    return compile


@pytest.fixture(params=(1, 2))
def threads(request):
    return request.param


def text(count, seed=0):
    return support.prompt(VOCABULARY, count, seed)


def alone(library, ids):
    """The logits after `ids`, all fed at once to a fresh session of one thread."""
    with load(library, threads=1) as model:
        return model.feed(ids)[0]


def assert_same(model, sequence, new, library, ids):
    """Appends `new`; the sequence holds `ids` then."""
    assert numpy.array_equal(model.feed(new, sequence=sequence)[0], alone(library, ids)), sequence


@pytest.mark.parametrize("mode", MODES)
def test_ragged_batch(compiled, mode, threads):
    library = compiled(mode)
    # On both sides of a block and of what one call takes: 512 rows, of 693.
    texts = [text(length, seed) for seed, length in enumerate((1, 200, 7, 64, 65, 1, 180, 175))]
    with load(library, threads, pinning=False, sequences=len(texts)) as model:
        logits = model.feed_batch(dict(enumerate(texts)))
        for _ in range(5):
            for i, ids in enumerate(texts):
                assert numpy.array_equal(logits[i], alone(library, ids)), (i, len(ids))
                ids.append(int(logits[i].argmax()))
            logits = model.feed_batch({i: ids[-1:] for i, ids in enumerate(texts)})


@pytest.mark.parametrize("mode", SHARING)
def test_fork(compiled, mode, threads):
    library = compiled(mode)
    ids, others = text(100), [text(40, seed) for seed in range(1, 5)]
    with load(library, threads, pinning=False, sequences=4) as model:
        model.feed(ids)
        model.fork(0, 1)
        model.fork(0, 2, length=70)
        model.fork(2, 3, length=64)
        # All four, the first of which still has what the others share, go their own ways.
        for sequence, length in enumerate((100, 100, 70, 64)):
            assert_same(model, sequence, others[sequence], library, ids[:length] + others[sequence])
        # And so they do after the first is gone and its blocks have changed hands.
        model.free(0)
        model.feed(text(150, 7))
        for sequence, length in enumerate((100, 70, 64), 1):
            assert_same(model, sequence, [5], library, ids[:length] + others[sequence] + [5])


@pytest.mark.parametrize("mode", SHARING)
def test_truncate(compiled, mode, threads):
    library = compiled(mode)
    ids = text(150)
    with load(library, threads, pinning=False, sequences=2) as model:
        model.feed(ids)
        model.fork(0, 1)
        for seed, length in enumerate((130, 128, 100, 63, 1), 1):
            ids = ids[:length] + text(20, seed)
            model.truncate(length)
            assert_same(model, 0, ids[length:], library, ids)
        # The fork has not seen any of it.
        assert_same(model, 1, [3], library, text(150) + [3])


@pytest.mark.parametrize("mode", SHARING)
def test_prefix(compiled, mode, threads):
    library = compiled(mode)
    start = text(90)
    prompts = [start + text(length, length) for length in (1, 30, 100)] + [start[:80], start[:65] + text(9)]
    with load(library, threads, pinning=False, sequences=len(prompts)) as model:
        for sequence, prompt in enumerate(prompts):
            there = model.prefix(prompt, sequence)
            assert there == (0, 90, 90, 79, 65)[sequence]
            assert_same(model, sequence, prompt[there:], library, prompt)
        # 1 full block is that of all, and each has its own of what follows.
        assert model.free_blocks == 4 * len(prompts) - (1 + 1 + 1 + 2 + 1 + 1)


# ternac-run


@pytest.mark.parametrize("mode", MODES)
def test_run(compiled, mode, threads, tmp_path):
    """More prompts than sequences, some with a common beginning; no prompt's tokens depend on the others."""
    library = compiled(mode)
    prompts = [text(length, length) for length in (3, 70, 1, 20)] + [text(80) + text(length, length) for length in (1, 5, 9, 9)]
    (tmp_path / "prompts").write_text("".join(support.comma(prompt) + "\n" for prompt in prompts))
    options = (f"--threads={threads}", "--no-pinning", "--max-new-tokens=30", "--temperature=0.7", "--seed=11")
    expected = [support.check("ternac-run", library, f"--tokens={support.comma(prompt)}", *options) for prompt in prompts]
    for sequences in (1, 3, 8):
        output = support.check("ternac-run", library, f"--prompts={tmp_path}/prompts", f"--sequences={sequences}", *options)
        assert output == "".join(expected), sequences


def test_run_as_many_as_the_default_takes(compiled):
    prompts = [f"--tokens={support.comma(text(3, seed))}" for seed in range(70)]
    result = support.run("ternac-run", compiled("default"), *prompts, "--max-new-tokens=2", "--ignore-eos")
    assert result.stdout.count("\n") == 70 and "64 prompts at a time" in result.stderr


def test_run_logits(compiled, tmp_path):
    """The logits of several prompts follow one another."""
    library, prompts = compiled("exact"), [text(5), text(70, 1), text(5)]
    file = tmp_path / "logits.npy"
    support.check("ternac-run", library, *(f"--tokens={support.comma(prompt)}" for prompt in prompts), f"--logits={file}")
    expected = numpy.concatenate([support.logits(library, prompt) for prompt in prompts])
    assert numpy.array_equal(numpy.load(file), expected)
