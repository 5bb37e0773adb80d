"""Writes a trained model as a Hugging Face BitNetForCausalLM checkpoint with packed ternary weights, and reads it back."""

import pathlib
import sys

import numpy
import torch

from model import BitLinear, quantize_weight

# The package beside this folder, whether or not it is installed.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from ternac import evaluate, oracle  # noqa: E402
from ternac.checkpoints import encode, pack_ternary, write_json, write_weights  # noqa: E402


@torch.no_grad()
def round_to_stored_types(model):
    """Rounds embeddings and norms to bfloat16 in place, so that the model computes what its checkpoint will."""
    for name, parameter in model.named_parameters():
        if not _is_ternary(model, name):
            parameter.copy_(parameter.bfloat16())


@torch.no_grad()
def write(directory, model, tokenizer, examples, begin, end):
    """Writes the checkpoint of `model`, its tokenizer and the held-out `examples` into `directory`, made when absent.

    `begin` and `end` are the special tokens a text starts and ends with.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, parameter in model.named_parameters():
        stored = f"model.{name}"
        if _is_ternary(model, name):
            trits, scale = quantize_weight(parameter)
            tensors[stored] = "U8", pack_ternary(trits.numpy().astype(numpy.int8))
            tensors[stored + "_scale"] = encode(scale.reshape(1).numpy(), "bf16")
        else:
            tensors[stored] = encode(parameter.numpy(), "bf16")
    write_weights(directory, tensors)
    begin_id, end_id = tokenizer.token_to_id(begin), tokenizer.token_to_id(end)
    write_json(directory / "config.json", _config(model.config, begin_id, end_id))
    write_json(directory / "generation_config.json", {"bos_token_id": begin_id, "eos_token_id": end_id, "do_sample": False})
    tokenizer.save(str(directory / "tokenizer.json"))
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": begin,
        "eos_token": end,
        "clean_up_tokenization_spaces": False,
        "model_max_length": model.config.max_position_embeddings,
    }
    write_json(directory / "tokenizer_config.json", tokenizer_config)
    held_out = [{"task": example.task, "prompt": example.prompt, "answer": example.answer.strip()} for example in examples]
    write_json(directory / "evaluation.json", held_out)


@torch.no_grad()
def logit_errors(directory, model, tokenizer, examples):
    """(largest, mean) difference of the checkpoint's logits in the reference from those of `model`, in standard deviations."""
    reference = oracle.Model.load(directory)
    largest, means = 0.0, []
    for example in examples:
        tokens = tokenizer.encode(example.prompt + example.answer).ids
        expected = reference.logits(tokens)
        errors = numpy.abs(model(torch.tensor([tokens]))[0].numpy() - expected) / expected.std()
        largest = max(largest, float(errors.max()))
        means.append(errors.mean())
    return largest, float(numpy.mean(means))


def reference_scores(directory, tokenizer):
    """The scores by task of the NumPy reference on the checkpoint's evaluation.json."""
    reference = oracle.Model.load(directory)
    answer = evaluate.text_generator(lambda tokens, n: oracle.greedy(reference, tokens, n), tokenizer)
    return evaluate.evaluate(answer, evaluate.read_questions(directory / "evaluation.json"))


def _is_ternary(model, name):
    """Whether the parameter `name` is the weight of a BitLinear."""
    return isinstance(model.get_submodule(name.rpartition(".")[0]), BitLinear)


def _config(config, begin_id, end_id):
    """The contents of config.json."""
    return {
        "architectures": ["BitNetForCausalLM"],
        "model_type": "bitnet",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "hidden_act": "relu2",
        "max_position_embeddings": config.max_position_embeddings,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": begin_id,
        "eos_token_id": end_id,
        "torch_dtype": "bfloat16",
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": "offline",
            "modules_to_not_convert": None,
        },
    }
