"""Tests of the GGUF writer, of what reads keys, and of tokenizers in files."""

import json

import numpy
import pytest

from ternac import checkpoints, gguf, oracle

tokenizers = pytest.importorskip("tokenizers")

TEXTS = (
    "the quick brown fox jumps over the lazy dog",
    "  Two spaces, 12345 digits; it's DON'T!\n\n\tand a tab ",
    "naïve café — 東京 🙂",
    "",
    "<|begin|>the<|end|> fox",
)
CORPUS = [text for text in TEXTS if text] * 20 + ["the fox and the dog and the lazy quick brown jumps " * 5]


# Files


def test_keys(tmp_path):
    keys = {
        "general.architecture": "llama",
        "a.flag": True,
        "a.number": 7,
        "a.negative": -7,
        "a.real": 0.5,
        "a.wide": ("u64", 2**63),
        "a.words": ["one", "two", ""],
        "a.numbers": [("i32", 1), ("i32", -1)],
        "a.nested": [[1, 2], [3]],
        "a.none": [],
    }
    gguf.write_file(tmp_path / "file.gguf", keys, {"t": gguf.dense(numpy.ones((2, 3)), "F32")})
    plain = {name: value[1] if isinstance(value, tuple) else value for name, value in keys.items()}
    assert gguf.read_keys(tmp_path / "file.gguf") == plain | {"a.numbers": [1, -1]}
    assert (tmp_path / "file.gguf").stat().st_size % gguf.ALIGNMENT == 0


@pytest.mark.parametrize("size", (0, 3, 4, 8, 20, 24, 31, 40, 60))
def test_truncated(tmp_path, size):
    gguf.write_file(tmp_path / "file.gguf", {"general.architecture": "llama"}, {})
    data = (tmp_path / "file.gguf").read_bytes()
    (tmp_path / "file.gguf").write_bytes(data[:size])
    with pytest.raises(gguf.GGUFError, match="file.gguf: "):
        gguf.read_keys(tmp_path / "file.gguf")


@pytest.mark.parametrize("type, columns", (("TQ1_0", 128), ("TQ2_0", 128), ("I2_S", 64), ("IQ1_BN", 32), ("IQ2_BN", 32)))
def test_odd_columns(type, columns):
    with pytest.raises(gguf.GGUFError, match=f"multiple of {2 * columns} columns for {type}.* but got {columns}"):
        gguf.ternary(numpy.zeros((4, columns), numpy.int8), 1, type)


# The package of the format's own project


def test_types_of_the_package():
    """Bytes are those of another implementation, where it has one."""
    package = pytest.importorskip("gguf")
    kinds = package.GGMLQuantizationType
    random = numpy.random.default_rng(1)
    trits = random.integers(-1, 2, (8, 1024), dtype=numpy.int8)
    scale = numpy.float16(0.37)
    for type in ("TQ1_0", "TQ2_0"):
        data = gguf.ternary(trits, scale, type).data
        assert package.quantize(trits * numpy.float32(scale), kinds[type]).tobytes() == data
    values = random.normal(size=(8, 1024)).astype(numpy.float32)
    decode = lambda type, data: package.dequantize(numpy.frombuffer(data, numpy.uint8).reshape(8, -1), kinds[type])
    for type, step in (("Q8_0", 1 / 254), ("Q6_K", 1 / 31)):
        error = numpy.abs(decode(type, gguf.dense(values, type).data) - values)
        assert error.max() < step * numpy.abs(values).max()
    data = gguf.dense(values, "Q6_K").data
    assert numpy.array_equal(gguf.decode_q6_k(data).reshape(values.shape), decode("Q6_K", data))


def test_interleave():
    """Rows i and D/2 + i of a head become neighbours."""
    assert gguf.interleave(numpy.arange(12), 6).tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


def test_model(tmp_path):
    checkpoints.write_checkpoint(tmp_path / "directory", model_type="llama", intermediate=128, layers=1, tied=False, theta=5e5)
    gguf.write_model(tmp_path / "model.gguf", tmp_path / "directory", "llama", weights="IQ2_BN")
    keys = gguf.read_keys(tmp_path / "model.gguf")
    assert keys["general.architecture"] == "llama"
    assert keys["llama.rope.freq_base"] == 5e5 and keys["llama.attention.head_count_kv"] == 2
    tensors = gguf.model_tensors(tmp_path / "directory", "llama", "IQ2_BN", other="F32")
    model = oracle.Model.load(tmp_path / "directory")
    assert tensors["output.weight"].data == model.head.weight.tobytes()
    assert tensors["blk.0.attn_k.weight"].shape == (32, 64)
    with pytest.raises(gguf.GGUFError, match="qwen3"):
        gguf.write_model(tmp_path / "model.gguf", tmp_path / "directory", "qwen3")


# Tokenizers


def write_tokenizer(path, model, trained, **keys):
    """The keys of a trained tokenizer; kinds of tokens are 3 for the special ones, 1 for the others."""
    vocabulary = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    special = {token.content for token in trained.get_added_tokens_decoder().values()}
    tokens = [token for token, _ in vocabulary]
    types = [("i32", 3 if token in special else 1) for token in tokens]
    keys = {"model": model, "tokens": tokens, "token_type": types} | keys
    gguf.write_file(path, {f"tokenizer.ggml.{name}": value for name, value in keys.items()}, {})
    return path


def same(made, trained, prefix=(), texts=TEXTS):
    for text in texts:
        ids = trained.encode(text).ids
        assert made.encode(text).ids == [*prefix, *ids], text
        assert made.decode(ids) == trained.decode(ids)


@pytest.fixture(scope="module", params=("gpt-2", "llama-bpe", "qwen2"))
def byte_pairs(request):
    """A trained tokenizer of byte pairs that cuts text as the name says."""
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

    expression, whole = gguf.PRETOKENIZERS[request.param]
    trained = tokenizers.Tokenizer(models.BPE(ignore_merges=whole))
    split = pre_tokenizers.Split(Regex(expression), "isolated")
    trained.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trained.decoder = decoders.ByteLevel()
    special = ["<|begin|>", "<|end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(CORPUS, trainer)
    return request.param, trained


def merges_of(trained):
    return [" ".join(merge) for merge in json.loads(trained.to_str())["model"]["merges"]]


def test_byte_pairs(byte_pairs, tmp_path):
    pre, trained = byte_pairs
    file = write_tokenizer(tmp_path / "t.gguf", "gpt2", trained, merges=merges_of(trained), pre=pre)
    same(gguf.tokenizer(file), trained)


def test_begin_and_end(byte_pairs, tmp_path):
    pre, trained = byte_pairs
    ends = dict(bos_token_id=0, eos_token_id=1, add_bos_token=True, add_eos_token=True)
    file = write_tokenizer(tmp_path / "t.gguf", "gpt2", trained, merges=merges_of(trained), pre=pre, **ends)
    made = gguf.tokenizer(file)
    ids = trained.encode(TEXTS[0]).ids
    assert made.encode(TEXTS[0]).ids == [0, *ids, 1]
    assert made.decode([0, *ids, 1]) == TEXTS[0]


def test_unknown_way_of_cutting(byte_pairs, tmp_path):
    pre, trained = byte_pairs
    file = write_tokenizer(tmp_path / "t.gguf", "gpt2", trained, merges=merges_of(trained))
    with pytest.raises(gguf.GGUFError, match="tokenizer.ggml.pre among .* but got none; give .* pre="):
        gguf.tokenizer(file)
    same(gguf.tokenizer(file, pre=pre), trained)


def test_sentence_pieces(tmp_path):
    trained = tokenizers.SentencePieceBPETokenizer()
    trained.train_from_iterator([text for text in CORPUS if "<" not in text], vocab_size=220, show_progress=False)
    merges = [merge.split(" ") for merge in merges_of(trained)]
    # A SentencePiece file has scores instead: those of later merges are lower, and those of characters the lowest.
    order = {left + right: -float(place) for place, (left, right) in reversed(list(enumerate(merges)))}
    vocabulary = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    scores = [order.get(token, -1e9) for token, _ in vocabulary]
    file = write_tokenizer(tmp_path / "t.gguf", "llama", trained, scores=scores, bos_token_id=3)
    texts = ("the quick brown fox", "fox and dog", "lazy  dog jumps")
    made = gguf.tokenizer(file)
    same(made, trained, prefix=[3], texts=texts)


def test_bytes_of_sentence_pieces(tmp_path):
    """A character that has no piece is its bytes."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "a", "b", "ab", "\u2581ab"]
    types = [2, 3, 3, *[6] * 256, *[1] * 5]
    scores = [0.0] * 259 + [-9.0, -9.0, -9.0, -1.0, -2.0]
    keys = dict(model="llama", tokens=pieces, scores=scores, token_type=[("i32", kind) for kind in types], bos_token_id=1)
    gguf.write_file(tmp_path / "t.gguf", {f"tokenizer.ggml.{name}": value for name, value in keys.items()}, {})
    made = gguf.tokenizer(tmp_path / "t.gguf")
    number = pieces.index
    ids = made.encode("ab aé").ids
    assert ids == [1, number("\u2581ab"), number("\u2581"), number("a"), number("<0xC3>"), number("<0xA9>")]
    assert made.decode(ids) == "ab aé"


def test_no_tokenizer(tmp_path):
    gguf.write_file(tmp_path / "t.gguf", {"tokenizer.ggml.model": "bert", "tokenizer.ggml.tokens": ["a"]}, {})
    with pytest.raises(gguf.GGUFError, match="gpt2 or llama, but got bert"):
        gguf.tokenizer(tmp_path / "t.gguf")
    gguf.write_file(tmp_path / "t.gguf", {}, {})
    with pytest.raises(gguf.GGUFError, match="but got no tokenizer"):
        gguf.tokenizer(tmp_path / "t.gguf")
