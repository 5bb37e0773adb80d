# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The ctypes binding, against the fake model of the runtime's unit tests."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ternac import runtime

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    try:
        runtime._find_runtime()
    except runtime.TernacError as error:
        pytest.skip(str(error))
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang")
    if not compiler:
        pytest.skip("no C compiler for the fake model")
    folder = tmp_path_factory.mktemp("model")
    sources = ROOT / "test" / "unit" / "Runtime"
    for name, source, options in (
        ("fake.so", "FakeModel.c", []),
        ("needs-device.so", "FakeModel.c", ['-DFAKE_DEVICE="counter"']),
        ("device.so", "FakeDevice.c", []),
    ):
        command = [compiler, "-shared", "-fPIC", "-O1", "-I", ROOT / "include", sources / source, "-o", folder / name]
        subprocess.run([*command, *options], check=True)
    return folder / "fake.so"


@pytest.fixture
def model(library):
    with runtime.load(library, threads=2) as model:
        yield model


def test_facts(model):
    assert model.vocab_size == 97
    assert model.context_length == 256
    assert model.begin_token == 1
    assert model.end_tokens == [2, 5, 7, 11]
    assert model.target == "fake"
    assert model.code_versions == ["base"] and model.code_version == 0
    assert model.facts["name"] == "fake"
    assert model.threads == 2


def test_device(library, model):
    needs_device, driver = library.with_name("needs-device.so"), library.with_name("device.so")
    with pytest.raises(runtime.TernacError, match="needs the device 'counter'"):
        runtime.load(needs_device)
    with pytest.raises(runtime.TernacError, match="no driver of a Ternac device"):
        runtime.load(needs_device, device=library)
    with pytest.raises(runtime.TernacError, match="there are no devices 'abacus'"):
        runtime.load(needs_device, device="abacus:0")
    with runtime.load(needs_device, device=driver) as other:
        np.testing.assert_array_equal(other.logits([1, 2, 3]), model.logits([1, 2, 3]))
        with pytest.raises(runtime.TernacError, match="the device 'counter' failed: it does not take 13"):
            other.logits([13])


def test_logits(model):
    ids = np.arange(40) % 90
    logits = model.logits(ids)
    assert logits.shape == (40, 97) and logits.dtype == np.float32
    assert len(model) == 40
    # Token by token gives the same, and so does a second time.
    model.truncate()
    rows = [model.feed([token]) for token in ids]
    np.testing.assert_array_equal(np.concatenate(rows), logits)
    np.testing.assert_array_equal(model.logits(ids.tolist()), logits)


def test_feed_rows(model):
    ids = list(range(20))
    logits = model.logits(ids)
    model.truncate()
    np.testing.assert_array_equal(model.feed(ids, rows=3), logits[-3:])
    assert model.feed([1], rows=0).shape == (0, 97)
    assert model.feed([]).shape == (0, 97)
    assert len(model) == 21
    model.truncate(20)
    with pytest.raises(ValueError, match="expected rows from 0 to 1, but got 2"):
        model.feed([1], rows=2)


def test_generate_ids(model):
    assert list(model.generate([1, 2, 3], max_new_tokens=5)) == [47, 61, 29, 20, 96]
    # Ends after an end token.
    tokens = list(model.generate([4], max_new_tokens=50))
    assert tokens[-1] == 2 and not set(tokens[:-1]) & set(model.end_tokens)
    longer = list(model.generate([4], max_new_tokens=50, ignore_eos=True))
    assert len(longer) == 50 and longer[: len(tokens)] == tokens
    assert list(model.generate([4], max_new_tokens=0)) == []


def test_generate_is_greedy(model):
    ids = [9, 8, 7]
    for token in model.generate([9, 8, 7], max_new_tokens=10, ignore_eos=True):
        ids.append(token)
    logits = model.logits(ids[:-1])
    assert ids[3:] == logits[2:].argmax(axis=1).tolist()


def test_sampling(model):
    def draw(seed, **options):
        return list(
            model.generate([1], 30, temperature=1.0, seed=seed, ignore_eos=True, **options)
        )

    assert draw(1) == draw(1) != draw(2)
    assert draw(1, top_k=1) == draw(2, top_k=1)
    assert draw(1, top_p=1e-6) == draw(2, top_k=1)


@pytest.fixture
def several(library):
    with runtime.load(library, threads=2, sequences=4) as model:
        yield model


def row(model, ids):
    """The logits after ``ids``, by a fresh sequence 0."""
    return model.logits(ids)[-1]


def test_feed_batch(model, several):
    texts = {2: list(range(30)), 0: [5], 3: [1, 2, 3]}
    several.feed([9, 8], sequence=0)
    logits = several.feed_batch(texts)
    assert list(logits) == [2, 0, 3] and logits[0].shape == (97,)
    assert [several.length(i) for i in range(4)] == [3, 0, 30, 3] and len(several) == 3
    for sequence, ids in texts.items():
        expected = row(model, [9, 8, *ids] if sequence == 0 else ids)
        np.testing.assert_array_equal(logits[sequence], expected)
    assert several.feed_batch({}) == {}


def test_fork_truncate_free(model, several):
    ids = [i * 7 % 90 for i in range(100)]
    several.feed(ids)
    blocks = several.free_blocks
    several.fork(0, 1)
    several.fork(0, 3, length=70)
    assert several.length(1) == 100 and several.length(3) == 70
    assert several.free_blocks == blocks == 14
    np.testing.assert_array_equal(several.feed([1], sequence=3)[0], row(model, ids[:70] + [1]))
    np.testing.assert_array_equal(several.feed([2], sequence=1)[0], row(model, ids + [2]))
    np.testing.assert_array_equal(several.feed([3])[0], row(model, ids + [3]))
    several.truncate(64, 1)
    np.testing.assert_array_equal(several.feed([4], sequence=1)[0], row(model, ids[:64] + [4]))
    for sequence in range(4):
        several.free(sequence)
    assert several.free_blocks == 16


def test_prefix(model, several):
    ids = [i * 7 % 90 for i in range(80)]
    several.feed(ids[:75], sequence=2)
    assert several.prefix(ids, 0) == 75
    np.testing.assert_array_equal(several.feed(ids[75:])[0], row(model, ids))
    assert several.prefix(ids, 1) == 79
    assert several.prefix([96, 95], 3) == 0


def test_sequence_errors(library, several):
    several.feed([1, 2], sequence=1)
    with pytest.raises(runtime.TernacError, match="expected a sequence below 4, but got 4"):
        several.feed([1], sequence=4)
    with pytest.raises(runtime.TernacError, match="expected a sequence below 4"):
        several.length(4)
    with pytest.raises(ValueError, match="expected sequence from 0"):
        several.free(-1)
    with pytest.raises(runtime.TernacError, match="expected sequence 1 to be empty"):
        several.fork(0, 1)
    with pytest.raises(ValueError, match="expected length from 0 to 2, but got 3"):
        several.fork(1, 2, length=3)
    with pytest.raises(runtime.TernacError, match="expected sequence 1 to be empty"):
        several.prefix([1], 1)
    with pytest.raises(runtime.TernacError, match="at least one token for sequence 0"):
        several.feed_batch({1: [1], 0: []})
    with pytest.raises(runtime.TernacError, match="cannot truncate"):
        several.truncate(3, 1)
    assert [several.length(i) for i in range(4)] == [0, 2, 0, 0]
    with pytest.raises(runtime.TernacError, match="compile it with --max-sequences=5"):
        runtime.load(library, sequences=5)
    with pytest.raises(ValueError, match="at least one sequence"):
        runtime.load(library, sequences=0)
    with runtime.load(library, threads=1, sequences=2, cache_blocks=1) as model:
        model.feed([1])
        with pytest.raises(runtime.TernacError, match="cache is full: expected 1 free blocks"):
            model.feed([1], sequence=1)


@pytest.mark.parametrize("sequences", (1, 3, 4))
@pytest.mark.parametrize("options", ({}, {"ignore_eos": True}, {"temperature": 1.0, "seed": 5}))
def test_generate_batch(library, model, sequences, options):
    """More prompts than sequences, some of which begin alike or are the same."""
    prompts = [[4], [1, 2, 3], list(range(70)), np.arange(72), [1, 2], [1, 2, 3]]
    expected = [list(model.generate(prompt, 20, **options)) for prompt in prompts]
    with runtime.load(library, threads=1, sequences=sequences) as several:
        several.feed([7])
        assert several.generate_batch(prompts, 20, **options) == expected
        assert [several.length(i) for i in range(sequences)] == sequences * [0]
        assert several.generate_batch(prompts, 0) == len(prompts) * [[]]
        assert several.generate_batch([]) == []


def test_generate_batch_errors(several):
    several.feed([1])
    with pytest.raises(runtime.TernacError, match=r"prompts\[1\]: the prompt has no tokens"):
        several.generate_batch([[1], []])
    with pytest.raises(runtime.TernacError, match=r"prompts\[0\]: 2 prompt tokens and 255 new"):
        several.generate_batch([[1, 2], [3]], max_new_tokens=255)
    with pytest.raises(runtime.TernacError, match="token 97 is outside"):
        several.generate_batch([[1], [97]])
    with pytest.raises(runtime.TernacError, match="temperature"):
        several.generate_batch([[1]], temperature=-1)
    assert len(several) == 1


def test_errors(model, library):
    with pytest.raises(runtime.TernacError, match="cannot open '/nowhere.so'"):
        runtime.load("/nowhere.so")
    with pytest.raises(runtime.TernacError, match="at most 8 threads"):
        runtime.load(library, threads=9)
    with pytest.raises(ValueError, match="at least one thread"):
        runtime.load(library, threads=0)
    model.feed([1, 2])
    with pytest.raises(runtime.TernacError, match="token 97 is outside"):
        model.feed([97])
    with pytest.raises(runtime.TernacError, match="token -1 is outside"):
        model.feed([-1])
    with pytest.raises(runtime.TernacError, match="do not fit the context"):
        model.feed([1] * 255)
    with pytest.raises(ValueError, match="integer token ids"):
        model.feed([0.5])
    with pytest.raises(ValueError, match="one dimension"):
        model.feed([[1]])
    assert len(model) == 2
    # Raised by the call, before the iterator is asked for anything.
    with pytest.raises(runtime.TernacError, match="do not fit the context"):
        model.generate([1], max_new_tokens=256)
    with pytest.raises(runtime.TernacError, match="temperature"):
        model.generate([1], temperature=-1)
    with pytest.raises(runtime.TernacError, match="no tokens"):
        model.generate([])
    with pytest.raises(runtime.TernacError, match="needs a tokenizer"):
        model.generate("text")
    with pytest.raises(ValueError, match="expected seed from 0"):
        model.generate([1], seed=-1)


def test_close(library):
    model = runtime.load(library, threads=1)
    model.close()
    model.close()
    with pytest.raises(runtime.TernacError, match="closed"):
        model.feed([1])
    with pytest.raises(runtime.TernacError, match="closed"):
        model.vocab_size


def test_text(library, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    words = {f"w{i}": i for i in range(97)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    with runtime.load(library, threads=1, tokenizer=path) as model:
        text = "".join(model.generate("w1 w2 w3", max_new_tokens=5))
        assert text == " w47 w61 w29 w20 w96"
        assert model.generate_batch(["w1 w2 w3", [1, 2, 3]], 5) == [text, [47, 61, 29, 20, 96]]
        # The end token is not shown.
        assert not "".join(model.generate("w4", max_new_tokens=50)).endswith("w2")
    # Found beside the library.
    beside = tmp_path / "model.so"
    shutil.copy(library, beside)
    with runtime.load(beside, threads=1) as model:
        assert "".join(model.generate("w1 w2 w3", max_new_tokens=1)) == " w47"


def test_incomplete_characters(library, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    # Tokens are bytes: characters of several bytes come in several tokens.
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    bpe = tokenizers.models.BPE({letter: i for i, letter in enumerate(letters)}, [])
    tokenizer = tokenizers.Tokenizer(bpe)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    with runtime.load(library, threads=1, tokenizer=path) as model:
        prompt = tokenizer.encode("a").ids
        new = tokenizer.encode("né日本!").ids
        assert len(new) > len("né日本!")
        pieces = list(model._to_text(prompt, iter(new)))
    assert "".join(pieces) == "né日本!"
    assert "\ufffd" not in "".join(pieces)
