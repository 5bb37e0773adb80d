# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bad input ends in one line on stderr that names the file and says what was expected and found, status 1, and no file."""

import json
import os
import re
import shutil
import subprocess

import numpy
import pytest
import support

from ternac import checkpoints

LAYER = "model.layers.0."
QUERY = LAYER + "self_attn.q_proj.weight"
SCALE = LAYER + "self_attn.q_proj.weight_scale"
NORM = "model.norm.weight"
EMBEDDING = "model.embed_tokens.weight"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pristine") / "model"
    checkpoints.write_checkpoint(directory, layers=1, vocab=64)
    return directory


@pytest.fixture
def model(pristine, tmp_path):
    """A checkpoint to spoil."""
    return shutil.copytree(pristine, tmp_path / "model")


@pytest.fixture(scope="module")
def library(pristine, tmp_path_factory):
    return support.compile(pristine, tmp_path_factory.mktemp("library") / "model.so", "--context-length=100")


def refused(tool, *arguments, says=(), cwd=None, stdout=""):
    """Runs a tool that must refuse, in the words of the regular expressions `says`."""
    result = support.run(tool, *arguments, cwd=cwd)
    line = result.stderr
    assert result.returncode == 1, (result.returncode, line)
    assert line.startswith("error: ") and line.endswith("\n") and line.count("\n") == 1, line
    assert len(line) < 2000
    assert result.stdout == stdout
    for expression in [says] if isinstance(says, str) else says:
        assert re.search(expression, line), (expression, line)


def compile_refused(model, *says, options=(), output="out.so"):
    """Compiling must be refused, and leave nothing behind in the folder of the output."""
    folder = model.parent / "output"
    folder.mkdir()
    refused("ternac", model, "-o", folder / output, *options, says=says)
    assert os.listdir(folder) == []


# Weights


def read_header(model):
    data = (model / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write_header(model, header, data):
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    (model / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)


def edit_entry(model, name, **changes):
    header, data = read_header(model)
    header[name].update(changes)
    write_header(model, header, data)


def edit_tensors(model, edit):
    """Rewrites the weights after `edit` changed the dictionary `{name: (dtype, array)}`."""
    header, data = read_header(model)
    header.pop("__metadata__")
    types = {"U8": "u1", "BF16": "<u2"}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = numpy.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = entry["dtype"], array.copy()
    edit(tensors)
    checkpoints.write_safetensors(model / "model.safetensors", tensors)


@pytest.mark.parametrize("size", (0, 5, 8, 100, -1, -5000))
def test_truncated(model, size):
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    compile_refused(model, "model.safetensors", "byte")


@pytest.mark.parametrize("length", (10**6, 2**31, 2**63, 2**64 - 1, 2**64 - 8))
def test_header_length(model, length):
    file = model / "model.safetensors"
    file.write_bytes(length.to_bytes(8, "little") + file.read_bytes()[8:])
    compile_refused(model, "model.safetensors", "header", str(length))


def test_header_is_no_json(model):
    write_header(model, '{"a": ', b"")
    compile_refused(model, "model.safetensors")


def test_header_is_no_object(model):
    write_header(model, "[1, 2]", b"")
    compile_refused(model, "model.safetensors", "object")


@pytest.mark.parametrize(
    "changes",
    (
        dict(data_offsets=[0, 1024]),
        dict(data_offsets=[10**9, 10**9 + 1024]),
        dict(data_offsets=[-1024, 0]),
        dict(data_offsets=[2**62, 2**62 + 1024]),
        dict(data_offsets=[1024, 0]),
        dict(data_offsets=[0]),
        dict(data_offsets="0-1024"),
        dict(data_offsets=[0.5, 1024.5]),
        dict(shape=[2**40, 2**40]),
        dict(shape=[-16, -64]),
        dict(shape=16),
        dict(shape=[16, 65]),
        dict(dtype="F7"),
        dict(dtype=None),
    ),
)
def test_entry(model, changes):
    edit_entry(model, QUERY, **changes)
    compile_refused(model, "model.safetensors", "tensor|data")


def test_overlap(model):
    header, data = read_header(model)
    keys = [key for key in header if key.endswith("_proj.weight")]
    first, second = sorted(keys, key=lambda key: header[key]["data_offsets"])[:2]
    size = numpy.diff(header[second]["data_offsets"])[0]
    start = header[first]["data_offsets"][0] + 4
    header[second]["data_offsets"] = [int(start), int(start + size)]
    write_header(model, header, data)
    compile_refused(model, "model.safetensors", "overlap")


@pytest.mark.parametrize(
    "name, dtype, words",
    (
        (QUERY, "I8", "must be U8, but is I8"),
        (SCALE, "I16", "must be F32, F16 or BF16, but is I16"),
        (NORM, "I16", "must be F32, F16 or BF16, but is I16"),
        (EMBEDDING, "U16", "must be F32, F16 or BF16, but is U16"),
    ),
)
def test_dtype(model, name, dtype, words):
    edit_entry(model, name, dtype=dtype)
    compile_refused(model, "model.safetensors", re.escape(name), words)


@pytest.mark.parametrize(
    "name, shape, words",
    (
        (QUERY, [64, 16], r"shape \[16, 64\], but has \[64, 16\]"),
        (QUERY, [1024], r"shape \[16, 64\], but has \[1024\]"),
        (NORM, [64, 1], r"shape \[64\], but has \[64, 1\]"),
        (EMBEDDING, [32, 128], r"shape \[64, 64\], but has \[32, 128\]"),
    ),
)
def test_shape(model, name, shape, words):
    edit_entry(model, name, shape=shape)
    compile_refused(model, "model.safetensors", re.escape(name), words)


def test_scale_per_row(model):
    edit_tensors(model, lambda tensors: tensors.update({SCALE: checkpoints.encode(numpy.ones(64), "bf16")}))
    compile_refused(model, "model.safetensors", re.escape(SCALE), r"but has \[64\]")


@pytest.mark.parametrize("name", (QUERY, SCALE, NORM, EMBEDDING, LAYER + "mlp.ffn_sub_norm.weight"))
def test_missing_tensor(model, name):
    edit_tensors(model, lambda tensors: tensors.pop(name))
    compile_refused(model, str(model), re.escape(name))


@pytest.mark.parametrize(
    "name", ("model.layers.1.mlp.up_proj.weight", LAYER + "self_attn.q_proj.bias", LAYER + "self_attn.q_norm.weight", "extra")
)
def test_tensor_that_nobody_reads(model, name):
    edit_tensors(model, lambda tensors: tensors.update({name: checkpoints.encode(numpy.ones(64), "bf16")}))
    compile_refused(model, "model.safetensors", re.escape(name))


def test_head_beside_tied_embedding(model):
    edit_tensors(model, lambda tensors: tensors.update({"lm_head.weight": checkpoints.encode(numpy.ones((64, 64)), "bf16")}))
    compile_refused(model, "lm_head.weight", "tie_word_embeddings")


def test_code_3(model):
    def edit(tensors):
        tensors[QUERY][1][3, 5] |= 0b110000

    edit_tensors(model, edit)
    compile_refused(model, "model.safetensors", re.escape(QUERY), "code 3")


@pytest.mark.parametrize("scale, words", ((numpy.nan, "nan"), (numpy.inf, "inf"), (0, "0"), (-1, "-1")))
def test_scale(model, scale, words):
    def edit(tensors):
        bits = numpy.array([scale], numpy.float32).view(numpy.uint32) >> 16
        tensors[SCALE] = "BF16", bits.astype(numpy.uint16)

    edit_tensors(model, edit)
    compile_refused(model, "model.safetensors", re.escape(SCALE), f"(?i){words}")


@pytest.mark.parametrize("name, value", ((QUERY, numpy.nan), (EMBEDDING, -numpy.inf)))
@pytest.mark.parametrize("head", ("i8", "i4", "as-stored"))
def test_weights_that_are_no_numbers(tmp_path, head, name, value):
    model = tmp_path / "model"
    checkpoints.write_checkpoint(model, layers=1, vocab=64, quantization="autobitlinear_online")

    def edit(tensors):
        tensors[name][1].flat[40] = numpy.array([value], numpy.float32).view(numpy.uint32)[0] >> 16

    edit_tensors(model, edit)
    compile_refused(model, "model.safetensors", re.escape(name), "finite", options=[f"--head={head}"])


# Shards


def test_shards(tmp_path):
    model = tmp_path / "model"
    checkpoints.write_checkpoint(model, shards=3)
    index = model / "model.safetensors.index.json"
    good = index.read_text()
    shard = "model-00002-of-00003.safetensors"

    def spoil(text, *says):
        index.write_text(text)
        compile_refused(model, *says)
        (tmp_path / "output").rmdir()

    spoil(good.replace(shard, "../" + shard), "index.json", "directories")
    spoil(good.replace(shard, "none.safetensors"), "none.safetensors")
    spoil(good.replace(NORM, "model.norm.wait"), r"model\.norm\.wait|model\.norm\.weight")
    spoil("{", "index.json")
    spoil("{}", "index.json", "weight_map")
    index.write_text(good)
    (model / shard).unlink()
    compile_refused(model, shard)


def test_no_weights(model):
    (model / "model.safetensors").unlink()
    compile_refused(model, str(model), "model.safetensors")


# config.json


def edit_config(model, changes):
    path = model / "config.json"
    config = json.loads(path.read_text())
    for key, value in changes.items():
        if value is KeyError:
            del config[key]
        else:
            config[key] = value
    path.write_text(json.dumps(config))


SIZES = ("hidden_size", "intermediate_size", "vocab_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")


@pytest.mark.parametrize("key", SIZES + ("model_type",))
def test_missing_key(model, key):
    edit_config(model, {key: KeyError})
    compile_refused(model, "config.json", key)


@pytest.mark.parametrize("value", (0, -1, 1.5, "64", 2**31, 2**63, 10**30, None, [], True))
@pytest.mark.parametrize("key", SIZES)
def test_nonsense_size(model, key, value):
    edit_config(model, {key: value})
    compile_refused(model, "config.json", key)


@pytest.mark.parametrize(
    "key, value",
    (
        ("rms_norm_eps", 0),
        ("rms_norm_eps", -1e-5),
        ("rms_norm_eps", "1e-5"),
        ("rope_theta", 0),
        ("rope_theta", -10000.0),
        ("rope_theta", "10000"),
        ("num_key_value_heads", 0),
        ("num_key_value_heads", 3),
        ("num_key_value_heads", 8),
        ("head_dim", 0),
        ("head_dim", 15),
        ("eos_token_id", -1),
        ("eos_token_id", 64),
        ("eos_token_id", [1, "2"]),
        ("bos_token_id", 1.5),
        ("tie_word_embeddings", "yes"),
        ("architectures", "BitNetForCausalLM"),
        ("architectures", ["BertModel"]),
        ("quantization_config", 3),
    ),
)
def test_nonsense_value(model, key, value):
    edit_config(model, {key: value})
    compile_refused(model, "config.json", "head" if key == "head_dim" else key)


@pytest.mark.parametrize("head", ("i8", "i4"))
def test_hidden_size_beyond_heads_of_integers(model, head):
    edit_config(model, dict(hidden_size=131136, num_attention_heads=4, num_key_value_heads=2, head_dim=16))
    (model / "model.safetensors").unlink()
    options = ["--synthetic-weights=1", f"--head={head}"]
    compile_refused(model, "at most 131072", "131136", "--head=as-stored", options=options)


def test_head_dim_that_is_not_the_tensors(model):
    edit_config(model, {"head_dim": 32})
    compile_refused(model, "head|q_proj", "32|128")


@pytest.mark.parametrize(
    "key, value",
    (
        ("model_type", "bert"),
        ("model_type", "qwen3"),
        ("hidden_act", "gelu"),
        ("hidden_act", 3),
        ("rope_scaling", {"rope_type": "yarn", "factor": 4.0}),
        ("rope_scaling", {"type": "linear", "factor": 0.5}),
        ("rope_scaling", {"type": "linear", "factor": 2.0, "beta_fast": 32}),
        ("rope_scaling", {"rope_type": "longrope", "factor": 2.0}),
        ("rope_scaling", {"factor": 2.0}),
        ("rope_parameters", {"rope_type": "llama3", "rope_theta": 1e4}),
        ("rope_parameters", {"rope_type": "default", "rope_theta": 2e4}),
        ("partial_rotary_factor", 0.5),
        ("attention_bias", True),
        ("mlp_bias", True),
        ("sliding_window", 128),
        ("use_sliding_window", True),
        ("layer_types", ["sliding_attention"]),
        ("layer_types", ["chunked_attention"]),
        ("use_qk_norm", True),
        ("qk_layernorm", True),
        ("attn_logit_softcapping", 50.0),
        ("final_logit_softcapping", 30.0),
        ("query_pre_attn_scalar", 256),
        ("num_experts", 8),
        ("num_local_experts", 8),
        ("embedding_multiplier", 12.0),
        ("residual_multiplier", 0.2),
        ("logits_scaling", 8.0),
        ("pruned_heads", {"0": [1]}),
        ("weight_bits", 2),
        ("input_bits", 4),
        ("is_encoder_decoder", True),
        ("a_key_of_the_future", 1),
    ),
)
def test_unsupported_key(model, key, value):
    edit_config(model, {key: value})
    compile_refused(model, "config.json", key)


@pytest.mark.parametrize(
    "key, value",
    (
        ("quant_method", "gptq"),
        ("quant_method", KeyError),
        ("linear_class", "linear"),
        ("quantization_mode", "sometimes"),
        ("use_rms_norm", True),
        ("modules_to_not_convert", "lm_head"),
        ("modules_to_not_convert", [3]),
        ("modules_to_not_convert", ["layers.*.mlp"]),
        ("group_size", 128),
    ),
)
def test_quantization_key(model, key, value):
    path = model / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"]["quantization_mode"] = "offline"
    config["quantization_config"]["linear_class"] = "autobitlinear"
    config["quantization_config"][key] = value
    if value is KeyError:
        del config["quantization_config"][key]
    path.write_text(json.dumps(config))
    compile_refused(model, "config.json", "quantization_config", key)


def test_llama_that_is_not_ternary(tmp_path):
    model = tmp_path / "model"
    checkpoints.write_checkpoint(model, model_type="llama", quantization="autobitlinear_online")
    edit_config(model, {"quantization_config": KeyError})
    compile_refused(model, "config.json", "quantization_config")


def test_master_weights_where_packed_ones_should_be(tmp_path):
    model = tmp_path / "model"
    checkpoints.write_checkpoint(model, quantization="autobitlinear_online")
    edit_config(model, {"quantization_config": {"quant_method": "bitnet", "linear_class": "bitlinear"}})
    compile_refused(model, "model.safetensors", "must be U8, but is BF16")


@pytest.mark.parametrize(
    "text",
    ("", "{", "[]", "null", '{"model_type": "bitnet",}', "\x00\xff", '{"model_type": 1e999}', pytest.param("[" * 10**5, id="deep")),
)
def test_config_is_no_json_object(model, text):
    (model / "config.json").write_bytes(text.encode("latin-1"))
    compile_refused(model, "config.json")


def test_no_config(model):
    (model / "config.json").unlink()
    compile_refused(model, "config.json")


# Command line of the compiler


@pytest.mark.parametrize(
    "options, words",
    (
        (["--no-such-flag"], ["--no-such-flag", "--target"]),
        (["--targett=cpu"], ["--targett", "--target"]),
        (["--target=z80"], ["z80", "reference", "cpu"]),
        (["--target=cpu,arch=pentium"], ["pentium"]),
        (["--target=cpu,colour=red"], ["colour", "arch"]),
        (["--target=cpu,triple=sparc64-linux-gnu"], ["sparc64", "aarch64-unknown-linux-gnu"]),
        (["--target=cpu,features=+warp"], ["warp"]),
        (["--target=cpu,"], ["key=value", "''"]),
        (["--target=cpu,,"], ["key=value", "''"]),
        (["--target=cpu,+avx2"], ["key=value", "'+avx2'"]),
        (["--target=cpu,arch"], ["key=value", "'arch'"]),
        (["--target=cpu, arch=x86-64"], ["unknown key ' arch'"]),
        (["--target=cpu,arch=x86-64,+avx2"], ["key=value", "'+avx2'"]),
        (["--target=cpu,arch=x86-64,arch=x86-64"], ["'arch' appears twice"]),
        (["--target=cpu,arch="], ["a value", "'arch'", "native"]),
        (["--target=cpu,triple="], ["a value", "a triple like", "x86_64-unknown-linux-gnu"]),
        (["--target=cpu,triple=toaster"], ["triple 'toaster'", "x86_64-unknown-linux-gnu"]),
        (["--target=cpu,triple=x86_64-linux-toaster"], ["triple 'x86_64-linux-toaster'"]),
        (["--target=cpu,triple=x86_64-pc-toaster"], ["triple 'x86_64-pc-toaster'"]),
        (["--target=cpu,triple=x86_64-pc-windows-msvc"], ["triple 'x86_64-pc-windows-msvc'"]),
        (["--target=cpu,features="], ["a value", "'features'", "+a,-b"]),
        (["--target=cpu,features=+"], ["+ or -", "'+'"]),
        (["--target=cpu,features=avx2"], ["+ or -", "'avx2'"]),
        (["--target=cpu,features=+avx2,+avx2"], ["'avx2' appears twice"]),
        (["--target=cpu,features=+avx2,-avx2"], ["'avx2' appears twice"]),
        (["--target=cpu,features=+avx2,,+fma"], ["key=value", "''"]),
        (["--target=cpu,l2="], ["a value", "'l2'"]),
        (["--target=cpu,l2=1e6"], ["a number", "'1e6'"]),
        (["--target=cpu,l2=-1"], ["a number", "'-1'"]),
        (["--target=cpu,peak=9223372036854775808"], ["a number", "'9223372036854775808'"]),
        (["--target=cpu,model="], ["a value", "'model'", "epyc-9004"]),
        (["--target=cpu,model=toaster"], ["unknown model 'toaster'", "epyc-9004"]),
        (["--target=cpu,model=epyc-9004,cpu=znver3"], ["model 'epyc-9004'", "leave out 'cpu'"]),
        (["--target=reference,"], ["key=value", "''"]),
        (["--target=reference,arch=x86-64"], ["no keys", "'arch'"]),
        (["--target= cpu"], ["' cpu'", "reference"]),
        (["--target=,"], ["key=value"]),
        (["--target="], ["a value"]),
        (["--target=nvptx,arch=sm_70"], ["sm_70", "sm_80"]),
        (["--emit=wasm"], ["wasm", "lib", "imported"]),
        (["--compile-from=dreamt"], ["dreamt", "imported", "packed"]),
        (["--compile-from=packed"], ["packed", "is a checkpoint"]),
        (["--head=huge"], ["huge", "i8, i4, as-stored"]),
        (["--kv-cache=i4"], ["i4", "f16", "f32", "i8"]),
        (["--attention=none"], ["none", "auto"]),
        (["--strategy=magic"], ["magic", "add_sub"]),
        (["--strategy=tile", "--target=cpu,arch=x86-64-v4"], ["strategy 'tile'", "tile_matmul"]),
        (["--strategy=lut", "--packing=row2"], ["lut", "tile2", "base3", "row2"]),
        (["--strategy=dot", "--target=reference"], ["dot", "reference"]),
        (["--strategy=dot", "--packing=planes"], ["planes", "dot", "tile2"]),
        (["--packing=loose"], ["loose", "row2"]),
        (["--weights=separate"], ["separate", "not supported yet"]),
        (["--max-tokens-per-call=0"], ["max-tokens-per-call", "0"]),
        (["--max-tokens-per-call=many"], ["max-tokens-per-call", "many"]),
        (["--max-sequences=0"], ["max-sequences"]),
        (["--context-length=0"], ["context-length", "0"]),
        (["--context-length=257"], ["256", "257"]),
        (["--context-length=x"], ["context-length", "x"]),
        (["--synthetic-weights=x"], ["synthetic-weights", "x"]),
        (["--synthetic-weights=-1"], ["synthetic-weights", "-1"]),
        (["--synthetic-weights=99999999999999999999"], ["synthetic-weights"]),
        (["--dump-phases-to=/dev/null/dump"], ["/dev/null/dump"]),
    ),
)
def test_options(model, options, words):
    compile_refused(model, *map(re.escape, words), options=options)


def test_no_model(tmp_path):
    refused("ternac", says="MODEL")
    refused("ternac", tmp_path / "none", "-o", tmp_path / "out.so", says="none: no such file")
    refused("ternac", "/dev/null", "-o", tmp_path / "out.so", says="/dev/null")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    refused("ternac", tmp_path / "model.gguf", "-o", tmp_path / "out.so", says=["model.gguf", "truncated"])
    assert not (tmp_path / "out.so").exists()


@pytest.mark.parametrize("emit", ("lib", "obj", "llvm", "imported"))
def test_unwritable_output(model, tmp_path, emit):
    for output in ("/dev/null/out.so", "/proc/out.so", tmp_path / "none" / "out.so", tmp_path):
        refused("ternac", model, f"--emit={emit}", "-o", output, says=[re.escape(str(output)), "write"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_output_leaves_what_is_no_file_alone(model, library, tmp_path):
    """A device would be gone if a file were renamed to its name, which whoever is root may do."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for emit in ("lib", "obj", "imported"):
        refused("ternac", model, f"--emit={emit}", "-o", pipe, says=["pipe", "not a regular file"])
    refused("ternac-run", library, "--tokens=1", f"--logits={pipe}", says=["pipe", "not a regular file"])
    refused("ternac-bench", library, f"--json={pipe}", says=["pipe", "not a regular file"])
    assert pipe.is_fifo() and not list(tmp_path.glob("pipe?*"))


def test_bad_input_leaves_the_old_output_alone(model, tmp_path):
    output = tmp_path / "out.so"
    output.write_text("old")
    (model / "model.safetensors").write_bytes(b"")
    refused("ternac", model, "-o", output, says="model.safetensors")
    assert output.read_text() == "old"


# IR


@pytest.fixture(scope="module")
def phases(pristine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("phases")
    for phase in ("imported", "quantized", "packed", "llvm"):
        path = folder / f"{phase}.mlir"
        if phase == "llvm":
            dump = folder / "dump"
            support.compile(pristine, folder / "out.so", f"--dump-phases-to={dump}")
            shutil.move(dump / "06-llvm.mlir", path)
        else:
            support.check("ternac", pristine, f"--emit={phase}", "-o", path)
    return folder


@pytest.mark.parametrize("text", ("nonsense", "func.func @f(", 'module { "no.such"() : () -> () }', "\x00\x01", "module {}", ""))
def test_ir_is_no_model(tmp_path, text):
    file = tmp_path / "bad.mlir"
    file.write_text(text)
    compile_refused(file, r"bad\.mlir")


@pytest.mark.parametrize("phase, claimed", (("imported", "packed"), ("imported", "llvm"), ("quantized", "bufferized")))
def test_wrong_compile_from(phases, tmp_path, phase, claimed):
    file = tmp_path / "wrong.mlir"
    file.write_text((phases / f"{phase}.mlir").read_text())
    compile_refused(file, r"wrong\.mlir", f"--compile-from|phase '{claimed}'", options=[f"--compile-from={claimed}"])


def test_compile_from_what_it_is_past(phases, tmp_path):
    refused("ternac", phases / "packed.mlir", "--compile-from=packed", "--emit=imported", says=["imported", "packed"])


@pytest.mark.parametrize("emit", ("lib", "obj", "asm"))
@pytest.mark.parametrize(
    "old, new, words",
    (
        ('name = "cpu"', 'name = "toaster"', ["unknown target 'toaster'", "reference"]),
        ('name = "cpu"', 'name = "reference"', ["no description of a machine", 'name = "reference"']),
        ('triple = "[^"]*", ', "", ["no description of a machine", "triple = "]),
        ('triple = "[^"]*"', 'triple = "toaster"', ["triple 'toaster'"]),
        ('cpu = "x86-64-v3"', 'cpu = "toaster"', ["unknown arch 'toaster'"]),
        ('cpu = "x86-64-v3", ', "", ["no description of a machine|expected vector_bits="]),
        ('features = "[+]avxvnni"', 'features = "+warp"', [r"unknown feature '\+warp'"]),
        ('features = "[+]avxvnni"', 'features = "avxvnni"', ["expected . or -", "'avxvnni'"]),
        ('features = "[+]avxvnni"', 'features = "+avxvnni,+avxvnni"', ["'avxvnni' appears twice"]),
        ('features = "[+]avxvnni", ', "", ["no description of a machine"]),
        ('required_features = "[^"]*", ', "", ["no description of a machine"]),
        ('"int8_dot"', '"int8_dot", "tile_matmul"', ["no description of a machine"]),
        ('"int8_dot"', "8", ["(C3)", "strings"]),
        ("capabilities = [^]]*], ", "", ["no description of a machine"]),
        ("vector_bits = 256", "vector_bits = 7", ["(C1)", "multiple of 8 from 8 to 65536, but got 7"]),
        ("vector_bits = 256", "vector_bits = 512", ["expected vector_bits=256", "got 512"]),
        ("vector_bits = 256", "vector_bits = 256, l2 = -1", ["(C2)", "negative"]),
        ("#tern.target<name = [^>]*>", '"cpu"', ["'tern.target'", "#tern.target"]),
        ("tern.target = #tern.target<name = [^>]*>, ", "", ["no 'tern.target'", "packed"]),
    ),
)
def test_target_of_ir(pristine, tmp_path, old, new, words, emit):
    """A description that was edited by hand is one that --target gives, or is refused."""
    file = tmp_path / "ir.mlir"
    support.check("ternac", pristine, "--emit=packed", "--target=cpu,arch=x86-64-v3,features=+avxvnni", "-o", file)
    text, count = re.subn(old, new, file.read_text())
    assert count == 1
    file.write_text(text)
    compile_refused(file, *words, options=["--compile-from=packed", f"--emit={emit}", f"--weights-root={pristine}"])


@pytest.mark.parametrize("phase", ("imported", "packed", "llvm"))
def test_weights_of_ir(phases, model, tmp_path, phase):
    """Weight files that are missing, or that are no longer those the IR was made from."""
    options = (f"--compile-from={phase}", f"--weights-root={model}")
    file = tmp_path / "ir.mlir"
    shutil.copy(phases / f"{phase}.mlir", file)
    support.compile(file, tmp_path / "out.so", *options)
    (tmp_path / "out.so").unlink()

    weights = model / "model.safetensors"
    good = weights.read_bytes()
    for bad in (good[:-1], good + b"\0", good[:-1] + bytes([good[-1] ^ 1]), good[:2000] + b"\x55" + good[2001:]):
        weights.write_bytes(bad)
        refused("ternac", file, "-o", tmp_path / "out.so", *options, says="model.safetensors")
    weights.unlink()
    refused("ternac", file, "-o", tmp_path / "out.so", *options, says="model.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ir.mlir", "model"]


# ternac-run


@pytest.mark.parametrize(
    "options, words",
    (
        (["--tokens=64"], ["64", "vocabulary of 64"]),
        (["--tokens=1,2,99999"], ["99999", "vocabulary"]),
        (["--tokens=-1"], ["-1"]),
        (["--tokens=1,,2"], ["1,,2"]),
        (["--tokens=1;2"], ["1;2"]),
        (["--tokens="], ["tokens"]),
        (["--tokens=99999999999999999999"], ["tokens"]),
        ([], ["--tokens"]),
        (["--tokens=" + ",".join(["1"] * 101)], ["101", "100"]),
        (["--tokens=1,2", "--max-new-tokens=99"], ["99", "100"]),
        (["--tokens=1", "--tokens=64"], ["prompt 2", "64", "vocabulary of 64"]),
        (["--tokens=1", "--tokens=" + ",".join(["1"] * 101)], ["prompt 2", "101", "100"]),
        (["--tokens=1", "--tokens="], ["tokens"]),
        (["--prompts=/dev/null"], ["/dev/null", "prompt"]),
        (["--prompts=/none"], ["/none"]),
        (["--prompts=/proc/self/exe"], ["/proc/self/exe", "line 1"]),
        (["--tokens=1", "--sequences=0"], ["sequences", "0"]),
        (["--tokens=1", "--max-new-tokens=-1"], ["max-new-tokens"]),
        (["--tokens=1", "--max-new-tokens=4294967300"], ["max-new-tokens"]),
        (["--tokens=1", "--threads=0"], ["threads", "0"]),
        (["--tokens=1", "--threads=many"], ["threads", "many"]),
        (["--tokens=1", "--threads=1000000"], ["threads", "1000000"]),
        (["--tokens=1", "--chunk=0"], ["chunk"]),
        (["--tokens=1", "--temperature=-1"], ["temperature"]),
        (["--tokens=1", "--temperature=nan"], ["temperature"]),
        (["--tokens=1", "--temperature=1", "--top-p=1.5"], ["top-p"]),
        (["--tokens=1", "--no-such-flag"], ["--no-such-flag", "--tokens"]),
        (["--tokens=1", "more"], ["more"]),
    ),
)
def test_run_options(library, options, words):
    refused("ternac-run", library, *options, says=map(re.escape, words))


def test_run_unwritable_logits(library, tmp_path):
    for output in ("/dev/null/logits.npy", tmp_path / "none" / "logits.npy", tmp_path):
        refused("ternac-run", library, "--tokens=1", f"--logits={output}", says=re.escape(str(output)))
    refused("ternac-run", library, "--tokens=64", f"--logits={tmp_path}/logits.npy", says="64")
    assert list(tmp_path.iterdir()) == []


def build(source, library, *flags):
    command = [support.c_compiler(), "-shared", "-fPIC", "-I", support.ROOT / "include", *flags, source, "-o", library]
    subprocess.run(command, check=True)
    return library


def test_run_no_model_library(library, tmp_path):
    refused("ternac-run", tmp_path / "none.so", "--tokens=1", says=r"none\.so")
    whole = library.read_bytes()
    files = {"text.so": b"text\n", "empty.so": b"", "header.so": whole[:64]}
    files |= {f"cut-{size}.so": whole[:size] for size in (3000, 30000, len(whole) // 2)}
    for name, contents in files.items():
        (tmp_path / name).write_bytes(contents)
        refused("ternac-run", tmp_path / name, "--tokens=1", says=re.escape(name))
    refused("ternac-run", tmp_path, "--tokens=1", says=re.escape(str(tmp_path)))
    os.mkfifo(tmp_path / "pipe.so")
    refused("ternac-run", tmp_path / "pipe.so", "--tokens=1", says=r"pipe\.so' is no Ternac model library: it is not a regular file")
    source = tmp_path / "other.c"
    source.write_text("int other(void) { return 1; }\n")
    refused("ternac-run", build(source, tmp_path / "other.so"), "--tokens=1", says=[r"other\.so", "ternac_model|model library"])


@pytest.mark.parametrize(
    "define, words",
    (
        ("FAKE_ABI_VERSION=2", ["version 2", "1"]),
        ("FAKE_ABI_VERSION=4000000000", ["version 4000000000"]),
        ("FAKE_ABI_VERSION=0", []),
        ("FAKE_STRUCT_SIZE=8", []),
        ('FAKE_FEATURES="warp-drive"', ["warp-drive"]),
    ),
)
def test_run_library_of_another_kind(tmp_path, define, words):
    source = support.ROOT / "test" / "unit" / "Runtime" / "FakeModel.c"
    library = build(source, tmp_path / "fake.so", f"-D{define}")
    refused("ternac-run", library, "--tokens=1", says=[r"fake\.so", *words])
