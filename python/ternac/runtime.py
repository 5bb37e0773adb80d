# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs compiled models from Python.

    model = ternac.load("model.so")
    for piece in model.generate("The sky is", max_new_tokens=20):
        print(piece, end="", flush=True)

A thin binding, by ctypes, of the C API in ``ternac/Runtime/Session.h``. It
needs NumPy, the runtime's shared library and, for text, the ``tokenizers``
package.
"""

from __future__ import annotations

import ctypes
import functools
import json
import operator
import os
from ctypes import (
    POINTER,
    c_char_p,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

import numpy as np

if TYPE_CHECKING:
    from .functions import CompiledModule


class TernacError(RuntimeError):
    """What the runtime refused, in its own words."""


class _Model(ctypes.Structure):
    """``TernacModel`` of ModelABI.h, up to the last field used here."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("vocab_size", c_uint32),
        ("hidden_size", c_uint32),
        ("layers", c_uint32),
        ("context_length", c_uint32),
        ("max_rows", c_uint32),
        ("max_sequences", c_uint32),
        ("max_threads", c_uint32),
        ("end_token_count", c_uint32),
        ("end_tokens", POINTER(c_int32)),
        ("begin_token", c_int32),
        ("weights_embedded", c_uint32),
        ("weights_bytes", c_uint64),
        ("target", c_char_p),
        ("cpu_features", c_char_p),
        ("facts", c_char_p),
    ]


class _Version(ctypes.Structure):
    """``TernacVersion`` of ModelABI.h, up to the last field used here."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("abi_version", c_uint32),
        ("name", c_char_p),
        ("target", c_char_p),
    ]


class _SessionOptions(ctypes.Structure):
    """``TernacSessionOptions`` of Session.h."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("threads", c_uint32),
        ("no_pinning", c_uint32),
        ("sequences", c_uint32),
        ("cache_blocks", c_uint32),
        ("huge_pages", c_uint32),
        ("device", c_void_p),
    ]


_SIGNATURES = {
    "ternac_last_error": (c_char_p, []),
    "ternac_open_version": (c_void_p, [c_char_p, c_char_p]),
    "ternac_version_of": (c_uint32, [c_void_p]),
    "ternac_version_at": (POINTER(_Version), [c_void_p, c_uint32]),
    "ternac_close": (None, [c_void_p]),
    "ternac_model_of": (POINTER(_Model), [c_void_p]),
    "ternac_driver_open": (c_void_p, [c_char_p]),
    "ternac_driver_close": (None, [c_void_p]),
    "ternac_device_of": (c_void_p, [c_void_p]),
    "ternac_session_create": (c_void_p, [c_void_p, POINTER(_SessionOptions)]),
    "ternac_session_destroy": (None, [c_void_p]),
    "ternac_session_threads": (c_uint32, [c_void_p]),
    "ternac_length": (c_int64, [c_void_p, c_uint32]),
    "ternac_truncate": (c_int32, [c_void_p, c_uint32, c_uint32]),
    "ternac_feed": (
        c_int32,
        [c_void_p, c_uint32, c_void_p, c_size_t, c_void_p, c_size_t],
    ),
    "ternac_feed_batch": (c_int32, [c_void_p, c_size_t] + 4 * [c_void_p]),
    "ternac_free": (c_int32, [c_void_p, c_uint32]),
    "ternac_fork": (c_int32, [c_void_p, c_uint32, c_uint32]),
    "ternac_prefix": (c_int64, [c_void_p, c_uint32, c_void_p, c_size_t]),
    "ternac_free_blocks": (c_uint32, [c_void_p]),
    "ternac_sampler_create": (c_void_p, [c_float, c_uint32, c_float, c_uint64]),
    "ternac_sampler_destroy": (None, [c_void_p]),
    "ternac_sample": (c_int32, [c_void_p, c_void_p, c_uint32]),
}

_LIBRARY_NAME = "libternac_runtime.so"


def _find_runtime() -> Path:
    """The runtime's shared library: where TERNAC_RUNTIME_LIBRARY says, beside
    this package, or in the build folder of a source tree."""
    named = os.environ.get("TERNAC_RUNTIME_LIBRARY")
    if named:
        return Path(named)
    package = Path(__file__).resolve().parent
    places = [package, package.parents[1] / "build" / "lib"]
    for place in places:
        if (place / _LIBRARY_NAME).is_file():
            return place / _LIBRARY_NAME
    raise TernacError(
        f"{_LIBRARY_NAME} is in none of {', '.join(map(str, places))}; build "
        "the project, or set TERNAC_RUNTIME_LIBRARY to its path"
    )


@functools.cache
def _runtime() -> ctypes.CDLL:
    path = _find_runtime()
    try:
        # A bare name would be searched for in the system's folders.
        runtime = ctypes.CDLL(os.path.abspath(path))
    except OSError as error:
        raise TernacError(f"cannot load the runtime: {error}") from error
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(runtime, name)
        function.restype = result
        function.argtypes = arguments
    return runtime


def _last_error() -> TernacError:
    return TernacError(_runtime().ternac_last_error().decode(errors="replace"))


def _integer(name: str, value: int, high: int) -> int:
    """ctypes would cut off what does not fit."""
    value = operator.index(value)
    if not 0 <= value <= high:
        raise ValueError(f"expected {name} from 0 to {high}, but got {value}")
    return value


class CompiledModel:
    """A model library with sequences of tokens, numbered from 0 and empty at
    first. Made by :func:`load`.

    What takes no ``sequence`` works on sequence 0. A call that raises leaves
    all sequences as they were, but :meth:`generate` and :meth:`logits` empty
    sequence 0 before they feed it, and :meth:`generate_batch` empties all. A
    model may be used by one thread at a time. It holds its memory until
    :meth:`close`, the end of a ``with`` block, or its own end.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        threads: int | None = None,
        tokenizer: str | os.PathLike[str] | None = None,
        pinning: bool = True,
        huge_pages: bool = False,
        sequences: int = 1,
        cache_blocks: int | None = None,
        device: str | os.PathLike[str] | None = None,
        code_version: str | int | None = None,
    ):
        self._library = self._session = self._driver = None
        self._runtime = _runtime()
        options = _SessionOptions(
            struct_size=ctypes.sizeof(_SessionOptions),
            threads=0 if threads is None else _integer("threads", threads, 2**32 - 1),
            no_pinning=0 if pinning else 1,
            huge_pages=1 if huge_pages else 0,
            sequences=_integer("sequences", sequences, 2**32 - 1),
            cache_blocks=_integer("cache_blocks", cache_blocks or 0, 2**32 - 1),
        )
        if threads == 0:
            raise ValueError("expected at least one thread")
        if sequences == 0:
            raise ValueError("expected at least one sequence")
        version = None if code_version is None else str(code_version).encode()
        self._library = self._runtime.ternac_open_version(os.fsencode(path), version)
        if not self._library:
            raise _last_error()
        if device is not None:
            self._driver = self._runtime.ternac_driver_open(os.fsencode(device))
            if not self._driver:
                error = _last_error()
                self.close()
                raise error
            options.device = self._runtime.ternac_device_of(self._driver)
        self._session = self._runtime.ternac_session_create(
            self._library, ctypes.byref(options)
        )
        if not self._session:
            error = _last_error()
            self.close()
            raise error
        self._model = self._runtime.ternac_model_of(self._library).contents
        self._sequences = sequences
        beside = Path(path).resolve().parent / "tokenizer.json"
        if tokenizer is None and beside.is_file():
            tokenizer = beside
        self._tokenizer_path = None if tokenizer is None else Path(tokenizer)

    def close(self) -> None:
        """Frees the memory and the library. The model is of no use then."""
        if self._session:
            self._runtime.ternac_session_destroy(self._session)
        if self._library:
            self._runtime.ternac_close(self._library)
        if self._driver:
            self._runtime.ternac_driver_close(self._driver)
        self._library = self._session = self._driver = None

    def __enter__(self) -> CompiledModel:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Absent if the constructor failed before it opened anything.
        if getattr(self, "_runtime", None):
            self.close()

    def _open_session(self) -> int:
        if not self._session:
            raise TernacError("the model is closed")
        return self._session

    # Facts.

    @property
    def vocab_size(self) -> int:
        return self._facts_table().vocab_size

    @property
    def context_length(self) -> int:
        """Positions that fit into a sequence."""
        return self._facts_table().context_length

    @property
    def begin_token(self) -> int | None:
        token = self._facts_table().begin_token
        return None if token < 0 else token

    @property
    def end_tokens(self) -> list[int]:
        model = self._facts_table()
        return model.end_tokens[: model.end_token_count]

    @property
    def target(self) -> str:
        """The machine that the code in use was compiled for."""
        self._open_session()
        number = self._runtime.ternac_version_of(self._library)
        return self._runtime.ternac_version_at(self._library, number).contents.target.decode()

    @property
    def code_versions(self) -> list[str]:
        """The processors that there is code for, those that need more later."""
        self._open_session()
        names: list[str] = []
        while version := self._runtime.ternac_version_at(self._library, len(names)):
            names.append(version.contents.name.decode())
        return names

    @property
    def code_version(self) -> int:
        """Which of ``code_versions`` is in use."""
        self._open_session()
        return self._runtime.ternac_version_of(self._library)

    @property
    def facts(self) -> dict:
        """All that the compiler tells of the model."""
        return json.loads(self._facts_table().facts)

    @property
    def threads(self) -> int:
        return self._runtime.ternac_session_threads(self._open_session())

    @property
    def sequences(self) -> int:
        """How many sequences there are."""
        return self._sequences

    def _facts_table(self) -> _Model:
        # The table is a part of the library and goes with it.
        self._open_session()
        return self._model

    # Sequences.

    def __len__(self) -> int:
        """Tokens in sequence 0."""
        return self.length(0)

    def length(self, sequence: int) -> int:
        """Tokens in ``sequence``. Raises TernacError if there is none."""
        length = self._runtime.ternac_length(self._open_session(), self._to_sequence(sequence))
        if length < 0:
            raise _last_error()
        return length

    @property
    def free_blocks(self) -> int:
        """Cache blocks, of 64 tokens each, that no sequence has."""
        return self._runtime.ternac_free_blocks(self._open_session())

    def truncate(self, length: int = 0, sequence: int = 0) -> None:
        """Forgets all but the first ``length`` tokens of a sequence. Raises
        TernacError if it has fewer, or if there is no such sequence."""
        length = _integer("length", length, 2**32 - 1)
        if self._runtime.ternac_truncate(
            self._open_session(), self._to_sequence(sequence), length
        ):
            raise _last_error()

    def free(self, sequence: int) -> None:
        """Forgets all of a sequence. Raises TernacError if there is none."""
        if self._runtime.ternac_free(self._open_session(), self._to_sequence(sequence)):
            raise _last_error()

    def fork(self, source: int, target: int, length: int | None = None) -> None:
        """Makes the empty sequence ``target`` a copy of the first ``length``
        tokens (default: all) of ``source``. The two share their cache until
        they differ.

        Raises TernacError if ``target`` is not empty or there is no such
        sequence, ValueError if ``source`` has fewer tokens.
        """
        if length is not None:
            length = _integer("length", length, self.length(source))
        if self._runtime.ternac_fork(
            self._open_session(), self._to_sequence(source), self._to_sequence(target)
        ):
            raise _last_error()
        if length is not None:
            self.truncate(length, target)

    def prefix(self, ids: Sequence[int] | np.ndarray, sequence: int) -> int:
        """Gives the empty ``sequence`` as much of the beginning of ``ids`` as
        any other sequence begins with, short of the last token.

        ``ids`` is a sequence of n token ids. Returned is the number of tokens
        that are there now, 0 to n - 1: feed the rest. Raises TernacError if
        the sequence is not empty, or as :meth:`feed` does.
        """
        tokens = self._to_tokens(ids)
        length = self._runtime.ternac_prefix(
            self._open_session(), self._to_sequence(sequence), tokens.ctypes.data, tokens.size
        )
        if length < 0:
            raise _last_error()
        return length

    def feed(
        self, ids: Sequence[int] | np.ndarray, rows: int | None = None, sequence: int = 0
    ) -> np.ndarray:
        """Appends tokens to a sequence and returns logits.

        ``ids`` is a sequence of n token ids. Returned are the logits of the
        last ``rows`` of them (default: 1, or 0 if n is 0), float32
        [rows, vocab_size]: row i scores what follows its token.

        Raises TernacError if a token is outside the vocabulary, or if the
        context or the cache is full.
        """
        tokens = self._to_tokens(ids)
        if rows is None:
            rows = min(1, tokens.size)
        if not 0 <= rows <= tokens.size:
            raise ValueError(f"expected rows from 0 to {tokens.size}, but got {rows}")
        logits = np.empty((rows, self.vocab_size), np.float32)
        if self._runtime.ternac_feed(
            self._open_session(),
            self._to_sequence(sequence),
            tokens.ctypes.data,
            tokens.size,
            logits.ctypes.data if rows else None,
            rows,
        ):
            raise _last_error()
        return logits

    def feed_batch(self, chunks: Mapping[int, Sequence[int] | np.ndarray]) -> dict[int, np.ndarray]:
        """Appends tokens to several sequences together, which reads the
        weights once for all of them.

        ``chunks`` has for each sequence at least one token id. Returned are
        for each the logits of its last token, float32 [vocab_size].

        Raises TernacError as :meth:`feed` does, or if a chunk is empty.
        """
        if not chunks:
            return {}
        sequences = np.array([self._to_sequence(sequence) for sequence in chunks], np.uint32)
        parts = [self._to_tokens(ids) for ids in chunks.values()]
        counts = np.array([part.size for part in parts], np.uintp)
        tokens = np.concatenate(parts)
        logits = np.empty((len(parts), self.vocab_size), np.float32)
        pointers = [array.ctypes.data for array in (sequences, counts, tokens, logits)]
        if self._runtime.ternac_feed_batch(self._open_session(), len(parts), *pointers):
            raise _last_error()
        return dict(zip(chunks, logits))

    def logits(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """The logits of a whole text, from an empty sequence 0.

        ``ids`` is a sequence of n token ids; returned are float32
        [n, vocab_size]. The sequence holds ``ids`` afterwards. Raises as
        :meth:`feed` does; the sequence is empty then.
        """
        self.truncate()
        return self.feed(ids, rows=len(ids))

    def generate(
        self,
        prompt: str | Sequence[int] | np.ndarray,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        ignore_eos: bool = False,
    ) -> Iterator[int] | Iterator[str]:
        """Continues a prompt in sequence 0, from its beginning.

        Token ids give an iterator of token ids; it ends after an end token of
        the model, which is included, unless ``ignore_eos``. Text gives an
        iterator of pieces of text, without the end token; a piece may be
        empty while a character is incomplete.

        ``temperature`` 0 always takes the likeliest token; otherwise tokens
        are drawn from the ``top_k`` likeliest (0: all) and of those from the
        fewest whose probability reaches ``top_p``. The same ``seed`` gives
        the same tokens.

        Everything is checked here, before the first token is asked for:
        raises TernacError if prompt and new tokens do not fit the context, if
        a token is outside the vocabulary, if a parameter is out of range, or,
        for text, if there is no tokenizer.
        """
        if not isinstance(prompt, str):
            return self._generate_ids(
                self._to_tokens(prompt), max_new_tokens, temperature, top_k, top_p, seed, ignore_eos
            )
        tokens = self._to_tokens(self.tokenizer.encode(prompt).ids)
        new = self._generate_ids(
            tokens, max_new_tokens, temperature, top_k, top_p, seed, ignore_eos
        )
        return self._to_text(tokens.tolist(), new)

    def _generate_ids(
        self, tokens, max_new_tokens, temperature, top_k, top_p, seed, ignore_eos
    ) -> Iterator[int]:
        """Checks and feeds at once; the iterator that is returned draws."""
        self._check_prompt(tokens, max_new_tokens)
        sampler = _Sampler(self._runtime, temperature, top_k, top_p, seed)
        self.truncate()
        logits = self.feed(tokens)

        def draw(logits: np.ndarray) -> Iterator[int]:
            stop = set() if ignore_eos else set(self.end_tokens)
            for left in range(max_new_tokens, 0, -1):
                token = sampler.sample(logits)
                yield token
                if token in stop or left == 1:
                    return
                logits = self.feed([token])

        return draw(logits)

    def generate_batch(
        self,
        prompts: Sequence[str | Sequence[int] | np.ndarray],
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        ignore_eos: bool = False,
    ) -> list[list[int]] | list[str]:
        """Continues several prompts together, one token of each at a time.

        Returned is for each prompt, in the order given, what :meth:`generate`
        gives for it alone: a list of token ids for token ids, a text for a
        text. Parameters are as there; each prompt draws from the seed by
        itself. As many prompts go together as there are sequences, and others
        wait for one that is done; a beginning that another prompt has too is
        computed once. With a library of ``--attention=auto`` that can change
        logits a little, and so a token where two are all but equal;
        with ``f32`` it never does. All sequences are emptied, before and
        after, even if this raises on the way.

        Raises as :meth:`generate` does, and TernacError if the cache is full,
        which cannot be unless ``cache_blocks`` was given to :func:`load`.
        """
        texts = [
            self._to_tokens(self.tokenizer.encode(prompt).ids if isinstance(prompt, str) else prompt)
            for prompt in prompts
        ]
        for i, tokens in enumerate(texts):
            self._check_prompt(tokens, max_new_tokens, f"prompts[{i}]: ")
        create_sampler = functools.partial(_Sampler, self._runtime, temperature, top_k, top_p, seed)
        create_sampler()  # raises what it would raise later
        stop = set() if ignore_eos else set(self.end_tokens)
        new: list[list[int]] = [[] for _ in texts]
        free = list(range(self.sequences))
        for sequence in free:
            self.free(sequence)
        waiting = list(range(len(texts)))[::-1]
        live: dict[int, tuple[int, _Sampler]] = {}  # by sequence, its prompt
        logits: dict[int, np.ndarray] = {}
        try:
            while waiting or live:
                while waiting and free:
                    i, sequence = waiting.pop(), free.pop()
                    there = self.prefix(texts[i], sequence)
                    logits[sequence] = self.feed(texts[i][there:], sequence=sequence)[0]
                    live[sequence] = i, create_sampler()
                for sequence, (i, sampler) in list(live.items()):
                    if len(new[i]) < max_new_tokens:
                        new[i].append(sampler.sample(logits[sequence]))
                    if len(new[i]) == max_new_tokens or new[i][-1] in stop:
                        self.free(sequence)
                        free.append(sequence)
                        del live[sequence]
                logits = self.feed_batch(
                    {sequence: new[i][-1:] for sequence, (i, _) in live.items()}
                )
        finally:
            for sequence in range(self.sequences):
                self.free(sequence)
        return [
            "".join(self._to_text(tokens.tolist(), iter(ids))) if isinstance(prompt, str) else ids
            for prompt, tokens, ids in zip(prompts, texts, new)
        ]

    def _check_prompt(self, tokens: np.ndarray, max_new_tokens: int, name: str = "") -> None:
        _integer("max_new_tokens", max_new_tokens, 2**31 - 1)
        if not tokens.size:
            raise TernacError(f"{name}the prompt has no tokens")
        if tokens.size + max_new_tokens > self.context_length:
            raise TernacError(
                f"{name}{tokens.size} prompt tokens and {max_new_tokens} new ones do not "
                f"fit the context of {self.context_length} tokens"
            )

    def _to_text(self, prompt: list[int], new: Iterator[int]) -> Iterator[str]:
        """Decodes the prompt's end with the new tokens: how a token is spelled
        can depend on the one before it, and a character may need several."""
        end_tokens = set(self.end_tokens)
        known = prompt[-1:]
        shown = text = self.tokenizer.decode(known)
        for token in new:
            if token in end_tokens:
                break
            known.append(token)
            text = self.tokenizer.decode(known)
            # U+FFFD stands for a character whose last bytes are to come.
            if text.endswith("\ufffd"):
                yield ""
                continue
            yield text[len(shown) :]
            known = known[-1:]
            shown = text = self.tokenizer.decode(known)
        if len(text) > len(shown):
            yield text[len(shown) :]

    @functools.cached_property
    def tokenizer(self):
        """The ``tokenizers.Tokenizer`` of the model. Raises TernacError if no
        tokenizer.json was given or found, or the package is not installed."""
        if self._tokenizer_path is None:
            raise TernacError(
                "text needs a tokenizer: give tokenizer='.../tokenizer.json' to "
                "load(), or put tokenizer.json beside the library"
            )
        try:
            import tokenizers
        except ImportError as error:
            raise TernacError(
                "text needs the 'tokenizers' package: pip install tokenizers"
            ) from error
        if not self._tokenizer_path.is_file():
            raise TernacError(f"there is no tokenizer '{self._tokenizer_path}'")
        if self._tokenizer_path.suffix == ".gguf":
            from . import gguf

            try:
                return gguf.tokenizer(self._tokenizer_path)
            except gguf.GGUFError as error:
                raise TernacError(str(error)) from error
        return tokenizers.Tokenizer.from_file(str(self._tokenizer_path))

    def _to_sequence(self, sequence: int) -> int:
        return _integer("sequence", sequence, 2**32 - 1)

    def _to_tokens(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """``ids`` as int32 [n]."""
        tokens = np.asarray(ids)
        if tokens.ndim != 1:
            raise ValueError(f"expected one dimension of token ids, but got {tokens.ndim}")
        if tokens.size and not np.issubdtype(tokens.dtype, np.integer):
            raise ValueError(f"expected integer token ids, but got {tokens.dtype}")
        outside = (tokens < 0) | (tokens >= self.vocab_size)
        if outside.any():
            raise TernacError(
                f"token {tokens[outside][0]} is outside the vocabulary of "
                f"{self.vocab_size} tokens"
            )
        return np.ascontiguousarray(tokens, np.int32)


class _Sampler:
    """Owns a ``TernacSampler``."""

    def __init__(self, runtime, temperature, top_k, top_p, seed):
        self._runtime = runtime
        self._sampler = runtime.ternac_sampler_create(
            temperature,
            _integer("top_k", top_k, 2**32 - 1),
            top_p,
            _integer("seed", seed, 2**64 - 1),
        )
        if not self._sampler:
            raise _last_error()

    def __del__(self):
        if getattr(self, "_sampler", None):
            self._runtime.ternac_sampler_destroy(self._sampler)

    def sample(self, logits: np.ndarray) -> int:
        token = self._runtime.ternac_sample(
            self._sampler, logits.ctypes.data, logits.shape[-1]
        )
        if token < 0:
            raise _last_error()
        return token


def load(
    path: str | os.PathLike[str],
    threads: int | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    pinning: bool = True,
    huge_pages: bool = False,
    sequences: int = 1,
    cache_blocks: int | None = None,
    device: str | os.PathLike[str] | None = None,
    code_version: str | int | None = None,
) -> CompiledModel | CompiledModule:
    """Opens a compiled model, or a compiled module of functions.

    ``path`` is the library that the compiler wrote. One that exports functions
    gives a :class:`ternac.functions.CompiledModule`, for which only ``threads``
    and ``pinning`` mean anything; the rest of this is about models. ``threads`` defaults to
    the processors this process may use; with ``pinning`` each thread is kept
    on one of them while the model runs. ``huge_pages`` copies the weights into
    huge pages first. ``tokenizer`` is the path of a tokenizer.json, or of a
    GGUF file that has a tokenizer; by default the tokenizer.json beside the library is used, if there is one. ``sequences`` can be
    live at once, with ``cache_blocks`` blocks of 64 tokens for all of them
    (default: enough for as many full contexts). ``device`` is the
    device that the model was compiled for, if it was for one: the name of a
    built-in device ("cuda:0", "vulkan:0"; ``ternac-run --list-devices`` has
    them all), or the path of a driver library.
    ``code_version`` is the name or the number of one of the library's versions
    of the code; by default the last that this machine can run is used.

    Raises TernacError if the file is no model library, was built for a newer
    runtime or for fewer sequences, needs a processor feature this machine
    lacks or another device, has no such version, or if there is not enough
    memory.
    """
    from .functions import CompiledModule, has_functions

    if has_functions(path):
        return CompiledModule(path, threads, pinning)
    return CompiledModel(path, threads, tokenizer, pinning, huge_pages, sequences, cache_blocks, device, code_version)
