"""The text the example model learns: small checkable tasks and template stories, all generated here.

Every task makes `Example`s, a prompt with one right answer. An example belongs to the held-out set or to the training set by a
hash of its `key`, which names the *content* of the question and not its wording: `3 + 14` and `14 + 3` have one key, and so have
two orders of the same words to sort. A held-out question is therefore new to the model in every form.
"""

import dataclasses
import hashlib
import random

NAMES = "Anna Ben Clara David Emma Felix Greta Hugo Ida Jonas Karl Lena Mia Nils Olga Paul".split()
THINGS = (
    "apple ball bell book boat box cake coat cup doll drum flute hat kite lamp map pen ring rope shoe spoon stone sword torch"
).split()
COLOURS = "black blue brown golden green grey pink red silver white yellow".split()
PLACES = "barn bridge castle cave forest garden harbour house kitchen lake market meadow mill school tower valley village".split()
ANIMALS = "bear cat cow deer dog duck fox goat hare horse lion mouse owl pig sheep wolf".split()
WORDS = sorted(THINGS + COLOURS + PLACES + ANIMALS)

HELD_OUT_SHARE = 0.1


@dataclasses.dataclass(frozen=True)
class Example:
    """One question: `prompt + answer` is the text; `key` decides on which side of the split it falls."""

    task: str
    prompt: str
    answer: str
    key: str

    @property
    def held_out(self):
        """True when the model must never see this question in training."""
        digest = hashlib.sha256(f"{self.task}:{self.key}".encode()).digest()
        return int.from_bytes(digest[:8], "little") < HELD_OUT_SHARE * 2**64


def add(rng):
    """Sums of two numbers from 0 to 99."""
    a, b = rng.randrange(100), rng.randrange(100)
    return Example("add", f"{a} + {b} =", f" {a + b}", f"{min(a, b)},{max(a, b)}")


def subtract(rng):
    """Differences that are not negative, of numbers from 0 to 99."""
    b, a = sorted((rng.randrange(100), rng.randrange(100)))
    return Example("subtract", f"{a} - {b} =", f" {a - b}", f"{a},{b}")


def compare(rng):
    """The larger of two different numbers."""
    a, b = rng.sample(range(100), 2)
    return Example("compare", f"Which is larger, {a} or {b}?", f" {max(a, b)}", f"{min(a, b)},{max(a, b)}")


def count(rng):
    """Counting up or down by one, three to seven numbers."""
    length = rng.randint(3, 7)
    first = rng.randrange(100 - length)
    numbers = list(range(first, first + length))
    if rng.random() < 0.5:
        numbers.reverse()
    text = " ".join(map(str, numbers))
    return Example("count", f"Count from {numbers[0]} to {numbers[-1]}:", f" {text}", text)


def _words(rng):
    return rng.sample(WORDS, rng.randint(2, 5))


def repeat(rng):
    """Two to five words in the same order."""
    words = " ".join(_words(rng))
    return Example("repeat", f"Repeat: {words}.", f" {words}", words)


def reverse(rng):
    """Two to five words in reverse order."""
    words = _words(rng)
    return Example("reverse", f"Reverse: {' '.join(words)}.", f" {' '.join(reversed(words))}", " ".join(words))


def sort(rng):
    """Two to five words in alphabetical order."""
    words = _words(rng)
    ordered = " ".join(sorted(words))
    return Example("sort", f"Sort: {' '.join(words)}.", f" {ordered}", ordered)


def _scene(rng):
    """A story of two to four people as `(sentences, facts)`; a fact is `(question, answer)`."""
    people = rng.sample(NAMES, rng.randint(2, 4))
    things = rng.sample(THINGS, len(people))
    places = rng.sample(PLACES, len(people))
    animals = rng.sample(ANIMALS, len(people))
    sentences, facts = [], []
    for name, thing, place, animal in zip(people, things, places, animals):
        colour = rng.choice(COLOURS)
        kind = rng.randrange(3)
        if kind == 0:
            sentences.append(rng.choice((f"{name} has a {colour} {thing}.", f"{name} found a {colour} {thing}.")))
            facts.append((f"Who has the {thing}?", name))
            facts.append((f"What colour is the {thing}?", colour))
            facts.append((f"What does {name} have?", thing))
        elif kind == 1:
            sentences.append(rng.choice((f"{name} went to the {place}.", f"{name} is in the {place}.")))
            facts.append((f"Where is {name}?", place))
            facts.append((f"Who is in the {place}?", name))
        else:
            sentences.append(rng.choice((f"{name} saw a {colour} {animal}.", f"{name} met a {colour} {animal}.")))
            facts.append((f"Who saw the {animal}?", name))
            facts.append((f"What colour is the {animal}?", colour))
            facts.append((f"What did {name} see?", animal))
    return sentences, facts


def story(rng):
    """A story and a question on one of its facts."""
    sentences, facts = _scene(rng)
    question, answer = rng.choice(facts)
    prompt = f"Story: {' '.join(sentences)} {question}"
    return Example("story", prompt, f" {answer}", prompt)


TASKS = {make.__name__: make for make in (add, subtract, compare, count, repeat, reverse, sort, story)}

# How often a training document comes from each task: the harder ones more often.
MIX = {"add": 4, "subtract": 4, "compare": 2, "count": 1, "repeat": 1, "reverse": 2, "sort": 4, "story": 5}


def training_examples(rng):
    """Endless training examples in the proportions of `MIX`, none of them held out."""
    makers = [TASKS[task] for task in MIX]
    weights = list(MIX.values())
    while True:
        example = rng.choices(makers, weights)[0](rng)
        if not example.held_out:
            yield example


def held_out_examples(per_task, seed=0):
    """`per_task` different held-out examples of every task, in the order of `TASKS`."""
    chosen = []
    for task, make in TASKS.items():
        rng = random.Random(f"{task}:{seed}")
        examples = {}
        while len(examples) < per_task:
            example = make(rng)
            if example.held_out:
                examples.setdefault(example.prompt, example)
        chosen += examples.values()
    return chosen
