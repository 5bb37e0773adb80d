"""GGUF files: writes them, for tests, from Hugging Face checkpoints; reads their keys; makes the tokenizer that is in one.

    python -m ternac.gguf DIRECTORY FILE.gguf --weights=TQ2_0

The encoders are written from the layouts on the formats page, plainly, and independent of the compiler.
"""

import argparse
import dataclasses
import json
import pathlib
import struct
import sys

import numpy

from . import oracle
from .checkpoints import to_bf16

VERSION = 3
ALIGNMENT = 32


class GGUFError(ValueError):
    """The file is malformed or of a kind that is not read here."""


# Values of keys: the number of each type, and how struct packs it.
_NUMBERS = {
    "u8": (0, "<B"),
    "i8": (1, "<b"),
    "u16": (2, "<H"),
    "i16": (3, "<h"),
    "u32": (4, "<I"),
    "i32": (5, "<i"),
    "f32": (6, "<f"),
    "bool": (7, "<?"),
    "u64": (10, "<Q"),
    "i64": (11, "<q"),
    "f64": (12, "<d"),
}
_STRING, _ARRAY = 8, 9


def _value_type(value):
    """The type that a plain Python value is written as."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "u32" if value >= 0 else "i32"
    return "f32" if isinstance(value, float) else "string" if isinstance(value, str) else "array"


def _string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value):
    """A key's value as (number of the type, bytes); `("u64", 3)` names the type, plain values have a usual one."""
    kind, plain = value if isinstance(value, tuple) else (_value_type(value), value)
    if kind == "string":
        return _STRING, _string(plain)
    if kind == "array":
        items = [_value(item) for item in plain]
        element = items[0][0] if items else _STRING
        return _ARRAY, struct.pack("<IQ", element, len(items)) + b"".join(data for _, data in items)
    number, form = _NUMBERS[kind]
    return number, struct.pack(form, plain)


# Tensors


@dataclasses.dataclass
class Tensor:
    """A tensor as a file holds it: the number of its type, its shape with rows first, and its bytes."""

    type: int
    shape: tuple
    data: bytes


def write_file(path, keys, tensors, version=VERSION, alignment=ALIGNMENT):
    """Writes `{name: value}` and `{name: Tensor}` as one file, in their order."""
    if alignment != ALIGNMENT:
        keys = keys | {"general.alignment": alignment}
    header = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    for name, value in keys.items():
        number, data = _value(value)
        header += _string(name) + struct.pack("<I", number) + data
    data = b""
    for name, tensor in tensors.items():
        header += _string(name) + struct.pack("<I", len(tensor.shape))
        header += struct.pack(f"<{len(tensor.shape)}Q", *reversed(tensor.shape)) + struct.pack("<IQ", tensor.type, len(data))
        data += tensor.data + bytes(-len(tensor.data) % alignment)
    pathlib.Path(path).write_bytes(header + bytes(-len(header) % alignment) + data)


# Encoders of trits [M, K] with a scale: a float32 for the matrix, or an array that is broadcast to the groups of the type.


def _fields(codes, unit, high_first):
    """Bytes of four codes each: in every `unit` bytes, the fields of byte j are columns j, j + unit, j + 2 unit, j + 3 unit."""
    parts = codes.reshape(codes.shape[0], -1, 4, unit).astype(numpy.uint8)
    shifts = (6, 4, 2, 0) if high_first else (0, 2, 4, 6)
    return sum(parts[:, :, i] << shifts[i] for i in range(4)).astype(numpy.uint8)


def _need(columns, multiple, name):
    if columns % multiple:
        raise GGUFError(f"expected a multiple of {multiple} columns for {name}, but got {columns}")


def encode_i2_s(trits, scale, layout="blocks128"):
    """I2_S in one of the layouts that share its number, with the scale in the 32 bytes behind the codes."""
    codes = trits + 1
    if layout == "rows4":
        quads = codes.reshape(-1, 4, codes.shape[1]).astype(numpy.uint8)
        data = quads[:, 0] << 6 | quads[:, 1] << 4 | quads[:, 2] << 2 | quads[:, 3]
    else:
        unit = {"blocks128": 32, "blocks64": 16}[layout]
        _need(trits.shape[1], 4 * unit, f"I2_S ({layout})")
        data = _fields(codes, unit, True)
    return data.tobytes() + numpy.float32(scale).tobytes() + bytes(28)


def _blocks(trits, scale, size, name):
    """Blocks of `size` columns as codes [M, blocks, size], and a float16 scale for each [M, blocks]."""
    rows, columns = trits.shape
    _need(columns, size, name)
    codes = (trits + 1).reshape(rows, -1, size)
    return codes, numpy.broadcast_to(numpy.asarray(scale, numpy.float16), codes.shape[:2])


def _bytes_of(array):
    """The last axis as its bytes."""
    array = numpy.ascontiguousarray(array)
    return array.view(numpy.uint8).reshape(*array.shape[:-1], -1)


def encode_tq2_0(trits, scale):
    codes, scales = _blocks(trits, scale, 256, "TQ2_0")
    rows, blocks = scales.shape
    data = _fields(codes.reshape(rows, -1), 32, False).reshape(rows, blocks, 64)
    return numpy.concatenate([data, _bytes_of(scales[:, :, None])], axis=2).tobytes()


def _base3(digits, step, count):
    """A byte of the fraction of 3^5 that `digits` [..., n, count] are, the first digit being the most significant."""
    value = numpy.zeros(digits.shape[:-2] + (count,), numpy.int32)
    for n in range(5):
        value = 3 * value + (digits[..., n, :] if n < step else 0)
    return ((256 * value + 242) // 243).astype(numpy.uint8)


def encode_tq1_0(trits, scale):
    codes, scales = _blocks(trits, scale, 256, "TQ1_0")
    rows, blocks = scales.shape
    part = lambda begin, digits, count: _base3(
        codes[:, :, begin : begin + digits * count].reshape(rows, blocks, digits, count), digits, count
    )
    data = [part(0, 5, 32), part(160, 5, 16), part(240, 4, 4), _bytes_of(scales[:, :, None])]
    return numpy.concatenate(data, axis=2).tobytes()


def _rows(trits, scale, dtype, name):
    _need(trits.shape[1], 64, name)
    scales = numpy.broadcast_to(numpy.asarray(scale, dtype), trits.shape[:1])
    return (trits + 1).astype(numpy.int32), _bytes_of(scales[:, None])


def encode_iq2_bn(trits, scale):
    codes, scales = _rows(trits, scale, numpy.float32, "IQ2_BN")
    return numpy.concatenate([scales, _fields(codes, 16, False).reshape(len(codes), -1)], axis=1).tobytes()


def encode_iq1_bn(trits, scale):
    codes, scales = _rows(trits, scale, numpy.float16, "IQ1_BN")
    sixteens = codes.reshape(len(codes), -1, 4, 16)
    powers = 3 ** numpy.arange(5)
    fraction = lambda values: -(-256 * values // 243)
    fives = fraction((sixteens[..., :15].reshape(*sixteens.shape[:2], 12, 5) * powers).sum(axis=-1))
    last = fraction((sixteens[..., 15] * powers[:4]).sum(axis=-1, keepdims=True))
    data = numpy.concatenate([fives, last], axis=-1).astype(numpy.uint8)
    return numpy.concatenate([scales, data.reshape(len(codes), -1)], axis=1).tobytes()


# Encoders of numbers [..., K].


def encode_f32(values):
    return numpy.ascontiguousarray(values, "<f4").tobytes()


def encode_f16(values):
    return numpy.ascontiguousarray(values, "<f2").tobytes()


def encode_bf16(values):
    return to_bf16(values).tobytes()


def _divide(values, scale):
    """values / scale, and 0 where the scale is 0."""
    return numpy.rint(values / numpy.where(scale == 0, numpy.float32(1), scale))


def encode_q8_0(values):
    """Blocks of 32: the largest magnitude becomes 127, as far as a scale of float16 allows."""
    _need(values.shape[-1], 32, "Q8_0")
    blocks = numpy.asarray(values, numpy.float32).reshape(-1, 32)
    scale = (numpy.abs(blocks).max(axis=1, keepdims=True) / numpy.float32(127)).astype(numpy.float16)
    q = numpy.clip(_divide(blocks, scale.astype(numpy.float32)), -128, 127).astype(numpy.int8)
    return numpy.concatenate([_bytes_of(scale), q.view(numpy.uint8)], axis=1).tobytes()


# The factor of 16 elements of Q6_K is at most this, so that factor times element has 11 bits, as a float16 has.
_Q6_K_FACTOR = 63


def encode_q6_k(values):
    """Blocks of 256: elements from -31 to 31, a factor for each 16, and a scale of float16."""
    _need(values.shape[-1], 256, "Q6_K")
    groups = numpy.asarray(values, numpy.float32).reshape(-1, 16, 16)
    steps = numpy.abs(groups).max(axis=2) / numpy.float32(31)
    scale = (steps.max(axis=1, keepdims=True) / numpy.float32(_Q6_K_FACTOR)).astype(numpy.float16)
    factors = _divide(steps, scale.astype(numpy.float32)).astype(numpy.int8)
    each = scale.astype(numpy.float32) * factors.astype(numpy.float32)
    q = (numpy.clip(_divide(groups, each[:, :, None]), -32, 31) + 32).astype(numpy.uint8)
    # Half a block: elements j, j + 32, j + 64 and j + 96 share byte j of the high bits; low bits go in pairs 64 apart.
    halves = q.reshape(-1, 2, 4, 32)
    low = halves[:, :, :2] & 15 | (halves[:, :, 2:] & 15) << 4
    high = sum(halves[:, :, i] >> 4 << 2 * i for i in range(4)).astype(numpy.uint8)
    parts = [low.reshape(-1, 128), high.reshape(-1, 64), factors.view(numpy.uint8), _bytes_of(scale)]
    return numpy.concatenate(parts, axis=1).tobytes()


def decode_q6_k(data):
    """The float32 numbers of Q6_K blocks."""
    blocks = numpy.frombuffer(data, numpy.uint8).reshape(-1, 210)
    low, high = blocks[:, :128].reshape(-1, 2, 2, 32), blocks[:, 128:192].reshape(-1, 2, 1, 32)
    nibbles = numpy.concatenate([low & 15, low >> 4], axis=2)
    q = nibbles | (high >> numpy.arange(0, 8, 2, dtype=numpy.uint8)[:, None] & 3) << 4
    factors = blocks[:, 192:208].view(numpy.int8).astype(numpy.float32)
    scale = numpy.ascontiguousarray(blocks[:, 208:]).view(numpy.float16).astype(numpy.float32)
    return ((scale * factors)[:, :, None] * (q.reshape(-1, 16, 16).astype(numpy.float32) - 32)).reshape(-1)


TERNARY = {
    "I2_S": (36, encode_i2_s),
    "TQ1_0": (34, encode_tq1_0),
    "TQ2_0": (35, encode_tq2_0),
    "IQ1_BN": (134, encode_iq1_bn),
    "IQ2_BN": (135, encode_iq2_bn),
}
DENSE = {
    "F32": (0, encode_f32),
    "F16": (1, encode_f16),
    "BF16": (30, encode_bf16),
    "Q8_0": (8, encode_q8_0),
    "Q6_K": (14, encode_q6_k),
}


def ternary(trits, scale, type, **options):
    """A Tensor of trits [M, K]; `options` are the encoder's."""
    number, encode_trits = TERNARY[type]
    return Tensor(number, trits.shape, encode_trits(trits, scale, **options))


def dense(values, type):
    """A Tensor of numbers."""
    number, encode_values = DENSE[type]
    return Tensor(number, values.shape, encode_values(values))


# Reading


class _Cursor:
    def __init__(self, path):
        self.path = path
        # Only the pages of the header are read.
        self.data = numpy.memmap(path, numpy.uint8, "r") if pathlib.Path(path).stat().st_size else b""
        self.place = 0

    def take(self, count):
        begin, self.place = self.place, self.place + count
        if count < 0 or self.place > len(self.data):
            raise GGUFError(f"{self.path}: ends within its header")
        return bytes(self.data[begin : self.place])

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def string(self):
        return self.take(self.number("<Q")).decode("utf-8", "surrogateescape")

    def value(self, number):
        if number == _STRING:
            return self.string()
        if number == _ARRAY:
            element, count = self.number("<I"), self.number("<Q")
            return [self.value(element) for _ in range(count)]
        forms = {known: form for known, form in _NUMBERS.values()}
        if number not in forms:
            raise GGUFError(f"{self.path}: expected a type of values from 0 to 12, but got {number}")
        return self.number(forms[number])


def read_keys(path):
    """The keys of a file: `{name: value}`. The tensors are not touched."""
    cursor = _Cursor(path)
    if cursor.take(4) != b"GGUF":
        raise GGUFError(f"{path}: is no GGUF file")
    version = cursor.number("<I")
    if version not in (2, 3):
        raise GGUFError(f"{path}: expected version 2 or 3 of GGUF, but got {version}")
    _, count = cursor.number("<Q"), cursor.number("<Q")
    return {cursor.string(): cursor.value(cursor.number("<I")) for _ in range(count)}


# Tokenizers

# How text is cut before byte pairs are merged, by the names that files have for it, and whether a whole piece that is in the
# vocabulary is taken as it is.
_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PRETOKENIZERS = {
    "gpt-2": (_GPT2, False),
    "llama3": (_LLAMA3, True),
    "llama-v3": (_LLAMA3, True),
    "llama-bpe": (_LLAMA3, True),
    "falcon3": (_LLAMA3, True),
    "qwen2": (_QWEN2, False),
}

# Kinds of tokens.
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4
_SPACE = "\u2581"


def tokenizer(path, pre=None):
    """The `tokenizers.Tokenizer` of the tokenizer in a file: byte pairs ("gpt2") or SentencePiece ("llama").

    pre: how text is cut into words, where the file does not say it: a name among PRETOKENIZERS.
    """
    keys = read_keys(path)
    get = lambda name, default=None: keys.get(f"tokenizer.ggml.{name}", default)
    kind, tokens = get("model"), get("tokens")
    if tokens is None or kind not in ("gpt2", "llama"):
        raise GGUFError(f"{path}: expected tokens and a tokenizer.ggml.model gpt2 or llama, but got {kind or 'no tokenizer'}")
    made = _byte_pairs(path, get, tokens, pre) if kind == "gpt2" else _sentence_pieces(path, get, tokens)
    _add_tokens(made, get, tokens)
    _add_ends(made, get, tokens, kind == "llama")
    return made


def _byte_pairs(path, get, tokens, pre):
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    name = pre or get("pre")
    if name not in PRETOKENIZERS:
        raise GGUFError(
            f"{path}: expected a tokenizer.ggml.pre among {', '.join(PRETOKENIZERS)}, but got {name or 'none'}; "
            "give the one of the model as pre="
        )
    expression, whole = PRETOKENIZERS[name]
    merges = [tuple(merge.split(" ")) for merge in get("merges", [])]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=whole))
    words = pre_tokenizers.Split(Regex(expression), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    return made


def _sentence_pieces(path, get, tokens):
    """Pieces are merged by score, the best first, which byte pairs do in the order of a list."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    scores = get("scores")
    if scores is None or len(scores) != len(tokens):
        raise GGUFError(f"{path}: expected a tokenizer.ggml.scores for each of {len(tokens)} tokens")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = []
    for token, score in zip(tokens, scores):
        pairs = ((token[:i], token[i:]) for i in range(1, len(token)))
        known = sorted((vocabulary[a], vocabulary[b]) for a, b in pairs if a in vocabulary and b in vocabulary)
        merges.extend((score, tokens[a], tokens[b]) for a, b in known)
    merges.sort(key=lambda merge: -merge[0])
    types = get("token_type", [])
    unknown = next((token for token, kind in zip(tokens, types) if kind == _UNKNOWN), None)
    pairs = [merge[1:] for merge in merges]
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Replace(" ", _SPACE)
    prefix = get("add_space_prefix", True)
    made.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), spaces]) if prefix else spaces
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence(steps + [decoders.Strip(" ", 1, 0)] if prefix else steps)
    return made


def _add_tokens(made, get, tokens):
    """Tokens that are found in text before anything else."""
    from tokenizers import AddedToken

    for token, kind in zip(tokens, get("token_type", [])):
        added = AddedToken(token, special=kind == _CONTROL, normalized=False)
        if kind == _CONTROL:
            made.add_special_tokens([added])
        elif kind == _USER_DEFINED:
            made.add_tokens([added])


def _add_ends(made, get, tokens, default):
    """The tokens before and behind every text, if the file wants them."""
    from tokenizers import processors

    ends = {}
    for name, fallback in (("bos", default), ("eos", False)):
        number = get(f"{name}_token_id")
        if number is not None and get(f"add_{name}_token", fallback):
            ends[name] = tokens[number], number
    if not ends:
        return
    before, behind = ([end[0]] if (end := ends.get(name)) else [] for name in ("bos", "eos"))
    template = [*before, "$A", *behind]
    made.post_processor = processors.TemplateProcessing(single=template, special_tokens=sorted(set(ends.values())))


# Whole models

ARCHITECTURES = ("bitnet", "bitnet-25", "bitnet-b1.58", "llama")


def interleave(rows, head_dim):
    """The rows of a projection in the order of the architecture llama: rows i and D/2 + i of a head one behind the other."""
    return rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def model_keys(directory, architecture):
    """The keys of a Hugging Face checkpoint."""
    config = json.loads((pathlib.Path(directory) / "config.json").read_text(encoding="utf-8"))
    read = oracle.Config.read(directory)
    keys = {
        "block_count": config["num_hidden_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config.get("num_key_value_heads", config["num_attention_heads"]),
        "attention.layer_norm_rms_epsilon": float(read.epsilon),
        "rope.freq_base": float(read.theta),
        "rope.dimension_count": read.head_dim,
        "vocab_size": config["vocab_size"],
    }
    if read.head_dim * config["num_attention_heads"] != config["hidden_size"]:
        keys |= {"attention.key_length": read.head_dim, "attention.value_length": read.head_dim}
    keys |= _rope_keys(read.rope_scaling)
    keys = {"general.architecture": architecture} | {f"{architecture}.{key}": value for key, value in keys.items()}
    if config.get("bos_token_id") is not None:
        keys["tokenizer.ggml.bos_token_id"] = config["bos_token_id"]
    for name, token in zip(("eos", "eot", "eom"), read.end_tokens):
        keys[f"tokenizer.ggml.{name}_token_id"] = token
    return keys


def _rope_keys(scaling):
    kind = scaling.get("rope_type", "default")
    if kind == "default":
        return {}
    if kind not in ("linear", "yarn"):
        raise GGUFError(f"expected a rope_type among default, linear and yarn, but got {kind}")
    keys = {"rope.scaling.type": kind, "rope.scaling.factor": float(scaling["factor"])}
    if kind == "yarn":
        keys["rope.scaling.original_context_length"] = scaling["original_max_position_embeddings"]
        keys["rope.scaling.yarn_beta_slow"] = float(scaling.get("beta_slow", 1))
        keys["rope.scaling.yarn_beta_fast"] = float(scaling.get("beta_fast", 32))
    return keys


def _fit_scale(layer, type):
    """The scales of a ternary layer as `ternary` takes them for `type`: one for the matrix if one will do, else for each row [M] (IQ1_BN,
    IQ2_BN) or each 256 columns of it [M, K/256] (TQ1_0, TQ2_0). None if the type stores fewer than there are."""
    rows, columns = layer.trits.shape
    scale = numpy.asarray(layer.scale, numpy.float32)
    if getattr(layer, "reciprocal", False):
        scale = numpy.float32(1) / scale
    if scale.ndim < 2:  # one, or one for each row
        scale = scale.reshape(-1, 1)
    each = numpy.repeat(scale, getattr(layer, "group", columns), axis=1)[:, :columns]
    each = numpy.broadcast_to(each, (rows, columns))

    def shared(parts):
        """The scale of each of the parts [..., n], or None; that of weights that are all 0 may be 0."""
        common = parts.max(axis=-1)
        return common if ((parts == common[..., None]) | (parts == 0)).all() else None

    if (one := shared(each.reshape(-1))) is not None:
        return one
    if type.startswith("IQ"):
        return shared(each)
    return shared(each.reshape(rows, -1, 256)) if type.startswith("TQ") else None


def model_tensors(directory, architecture, weights="TQ2_0", other="F16", embedding=None, head=None, **options):
    """The tensors of a Hugging Face checkpoint: ternary ones of the type `weights` (`options` are those of its encoder), dense
    layers of the type `other`, embedding and head of types of their own, norms as F32."""
    model = oracle.Model.load(directory)
    tensors = {"token_embd.weight": dense(model.embedding, embedding or other)}

    def linear(name, layer, interleaved=False):
        is_dense = isinstance(layer, oracle.Linear)
        rows = layer.weight if is_dense else layer.trits
        if interleaved and architecture == "llama":
            rows = interleave(rows, model.config.head_dim)
        if is_dense:
            tensors[name] = dense(rows, other)
            return
        scale = _fit_scale(layer, weights)
        if scale is None:
            raise GGUFError(f"{name}: type {weights} has no room for as many different scales as the matrix has")
        if interleaved and architecture == "llama" and numpy.ndim(scale):
            scale = interleave(scale, model.config.head_dim)
        tensors[name] = ternary(rows, scale, weights, **options)

    for i, layer in enumerate(model.layers):
        norms = {
            "attn_norm": layer.input_norm,
            "attn_sub_norm": layer.attention_norm,
            "ffn_norm": layer.post_attention_norm,
            "ffn_sub_norm": layer.ffn_norm,
        }
        for name, norm in norms.items():
            if norm is not None:
                tensors[f"blk.{i}.{name}.weight"] = dense(norm, "F32")
        linear(f"blk.{i}.attn_q.weight", layer.q, interleaved=True)
        linear(f"blk.{i}.attn_k.weight", layer.k, interleaved=True)
        linear(f"blk.{i}.attn_v.weight", layer.v)
        linear(f"blk.{i}.attn_output.weight", layer.o)
        linear(f"blk.{i}.ffn_gate.weight", layer.gate)
        linear(f"blk.{i}.ffn_up.weight", layer.up)
        linear(f"blk.{i}.ffn_down.weight", layer.down)
    tensors["output_norm.weight"] = dense(model.norm, "F32")
    if not model.config.tied:
        tensors["output.weight"] = dense(model.head.weight, head or other)
    return tensors


def write_model(path, directory, architecture="bitnet-b1.58", **types):
    """Writes a Hugging Face checkpoint as a GGUF file; `types` are those of `model_tensors`."""
    if architecture not in ARCHITECTURES:
        raise GGUFError(f"expected an architecture among {', '.join(ARCHITECTURES)}, but got {architecture}")
    write_file(path, model_keys(directory, architecture), model_tensors(directory, architecture, **types))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m ternac.gguf", description="Writes a Hugging Face checkpoint as a GGUF file.")
    parser.add_argument("directory", type=pathlib.Path, help="a Hugging Face checkpoint of a ternary model")
    parser.add_argument("file", type=pathlib.Path, help="file to write")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="bitnet-b1.58", help="default %(default)s")
    parser.add_argument("--weights", choices=TERNARY, default="TQ2_0", help="type of ternary weights (default %(default)s)")
    parser.add_argument("--other", choices=DENSE, default="F16", help="type of dense layers (default %(default)s)")
    parser.add_argument("--embedding", choices=DENSE, help="type of the embedding (default: --other)")
    parser.add_argument("--head", choices=DENSE, help="type of the head (default: --other)")
    options = vars(parser.parse_args(arguments))
    try:
        write_model(options.pop("file"), options.pop("directory"), **options)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
