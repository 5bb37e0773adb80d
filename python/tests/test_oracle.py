"""Tests of the NumPy reference and of the checkpoint writer: values computed by hand, and properties the rules promise."""

import json
import struct

import numpy
import pytest

from ternac import checkpoints, evaluate, oracle


def f32(*values):
    return numpy.array(values, numpy.float32)


@pytest.fixture
def write(tmp_path):
    """Writes a random checkpoint into a folder of its own and returns that folder."""
    count = iter(range(100))

    def write(**options):
        directory = tmp_path / str(next(count))
        checkpoints.write_checkpoint(directory, **options)
        return directory

    return write


def edit_config(directory, **changes):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# Quantisation


def test_activations_round_half_to_even():
    # absmax 127 makes the factor one, so the values are rounded as they are.
    q, factor = oracle.quantize_activations(f32(127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5)[None])
    assert factor.tolist() == [[1.0]]
    assert q.dtype == numpy.int8
    assert q.tolist() == [[127, 0, 2, 2, 0, -2, -2]]


def test_activations_are_scaled_per_row():
    q, factor = oracle.quantize_activations(f32(1, -0.25, 254, 2).reshape(2, 2))
    assert factor.tolist() == [[127.0], [0.5]]
    assert q.tolist() == [[127, -32], [127, 1]]


def test_activation_rows_of_zeros_give_zeros():
    with numpy.errstate(all="raise"):
        q, factor = oracle.quantize_activations(numpy.zeros((2, 3), numpy.float32))
    assert not q.any()
    assert numpy.isfinite(factor).all()


def test_rows_of_an_integer_head_have_the_largest_range_without_overflow():
    for columns, limit in ((1, 32767), (512, 32767), (513, 32704), (2560, 6553), (2**17, 127)):
        x = numpy.zeros((2, columns), numpy.float32)
        x[0, 0] = -4
        q, step = oracle.quantize_head_rows(x)
        assert q.dtype == numpy.int16 and q[0, 0] == -limit and not q[1].any()
        assert step[0, 0] == numpy.float32(4) / numpy.float32(limit)
        assert 128 * limit * columns < 2**31 and (limit == 32767 or 128 * (limit + 1) * columns >= 2**31)


def test_groups_of_an_int4_head():
    # The largest of a group becomes -8; halves go to even, and what is beyond 7 is 7. The second group is padded with zeros.
    weight = numpy.zeros((2, 40), numpy.float32)
    weight[0, :6] = -16, 16, 1, 3, 14, -0.5
    weight[0, 33] = 1
    q, scale = oracle.quantize_head_int4(weight)
    assert q.shape == (2, 2, 32) and scale.tolist() == [[2, -0.125], [0, 0]]
    assert q[0, 0, :6].tolist() == [-8, 7, 0, 2, 7, 0] and not q[0, 0, 6:].any()
    assert q[0, 1, 1] == -8 and numpy.count_nonzero(q) == 5


def test_bfloat16_rounds_half_to_even():
    values = f32(1, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -(1 + 2**-9))
    assert oracle.round_to_bfloat16(values).tolist() == [1, 1, 1 + 2**-6, 1 + 2**-7, -1]


def test_weights_are_ternary_by_absmean():
    # mean |W| = 1; the halves go to the even neighbour, zero.
    trits, scale = oracle.quantize_weight(f32(0.5, -0.5, 0.75, -0.25, 2.0, -2.0).reshape(2, 3))
    assert trits.tolist() == [[0, 0, 1], [0, 1, -1]]
    assert scale == 1.0


def test_weights_of_zero_give_zeros():
    trits, scale = oracle.quantize_weight(numpy.zeros((4, 3), numpy.float32))
    assert not trits.any()
    assert scale == pytest.approx(1e-5)


def test_head_rows_have_their_own_scale():
    # Row 0: 127 * 0.5 / 2 = 31.75. Row 1: 127 * 0.5 / 1 = 63.5, and 63.5 rounds to 64, 62.5 would to 62. Row 2: zeros.
    q, scale = oracle.quantize_head(f32(2, -0.5, -1, 0.5, 0, 0).reshape(3, 2))
    assert q.tolist() == [[127, -32], [-127, 64], [0, 0]]
    assert scale.tolist() == (f32(2, 1, 0) / numpy.float32(127)).tolist()


def test_integer_product_is_exact_in_the_worst_case():
    for inputs in (8640, 2**17 + 1):
        q = numpy.full((1, inputs), -128, numpy.int8)
        assert oracle.integer_matmul(q, numpy.ones((1, inputs), numpy.int8)).tolist() == [[-128 * inputs]]
        q[0, -1] = 1
        assert oracle.integer_matmul(q, numpy.ones((1, inputs), numpy.int8)).tolist() == [[-128 * (inputs - 1) + 1]]


# Packed weights


def test_a_byte_holds_rows_a_quarter_apart():
    trits = numpy.array([[-1], [0], [1], [0], [1], [1], [0], [-1]], numpy.int8)
    # Byte 0 has rows 0, 2, 4, 6 with codes 0, 2, 2, 1, lowest bits first; byte 1 has rows 1, 3, 5, 7 with codes 1, 1, 2, 0.
    packed = numpy.array([[0b01_10_10_00], [0b00_10_01_01]], numpy.uint8)
    assert checkpoints.pack_ternary(trits).tolist() == packed.tolist()
    assert oracle.unpack_ternary(packed).tolist() == trits.tolist()


def test_code_three_is_refused():
    with pytest.raises(oracle.CheckpointError, match="code 3"):
        oracle.unpack_ternary(numpy.array([[0b11_00_00_00]], numpy.uint8))


def test_packing_needs_a_multiple_of_four_rows():
    with pytest.raises(ValueError, match="multiple of 4"):
        checkpoints.pack_ternary(numpy.zeros((6, 2), numpy.int8))


def test_bit_linear_by_hand():
    trits = numpy.array([[1, -1], [0, 1]], numpy.int8)
    x = f32(1, 0.5)[None]
    # q = (127, 64): 63.5 rounds to 64. The factor is 127.
    product = f32(63, 64) / numpy.float32(127)
    assert oracle.BitLinear(trits, numpy.float32(2))(x)[0] == pytest.approx(product * 2)
    assert oracle.BitLinear(trits, numpy.float32(2), reciprocal=True)(x)[0] == pytest.approx(product / 2)


def test_an_inner_norm_comes_before_quantisation():
    trits = numpy.array([[1, 0]], numpy.int8)
    x = f32(3, 4)[None]
    layer = oracle.BitLinear(trits, numpy.float32(1), norm=f32(4, 0), norm_epsilon=0.0)
    assert layer(x)[0] == pytest.approx([4 * 3 / numpy.sqrt(12.5)])


# Layers


def test_rms_norm_by_hand():
    assert oracle.rms_norm(f32(3, 4)[None], f32(1, 2), 12.5)[0] == pytest.approx([3 / 5, 8 / 5])


def test_rope_rotates_halves_against_each_other():
    tables = oracle.rope_tables([0, 3], 4, 100.0)
    x = numpy.tile(f32(1, 2, 3, 4), (2, 1, 1))
    y = oracle.rope(x, tables)
    assert y[0, 0].tolist() == [1, 2, 3, 4]
    for i, angle in enumerate((3.0, 0.3)):
        first, second = x[1, 0, i], x[1, 0, i + 2]
        assert y[1, 0, i] == pytest.approx(first * numpy.cos(angle) - second * numpy.sin(angle))
        assert y[1, 0, i + 2] == pytest.approx(second * numpy.cos(angle) + first * numpy.sin(angle))


# The frequencies that the functions of transformers 5.23 gave for theta 1e4 when run in float64; a factor of cosines and sines.
FREQUENCIES = [
    (dict(rope_type="linear", factor=4), 40, [0.25, 0.025, 0.0025, 0.00025], 1),
    (dict(rope_type="dynamic", factor=2, original_max_position_embeddings=16), 15, [1, 0.1, 0.01, 0.001], 1),
    (
        dict(rope_type="dynamic", factor=2, original_max_position_embeddings=16),
        39,
        [1, 0.06299605249474366, 0.003968502629920499, 0.00025],
        1,
    ),
    (
        dict(rope_type="yarn", factor=4, original_max_position_embeddings=64),
        70,
        [1, 0.23717082451262847, 0.05, 0.007905694150420948, 0.0025, 0.000790569415042095, 0.00025, 7.905694150420948e-05],
        1.138629436111989,
    ),
]


@pytest.mark.parametrize("scaling, position, frequencies, factor", FREQUENCIES)
def test_scaled_rope_is_that_of_transformers(scaling, position, frequencies, factor):
    cos, sin = oracle.rope_tables([position], 2 * len(frequencies), 1e4, scaling)
    angles = position * numpy.array(frequencies)
    assert cos[0, 0] == pytest.approx(factor * numpy.cos(angles), abs=2e-7)
    assert sin[0, 0] == pytest.approx(factor * numpy.sin(angles), abs=2e-7)


def test_both_spellings_of_a_scaled_rope(write):
    scaling = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
    older = write(theta=5e5, rope_scaling=scaling | {"type": "llama3"})
    newer = write(theta=5e5, rope_parameters=scaling | {"rope_type": "llama3"})
    assert "rope_theta" not in json.loads((newer / "config.json").read_text())
    models = [oracle.Model.load(directory) for directory in (older, newer, write(theta=5e5))]
    logits = [model.logits([5, 9, 2, 31]) for model in models]
    assert numpy.array_equal(logits[0], logits[1]) and not numpy.allclose(logits[0], logits[2])
    # Wavelengths beyond 32 positions are eight times as long, those below 8 stay.
    frequencies, _ = oracle.rope_frequencies(0, 16, 5e5, models[0].config.rope_scaling)
    assert frequencies[0] == 1 and frequencies[1:] == pytest.approx(5e5 ** (-numpy.arange(1, 8) / 8) / 8)


def test_activations_by_hand():
    assert oracle.relu2(f32(-2, 0, 3)).tolist() == [0, 0, 9]
    with numpy.errstate(over="raise"):
        assert oracle.silu(f32(0, 1, -1000, 1000)) == pytest.approx([0, 1 / (1 + numpy.exp(-1)), 0, 1000])


def test_attention_shares_key_heads_and_sees_no_later_token():
    rng = numpy.random.default_rng(0)
    q, k, v = (rng.normal(size=(3, heads, 2)).astype(numpy.float32) for heads in (4, 2, 2))
    y = oracle.attention(q, k, v)
    # The first token sees only itself; query heads 0, 1 read key head 0, and 2, 3 read 1.
    assert y[0] == pytest.approx(v[0, [0, 0, 1, 1]])
    scores = q[1, 3] @ k[:2, 1].T / numpy.sqrt(2)
    weights = numpy.exp(scores) / numpy.exp(scores).sum()
    assert y[1, 3] == pytest.approx(weights @ v[:2, 1])


def test_a_window_ends_with_the_own_token():
    rng = numpy.random.default_rng(0)
    q, k, v = (rng.normal(size=(5, 1, 2)).astype(numpy.float32) for _ in range(3))
    assert oracle.attention(q, k, v, 1) == pytest.approx(v)
    y = oracle.attention(q, k, v, 2)
    assert y[4] == pytest.approx(oracle.attention(q[3:], k[3:], v[3:])[1])
    assert numpy.array_equal(oracle.attention(q, k, v, 5), oracle.attention(q, k, v))
    assert not numpy.allclose(oracle.attention(q, k, v, 4)[4], oracle.attention(q, k, v)[4])


# Checkpoint files


def test_safetensors_bytes(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoints.write_safetensors(path, {"b": ("F32", f32(1, 2)), "a": ("U8", numpy.array([[7]], numpy.uint8))})
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    assert header["b"] == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    assert header["a"] == {"dtype": "U8", "shape": [1, 1], "data_offsets": [8, 9]}
    assert data[8 + length :] == struct.pack("<ff", 1, 2) + b"\x07"


def test_bf16_rounds_half_to_even():
    # One unit in the last place of bfloat16 near 1 is 2^-7; halves of it go to the even neighbour.
    values = f32(1, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -1 - 2**-8, 0)
    assert checkpoints.to_bf16(values).tolist() == [0x3F80, 0x3F80, 0x3F82, 0x3F81, 0xBF80, 0]


@pytest.mark.parametrize("dtype", checkpoints.FLOAT_DTYPES)
def test_float_types_are_read_as_stored(tmp_path, dtype):
    values = f32(1.5, -0.375, 0, 240)
    checkpoints.write_weights(tmp_path, {"x": checkpoints.encode(values, dtype)})
    assert oracle.Tensors(tmp_path).read("x").tolist() == values.tolist()


def test_shards_change_nothing(write):
    whole, parts = write(), write(shards=5)
    assert not (parts / "model.safetensors").exists()
    assert numpy.array_equal(oracle.Model.load(whole).logits([3, 1]), oracle.Model.load(parts).logits([3, 1]))


def test_a_truncated_file_is_refused(write):
    path = write() / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(oracle.CheckpointError, match="ends within"):
        oracle.Model.load(path.parent)


def test_the_seed_decides_the_bytes(write):
    first, again, other = (write(seed=seed) / "model.safetensors" for seed in (1, 1, 2))
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()


# Models

KINDS = {
    "bitnet": dict(),
    "offline": dict(quantization="autobitlinear_offline", head_dim=24),
    "online": dict(quantization="autobitlinear_online", hidden=50, intermediate=67, heads=5, kv_heads=1, master_dtype="f16"),
    "master": dict(quantization="master", master_dtype="f32"),
    "llama": dict(model_type="llama", tied=False, modules_to_not_convert=["lm_head"], theta=5e5),
    "1bitllm": dict(model_type="1bitllm", hidden=100, intermediate=54, kv_heads=4, head_dim=10),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kv_cache", oracle.KV_CACHES)
def test_a_prefix_has_the_logits_of_the_whole(write, kind, kv_cache):
    model = oracle.Model.load(write(**KINDS[kind]), kv_cache=kv_cache)
    tokens = [5, 9, 9, 2, 31, 17, 0, 8]
    logits = model.logits(tokens)
    assert logits.shape == (8, 96) and logits.dtype == numpy.float32
    assert 0.3 < logits.std() < 3
    for length in (1, 5):
        assert numpy.abs(model.logits(tokens[:length]) - logits[:length]).max() < 1e-3


def test_position_and_order_matter(write):
    model = oracle.Model.load(write())
    assert not numpy.allclose(model.logits([5, 9, 2])[-1], model.logits([9, 5, 2])[-1])


def test_windows_of_the_model_types(write):
    def windows(directory, **changes):
        edit_config(directory, **changes)
        return oracle.Config.read(directory).windows

    mistral = write(model_type="mistral", sliding_window=5)
    assert windows(mistral) == (5, 5)
    assert windows(mistral, sliding_window=None) == (None, None)
    mixed = write(model_type="ministral", sliding_window=5, layer_types=["full_attention", "sliding_attention"])
    assert windows(mixed) == (None, 5) and windows(mixed, layer_types=None) == (5, 5)
    llama = write(model_type="llama")
    assert windows(llama) == (None, None) and windows(llama, sliding_window=5, use_sliding_window=False) == (None, None)
    # The last of five tokens sees two of them in each of two layers, so it depends on three.
    tokens = [5, 9, 2, 31, 17]
    logits = oracle.Model.load(write(model_type="mistral", sliding_window=2)).logits
    assert numpy.allclose(logits(tokens)[-1], logits([5, 8, 2, 31, 17])[-1], atol=1e-4)
    assert not numpy.allclose(logits(tokens)[-1], logits([5, 9, 3, 31, 17])[-1], atol=1e-2)


def test_the_scale_senses_mean_the_same_layer(tmp_path):
    trits = numpy.array([[1, 0, -1], [0, 1, 1], [-1, -1, 0], [1, 1, 1]], numpy.int8)
    packed = ("U8", checkpoints.pack_ternary(trits))
    layers = []
    for linear_class, scale in (("bitlinear", 4.0), ("autobitlinear", 0.25)):
        checkpoints.write_weights(tmp_path, {"x.weight": packed, "x.weight_scale": checkpoints.encode([scale], "bf16")})
        quantization = {"quant_method": "bitnet", "linear_class": linear_class}
        shape = {"model_type": "llama", "hidden_size": 4, "num_hidden_layers": 0, "num_attention_heads": 1}
        checkpoints.write_json(tmp_path / "config.json", shape | {"quantization_config": quantization})
        layers.append(oracle._read_linear(oracle.Tensors(tmp_path), oracle.Config.read(tmp_path), "x"))
    assert [layer.reciprocal for layer in layers] == [True, False]
    x = f32(1, -0.5, 0.25)[None]
    assert numpy.array_equal(layers[0](x), layers[1](x))
    assert layers[0](x)[0, 3] == pytest.approx((127 - 64 + 32) / 127 / 4)


def test_linear_class_defaults_to_the_reciprocal_scale(write):
    directory = write()
    expected = oracle.Model.load(directory).logits([1, 2])
    edit_config(directory, quantization_config={"quant_method": "bitnet"})
    assert numpy.array_equal(oracle.Model.load(directory).logits([1, 2]), expected)


@pytest.mark.parametrize(
    "entry, dense",
    [
        ("model.layers.1.mlp.down_proj", ["layers.1.mlp.down_proj"]),
        ("down_proj", ["layers.0.mlp.down_proj", "layers.1.mlp.down_proj"]),
        ("mlp.up_proj", ["layers.0.mlp.up_proj", "layers.1.mlp.up_proj"]),
        ("proj", []),
    ],
)
def test_modules_to_not_convert(write, entry, dense):
    directory = write(modules_to_not_convert=[entry])
    tensors = oracle.Tensors(directory)
    for layer in range(2):
        for module in ("mlp.up_proj", "mlp.down_proj", "self_attn.q_proj"):
            name = f"layers.{layer}.{module}"
            assert (tensors.dtype(f"model.{name}.weight") == "BF16") == (name in dense)
    model = oracle.Model.load(directory)
    assert isinstance(model.layers[1].down, oracle.Linear) == ("layers.1.mlp.down_proj" in dense)
    assert numpy.isfinite(model.logits([1, 2, 3])).all()


def test_float_weights_of_a_converted_layer_are_master_weights(write):
    model = oracle.Model.load(write(quantization="autobitlinear_online"))
    layer = model.layers[0].gate
    assert isinstance(layer, oracle.BitLinear) and not layer.reciprocal
    # The absmean of normal weights of deviation 1/8, as the writer makes them for 64 inputs.
    assert layer.scale == pytest.approx(numpy.sqrt(2 / numpy.pi) / 8, rel=0.05)


@pytest.mark.parametrize("head, tolerance", (("i8", 8e-2), ("i4", 0.8)))
def test_an_integer_head_is_close_to_the_stored_one_and_not_the_same(write, head, tolerance):
    for tied in (True, False):
        directory = write(tied=tied)
        stored = oracle.Model.load(directory).logits([4, 8, 15])
        error = numpy.abs(stored - oracle.Model.load(directory, head=head).logits([4, 8, 15]))
        assert 0 < error.max() < tolerance * stored.std()


def test_untied_models_use_their_own_head(write):
    directory = write(tied=False)
    untied = oracle.Model.load(directory).logits([1])
    edit_config(directory, tie_word_embeddings=True)
    assert not numpy.allclose(oracle.Model.load(directory).logits([1]), untied)


def test_greedy_stops_after_an_end_token(write):
    directory = write()
    free = oracle.greedy(oracle.Model.load(directory), [3, 4], 6)
    edit_config(directory, eos_token_id=[95, free[2]])
    assert oracle.greedy(oracle.Model.load(directory), [3, 4], 6) == free[: free.index(free[2]) + 1]
    checkpoints.write_json(directory / "generation_config.json", {"eos_token_id": free[0]})
    assert oracle.greedy(oracle.Model.load(directory), [3, 4], 6) == free[:1]
    assert oracle.greedy(oracle.Model.load(directory), [3, 4], 0) == []


def test_wrong_tokens_are_refused(write):
    model = oracle.Model.load(write())
    for tokens in ([], [96], [-1]):
        with pytest.raises(ValueError, match="expected one or more tokens from 0 to 95"):
            model.logits(tokens)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_type": "mamba"}, "model_type bitnet or llama"),
        ({"sliding_window": 5}, "no sliding_window with the model_type bitnet"),
        ({"quantization_config": {"quant_method": "awq"}}, "quant_method bitnet"),
        ({"quantization_config": {"quant_method": "bitnet", "linear_class": "linear"}}, "linear_class"),
        ({"hidden_act": "gelu"}, "hidden_act relu2 or silu"),
        ({"rope_scaling": {"type": "longrope"}}, "rope_type among default, linear"),
        ({"rope_scaling": {"type": "yarn", "factor": 2}}, "yarn lacks original_max_position_embeddings"),
        ({"model_type": "llama", "quantization_config": None}, "not ternary"),
    ],
)
def test_undefined_models_are_refused(write, changes, message):
    directory = write()
    edit_config(directory, **changes)
    with pytest.raises(oracle.CheckpointError, match=message):
        oracle.Model.load(directory)


@pytest.mark.parametrize(
    "options",
    [
        dict(model_type="gpt"),
        dict(quantization="int4"),
        dict(model_type="llama", quantization="master"),
        dict(model_type="mistral", quantization="master"),
        dict(model_type="llama", sliding_window=5),
        dict(quantization="master", modules_to_not_convert=["lm_head"]),
        dict(heads=3),
        dict(head_dim=15),
        dict(intermediate=67),
        dict(shards=1000),
    ],
)
def test_impossible_checkpoints_are_refused(write, options):
    with pytest.raises(ValueError, match="expected"):
        write(**options)


# Commands


def test_commands(tmp_path, capsys):
    directory, logits = tmp_path / "model", tmp_path / "logits.npy"
    options = ["--model-type=llama", "--no-tied", "--modules-to-not-convert=lm_head,o_proj", "--shards=2", "--seed=3"]
    assert checkpoints.main([str(directory), *options]) == 0
    assert oracle.main([str(directory), "--tokens=1,2,3", f"--logits={logits}", "--max-new-tokens=2"]) == 0
    model = oracle.Model.load(directory)
    assert numpy.array_equal(numpy.load(logits), model.logits([1, 2, 3]))
    assert capsys.readouterr().out.split() == [str(token) for token in oracle.greedy(model, [1, 2, 3], 2)]
    assert oracle.main([str(tmp_path / "absent"), "--tokens=1"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_evaluation_counts_right_answers_by_task(tmp_path):
    questions = [
        {"task": "add", "prompt": "1 + 1 =", "answer": "2"},
        {"task": "add", "prompt": "1 + 2 =", "answer": "3"},
        {"task": "copy", "prompt": "x", "answer": "x"},
    ]
    checkpoints.write_json(tmp_path / "evaluation.json", questions)
    answers = {"1 + 1 =": " 2", "1 + 2 =": " 4", "x": " x"}
    scores = evaluate.evaluate(answers.get, evaluate.read_questions(tmp_path / "evaluation.json"))
    assert scores == {"add": evaluate.Score(1, 2), "copy": evaluate.Score(1, 1)}
    assert evaluate.total(scores) == evaluate.Score(2, 3)
