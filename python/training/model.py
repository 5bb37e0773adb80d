"""The BitNet b1.58 decoder in PyTorch, with the module names of `transformers`' BitNetForCausalLM.

Weights are kept as float masters; every forward pass sees them as {-1, 0, +1} times one scale per matrix, and every activation
that enters a matrix as int8 with one scale per token. Both roundings pass gradients straight through.
"""

import dataclasses

import torch
from torch import nn
from torch.nn import functional


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shapes and constants, under the names of config.json."""

    vocab_size: int
    hidden_size: int = 256
    intermediate_size: int = 688
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 64
    max_position_embeddings: int = 256
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5


def quantize_activations(x):
    """Int8 values (as floats) of `x` [..., K] and the factor 127/absmax [..., 1] they were multiplied by."""
    factor = 127.0 / x.abs().amax(-1, keepdim=True).clamp_(min=1e-5)
    return (x * factor).round_().clamp_(-128, 127), factor


def quantize_weight(weight):
    """Ternary values (as floats) of `weight` [M, K] and their scale, mean |weight| rounded to bfloat16 as it will be stored."""
    mean = weight.double().abs().mean().float().clamp(min=1e-5)
    return (weight * (1.0 / mean)).round_().clamp_(-1, 1), mean.bfloat16().float()


class _BitLinearFunction(torch.autograd.Function):
    """`x @ weight.T` on quantised operands; the backward pass takes both roundings for the identity."""

    @staticmethod
    def forward(ctx, x, weight, matmul_dtype):
        q, factor = quantize_activations(x)
        trits, scale = quantize_weight(weight)
        # Integers up to 128 are exact in bfloat16, so only the sum is rounded there, and nothing in float32.
        q, trits = q.to(matmul_dtype), trits.to(matmul_dtype)
        ctx.save_for_backward(q, factor, trits, scale)
        return functional.linear(q, trits).float() * (scale / factor)

    @staticmethod
    def backward(ctx, grad):
        q, factor, trits, scale = ctx.saved_tensors
        grad_x = ((grad * scale).to(trits.dtype) @ trits).float()
        rows = (grad / factor).to(q.dtype).flatten(0, -2)
        grad_weight = (rows.T @ q.flatten(0, -2)).float()
        return grad_x, grad_weight, None


class BitLinear(nn.Module):
    """A linear layer without bias over ternary weights and int8 activations."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.02)
        self.matmul_dtype = torch.float32

    def forward(self, x):
        return _BitLinearFunction.apply(x, self.weight, self.matmul_dtype)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        queries = config.num_attention_heads * config.head_dim
        keys = config.num_key_value_heads * config.head_dim
        self.q_proj = BitLinear(config.hidden_size, queries)
        self.k_proj = BitLinear(config.hidden_size, keys)
        self.v_proj = BitLinear(config.hidden_size, keys)
        self.o_proj = BitLinear(queries, config.hidden_size)
        self.attn_sub_norm = nn.RMSNorm(queries, config.rms_norm_eps)

    def forward(self, x, rotation, mask):
        batch, length, _ = x.shape
        heads = lambda y: y.view(batch, length, -1, self.config.head_dim).transpose(1, 2)
        q, k, v = rotate(heads(self.q_proj(x)), rotation), rotate(heads(self.k_proj(x)), rotation), heads(self.v_proj(x))
        groups = self.config.num_attention_heads // self.config.num_key_value_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.o_proj(self.attn_sub_norm(y.transpose(1, 2).reshape(batch, length, -1)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = BitLinear(config.hidden_size, config.intermediate_size)
        self.up_proj = BitLinear(config.hidden_size, config.intermediate_size)
        self.down_proj = BitLinear(config.intermediate_size, config.hidden_size)
        self.ffn_sub_norm = nn.RMSNorm(config.intermediate_size, config.rms_norm_eps)

    def forward(self, x):
        gate = functional.relu(self.gate_proj(x))
        return self.down_proj(self.ffn_sub_norm(gate * gate * self.up_proj(x)))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = FeedForward(config)

    def forward(self, x, rotation, mask):
        x = x + self.self_attn(self.input_layernorm(x), rotation, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


def rotate(x, rotation):
    """Rotary position embedding of `x` [batch, heads, length, head_dim], halves rotated against each other."""
    cos, sin = rotation
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class Decoder(nn.Module):
    """Tokens [batch, length] to logits [batch, length, vocab]; the head is the embedding matrix."""

    def __init__(self, config, matmul_dtype=torch.float32):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.set_matmul_dtype(matmul_dtype)

    def set_matmul_dtype(self, dtype):
        """The type ternary matrix products run in: float32 is exact, bfloat16 faster where the processor has it."""
        for module in self.modules():
            if isinstance(module, BitLinear):
                module.matmul_dtype = dtype

    def forward(self, tokens, positions=None, documents=None):
        """A row may pack several documents: `documents` [batch, length] numbers them, a token sees only its own, and `positions`
        [batch, length] count in it. By default a row is one document."""
        batch, length = tokens.shape
        if positions is None:
            positions = torch.arange(length).expand(batch, length)
        frequencies = self.config.rope_theta ** (-torch.arange(0, self.config.head_dim, 2) / self.config.head_dim)
        angles = (positions[:, None, :, None] * frequencies).repeat(1, 1, 1, 2)
        rotation = angles.cos(), angles.sin()
        mask = torch.ones(length, length, dtype=torch.bool).tril()
        if documents is not None:
            mask = mask & (documents[:, None, :, None] == documents[:, None, None, :])
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x, rotation, mask)
        return functional.linear(self.norm(x), self.embed_tokens.weight)
