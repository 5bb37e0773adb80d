# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Chat and perplexity, with the example model."""

import io
import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ternac import runtime
from ternac.__main__ import main
from ternac.chat import Chat, ChatTemplate
from ternac.perplexity import losses, measure

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "tiny-bitnet"
# In the words of the example's training: a question, a space, the answer.
TEMPLATE = """{%- for message in messages %}
{%- if message.role == 'system' %}{{ raise_exception('no system messages') }}{% endif %}
{%- if message.role == 'user' %}{{ bos_token }}{{ message.content }}{% else %} {{ message.content }}{{ eos_token }}{% endif %}
{%- endfor %}"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The example with a chat template, and its library."""
    compiler = Path(os.environ.get("TERNAC_BIN") or ROOT / "build" / "bin") / "ternac"
    if not compiler.is_file():
        pytest.skip("the compiler is not built")
    folder = tmp_path_factory.mktemp("chat")
    shutil.copy(EXAMPLE / "tokenizer.json", folder)
    config = json.loads((EXAMPLE / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": TEMPLATE}))
    subprocess.run([compiler, EXAMPLE, "-o", folder / "model.so", "--attention=f32"], check=True)
    return folder


@pytest.fixture
def model(checkpoint):
    with runtime.load(checkpoint / "model.so") as model:
        yield model


def test_chat_answers_as_generate_does(checkpoint, model):
    question = "Which is larger, 34 or 43?"
    expected = "".join(model.generate(question, max_new_tokens=16)).strip()
    chat = Chat(model, ChatTemplate.load(checkpoint), max_new_tokens=16)
    answer = "".join(chat.say(question)).strip()
    assert answer == expected == "43"
    assert chat.messages == [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def test_chat_computes_what_is_new(checkpoint, model):
    chat = Chat(model, ChatTemplate.load(checkpoint), max_new_tokens=16)
    "".join(chat.say("34 + 57 ="))
    fed = []
    feed = model.feed
    model.feed = lambda ids, **options: (fed.append(list(ids)), feed(ids, **options))[1]
    second = "".join(chat.say("20 + 30 ="))
    whole = model.tokenizer.encode(chat._template.render(chat.messages[:-1]), add_special_tokens=False).ids
    assert fed[0] == whole[len(whole) - len(fed[0]) :] and len(fed[0]) < len(whole) / 2
    # The same as from nothing.
    model.feed = feed
    other = Chat(model, ChatTemplate.load(checkpoint), max_new_tokens=16)
    other.messages = chat.messages[:2]
    assert "".join(other.say("20 + 30 =")) == second


def test_chat_refuses_and_goes_on(checkpoint, model):
    chat = Chat(model, ChatTemplate.load(checkpoint), max_new_tokens=8)
    with pytest.raises(runtime.TernacError, match="but the context is of 256; begin a new one"):
        chat.say("1 + 1 = " * 200)
    assert chat.messages == []
    assert "".join(chat.say("34 + 57 =")).strip() == "91"
    with pytest.raises(ValueError, match="the chat template refuses the conversation: no system messages"):
        Chat(model, ChatTemplate.load(checkpoint), system="Be brief.").say("34 + 57 =")


def test_templates(tmp_path):
    with pytest.raises(ValueError, match="there is no chat template in"):
        ChatTemplate.load(tmp_path)
    with pytest.raises(ValueError, match="the chat template is damaged"):
        ChatTemplate("{% for %}", {})
    with pytest.raises(ValueError, match="refuses the conversation: .*unsafe"):
        ChatTemplate("{{ messages.__class__.__mro__ }}", {}).render([])
    messages = [{"role": "user", "content": "<é>"}]
    (tmp_path / "chat_template.jinja").write_text("{{ messages | tojson }}{{ bos_token }}")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": {"content": "<s>"}, "chat_template": "no"}))
    assert ChatTemplate.load(tmp_path).render(messages) == '[{"role": "user", "content": "<é>"}]<s>'
    (tmp_path / "chat_template.jinja").unlink()
    named = [{"name": "tools", "template": "a"}, {"name": "default", "template": "b"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert ChatTemplate.load(tmp_path).render(messages) == "b"


def test_losses():
    logits = np.array([[0, 0, 0, 0], [1000, 0, 0, 0]], np.float32)
    assert np.allclose(losses(logits, np.array([2, 0])), [math.log(4), 0])
    assert np.allclose(losses(logits, np.array([2, 1])), [math.log(4), 1000])


def test_perplexity(model):
    tokens = model.tokenizer.encode("34 + 57 = 91").ids * 40
    logits = np.concatenate([model.logits(tokens[i : i + 100])[:-1] for i in range(0, len(tokens), 100)])
    wanted = np.concatenate([tokens[i + 1 : i + 100] for i in range(0, len(tokens), 100)]).astype(int)
    result = measure(model, tokens, window=100)
    assert result.tokens == len(wanted)
    assert abs(result.value - math.exp(losses(logits, wanted).mean())) < 1e-6 * result.value
    with pytest.raises(ValueError, match="expected a window of 2 to 256 tokens, but got 257"):
        measure(model, tokens, window=257)


def test_commands(checkpoint, tmp_path, capsys, monkeypatch):
    library = str(checkpoint / "model.so")
    monkeypatch.setattr("sys.stdin", io.StringIO("34 + 57 =\n\nWhich is larger, 34 or 43?\n"))
    assert main(["chat", library, "--max-new-tokens=8"]) == 0
    assert capsys.readouterr().out.split()[0] == "91"
    text = tmp_path / "text"
    text.write_text("34 + 57 = 91")
    assert main(["perplexity", library, str(text)]) == 0
    words = capsys.readouterr().out.split()
    assert words[0] == "perplexity" and 1 <= float(words[1]) < 100 and words[2:4] == ["over", words[3]]
    text.write_text("")
    for arguments, message in (
        (["perplexity", library, str(text)], "expected a text of at least two tokens"),
        (["perplexity", library, str(tmp_path / "none")], "No such file"),
        (["chat", str(tmp_path / "none.so"), f"--checkpoint={checkpoint}"], "none.so"),
        (["chat", library, f"--checkpoint={EXAMPLE}"], "there is no chat template in"),
    ):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error
