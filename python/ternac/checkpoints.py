"""Writes Hugging Face checkpoints of ternary models: the byte formats themselves, and small random models for tests.

    python -m ternac.checkpoints DIRECTORY --model-type=bitnet --hidden=64 --layers=2

The random weights have no meaning, but their sizes are such that activations and logits stay of the order of one.
"""

import argparse
import json
import math
import pathlib
import sys

import numpy

from .oracle import is_excluded

MODEL_TYPES = ("bitnet", "llama", "1bitllm", "mistral", "ministral")
VALUES = ("values_matrix", "values_shards", "values_rows", "values_groups")
QUANTIZATIONS = ("bitlinear", "autobitlinear_offline", "autobitlinear_online", "master", *VALUES)
FLOAT_DTYPES = ("bf16", "f16", "f32")

# The names of the norm before o_proj and of the norm before down_proj.
_SUB_NORMS = {"bitnet": ("attn_sub_norm", "ffn_sub_norm"), "1bitllm": ("inner_attn_ln", "ffn_layernorm")}
_ARCHITECTURES = {
    "bitnet": "BitNetForCausalLM",
    "1bitllm": "BitnetForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "ministral": "MinistralForCausalLM",
}
_TORCH_DTYPES = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}


# Byte formats


def to_bf16(values):
    """The bfloat16 bits, as uint16, of finite `values`; rounded half to even."""
    bits = numpy.ascontiguousarray(values, numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def encode(values, dtype):
    """A safetensors entry `(dtype name, array of the stored bits)` for float `values`; `dtype` is bf16, f16 or f32."""
    if dtype == "bf16":
        return "BF16", to_bf16(values)
    return dtype.upper(), numpy.ascontiguousarray(values, {"f16": "<f2", "f32": "<f4"}[dtype])


def pack_ternary(trits):
    """Bytes [M/4, K] of trits [M, K]: byte [r, k] has the code 1 + trit of row r + i*M/4 in bits 2i and 2i+1."""
    rows = trits.shape[0]
    if rows % 4:
        raise ValueError(f"expected a multiple of 4 rows to pack, but got {rows}")
    codes = (trits + 1).astype(numpy.uint8).reshape(4, rows // 4, -1)
    return codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6


def write_safetensors(path, tensors):
    """Writes `{name: (dtype name, array)}` as one safetensors file, in the order of the format's own library.

    Wide elements come first and then names in order, so every tensor is aligned; the header is padded with spaces to 8 bytes.
    """
    ordered = sorted(tensors.items(), key=lambda item: (-item[1][1].itemsize, item[0]))
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, array) in ordered:
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, (_, array) in ordered:
            file.write(numpy.ascontiguousarray(array).tobytes())


def write_weights(directory, tensors, shards=1):
    """Writes model.safetensors, or `shards` files of about equal numbers of tensors and their index."""
    directory = pathlib.Path(directory)
    if shards == 1:
        write_safetensors(directory / "model.safetensors", tensors)
        return
    if not 1 <= shards <= len(tensors):
        raise ValueError(f"expected from 1 to {len(tensors)} shards, but got {shards}")
    names, weight_map = sorted(tensors), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
        write_safetensors(directory / file, {name: tensors[name] for name in part})
        weight_map.update(dict.fromkeys(part, file))
    size = sum(array.nbytes for _, array in tensors.values())
    write_json(directory / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": weight_map})


def write_json(path, value):
    """Writes `value` as indented JSON with a final newline."""
    pathlib.Path(path).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


# Random models


def write_checkpoint(
    directory,
    *,
    model_type="bitnet",
    hidden=64,
    intermediate=160,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=None,
    vocab=96,
    theta=10000.0,
    rope_scaling=None,
    rope_parameters=None,
    sliding_window=None,
    layer_types=None,
    activation=None,
    quantization=None,
    master_dtype="bf16",
    group=128,
    tied=True,
    modules_to_not_convert=None,
    shards=1,
    seed=0,
    max_position_embeddings=256,
    rms_norm_eps=1e-5,
    bos=0,
    eos=1,
):
    """Writes a random checkpoint into `directory`, which is made when absent.

    model_type: "bitnet" (relu2, sub norms), "1bitllm" (silu, sub norms under other names), or "llama" (silu, no sub norms) and
        "mistral" and "ministral", which are the same with sliding windows: in all layers, or as layer_types says.
    quantization: "bitlinear" (packed, reciprocal scale), "autobitlinear_offline" (packed, scale), "autobitlinear_online" (master
        weights, to be quantised by the reader) or "master" (the same without a quantization_config); or floats -s, 0, +s without a
        quantization_config, with one s for each matrix ("values_matrix"), quarter of its rows ("values_shards"), row
        ("values_rows"), or row and `group` columns ("values_groups"). By default "master" for 1bitllm, else "bitlinear".
    master_dtype: bf16, f16 or f32, of every float tensor.
    rope_scaling: a dictionary, written as the key of that name. rope_parameters: the newer spelling, which holds theta, too.
    activation: relu2 or silu, by default the family's. head_dim: by default hidden / heads.
    modules_to_not_convert: names of linear layers that stay dense, matched as `oracle.is_excluded` says.
    Packed matrices need a multiple of 4 rows. Raises ValueError for a combination that no real checkpoint could have.
    """
    if model_type not in MODEL_TYPES:
        raise ValueError(f"expected model_type among {', '.join(MODEL_TYPES)}, but got {model_type}")
    quantization = quantization or ("master" if model_type == "1bitllm" else "bitlinear")
    if quantization not in QUANTIZATIONS:
        raise ValueError(f"expected quantization among {', '.join(QUANTIZATIONS)}, but got {quantization}")
    if master_dtype not in FLOAT_DTYPES:
        raise ValueError(f"expected master_dtype among {', '.join(FLOAT_DTYPES)}, but got {master_dtype}")
    has_config = quantization != "master" and quantization not in VALUES
    if model_type not in _SUB_NORMS and quantization == "master":
        raise ValueError(f"expected a quantization other than master for {model_type}: nothing would say that it is ternary")
    if (sliding_window is not None or layer_types is not None) and model_type not in ("mistral", "ministral"):
        raise ValueError(f"expected no sliding_window and no layer_types for {model_type}, which has no windows")
    if not has_config and modules_to_not_convert is not None:
        raise ValueError(f"expected no modules_to_not_convert with {quantization}: there is no quantization_config to hold it")
    if group < 1:
        raise ValueError(f"expected a positive group, but got {group}")
    head_dim = head_dim or hidden // heads
    if heads % kv_heads:
        raise ValueError(f"expected heads to be a multiple of kv_heads, but got {heads} and {kv_heads}")
    if head_dim % 2:
        raise ValueError(f"expected an even head_dim, but got {head_dim}")

    config = {
        "architectures": [_ARCHITECTURES[model_type]],
        "model_type": "llama" if model_type == "1bitllm" else model_type,
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "hidden_act": activation or ("relu2" if model_type == "bitnet" else "silu"),
        "max_position_embeddings": max_position_embeddings,
        "rms_norm_eps": rms_norm_eps,
        "rope_theta": theta,
        "tie_word_embeddings": tied,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "torch_dtype": _TORCH_DTYPES[master_dtype],
    }
    if model_type in ("mistral", "ministral"):
        config["sliding_window"] = sliding_window
    if layer_types is not None:
        config["layer_types"] = layer_types
    if rope_scaling is not None:
        config["rope_scaling"] = rope_scaling
    if rope_parameters is not None:
        config["rope_parameters"] = rope_parameters | {"rope_theta": config.pop("rope_theta")}
    if model_type == "1bitllm":
        config.update(weight_bits=1, input_bits=8)
    if has_config:
        config["quantization_config"] = _quantization_config(quantization, modules_to_not_convert)

    writer = _RandomWeights(numpy.random.default_rng(seed), quantization, master_dtype, modules_to_not_convert, group)
    # Rows of the embedding are also the rows of a tied head: this size gives logits of the order of one.
    writer.matrix("model.embed_tokens", vocab, hidden, 1 / math.sqrt(hidden))
    sub_norms = _SUB_NORMS.get(model_type)
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        writer.norm(f"{prefix}.input_layernorm", hidden)
        writer.linear(f"{prefix}.self_attn.q_proj", heads * head_dim, hidden)
        writer.linear(f"{prefix}.self_attn.k_proj", kv_heads * head_dim, hidden)
        writer.linear(f"{prefix}.self_attn.v_proj", kv_heads * head_dim, hidden)
        writer.linear(f"{prefix}.self_attn.o_proj", hidden, heads * head_dim)
        writer.norm(f"{prefix}.post_attention_layernorm", hidden)
        writer.linear(f"{prefix}.mlp.gate_proj", intermediate, hidden)
        writer.linear(f"{prefix}.mlp.up_proj", intermediate, hidden)
        writer.linear(f"{prefix}.mlp.down_proj", hidden, intermediate)
        if sub_norms:
            writer.norm(f"{prefix}.self_attn.{sub_norms[0]}", heads * head_dim)
            writer.norm(f"{prefix}.mlp.{sub_norms[1]}", intermediate)
    writer.norm("model.norm", hidden)
    if not tied:
        writer.matrix("lm_head", vocab, hidden, 1 / math.sqrt(hidden))

    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "config.json", config)
    write_weights(directory, writer.tensors, shards)


def _quantization_config(quantization, modules_to_not_convert):
    config = {"quant_method": "bitnet", "modules_to_not_convert": modules_to_not_convert}
    if quantization == "bitlinear":
        return config | {"linear_class": "bitlinear"}
    return config | {"linear_class": "autobitlinear", "quantization_mode": quantization.removeprefix("autobitlinear_")}


class _RandomWeights:
    """Collects the random tensors of one checkpoint in their stored form."""

    def __init__(self, rng, quantization, dtype, not_converted, group):
        self.tensors = {}
        self._rng = rng
        self._packed = quantization in ("bitlinear", "autobitlinear_offline")
        self._reciprocal = quantization == "bitlinear"
        self._dtype = dtype
        self._not_converted = not_converted or ()
        self._quantization = quantization
        self._group = group

    def matrix(self, module, rows, columns, deviation):
        """A dense matrix of normal values."""
        values = self._rng.normal(0, deviation, (rows, columns))
        self.tensors[module + ".weight"] = encode(values, self._dtype)

    def norm(self, module, size):
        """The weights of an RMSNorm, around one."""
        self.tensors[module + ".weight"] = encode(self._rng.uniform(0.75, 1.25, size), self._dtype)

    def linear(self, module, rows, columns):
        """A linear layer of outputs of the order of one: packed with its scale, or as a float matrix."""
        deviation = 1 / math.sqrt(columns)
        if self._quantization in VALUES:
            values = self._rng.integers(-1, 2, (rows, columns)) * self._scales(rows, columns, deviation)
            self.tensors[module + ".weight"] = encode(values, self._dtype)
            return
        if not self._packed or is_excluded(module, self._not_converted):
            self.matrix(module, rows, columns, deviation)
            return
        trits = self._rng.integers(-1, 2, (rows, columns), dtype=numpy.int8)
        # A different scale for every matrix, and none a power of two, so that a reversed sense shows.
        scale = deviation * self._rng.uniform(0.8, 1.7)
        self.tensors[module + ".weight"] = "U8", pack_ternary(trits)
        self.tensors[module + ".weight_scale"] = encode([1 / scale if self._reciprocal else scale], self._dtype)


    def _scales(self, rows, columns, deviation):
        """A scale for each weight, as many of them equal as the kind of quantisation says."""
        blocks = {"values_matrix": (1, 1), "values_shards": (4, 1), "values_rows": (rows, 1), "values_groups": (rows, -(-columns // self._group))}
        shape = blocks[self._quantization]
        scales = deviation * self._rng.uniform(0.8, 1.7, shape)
        width = columns if shape[1] == 1 else self._group
        return numpy.repeat(numpy.repeat(scales, -(-rows // shape[0]), axis=0)[:rows], width, axis=1)[:, :columns]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m ternac.checkpoints", description="Writes a small random checkpoint.")
    parser.add_argument("directory", type=pathlib.Path, help="directory to write, made when absent")
    parser.add_argument("--model-type", choices=MODEL_TYPES, default="bitnet", help="default %(default)s")
    parser.add_argument("--hidden", type=int, default=64, help="default %(default)s")
    parser.add_argument("--intermediate", type=int, default=160, help="default %(default)s")
    parser.add_argument("--layers", type=int, default=2, help="default %(default)s")
    parser.add_argument("--heads", type=int, default=4, help="query heads (default %(default)s)")
    parser.add_argument("--kv-heads", type=int, default=2, help="key and value heads (default %(default)s)")
    parser.add_argument("--head-dim", type=int, help="default hidden / heads")
    parser.add_argument("--vocab", type=int, default=96, help="default %(default)s")
    parser.add_argument("--theta", type=float, default=10000.0, help="base of rope (default %(default)s)")
    parser.add_argument("--rope-scaling", type=json.loads, metavar="JSON", help="scaling of rope (default: none)")
    parser.add_argument("--rope-parameters", type=json.loads, metavar="JSON", help="the same as newer files have it")
    parser.add_argument("--sliding-window", type=int, help="positions that a layer of mistral or ministral sees (default: all)")
    parser.add_argument("--layer-types", type=lambda text: text.split(","), metavar="TYPE,...", help="of ministral")
    parser.add_argument("--activation", choices=("relu2", "silu"), help="default: the family's")
    parser.add_argument("--quantization", choices=QUANTIZATIONS, help="default bitlinear, or master for 1bitllm")
    parser.add_argument("--master-dtype", choices=FLOAT_DTYPES, default="bf16", help="of every float tensor (default %(default)s)")
    parser.add_argument("--group", type=int, default=128, help="columns that share a scale, with values_groups (default %(default)s)")
    parser.add_argument("--tied", action=argparse.BooleanOptionalAction, default=True, help="the head is the embedding")
    parser.add_argument(
        "--modules-to-not-convert",
        type=lambda text: text.split(","),
        metavar="NAME,...",
        help="linear layers that stay dense (default: null)",
    )
    parser.add_argument("--shards", type=int, default=1, help="safetensors files (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--max-position-embeddings", type=int, default=256, help="default %(default)s")
    parser.add_argument("--rms-norm-eps", type=float, default=1e-5, help="default %(default)s")
    parser.add_argument("--bos", type=int, default=0, help="begin token (default %(default)s)")
    parser.add_argument("--eos", type=int, default=1, help="end token (default %(default)s)")
    options = vars(parser.parse_args(arguments))
    try:
        write_checkpoint(options.pop("directory"), **options)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
