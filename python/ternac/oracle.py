"""The plain reference: what a ternary model computes, in NumPy, written from the rules and independent of the compiler.

It reads a Hugging Face checkpoint directory itself and favours plainness over speed. The compiled library is right when it agrees
with this file: integer products exactly, logits within the tolerances of the numerics page.

    python -m ternac.oracle DIRECTORY --tokens=1,2,3 --logits=FILE.npy

Everything is float32 except where a comment says otherwise. Shapes in comments: T tokens, H heads, D head dimension, M outputs and
K inputs of a linear layer.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import sys

import numpy

HEADS = ("as-stored", "i8", "i4")
KV_CACHES = ("f32", "f16", "i8")
ACTIVATION_TYPES = ("auto", "i8", "f32")

# The element types of a safetensors file that are read here; BF16 has no NumPy type and is widened from its bits.
_DTYPES = {"U8": numpy.dtype("u1"), "F16": numpy.dtype("<f2"), "BF16": numpy.dtype("<u2"), "F32": numpy.dtype("<f4")}


class CheckpointError(ValueError):
    """The checkpoint is malformed or of a kind this reference does not define."""


# Checkpoint files


class Tensors:
    """The tensors of a checkpoint directory, by name; bytes are read when a tensor is asked for."""

    def __init__(self, directory):
        directory = pathlib.Path(directory)
        index = directory / "model.safetensors.index.json"
        if index.exists():
            files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        else:
            files = ["model.safetensors"]
        self._places = {}
        for file in files:
            self._places.update(_read_header(directory / file))

    def __contains__(self, name):
        return name in self._places

    def names(self):
        """The names of all tensors."""
        return list(self._places)

    def dtype(self, name):
        """The stored type of a tensor, as the header writes it: U8, F16, BF16 or F32."""
        return self._place(name)[1]["dtype"]

    def read(self, name):
        """A tensor as uint8 (U8) or float32 (all others)."""
        path, entry, start = self._place(name)
        if entry["dtype"] not in _DTYPES:
            raise CheckpointError(f"expected {name} of a type among {', '.join(_DTYPES)}, but got {entry['dtype']}")
        dtype = _DTYPES[entry["dtype"]]
        shape = tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise CheckpointError(f"expected {name} of {math.prod(shape) * dtype.itemsize} bytes, but got {end - begin}")
        data = numpy.fromfile(path, dtype, count=math.prod(shape), offset=start + begin)
        if data.size != math.prod(shape):
            raise CheckpointError(f"{path} ends within {name}")
        data = data.reshape(shape)
        if entry["dtype"] == "BF16":
            return (data.astype(numpy.uint32) << 16).view(numpy.float32)
        return data if entry["dtype"] == "U8" else data.astype(numpy.float32)

    def _place(self, name):
        if name not in self._places:
            raise CheckpointError(f"the checkpoint has no tensor {name}")
        return self._places[name]


def _read_header(path):
    """Where the tensors of one safetensors file lie: `{name: (path, header entry, offset of the data)}`."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        raw = file.read(length)
    if len(raw) != length:
        raise CheckpointError(f"{path} ends within its header")
    header = json.loads(raw)
    header.pop("__metadata__", None)
    return {name: (path, entry, 8 + length) for name, entry in header.items()}


# Quantisation


def round_cached(y, kind):
    """Keys or values [T, H, D] as a cache of type `kind` gives them back; "i8" has one scale for each token and head."""
    if kind == "f16":
        return y.astype(numpy.float16).astype(numpy.float32)
    if kind == "i8":
        steps, _ = quantize_activations(y)
        absmax = numpy.maximum(numpy.abs(y).max(axis=-1, keepdims=True), numpy.float32(1e-5))
        return steps.astype(numpy.float32) * (absmax / numpy.float32(127))
    return y


def quantize_activations(x):
    """Int8 values of the rows of `x` [T, K] and the factors [T, 1] the rows were multiplied by: 127 / absmax.

    Rounding is half to even. A row of zeros gives zeros.
    """
    absmax = numpy.abs(x).max(axis=-1, keepdims=True)
    factor = numpy.float32(127) / numpy.maximum(absmax, numpy.float32(1e-5))
    return numpy.clip(numpy.rint(x * factor), -128, 127).astype(numpy.int8), factor


def quantize_weight(weight):
    """Absmean quantisation of master weights [M, K]: trits as int8 [M, K], and their one scale as a float32.

    The mean is accumulated in float64 and rounded once.
    """
    mean = numpy.float32(numpy.abs(weight).mean(dtype=numpy.float64))
    factor = numpy.float32(1) / numpy.maximum(mean, numpy.float32(1e-5))
    trits = numpy.clip(numpy.rint(weight * factor), -1, 1).astype(numpy.int8)
    return trits, numpy.float32(1) / factor


# Columns that may share a scale, where a row has several; and the partial sums of a group.
SCALE_GROUPS = (128, 64, 32)
PARTS = 4


def ternary_values(weight):
    """The trits [M, K] of weights that are -s, 0 or +s where one s holds, the scales s [M, G], and the columns of a scale.

    The first of these that fits: one s for the matrix, one for each row, one for each row and 128, 64 or 32 columns. None where
    none does.
    """
    magnitudes = numpy.abs(weight)
    rows, columns = weight.shape

    def scales(blocks):
        largest = blocks.max(axis=-1, keepdims=True)
        return largest[..., 0] if ((blocks == 0) | (blocks == largest)).all() else None

    trits = numpy.sign(weight).astype(numpy.int8)
    if not numpy.isfinite(weight).all():
        return None
    if (scale := scales(magnitudes.reshape(1, -1))) is not None:
        return trits, numpy.full((rows, 1), scale[0]), columns
    if (scale := scales(magnitudes)) is not None:
        return trits, scale[:, None], columns
    for group in SCALE_GROUPS:
        padded = numpy.pad(magnitudes, ((0, 0), (0, -columns % group)))
        if (scale := scales(padded.reshape(rows, -1, group))) is not None:
            return trits, scale, group
    return None


def ternary_sums(x, trits):
    """The sums [T, M] of `x` [T, K] times `trits` [M, K], in float32, in the order that the numerics page states: four partial
    sums, of the columns whose number has the same remainder, each in ascending order."""
    parts = numpy.zeros((PARTS, x.shape[0], trits.shape[0]), numpy.float32)
    factors = trits.T.astype(numpy.float32)
    for column in range(x.shape[1]):
        parts[column % PARTS] += x[:, column, None] * factors[column]
    return (parts[0] + parts[2]) + (parts[1] + parts[3])


def ternary_groups(x, trits, scale, group):
    """The sum [T, M] over groups of `group` columns, in ascending order, of their sums times `scale` [M, G]."""
    total = numpy.zeros((x.shape[0], trits.shape[0]), numpy.float32)
    for number in range(scale.shape[1]):
        columns = slice(number * group, (number + 1) * group)
        total = total + ternary_sums(x[:, columns], trits[:, columns]) * scale[:, number]
    return total


def quantize_head(weight):
    """A dense head [V, K] as int8 rows [V, K] and one scale per row [V]: absmax / 127. A row of zeros gives zeros."""
    absmax = numpy.abs(weight).max(axis=1, keepdims=True)
    safe = numpy.where(absmax > 0, absmax, numpy.float32(1))
    q = numpy.rint(numpy.float32(127) * weight / safe).astype(numpy.int8)
    return q, (absmax / numpy.float32(127))[:, 0]


def quantize_head_rows(x):
    """Int16 values of the rows of `x` [T, K] that meet an integer head, and what one of them stands for [T, 1].

    The range is the largest whose sum of K products with -128 .. 127 cannot leave int32. Rounding is half to even.
    """
    limit = numpy.float32(min(2**15 - 1, (2**31 - 1) // (128 * x.shape[1])))
    absmax = numpy.maximum(numpy.abs(x).max(axis=-1, keepdims=True), numpy.float32(1e-5))
    return numpy.clip(numpy.rint(x * (limit / absmax)), -limit, limit).astype(numpy.int16), absmax / limit


INT4_GROUP = 32


def round_to_bfloat16(x):
    """Finite float32 values rounded to bfloat16, half to even; still of type float32."""
    bits = numpy.ascontiguousarray(x, numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(numpy.float32)


def quantize_head_int4(weight):
    """A dense head [V, K] as integers -8 .. 7 [V, G, 32] and a scale per row and group of 32 columns [V, G], K padded with zeros.

    The element of largest magnitude, the first of equals, becomes -8: it decides the scale and the scale's sign.
    """
    groups = numpy.pad(weight, ((0, 0), (0, -weight.shape[1] % INT4_GROUP))).reshape(weight.shape[0], -1, INT4_GROUP)
    places = numpy.abs(groups).argmax(axis=2)[:, :, None]
    scale = round_to_bfloat16(numpy.take_along_axis(groups, places, 2) / numpy.float32(-8))
    safe = numpy.where(scale == 0, numpy.float32(1), scale).astype(numpy.float64)
    q = numpy.where(scale == 0, 0, numpy.clip(numpy.rint(groups / safe), -8, 7)).astype(numpy.int8)
    return q, scale[:, :, 0]


def unpack_ternary(packed):
    """Trits [4R, K] as int8 from bytes [R, K]: bits 2i and 2i+1 of byte [r, k] are 1 + the trit of row r + i*R."""
    codes = numpy.concatenate([(packed >> (2 * i)) & 3 for i in range(4)])
    if (codes == 3).any():
        raise CheckpointError("expected packed weights with codes 0, 1 and 2, but got code 3")
    return codes.astype(numpy.int8) - numpy.int8(1)


def integer_matmul(q, trits):
    """The exact product of int8 `q` [T, K] and `trits` [M, K], as int32 [T, M].

    Float32 represents every integer up to 2^24, so while 128 * K stays below that every partial sum is exact in it, in any
    order; longer rows are summed in float64.
    """
    dtype = numpy.float32 if 128 * q.shape[1] <= 2**24 else numpy.float64
    return (q.astype(dtype) @ trits.T.astype(dtype)).astype(numpy.int32)


# Layers


def rms_norm(x, weight, epsilon):
    """`x` [..., K] over the root of its mean square, times `weight` [K]."""
    mean_square = numpy.mean(x * x, axis=-1, keepdims=True)
    return x / numpy.sqrt(mean_square + numpy.float32(epsilon)) * weight


def rope_tables(positions, head_dim, theta, scaling=None):
    """Cosines and sines [T, 1, D/2] of the angles position * frequency, computed in float64 and rounded once to float32.

    `scaling` is as in `rope_frequencies`; without it the frequencies are theta^(-2i/D).
    """
    positions = numpy.asarray(positions, numpy.float64)[:, None, None]
    frequencies, factor = rope_frequencies(positions, head_dim, theta, scaling or {})
    angles = positions * frequencies
    return (numpy.cos(angles) * factor).astype(numpy.float32), (numpy.sin(angles) * factor).astype(numpy.float32)


def rope_frequencies(positions, head_dim, theta, scaling):
    """The frequencies of rope at `positions` [..., 1] as float64 [..., D/2] or [D/2], and the factor of cosines and sines.

    `scaling` is the dictionary of a config.json, and the rules are those of transformers' modeling_rope_utils.py. There the base
    of "dynamic" follows the longest text of a call; here it is that of a text which ends with the position, as token by token.
    """
    theta = float(theta)
    exponents = numpy.arange(0, head_dim, 2) / head_dim
    plain = theta**-exponents
    kind = scaling.get("rope_type", "default")
    if kind == "default":
        return plain, 1.0
    factor = scaling["factor"]
    if kind == "linear":
        return plain / factor, 1.0
    length = scaling["original_max_position_embeddings"]
    if kind == "dynamic":
        stretch = factor * numpy.maximum(positions + 1, length) / length - (factor - 1)
        return (theta * stretch ** (head_dim / (head_dim - 2))) ** -exponents, 1.0
    if kind == "llama3":
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        wavelengths = 2 * math.pi / plain
        smooth = (length / wavelengths - low) / (high - low)
        between = (1 - smooth) * plain / factor + smooth * plain
        long = numpy.where(wavelengths > length / low, plain / factor, between)
        return numpy.where(wavelengths < length / high, plain, long), 1.0

    def pair(turns):
        return head_dim * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(theta))

    first, last = pair(scaling.get("beta_fast") or 32), pair(scaling.get("beta_slow") or 1)
    if scaling.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, head_dim - 1)
    ramp = numpy.clip((numpy.arange(head_dim // 2) - first) / (last - first or 0.001), 0, 1)
    temperature = lambda scale: 0.1 * scale * math.log(factor) + 1
    attention_factor = scaling.get("attention_factor")
    if attention_factor is None:
        mscale, mscale_all_dim = scaling.get("mscale"), scaling.get("mscale_all_dim")
        attention_factor = temperature(mscale) / temperature(mscale_all_dim) if mscale and mscale_all_dim else temperature(1)
    return plain / factor * ramp + plain * (1 - ramp), attention_factor


def rope(x, tables):
    """Rotates `x` [T, H, D]: element i of the first half against element i of the second ("rotate half")."""
    cos, sin = tables
    first, second = numpy.split(x, 2, axis=-1)
    return numpy.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)


def softmax(x):
    """Softmax over the last axis, the maximum subtracted first."""
    e = numpy.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(q, k, v, window=None):
    """Causal attention of `q` [T, H, D] over `k`, `v` [T, G, D], where H/G query heads share a key head; [T, H, D].

    With a window, the row at position p sees the positions p - window + 1 to p (transformers' masking_utils.py).
    """
    tokens, heads, head_dim = q.shape
    shared = heads // k.shape[1]
    positions = numpy.arange(tokens)
    distances = positions[:, None] - positions
    unseen = (distances < 0) | (distances >= (window or tokens))
    result = numpy.empty_like(q)
    for head in range(heads):
        scores = q[:, head] @ k[:, head // shared].T / numpy.float32(math.sqrt(head_dim))
        scores[unseen] = -numpy.inf
        result[:, head] = softmax(scores) @ v[:, head // shared]
    return result


def relu2(x):
    """max(x, 0)^2."""
    positive = numpy.maximum(x, 0)
    return positive * positive


def silu(x):
    """x / (1 + exp(-x)), written so that neither tail overflows."""
    return x * numpy.float32(0.5) * (1 + numpy.tanh(x * numpy.float32(0.5)))


ACTIVATIONS = {"relu2": relu2, "silu": silu}


@dataclasses.dataclass
class BitLinear:
    """Ternary weights [M, K] with one scale, or one for each row [M]: y = (q . T^T) / s_x * scale, or / (s_x * scale) where
    `reciprocal`."""

    trits: numpy.ndarray
    scale: numpy.float32 | numpy.ndarray
    reciprocal: bool = False
    norm: numpy.ndarray | None = None
    norm_epsilon: float = 1e-6

    def __call__(self, x):
        if self.norm is not None:
            x = rms_norm(x, self.norm, self.norm_epsilon)
        q, factor = quantize_activations(x)
        product = integer_matmul(q, self.trits).astype(numpy.float32)
        return product / (factor * self.scale) if self.reciprocal else product / factor * self.scale


@dataclasses.dataclass
class ScaledLinear:
    """Ternary weights [M, K] with a scale for each row and group of columns [M, G]: y = x . (scale * T)^T, in float32.

    Where activations are `rounded`, x is their int8 values, whose sums are exact, and y is multiplied by the step at the end.
    """

    trits: numpy.ndarray
    scale: numpy.ndarray
    group: int
    rounded: bool

    def __call__(self, x):
        if not self.rounded:
            return ternary_groups(x, self.trits, self.scale, self.group)
        q, _ = quantize_activations(x)
        step = numpy.maximum(numpy.abs(x).max(axis=-1, keepdims=True), numpy.float32(1e-5)) / numpy.float32(127)
        return ternary_groups(q.astype(numpy.float32), self.trits, self.scale, self.group) * step


@dataclasses.dataclass
class Linear:
    """Dense weights [M, K]."""

    weight: numpy.ndarray

    def __call__(self, x):
        return x @ self.weight.T


@dataclasses.dataclass
class Int8Head:
    """A dense head as int8 rows [V, K] with one scale each [V]: an exact integer product with int16 activations."""

    q: numpy.ndarray
    scale: numpy.ndarray

    def __call__(self, x):
        rows, step = quantize_head_rows(x)
        # Float64 represents every integer up to 2^53.
        product = rows.astype(numpy.float64) @ self.q.T.astype(numpy.float64)
        return product.astype(numpy.float32) * (step * self.scale)


@dataclasses.dataclass
class Int4Head:
    """A dense head as 4-bit integers [V, G, 32] with a scale per group [V, G]: exact products of each group, then float32."""

    q: numpy.ndarray
    scale: numpy.ndarray

    def __call__(self, x):
        rows, step = quantize_head_rows(x)
        padded = numpy.pad(rows, ((0, 0), (0, self.q.shape[1] * INT4_GROUP - rows.shape[1])))
        groups = padded.reshape(rows.shape[0], -1, INT4_GROUP).astype(numpy.float32)
        total = numpy.zeros((rows.shape[0], self.q.shape[0]), numpy.float32)
        for group in range(self.q.shape[1]):
            # Sums of 32 products of 16 and 4 bits stay below 2^24.
            total += groups[:, group] @ self.q[:, group].T.astype(numpy.float32) * self.scale[:, group]
        return total * step


@dataclasses.dataclass(frozen=True)
class Family:
    """What the checkpoints of one family have in common: names of the sub norms, and what config.json means where it is silent."""

    attention_norm: str | None
    ffn_norm: str | None
    activation: str
    theta: float
    epsilon: float


BITNET = Family("attn_sub_norm", "ffn_sub_norm", "relu2", 500000.0, 1e-5)
ONE_BIT_LLM = Family("inner_attn_ln", "ffn_layernorm", "silu", 10000.0, 1e-6)
LLAMA = Family(None, None, "silu", 10000.0, 1e-6)


@dataclasses.dataclass(frozen=True)
class Config:
    """The facts of config.json that decide what is computed."""

    layers: int
    head_dim: int
    theta: float
    rope_scaling: dict
    windows: tuple
    epsilon: float
    activation: str
    tied: bool
    attention_norm: str | None
    ffn_norm: str | None
    reciprocal_scales: bool
    not_converted: tuple
    inner_norm_epsilon: float | None
    end_tokens: tuple
    may_be_values: bool
    must_be_values: bool
    rounded: bool

    @staticmethod
    def read(directory, activations="auto"):
        """Reads config.json of a checkpoint directory; raises CheckpointError for a model this reference does not define.

        `activations` says whether activations are rounded to int8 ("i8") or not ("f32"); by default, as the model was trained.
        """
        path = pathlib.Path(directory) / "config.json"
        raw = json.loads(path.read_text(encoding="utf-8"))
        family = _family(raw)
        quantization = _quantization(raw)
        activation = raw.get("hidden_act", family.activation)
        if activation not in ACTIVATIONS:
            raise CheckpointError(f"expected hidden_act relu2 or silu, but got {activation}")
        missing = [key for key in ("hidden_size", "num_hidden_layers", "num_attention_heads") if key not in raw]
        if missing:
            raise CheckpointError(f"config.json lacks {', '.join(missing)}")
        heads = raw["num_attention_heads"]
        not_converted = quantization.get("modules_to_not_convert")
        theta, rope_scaling = _rope(raw, family.theta)
        return Config(
            layers=raw["num_hidden_layers"],
            head_dim=raw.get("head_dim") or raw["hidden_size"] // heads,
            theta=theta,
            rope_scaling=rope_scaling,
            windows=_windows(raw),
            epsilon=raw.get("rms_norm_eps", family.epsilon),
            activation=activation,
            tied=raw.get("tie_word_embeddings", False),
            attention_norm=family.attention_norm,
            ffn_norm=family.ffn_norm,
            reciprocal_scales=quantization.get("linear_class", "bitlinear") == "bitlinear",
            not_converted=("lm_head",) if not_converted is None else tuple(not_converted),
            inner_norm_epsilon=quantization.get("rms_norm_eps", 1e-6) if quantization.get("use_rms_norm") else None,
            end_tokens=_end_tokens(path.parent, raw),
            may_be_values=not quantization,
            must_be_values=family is LLAMA and not quantization,
            rounded=activations == "i8" or activations == "auto" and not (family is LLAMA and not quantization),
        )


def is_excluded(module, entries):
    """Whether a linear layer stays dense: an entry of modules_to_not_convert is its name or a run of the name's dotted parts."""
    return any(f".{entry}." in f".{module}." for entry in entries)


def _family(raw):
    """The family of a config.json; 1bitLLM's models call themselves llama and are known by their architecture."""
    if "BitnetForCausalLM" in (raw.get("architectures") or ()):
        return ONE_BIT_LLM
    families = {"bitnet": BITNET, "llama": LLAMA, "mistral": LLAMA, "ministral": LLAMA}
    if raw.get("model_type") not in families:
        raise CheckpointError(f"expected model_type {' or '.join(families)}, but got {raw.get('model_type')}")
    return families[raw["model_type"]]


def _quantization(raw):
    """The quantization_config, checked; empty where there is none."""
    quantization = raw.get("quantization_config") or {}
    if quantization.get("quant_method", "bitnet") != "bitnet":
        raise CheckpointError(f"expected quant_method bitnet, but got {quantization['quant_method']}")
    linear_class = quantization.get("linear_class", "bitlinear")
    if linear_class not in ("bitlinear", "autobitlinear"):
        raise CheckpointError(f"expected linear_class bitlinear or autobitlinear, but got {linear_class}")
    return quantization


def _end_tokens(directory, raw):
    """The tokens that end a text: those of generation_config.json where it names any, else those of config.json."""
    path = directory / "generation_config.json"
    generation = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    end = generation.get("eos_token_id", raw.get("eos_token_id"))
    return tuple(end) if isinstance(end, list) else () if end is None else (end,)


_ROPE_KEYS = {
    "default": (),
    "linear": ("factor",),
    "dynamic": ("factor",),
    "llama3": ("factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"),
    "yarn": ("factor", "original_max_position_embeddings"),
}


def _rope(raw, default_theta):
    """The base of rope, and its scaling as `rope_frequencies` reads it: from `rope_theta` and `rope_scaling`, or in newer files
    from `rope_parameters`, which has both."""
    scaling = dict(raw.get("rope_scaling") or raw.get("rope_parameters") or {})
    kind = scaling.setdefault("rope_type", scaling.get("type", "default"))
    if kind not in _ROPE_KEYS:
        raise CheckpointError(f"expected rope_type among {', '.join(_ROPE_KEYS)}, but got {kind}")
    missing = [key for key in _ROPE_KEYS[kind] if scaling.get(key) is None]
    if missing:
        raise CheckpointError(f"the rope_type {kind} lacks {', '.join(missing)}")
    if kind == "dynamic":
        scaling["original_max_position_embeddings"] = raw["max_position_embeddings"]
    return raw.get("rope_theta") or scaling.get("rope_theta") or default_theta, scaling


def _windows(raw):
    """The window of each layer, None where it has none: all layers of mistral slide, and those of ministral that say so."""
    layers, model_type = raw["num_hidden_layers"], raw.get("model_type")
    types = raw.get("layer_types")
    if model_type not in ("mistral", "ministral"):
        off = raw.get("use_sliding_window") is False or types and "sliding_attention" not in types
        if raw.get("sliding_window") is not None and not off:
            raise CheckpointError(f"expected no sliding_window with the model_type {model_type}, but got {raw['sliding_window']}")
        return (None,) * layers
    window = raw.get("sliding_window", 4096)
    if model_type == "mistral" or types is None:
        return (window,) * layers
    return tuple(window if kind == "sliding_attention" else None for kind in types)


@dataclasses.dataclass
class Layer:
    """One decoder layer; the two sub norms are None where the family has none."""

    input_norm: numpy.ndarray
    q: BitLinear | ScaledLinear | Linear
    k: BitLinear | ScaledLinear | Linear
    v: BitLinear | ScaledLinear | Linear
    attention_norm: numpy.ndarray | None
    o: BitLinear | ScaledLinear | Linear
    post_attention_norm: numpy.ndarray
    gate: BitLinear | ScaledLinear | Linear
    up: BitLinear | ScaledLinear | Linear
    ffn_norm: numpy.ndarray | None
    down: BitLinear | ScaledLinear | Linear


class Model:
    """A causal language model over ternary weights.

    `head` is how the output projection is read ("as-stored", or its rows rounded to "i8" or "i4"; a ternary head stays as it is);
    `kv_cache` is the type keys and values are rounded to ("f32", "f16" or "i8"). Both mirror the compiler's options.
    """

    def __init__(self, config, embedding, layers, norm, head, kv_cache="f32"):
        if kv_cache not in KV_CACHES:
            raise ValueError(f"expected kv_cache among {', '.join(KV_CACHES)}, but got {kv_cache}")
        self.config = config
        self.embedding = embedding
        self.layers = layers
        self.norm = norm
        self.head = head
        self.kv_cache = kv_cache

    @staticmethod
    def load(directory, head="as-stored", kv_cache="f32", activations="auto"):
        """Reads a Hugging Face checkpoint directory."""
        if head not in HEADS:
            raise ValueError(f"expected head among {', '.join(HEADS)}, but got {head}")
        if activations not in ACTIVATION_TYPES:
            raise ValueError(f"expected activations among {', '.join(ACTIVATION_TYPES)}, but got {activations}")
        config = Config.read(directory, activations)
        tensors = Tensors(directory)
        if config.may_be_values and not config.must_be_values:
            config = dataclasses.replace(config, must_be_values=_holds_values(tensors, config))
        embedding = tensors.read("model.embed_tokens.weight")
        layers = [_read_layer(tensors, config, f"model.layers.{i}") for i in range(config.layers)]
        norm = tensors.read("model.norm.weight")
        return Model(config, embedding, layers, norm, _read_head(tensors, config, embedding, head), kv_cache)

    def logits(self, tokens):
        """Logits [T, vocab] of `tokens` [T], each row seeing the tokens up to its own."""
        tokens = numpy.asarray(tokens, numpy.int64)
        vocabulary = self.embedding.shape[0]
        if tokens.ndim != 1 or tokens.size == 0 or tokens.min() < 0 or tokens.max() >= vocabulary:
            raise ValueError(f"expected one or more tokens from 0 to {vocabulary - 1}, but got {tokens.tolist()}")
        config = self.config
        tables = rope_tables(numpy.arange(tokens.size), config.head_dim, config.theta, config.rope_scaling)
        x = self.embedding[tokens]
        for layer, window in zip(self.layers, config.windows):
            x = x + self._attention(layer, rms_norm(x, layer.input_norm, config.epsilon), tables, window)
            x = x + self._feed_forward(layer, rms_norm(x, layer.post_attention_norm, config.epsilon))
        return self.head(rms_norm(x, self.norm, config.epsilon)).astype(numpy.float32)

    def _attention(self, layer, x, tables, window):
        split = lambda y: y.reshape(x.shape[0], -1, self.config.head_dim)
        q, k, v = rope(split(layer.q(x)), tables), rope(split(layer.k(x)), tables), split(layer.v(x))
        k, v = (round_cached(y, self.kv_cache) for y in (k, v))
        y = attention(q, k, v, window).reshape(x.shape[0], -1)
        if layer.attention_norm is not None:
            y = rms_norm(y, layer.attention_norm, self.config.epsilon)
        return layer.o(y)

    def _feed_forward(self, layer, x):
        y = ACTIVATIONS[self.config.activation](layer.gate(x)) * layer.up(x)
        if layer.ffn_norm is not None:
            y = rms_norm(y, layer.ffn_norm, self.config.epsilon)
        return layer.down(y)


_PROJECTIONS = (
    *("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
    *("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
)


def _holds_values(tensors, config):
    """Whether the weights of all linear layers are ternary as they are stored, so that nothing is left to quantise."""
    names = (f"model.layers.{i}.{name}.weight" for i in range(config.layers) for name in _PROJECTIONS)
    return all(ternary_values(tensors.read(name)) is not None for name in names)


def _read_linear(tensors, config, module):
    """The linear layer `module`: packed trits, ternary values, master weights to quantise, or dense weights where it is not
    converted."""
    if module + ".bias" in tensors:
        raise CheckpointError(f"expected linear layers without bias, but got {module}.bias")
    weight = tensors.read(module + ".weight")
    if weight.ndim != 2:
        raise CheckpointError(f"expected {module}.weight with two dimensions, but got shape {list(weight.shape)}")
    packed = tensors.dtype(module + ".weight") == "U8"
    if not packed and is_excluded(module, config.not_converted):
        return Linear(weight)
    norm = tensors.read(module + ".rms_norm.weight") if config.inner_norm_epsilon is not None else None
    if packed and config.must_be_values:
        raise CheckpointError(f"expected {module}.weight to be floats without a quantization_config, but it is U8, not ternary floats")
    if packed:
        scale = tensors.read(module + ".weight_scale")
        if scale.size != 1:
            raise CheckpointError(f"expected one value in {module}.weight_scale, but got {scale.size}")
        trits, scale, reciprocal = unpack_ternary(weight), scale.reshape(())[()], config.reciprocal_scales
    elif config.must_be_values:
        found = ternary_values(weight)
        if found is None:
            raise CheckpointError(f"expected {module}.weight to be ternary without a quantization_config, but its values are not")
        trits, scales, group = found
        if not config.rounded or scales.shape[1] > 1:
            return ScaledLinear(trits, scales, group, config.rounded)
        return BitLinear(trits, scales[:, 0])
    else:
        (trits, scale), reciprocal = quantize_weight(weight), False
    if config.rounded:
        return BitLinear(trits, scale, reciprocal, norm, config.inner_norm_epsilon)
    if norm is not None:
        raise CheckpointError("expected no norms inside of linear layers with activations of f32")
    factor = numpy.float32(1) / scale if reciprocal else scale
    return ScaledLinear(trits, numpy.full((trits.shape[0], 1), factor), trits.shape[1], False)


def _read_head(tensors, config, embedding, head):
    """The output projection: the embedding where tied, else lm_head, ternary only where it is stored packed."""
    if not config.tied and tensors.dtype("lm_head.weight") == "U8":
        return _read_linear(tensors, config, "lm_head")
    weight = embedding if config.tied else tensors.read("lm_head.weight")
    if head == "i8":
        return Int8Head(*quantize_head(weight))
    return Int4Head(*quantize_head_int4(weight)) if head == "i4" else Linear(weight)


def _read_layer(tensors, config, prefix):
    linear = lambda name: _read_linear(tensors, config, f"{prefix}.{name}")
    norm = lambda name: tensors.read(f"{prefix}.{name}.weight")
    return Layer(
        input_norm=norm("input_layernorm"),
        q=linear("self_attn.q_proj"),
        k=linear("self_attn.k_proj"),
        v=linear("self_attn.v_proj"),
        attention_norm=norm(f"self_attn.{config.attention_norm}") if config.attention_norm else None,
        o=linear("self_attn.o_proj"),
        post_attention_norm=norm("post_attention_layernorm"),
        gate=linear("mlp.gate_proj"),
        up=linear("mlp.up_proj"),
        ffn_norm=norm(f"mlp.{config.ffn_norm}") if config.ffn_norm else None,
        down=linear("mlp.down_proj"),
    )


def greedy(model, tokens, n):
    """Up to `n` tokens after `tokens`, each the most likely (the lowest of equals); stops after an end token, which is included.

    The whole sequence is computed anew for every token: nothing is cached, so nothing can go stale.
    """
    tokens = list(tokens)
    new = []
    while len(new) < n:
        new.append(int(model.logits(tokens + new)[-1].argmax()))
        if new[-1] in model.config.end_tokens:
            break
    return new


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m ternac.oracle", description="Runs a checkpoint through the NumPy reference.")
    parser.add_argument("directory", type=pathlib.Path, help="Hugging Face checkpoint directory")
    parser.add_argument("--tokens", required=True, help="token ids of the prompt, separated by commas")
    parser.add_argument("--logits", type=pathlib.Path, help="file for the float32 logits [tokens, vocab] of the prompt (.npy)")
    parser.add_argument("--max-new-tokens", type=int, default=0, help="greedy tokens to print (default %(default)s)")
    parser.add_argument("--head", choices=HEADS, default=HEADS[0], help="default %(default)s")
    parser.add_argument("--kv-cache", choices=KV_CACHES, default=KV_CACHES[0], help="default %(default)s")
    parser.add_argument("--activations", choices=ACTIVATION_TYPES, default=ACTIVATION_TYPES[0], help="default %(default)s")
    options = parser.parse_args(arguments)
    try:
        tokens = [int(token) for token in options.tokens.split(",")]
        model = Model.load(options.directory, options.head, options.kv_cache, options.activations)
        if options.logits:
            numpy.save(options.logits, model.logits(tokens))
        if options.max_new_tokens:
            print(*greedy(model, tokens, options.max_new_tokens))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
