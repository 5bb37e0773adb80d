# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bad GGUF files end in one line on stderr that names the file and says what was expected and found, status 1, and no file."""

import re
import struct

import numpy
import pytest
import support
from test_bad_input import compile_refused

from ternac import checkpoints, gguf, oracle

ARCHITECTURE = "bitnet-b1.58"
QUERY = "blk.0.attn_q.weight"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bad") / "directory"
    options = dict(quantization="autobitlinear_offline", master_dtype="f16", layers=1, vocab=64)
    checkpoints.write_checkpoint(directory, hidden=256, intermediate=512, **options)
    return directory


@pytest.fixture(scope="module")
def pristine(directory):
    return gguf.model_keys(directory, ARCHITECTURE), gguf.model_tensors(directory, ARCHITECTURE)


@pytest.fixture
def spoil(pristine, tmp_path):
    """Writes the model after `edit` changed its keys and tensors, and expects words of the message; `change` is one of bytes."""
    file = tmp_path / "model.gguf"

    def spoil(*says, edit=None, change=None, options=(), **how):
        keys, tensors = dict(pristine[0]), dict(pristine[1])
        if edit:
            edit(keys, tensors)
        gguf.write_file(file, keys, tensors, **how)
        if change:
            file.write_bytes(change(file.read_bytes()))
        compile_refused(file, r"model\.gguf", *says, options=options)
        (tmp_path / "output").rmdir()

    return spoil


# The file


@pytest.mark.parametrize("part", (0, 3, 4, 7, 8, 20, 24, 30, 100, 300, 700, 1500, 2500, 4000, 0.25, 0.5, 0.75, -1))
def test_truncated(spoil, part):
    cut = lambda data: data[: int(part * len(data)) if 0 < part < 1 else part]
    spoil("truncated|no GGUF", change=cut)


def test_more_than_the_tensors(spoil):
    spoil("belongs to no tensor", change=lambda data: data + bytes(64))


@pytest.mark.parametrize("magic", (b"GGML", b"ggjt", b"\x7fELF", b"\0\0\0\0", b"FUGG"))
def test_magic(spoil, magic):
    spoil('no GGUF file: expected it to begin with "GGUF"', change=lambda data: magic + data[4:])


@pytest.mark.parametrize(
    "version, words",
    ((0, "version 0"), (1, "version 1; .* newer converter"), (4, "version 4"), (3 << 24, "big-endian"), (2**31, "version")),
)
def test_version(spoil, version, words):
    spoil("version 2 or 3|big-endian", words, version=version)


@pytest.mark.parametrize("count", (2**31, 2**60, 2**64 - 1))
@pytest.mark.parametrize("offset, what", ((8, "tensors"), (16, "keys")))
def test_counts(spoil, offset, what, count):
    spoil(f"has {count} {what}", change=lambda data: data[:offset] + struct.pack("<Q", count) + data[offset + 8 :])


@pytest.mark.parametrize("length", (10**6, 2**32, 2**63, 2**64 - 1))
def test_lengths_of_strings(spoil, length):
    spoil(f"has {length} characters", change=lambda data: data[:24] + struct.pack("<Q", length) + data[32:])
    # The first key's value.
    begin = 24 + 8 + len("general.architecture") + 4
    spoil(f"has {length} characters", change=lambda data: data[:begin] + struct.pack("<Q", length) + data[begin + 8 :])


def append_key(number, data):
    """A change that makes the first key, of a string, one of another type and value."""
    text = b"general.architecture"

    def change(file):
        begin = 24 + 8 + len(text)
        return file[:begin] + struct.pack("<I", number) + data + file[begin + 4 :]

    return change


@pytest.mark.parametrize(
    "number, data, words",
    (
        (13, b"", "unknown type 13"),
        (2**32 - 1, b"", "unknown type 4294967295"),
        (9, struct.pack("<IQ", 4, 2**62), "elements"),
        (9, struct.pack("<IQ", 8, 2**60), "elements"),
        (9, struct.pack("<IQ", 9, 2**40), "elements"),
        (9, struct.pack("<IQ", 77, 1), "unknown type 77"),
        (9, struct.pack("<IQ", 9, 1) * 50, "nested more than 8"),
        (7, b"\2", "must be 0 or 1, but is 2"),
    ),
)
def test_values(spoil, number, data, words):
    spoil(words, change=append_key(number, data))


def test_key_twice(spoil):
    name = b"bitnet-b1.58.block_count"
    spoil("has key 'bitnet-b1.58.block_count' twice", edit=lambda keys, tensors: keys.update({"bitnet-b1.58.block_counT": 1}),
          change=lambda data: data.replace(b"block_counT", name[-11:]))  # fmt: skip


@pytest.mark.parametrize("alignment", (0, 3, 2**30))
def test_alignment(spoil, alignment):
    spoil("general.alignment", "power of two", edit=lambda keys, tensors: keys.update({"general.alignment": alignment}))


def test_other_alignment(directory, tmp_path):
    file = tmp_path / "model.gguf"
    gguf.write_file(file, gguf.model_keys(directory, ARCHITECTURE), gguf.model_tensors(directory, ARCHITECTURE), alignment=1024)
    support.check("ternac", file, "--emit=imported")


# Tensors


def patch(name, at, form, value):
    """A change of the description of a tensor: `at` bytes behind its name."""

    def change(data):
        place = data.index(struct.pack("<Q", len(name)) + name.encode()) + 8 + len(name) + at
        return data[:place] + struct.pack(form, value) + data[place + struct.calcsize(form) :]

    return change


@pytest.mark.parametrize(
    "at, form, value, words",
    (
        (0, "<I", 0, "has 0 dimensions"),
        (0, "<I", 5, "has 5 dimensions"),
        (0, "<I", 2**32 - 1, "has 4294967295 dimensions"),
        (4, "<Q", 0, "an extent of 0"),
        (4, "<Q", 2**63, "an extent of 9223372036854775808"),
        (4, "<Q", 2**47, "more than 281474976710656 elements"),
        (4, "<Q", 255, "TQ2_0 with the shape .*: expected a multiple of 256 columns, but got 255"),
        (4, "<Q", 512, "offset|begins at|bytes"),
        (24, "<Q", 2**63, "offset 9223372036854775808"),
        (24, "<Q", 2**64 - 32, "offset"),
        (24, "<Q", 0, "begins at byte 0 of the data"),
        (24, "<Q", 1, "begins at byte 1 of the data"),
    ),
)
def test_descriptions(spoil, at, form, value, words):
    spoil("tensor", words, change=patch(QUERY, at, form, value))


@pytest.mark.parametrize(
    "type, words",
    (
        (2, "is Q4_0, which is neither ternary"),
        (12, "is Q4_K, which is neither ternary .*--token-embedding-type"),
        (38, "is TL1, whose bytes depend on tile sizes"),
        (39, "is TL2 or MXFP4, whose bytes depend"),
        (41, "is Q1_0, which has a scale for each group"),
        (42, "is Q2_0, which has a scale for each group"),
        (142, "is PQ2_0"),
        (143, "is PTQ1_0"),
        (99, "unknown type 99; expected one of F32, F16"),
    ),
)
def test_types(spoil, type, words):
    spoil(re.escape(QUERY), words, change=patch(QUERY, 20, "<I", type))


UNITS = {"TQ1_0": 256, "TQ2_0": 256, "I2_S": 128, "IQ1_BN": 64, "IQ2_BN": 64, "Q8_0": 32, "Q6_K": 256}


@pytest.mark.parametrize("weights, columns", UNITS.items())
def test_odd_columns(spoil, weights, columns):
    def edit(keys, tensors):
        types = gguf.TERNARY | gguf.DENSE
        tensors[QUERY] = gguf.Tensor(types[weights][0], (256, 200 if columns != 32 else 100), bytes(256 * 256))

    spoil(re.escape(QUERY), f"expected a multiple of {columns} columns, but got (200|100)", edit=edit)


@pytest.mark.parametrize("name", ("token_embd.weight", "output_norm.weight", QUERY, "blk.0.ffn_sub_norm.weight"))
def test_missing_tensor(spoil, name):
    spoil(re.escape(name), "expected tensor", edit=lambda keys, tensors: tensors.pop(name))


@pytest.mark.parametrize(
    "name", ("blk.1.attn_q.weight", "blk.0.attn_q.bias", "blk.0.attn_q.scale", "rope_freqs.weight", "output.weight")
)
def test_tensor_that_nobody_reads(spoil, name):
    spoil(re.escape(name), edit=lambda keys, tensors: tensors.update({name: gguf.dense(numpy.ones(256), "F32")}))


def test_tensor_twice(spoil):
    spoil("has tensor 'extra.a' twice", change=lambda data: data.replace(b"extra.b", b"extra.a"),
          edit=lambda keys, tensors: tensors.update({f"extra.{x}": gguf.dense(numpy.ones(256), "F32") for x in "ab"}))  # fmt: skip


def put(name, tensor):
    return lambda keys, tensors: tensors.update({name: tensor})


@pytest.mark.parametrize(
    "name, tensor, words",
    (
        (QUERY, gguf.ternary(numpy.ones((128, 256), numpy.int8), 1, "TQ2_0"), r"shape \[256, 256\], but has \[128, 256\]"),
        ("output_norm.weight", gguf.dense(numpy.ones(512), "F32"), r"shape \[256\], but has \[512\]"),
        ("output_norm.weight", gguf.dense(numpy.ones((2, 256)), "F32"), r"shape \[256\], but has \[2, 256\]"),
        ("output_norm.weight", gguf.dense(numpy.ones(256), "Q8_0"), "must be F32, F16 or BF16, but is Q8_0"),
        ("token_embd.weight", gguf.ternary(numpy.ones((64, 256), numpy.int8), 1, "TQ2_0"), "Q8_0 or Q6_K, but is TQ2_0"),
        ("token_embd.weight", gguf.dense(numpy.ones(256), "F16"), r"has the shape \[256\]"),
        ("token_embd.weight", gguf.dense(numpy.full((64, 256), numpy.nan), "F32"), "finite"),
        ("token_embd.weight", gguf.Tensor(8, (64, 256), (struct.pack("<e", 60000) + bytes([127] * 32)) * 512), "f16 can hold"),
    ),
)
def test_tensors(spoil, name, tensor, words):
    spoil(re.escape(name), words, edit=put(name, tensor))


def test_dense_model(spoil, directory):
    def edit(keys, tensors):
        layer = oracle.Model.load(directory).layers[0]
        sources = dict(attn_q="q", attn_k="k", attn_v="v", attn_output="o", ffn_gate="gate", ffn_up="up", ffn_down="down")
        for name, member in sources.items():
            tensors[f"blk.0.{name}.weight"] = gguf.dense(getattr(layer, member).trits.astype(numpy.float32), "F16")

    spoil("expected ternary weights", "no layer is of a ternary type", edit=edit)


# Weights


def test_code_3(spoil, pristine):
    tensor = pristine[1][QUERY]
    data = bytearray(tensor.data)
    data[5 * 66 + 3] |= 0b1100
    spoil(re.escape(QUERY), "code 3 at row 5, column 35", edit=put(QUERY, gguf.Tensor(tensor.type, tensor.shape, bytes(data))))


@pytest.mark.parametrize("scale, words", ((numpy.nan, "nan"), (numpy.inf, "inf"), (0, "0"), (-1, "-1")))
def test_scale(spoil, scale, words):
    spoil(re.escape(QUERY), "scale", words, edit=put(QUERY, gguf.ternary(numpy.ones((256, 256), numpy.int8), scale, "I2_S")))


# Keys

SIZES = ("block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count")


@pytest.mark.parametrize("key", SIZES + ("attention.layer_norm_rms_epsilon",))
def test_missing_key(spoil, key):
    spoil(re.escape(key), "missing", edit=lambda keys, tensors: keys.pop(f"{ARCHITECTURE}.{key}"))


@pytest.mark.parametrize("value", (0, -1, 1.5, "64", ("u64", 2**64 - 1), ("i64", -(2**63)), [1], True))
@pytest.mark.parametrize("key", SIZES)
def test_nonsense_size(spoil, key, value):
    spoil(re.escape(key), "an integer from 1", edit=lambda keys, tensors: keys.update({f"{ARCHITECTURE}.{key}": value}))


@pytest.mark.parametrize(
    "key, value, words",
    (
        ("general.architecture", "qwen3", 'must be "bitnet", "bitnet-25", "bitnet-b1.58" or "llama", but is "qwen3"'),
        ("general.architecture", 3, "but is 3"),
        ("general.architecture", "llama", "llama.block_count"),
        ("general.type", "adapter", "general.type"),
        ("split.count", 3, "split.count"),
        (".attention.head_count_kv", 3, "multiple"),
        (".attention.key_length", 63, "even"),
        (".attention.value_length", 32, "size of a head, 64"),
        (".rope.dimension_count", 32, "size of a head, 64"),
        (".rope.freq_base", 0.0, "freq_base"),
        (".rope.freq_base", float("nan"), "freq_base"),
        (".rope.scaling.type", "longrope", "longrope"),
        (".rope.scaling.factor", 0.5, "factor"),
        (".attention.layer_norm_rms_epsilon", -1.0, "epsilon"),
        (".attention.layer_norm_rms_epsilon", "1e-5", "epsilon"),
        (".vocab_size", 65, "token_embd.weight"),
        (".expert_count", 8, "expert_count"),
        (".attention.causal", False, "causal"),
        (".attention.sliding_window", 128, "is not known"),
        (".a_key_of_the_future", "x", "is not known"),
        ("tokenizer.ggml.tokens", ["a"] * 63, "as many tokens"),
        ("tokenizer.ggml.tokens", "a", "an array"),
        ("tokenizer.ggml.bos_token_id", 64, "from 0 to 63"),
        ("tokenizer.ggml.eot_token_id", -1, "from 0 to 63"),
    ),
)
def test_nonsense_value(spoil, key, value, words):
    name = ARCHITECTURE + key if key.startswith(".") else key
    spoil(words, edit=lambda keys, tensors: keys.update({name: value}))


# Options


@pytest.mark.parametrize(
    "option, words",
    (
        ("--synthetic-weights=1", "--synthetic-weights needs a directory"),
        ("--context-length=257", "from 1 to the context_length 256"),
        ("--compile-from=packed", "is a checkpoint"),
        ("--i2s-layout=blocks32", "blocks32"),
    ),
)
def test_options(pristine, tmp_path, option, words):
    file = tmp_path / "model.gguf"
    gguf.write_file(file, *pristine)
    compile_refused(file, words, options=[option])


def test_layout_of_a_directory(directory, tmp_path):
    result = support.run("ternac", directory, "-o", tmp_path / "out.so", "--i2s-layout=rows4")
    assert result.returncode == 1 and "--i2s-layout belongs to GGUF files" in result.stderr


# Pseudo-random damage, from fixed seeds, so that a failure repeats.


@pytest.mark.parametrize("seed", range(6))
def test_damage(pristine, tmp_path, seed):
    """Whatever is in a file, the answer is a module or one sentence."""
    file = tmp_path / "model.gguf"
    gguf.write_file(file, *pristine)
    good = file.read_bytes()
    header = good.index(b"output_norm.weight") + 60
    random = numpy.random.default_rng(seed)
    for _ in range(20):
        data = bytearray(good)
        for place in random.integers(0, header, random.integers(1, 5)):
            data[place] = random.choice((0, 1, 0x7F, 0x80, 0xFF, data[place] ^ 1 << random.integers(8)))
        file.write_bytes(data)
        result = support.run("ternac", file, "--emit=imported")
        assert result.returncode in (0, 1)
        assert result.returncode == 0 or re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
