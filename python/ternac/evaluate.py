"""Measures a model on questions with one right answer: the share of greedy answers that are right, by task.

    python -m ternac.evaluate MODEL evaluation.json [--tokenizer=FILE]

MODEL is a compiled library, or a checkpoint directory, which runs through the NumPy reference. The questions are a JSON list of
objects with `task`, `prompt` and `answer`. An answer is right when the text up to the end token equals it, apart from spaces at
its ends.
"""

import argparse
import dataclasses
import json
import pathlib
import sys

MAX_NEW_TOKENS = 40


@dataclasses.dataclass
class Score:
    """How many of a task's questions were answered right."""

    right: int = 0
    total: int = 0

    @property
    def share(self):
        return self.right / self.total


def read_questions(path):
    """The questions of an evaluation file; raises ValueError when it is not a list of objects with task, prompt and answer."""
    questions = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    keys = {"task", "prompt", "answer"}
    if not isinstance(questions, list) or not all(isinstance(item, dict) and keys <= item.keys() for item in questions):
        raise ValueError(f"expected {path} to be a list of objects with task, prompt and answer")
    return questions


def text_generator(generate_tokens, tokenizer, max_new_tokens=MAX_NEW_TOKENS):
    """A function prompt text -> answer text, from one `(token ids, max new tokens) -> new token ids` and a `tokenizers.Tokenizer`.

    Special tokens, the end token among them, are left out of the answer.
    """
    return lambda prompt: tokenizer.decode(list(generate_tokens(tokenizer.encode(prompt).ids, max_new_tokens)))


def evaluate(answer, questions, progress=None):
    """Scores by task, `{task: Score}`, of the function `answer` (prompt text -> answer text).

    `progress`, where given, is called with each question and its answer.
    """
    scores = {}
    for question in questions:
        given = answer(question["prompt"]).strip()
        score = scores.setdefault(question["task"], Score())
        score.right += given == question["answer"].strip()
        score.total += 1
        if progress:
            progress(question, given)
    return scores


def total(scores):
    """All tasks together."""
    return Score(sum(score.right for score in scores.values()), sum(score.total for score in scores.values()))


def _open(model, tokenizer_path, max_new_tokens):
    """The prompt -> answer function of a library or a checkpoint directory."""
    if model.is_dir():
        from tokenizers import Tokenizer

        from . import oracle

        reference = oracle.Model.load(model)
        tokenizer = Tokenizer.from_file(str(tokenizer_path or model / "tokenizer.json"))
        return text_generator(lambda tokens, n: oracle.greedy(reference, tokens, n), tokenizer, max_new_tokens)
    from . import load

    library = load(str(model), tokenizer=str(tokenizer_path)) if tokenizer_path else load(str(model))
    return lambda prompt: "".join(library.generate(prompt, max_new_tokens=max_new_tokens))


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m ternac.evaluate", description="Measures a model on questions with one right answer."
    )
    parser.add_argument("model", type=pathlib.Path, help="compiled library, or checkpoint directory for the NumPy reference")
    parser.add_argument("questions", type=pathlib.Path, help="JSON list of objects with task, prompt and answer")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="tokenizer.json (default: the one in the checkpoint directory)")
    parser.add_argument("--max-new-tokens", type=int, default=MAX_NEW_TOKENS, help="longest answer (default %(default)s)")
    parser.add_argument("--show-wrong", action="store_true", help="print the questions answered wrongly")
    options = parser.parse_args(arguments)

    def show(question, given):
        if given != question["answer"].strip():
            print(f"{question['prompt']} expected {question['answer']!r}, but got {given!r}")

    try:
        questions = read_questions(options.questions)
        answer = _open(options.model, options.tokenizer, options.max_new_tokens)
        scores = evaluate(answer, questions, show if options.show_wrong else None)
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for task, score in [*scores.items(), ("all", total(scores))]:
        print(f"{task:12} {score.right:5} of {score.total:5}  {100 * score.share:5.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
