# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Commands for compiled models.

    python -m ternac chat LIB [--checkpoint=DIR]
    python -m ternac perplexity LIB FILE [--window=N]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import load
from .runtime import CompiledModel, TernacError


def _open(options, directory: Path):
    tokenizer = options.tokenizer or directory / "tokenizer.json"
    model = load(options.library, threads=options.threads, tokenizer=tokenizer, device=options.device)
    if not isinstance(model, CompiledModel):
        model.close()
        raise TernacError(f"'{options.library}' has functions but no model")
    return model


def _chat(options) -> None:
    from .chat import Chat, ChatTemplate

    directory = options.checkpoint or options.library.resolve().parent
    template = ChatTemplate.load(directory)
    with _open(options, directory) as model:
        chat = Chat(
            model,
            template,
            options.system,
            options.max_new_tokens,
            options.temperature,
            options.top_k,
            options.top_p,
            options.seed,
        )
        interactive = sys.stdin.isatty()
        while True:
            if interactive:
                print("> ", end="", flush=True)
            line = sys.stdin.readline()
            if not line:
                return
            if not line.strip():
                continue
            for piece in chat.say(line.rstrip("\n")):
                print(piece, end="", flush=True)
            print(flush=True)


def _perplexity(options) -> None:
    from .perplexity import measure

    directory = options.checkpoint or options.library.resolve().parent
    text = options.file.read_text(encoding="utf-8")
    with _open(options, directory) as model:
        tokens = model.tokenizer.encode(text).ids
        if len(tokens) < 2:
            raise ValueError(f"{options.file}: expected a text of at least two tokens, but got {len(tokens)}")

        def show(so_far) -> None:
            if sys.stderr.isatty():
                print(f"\r{so_far.tokens} tokens, perplexity {so_far.value:.4f}", end="", file=sys.stderr, flush=True)

        result = measure(model, tokens, options.window, show)
        if sys.stderr.isatty():
            print(file=sys.stderr)
        print(f"perplexity {result.value:.4f} over {result.tokens} tokens")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ternac", description="Commands for compiled models.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, run, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("library", type=Path, help="the library that the compiler wrote")
        sub.add_argument("--checkpoint", type=Path, help="directory of the tokenizer and its files (default: the library's)")
        sub.add_argument("--tokenizer", type=Path, help="tokenizer.json (default: the checkpoint's)")
        sub.add_argument("--threads", type=int, help="default: the processors of this process")
        sub.add_argument("--device", help="the device that the model was compiled for, if any")
        return sub

    chat = command("chat", _chat, "Answers what is said on standard input, a line at a time, by the checkpoint's chat template.")
    chat.add_argument("--system", help="a message before the conversation")
    chat.add_argument("--max-new-tokens", type=int, default=512, help="longest answer (default %(default)s)")
    chat.add_argument("--temperature", type=float, default=0.0, help="0 (default): always the likeliest token")
    chat.add_argument("--top-k", type=int, default=0, help="draw from that many (default: all)")
    chat.add_argument("--top-p", type=float, default=1.0, help="draw from the fewest of that probability (default: all)")
    chat.add_argument("--seed", type=int, default=0, help="the same seed gives the same answers (default %(default)s)")
    perplexity = command("perplexity", _perplexity, "Measures how well the model predicts a text file.")
    perplexity.add_argument("file", type=Path, help="UTF-8 text")
    perplexity.add_argument("--window", type=int, help="tokens that are predicted together (default: the context)")
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (TernacError, OSError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
