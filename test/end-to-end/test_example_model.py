# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The model that ships does, compiled, what its README says."""

import re

import pytest
import support

from ternac import evaluate, load

pytest.importorskip("tokenizers")
TOKENIZER = support.EXAMPLE / "tokenizer.json"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return support.compile(support.EXAMPLE, tmp_path_factory.mktemp("model") / "model.so")


def stated():
    """The counts of right answers in the README, by task."""
    rows = re.findall(r"^\| (\w+) \|.*\| (\d+)(?: of 400)? \|", (support.EXAMPLE / "README.md").read_text(), re.MULTILINE)
    return {task: int(count) for task, count in rows}


def scores(library):
    questions = evaluate.read_questions(support.EXAMPLE / "evaluation.json")
    with load(library, tokenizer=TOKENIZER) as model:
        answer = lambda prompt: "".join(model.generate(prompt, max_new_tokens=evaluate.MAX_NEW_TOKENS))
        result = evaluate.evaluate(answer, questions)
    return {task: score.right for task, score in result.items()} | {"all": evaluate.total(result).right}


def test_accuracy_exact(tmp_path):
    """The README's numbers are those of the NumPy reference."""
    library = support.compile(support.EXAMPLE, tmp_path / "model.so", *support.EXACT)
    assert scores(library) == stated()


def test_accuracy(library):
    """An int8 head and a float16 cache may change an answer or two."""
    expected = stated()
    assert len(expected) == 9
    actual = scores(library)
    assert {task: count for task, count in actual.items() if abs(count - expected[task]) > 2} == {}


def test_accuracy_with_int4_head(tmp_path):
    expected = stated()
    actual = scores(support.compile(support.EXAMPLE, tmp_path / "model.so", "--head=i4"))
    assert {task: count for task, count in actual.items() if abs(count - expected[task]) > 5} == {}


def test_text(library):
    with load(library, tokenizer=TOKENIZER) as model:
        assert "".join(model.generate("34 + 57 =")).strip() == "91"
        assert "".join(model.generate("Reverse: red green blue.")).strip() == "blue green red"
        # Drawn tokens are a function of the seed.
        draw = lambda seed: list(model.generate("Story: Anna has", max_new_tokens=20, temperature=1.5, seed=seed, ignore_eos=True))
        assert draw(1) == draw(1)
        assert any(draw(seed) != draw(1) for seed in range(2, 6))


def test_tokenizer_beside_the_library(tmp_path):
    library = support.compile(support.EXAMPLE, tmp_path / "model.so")
    (tmp_path / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
    with load(library) as model:
        assert "".join(model.generate("34 + 57 =")).strip() == "91"


def test_facts(library):
    with load(library) as model:
        assert (model.vocab_size, model.context_length, model.begin_token, model.end_tokens) == (569, 256, 0, [1])
        assert model.facts


def test_command_line(library):
    """The tokens of the README."""
    output = support.check("ternac-run", library, "--tokens=0,20,21,295,321,24,276", "--max-new-tokens=8")
    assert output == "337 18 1\n"
