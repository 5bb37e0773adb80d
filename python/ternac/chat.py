# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Talks with a compiled model, in the form that its checkpoint asks for.

    template = ChatTemplate.load("checkpoint")
    chat = Chat(ternac.load("model.so", tokenizer="checkpoint/tokenizer.json"), template)
    for piece in chat.say("Why is the sky blue?"):
        print(piece, end="", flush=True)
"""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Iterator

from .runtime import CompiledModel, TernacError, _Sampler


class ChatTemplate:
    """The chat template of a checkpoint: Jinja text that makes one text of the
    messages of a conversation.

    ``special`` are the tokens that templates name: ``bos_token`` and so on.
    Raises ImportError without the ``jinja2`` package, ValueError if ``text`` is
    no template.
    """

    def __init__(self, text: str, special: dict[str, str]):
        try:
            import jinja2.sandbox
        except ImportError as error:
            raise ImportError("chat templates need the 'jinja2' package: pip install jinja2") from error
        # As transformers has it, which templates are written for. They come from strangers: hence the sandbox.
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
        environment.globals["raise_exception"] = self._raise
        environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
        self._errors = (jinja2.TemplateError, TypeError)
        self._special = special
        try:
            self._template = environment.from_string(text)
        except jinja2.TemplateError as error:
            raise ValueError(f"the chat template is damaged: {error}") from error

    @staticmethod
    def _raise(message: str):
        import jinja2

        raise jinja2.TemplateError(message)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> ChatTemplate:
        """The template of a checkpoint directory: chat_template.jinja, or
        ``chat_template`` in tokenizer_config.json, of several the one called
        "default". Raises ValueError if there is none."""
        directory = Path(directory)
        config_path, file = directory / "tokenizer_config.json", directory / "chat_template.jinja"
        config = json.loads(config_path.read_text(encoding="utf-8")) if config_path.is_file() else {}
        if not isinstance(config, dict):
            raise ValueError(f"expected {config_path} to be an object")
        text = file.read_text(encoding="utf-8") if file.is_file() else config.get("chat_template")
        if isinstance(text, list):  # of {"name", "template"}
            text = {entry.get("name"): entry.get("template") for entry in text}.get("default")
        if not isinstance(text, str):
            raise ValueError(
                f"there is no chat template in {directory}: expected chat_template.jinja, or 'chat_template' in "
                "tokenizer_config.json; a model without one was not trained to chat"
            )
        special = {}
        for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
            token = config.get(name)
            special[name] = token.get("content", "") if isinstance(token, dict) else token or ""
        return cls(text, special)

    def render(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The text of ``messages``, of which each has a ``role`` (system, user
        or assistant) and ``content``, up to where the next answer begins.
        Raises ValueError if the template refuses them."""
        try:
            return self._template.render(
                messages=messages, add_generation_prompt=add_generation_prompt, **self._special
            )
        except self._errors as error:
            raise ValueError(f"the chat template refuses the conversation: {error}") from error


class Chat:
    """A conversation in sequence 0 of ``model``. Tokens that the next text
    begins with, as the last did, are not computed again.

    ``system`` is a message before all others, if any. Other parameters are those
    of :meth:`CompiledModel.generate`.
    """

    def __init__(
        self,
        model: CompiledModel,
        template: ChatTemplate,
        system: str | None = None,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
    ):
        self._model, self._template, self._limit = model, template, max_new_tokens
        self._sampler = _Sampler(model._runtime, temperature, top_k, top_p, seed)
        self.messages = [{"role": "system", "content": system}] if system else []
        self._fed: list[int] = []
        model.truncate()

    def say(self, text: str) -> Iterator[str]:
        """Adds what the user says, and gives the answer in pieces; when the last
        is taken, the answer is in ``messages``. Raises, and forgets ``text``,
        TernacError if the conversation does not fit the context, ValueError if
        the template refuses it."""
        messages = [*self.messages, {"role": "user", "content": text}]
        tokens = self._model.tokenizer.encode(self._template.render(messages), add_special_tokens=False).ids
        room = self._model.context_length - len(tokens)
        if room < 1:
            raise TernacError(
                f"the conversation has {len(tokens)} tokens, but the context is of {self._model.context_length}; "
                "begin a new one"
            )
        logits = self._feed(tokens)
        self.messages = messages
        return self._answer(logits, min(room, self._limit))

    def _feed(self, tokens: list[int]):
        """Lets the sequence be ``tokens``; returns the logits of the last."""
        shared = 0
        # The last token is fed anew: its logits are wanted.
        for old, new in zip(self._fed, tokens[:-1]):
            if old != new:
                break
            shared += 1
        self._model.truncate(shared)
        self._fed = tokens[:shared]
        logits = self._model.feed(tokens[shared:])
        self._fed = list(tokens)
        return logits

    def _answer(self, logits, limit: int) -> Iterator[str]:
        def draw() -> Iterator[int]:
            current, stop = logits, set(self._model.end_tokens)
            for left in range(limit, 0, -1):
                token = self._sampler.sample(current)
                yield token
                if token in stop or left == 1:
                    return
                current = self._model.feed([token])
                self._fed.append(token)

        pieces = []
        for piece in self._model._to_text(self._fed, draw()):
            pieces.append(piece)
            yield piece
        self.messages.append({"role": "assistant", "content": "".join(pieces).strip()})
