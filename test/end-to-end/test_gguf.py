# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A GGUF file is the same model as the Hugging Face directory that it was written from: tokens and logits are equal, bit by bit."""

import numpy
import pytest
import support

from ternac import checkpoints, gguf, load, oracle
from ternac.runtime import TernacError

VOCABULARY = 96
NEW_TOKENS = 6

# Sizes that every type can store. Scales are float16 and in the direct sense, so every type stores them as they are.
SIZES = dict(hidden=256, intermediate=512, heads=4, kv_heads=2, vocab=VOCABULARY)
EXACT_SCALES = dict(quantization="autobitlinear_offline", master_dtype="f16")


def write_directory(path, **options):
    checkpoints.write_checkpoint(path, **(SIZES | EXACT_SCALES | options))
    return path


def agree(directory, file, folder, *options, gguf_options=()):
    """The libraries of both give the same logits and the same tokens."""
    expected = support.compile(directory, folder / "directory.so", *options)
    actual = support.compile(file, folder / "file.so", *options, *gguf_options)
    prompt = support.prompt(VOCABULARY, 20)
    assert numpy.array_equal(support.logits(actual, prompt), support.logits(expected, prompt))
    assert support.generate(actual, prompt, NEW_TOKENS) == support.generate(expected, prompt, NEW_TOKENS)


@pytest.fixture(scope="module")
def bitnet(tmp_path_factory):
    return write_directory(tmp_path_factory.mktemp("gguf") / "bitnet")


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """One whose head is not the embedding, and whose layers are not all alike."""
    kept = ["lm_head", "model.layers.1.self_attn.q_proj"]
    options = dict(model_type="llama", tied=False, layers=3, modules_to_not_convert=kept)
    return write_directory(tmp_path_factory.mktemp("gguf") / "llama", **options)


@pytest.mark.parametrize("weights", gguf.TERNARY)
@pytest.mark.parametrize("architecture", ("bitnet-b1.58", "llama"))
def test_types(bitnet, llama, tmp_path, architecture, weights):
    directory = llama if architecture == "llama" else bitnet
    gguf.write_model(tmp_path / "model.gguf", directory, architecture, weights=weights)
    agree(directory, tmp_path / "model.gguf", tmp_path)


@pytest.mark.parametrize("layout", ("blocks128", "blocks64", "rows4"))
def test_layouts_of_i2_s(bitnet, tmp_path, layout):
    gguf.write_model(tmp_path / "model.gguf", bitnet, weights="I2_S", layout=layout)
    agree(bitnet, tmp_path / "model.gguf", tmp_path, gguf_options=[f"--i2s-layout={layout}"])


@pytest.mark.parametrize("other", ("F32", "F16", "BF16"))
@pytest.mark.parametrize("options", ((), support.EXACT), ids=("default", "exact"))
def test_types_of_the_embedding(tmp_path, other, options):
    directory = write_directory(tmp_path / "directory", master_dtype=other.lower(), modules_to_not_convert=["lm_head", "up_proj"])
    gguf.write_model(tmp_path / "model.gguf", directory, weights="I2_S", other=other)
    agree(directory, tmp_path / "model.gguf", tmp_path, *options)


def blocks_in_float16(rows, columns, type):
    """Random values that the type stores as they are, and float16 too: integers times a power of two, the largest of each block
    being that to which the encoder fits its scale."""
    random, step = numpy.random.default_rng(5), 2.0**-11
    if type == "Q8_0":
        integers = random.integers(-127, 128, (rows, columns // 32, 32))
        integers[:, :, 7] = 127
    else:
        factors = random.integers(1, 64, (rows, columns // 256, 16, 1))
        factors[:, :, 3] = 63
        elements = random.integers(-31, 32, (rows, columns // 256, 16, 16))
        elements[..., 5] = 31
        integers, step = factors * elements, step / 16
    return (integers * step).reshape(rows, columns).astype(numpy.float32)


def replace_tensors(directory, changes):
    """Stores other values, trits as int8 and others as float16, in a directory of one file."""
    tensors = oracle.Tensors(directory)
    stored = {}
    for name in tensors.names():
        dtype, values = tensors.dtype(name), tensors.read(name)
        stored[name] = (dtype, values) if dtype == "U8" else checkpoints.encode(values, dtype.lower())
    for name, values in changes.items():
        trits = values.dtype == numpy.int8
        stored[name] = ("U8", checkpoints.pack_ternary(values)) if trits else checkpoints.encode(values, "f16")
    checkpoints.write_weights(directory, stored)


@pytest.mark.parametrize("type", ("Q8_0", "Q6_K"))
@pytest.mark.parametrize("head", ("i8", "i4", "as-stored"))
def test_embedding_and_head_in_blocks(tmp_path, type, head):
    directory = write_directory(tmp_path / "directory", model_type="llama", tied=False, layers=1)
    values = blocks_in_float16(2 * VOCABULARY, SIZES["hidden"], type)
    replace_tensors(directory, {"model.embed_tokens.weight": values[:VOCABULARY], "lm_head.weight": values[VOCABULARY:]})
    gguf.write_model(tmp_path / "model.gguf", directory, "llama", embedding=type, head=type)
    agree(directory, tmp_path / "model.gguf", tmp_path, f"--head={head}")


def test_head_in_blocks_is_read_before_it_is_rounded(tmp_path):
    """A head of integers is made from the numbers that the blocks stand for, not from float16."""
    directory = write_directory(tmp_path / "directory", master_dtype="f32", layers=1)
    gguf.write_model(tmp_path / "model.gguf", directory, weights="I2_S", embedding="Q6_K")
    library = support.compile(tmp_path / "model.gguf", tmp_path / "model.so", "--kv-cache=f32", "--attention=f32")
    tensor = gguf.model_tensors(directory, "bitnet-b1.58", embedding="Q6_K")["token_embd.weight"]
    values = gguf.decode_q6_k(tensor.data).reshape(tensor.shape)
    model = oracle.Model.load(directory)
    model.embedding = values.astype(numpy.float16).astype(numpy.float32)
    model.head = oracle.Int8Head(*oracle.quantize_head(values))
    prompt = support.prompt(VOCABULARY, 12)
    largest, _ = support.errors(support.logits(library, prompt), model.logits(prompt))
    assert largest < 1e-4


@pytest.mark.parametrize(
    "architecture, options",
    (
        ("bitnet-25", {}),
        ("bitnet", dict(activation="silu")),
        ("bitnet", dict(model_type="1bitllm", quantization="master", master_dtype="f16")),
        ("llama", dict(model_type="llama", heads=6, head_dim=64, kv_heads=3)),
        ("llama", dict(model_type="llama", theta=500000.0, rope_scaling={"type": "linear", "factor": 2.0})),
        (
            "bitnet-b1.58",
            dict(rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 16}),
        ),
    ),
)
def test_models(tmp_path, architecture, options):
    directory = write_directory(tmp_path / "directory", **options)
    # Scales of master weights are any float32.
    gguf.write_model(tmp_path / "model.gguf", directory, architecture, weights="IQ2_BN")
    agree(directory, tmp_path / "model.gguf", tmp_path)


@pytest.mark.parametrize("weights", ("TQ1_0", "TQ2_0"))
def test_file_of_another_writer(tmp_path, weights):
    """The package of the format's own project quantises what the reference reads, and writes the file."""
    package = pytest.importorskip("gguf")
    directory = write_directory(tmp_path / "directory", model_type="llama", tied=False, layers=1)
    replace_tensors(directory, {"model.embed_tokens.weight": blocks_in_float16(VOCABULARY, SIZES["hidden"], "Q8_0")})
    writer = package.GGUFWriter(tmp_path / "model.gguf", "llama")
    sizes = dict(block_count=1, context_length=256, embedding_length=256, feed_forward_length=512, head_count=4, head_count_kv=2)
    for name, value in sizes.items():
        getattr(writer, f"add_{name}")(value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    kinds = package.GGMLQuantizationType
    model = oracle.Model.load(directory)

    def add(name, values, kind):
        values = numpy.ascontiguousarray(values, numpy.float32)
        writer.add_tensor(name, package.quantize(values, kinds[kind]), raw_dtype=kinds[kind])

    layer = model.layers[0]
    add("token_embd.weight", model.embedding, "Q8_0")
    add("output.weight", model.head.weight, "F16")
    add("output_norm.weight", model.norm, "F32")
    add("blk.0.attn_norm.weight", layer.input_norm, "F32")
    add("blk.0.ffn_norm.weight", layer.post_attention_norm, "F32")
    names = dict(attn_q="q", attn_k="k", attn_v="v", attn_output="o", ffn_gate="gate", ffn_up="up", ffn_down="down")
    for name, member in names.items():
        linear = getattr(layer, member)
        values = linear.trits * linear.scale
        add(f"blk.0.{name}.weight", gguf.interleave(values, 64) if member in "qk" else values, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    agree(directory, tmp_path / "model.gguf", tmp_path)


def test_tokenizer(bitnet, tmp_path):
    tensors = gguf.model_tensors(bitnet, "bitnet-b1.58")
    tokens = [chr(ord("a") + i) for i in range(26)] + [f"<{i}>" for i in range(26, VOCABULARY)]
    keys = {"model": "gpt2", "pre": "gpt-2", "tokens": tokens, "merges": []}
    keys = {f"tokenizer.ggml.{name}": value for name, value in keys.items()}
    gguf.write_file(tmp_path / "model.gguf", gguf.model_keys(bitnet, "bitnet-b1.58") | keys, tensors)
    library = support.compile(tmp_path / "model.gguf", tmp_path / "model.so")
    with load(library, tokenizer=tmp_path / "model.gguf") as model:
        assert model.tokenizer.encode("bad").ids == [1, 0, 3]
    gguf.write_file(tmp_path / "none.gguf", {}, {})
    with load(library, tokenizer=tmp_path / "none.gguf") as model, pytest.raises(TernacError, match="no tokenizer"):
        model.generate("bad")


def test_facts(bitnet, tmp_path):
    gguf.write_model(tmp_path / "model.gguf", bitnet)
    options = ["--context-length=100", "--emit=packed"]
    text = support.check("ternac", tmp_path / "model.gguf", *options)
    for words in ('architecture = "bitnet-b1.58"', "context_length = 100", "begin_token = 0", "end_tokens = array<i64: 1>"):
        assert words in text
    assert '<"blk.{}.attn_q.weight", tq2_0, rows = 256, cols = 256, first_layer = 0, files = [0]' in text
    # The file goes by its name, beside the IR.
    support.check("ternac", tmp_path / "model.gguf", *options, "-o", tmp_path / "packed.mlir")
    assert 'path = "model.gguf"' in (tmp_path / "packed.mlir").read_text()
    library = support.compile(tmp_path / "packed.mlir", tmp_path / "model.so", "--compile-from=packed")
    assert numpy.isfinite(support.logits(library, [1, 2, 3])).all()


def test_projections_in_another_order(llama, tmp_path):
    """Those of q and k, and their scales; the q of layer 1, which is dense, has none and splits the layers into three runs."""
    gguf.write_model(tmp_path / "model.gguf", llama, "llama")
    text = support.check("ternac", tmp_path / "model.gguf", "--emit=imported")
    assert text.count("attn_q.weight\", tq2_0 interleaved(64)") == 2 * 2
    assert text.count("attn_q.weight\", f16 interleaved(64)") == 1
    assert text.count("attn_k.weight\", tq2_0 interleaved(64)") == 2 * 3
    assert text.count("interleaved") == 11


# Scales


@pytest.mark.parametrize("weights", ("TQ1_0", "TQ2_0", "IQ1_BN", "IQ2_BN"))
def test_scales_that_do_not_matter(tmp_path, weights):
    """Blocks of zeros may have any scale, and a scale of zero makes zeros of any block."""
    directory = write_directory(tmp_path / "directory", layers=1)
    layer = oracle.Model.load(directory).layers[0]
    trits, scale = layer.q.trits.copy(), layer.q.scale
    trits[:3] = 0
    tensors = gguf.model_tensors(directory, "bitnet-b1.58", weights)
    scales = numpy.full((256, 1), scale)
    scales[0], scales[1] = 0, 7
    stored = trits.copy()
    stored[0] = numpy.resize((1, -1), 256)
    per_row = scales[:, 0] if weights.startswith("IQ") else scales
    tensors["blk.0.attn_q.weight"] = gguf.ternary(stored, per_row, weights)
    tensors["blk.0.attn_k.weight"] = gguf.ternary(numpy.zeros_like(layer.k.trits), 0, weights)
    gguf.write_file(tmp_path / "model.gguf", gguf.model_keys(directory, "bitnet-b1.58"), tensors)

    model = "model.layers.0.self_attn."
    replace_tensors(directory, {model + "q_proj.weight": trits, model + "k_proj.weight": numpy.zeros_like(layer.k.trits)})
    agree(directory, tmp_path / "model.gguf", tmp_path)


@pytest.mark.parametrize("values, weights", (("rows", "IQ1_BN"), ("rows", "IQ2_BN"), ("rows", "TQ2_0"), ("groups", "TQ1_0"), ("groups", "TQ2_0"), ("matrix", "I2_S")))
@pytest.mark.parametrize("architecture", ("bitnet-b1.58", "llama"))
def test_scales_by_row_and_block(tmp_path, architecture, values, weights):
    """Scales that differ are kept, as those of floats that are ternary as they are stored."""
    model_type = "llama" if architecture == "llama" else "bitnet"
    options = dict(quantization=f"values_{values}", group=256, model_type=model_type, layers=2)
    directory = write_directory(tmp_path / "directory", **options)
    gguf.write_model(tmp_path / "model.gguf", directory, architecture, weights=weights)
    # What a directory says of a llama a file does not.
    agree(directory, tmp_path / "model.gguf", tmp_path, *["--activations=f32"] * (model_type == "llama"))


def test_what_the_file_does_not_say(llama, bitnet, tmp_path):
    for directory, architecture in ((llama, "llama"), (bitnet, "bitnet-b1.58")):
        gguf.write_model(tmp_path / "model.gguf", directory, architecture)
        result = support.run("ternac", tmp_path / "model.gguf", "--emit=imported", "-o", tmp_path / "model.mlir")
        says = "note: " in result.stderr and "the file does not say whether the model was trained so (--activations)" in result.stderr
        assert result.returncode == 0 and says == (architecture == "llama")


def test_scales_that_a_type_has_no_room_for(tmp_path):
    directory = write_directory(tmp_path / "directory", quantization="values_rows", layers=1)
    with pytest.raises(gguf.GGUFError, match="type I2_S has no room for as many different scales as the matrix has"):
        gguf.write_model(tmp_path / "model.gguf", directory, weights="I2_S")
