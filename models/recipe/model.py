"""Thumbling in PyTorch: a Llama (Touvron et al. 2023) with a tied head, and its int4 as the page computes it."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

GROUP = 32
# Scales tried around max|w| / 7, as src/formats/quantize.ts does.
CANDIDATES = 24

SIZES = {
    'smoke': {'hidden_size': 64, 'intermediate_size': 192, 'num_hidden_layers': 2, 'num_attention_heads': 2,
              'num_key_value_heads': 1, 'head_dim': 32},
    'small': {'hidden_size': 384, 'intermediate_size': 1024, 'num_hidden_layers': 6, 'num_attention_heads': 6,
              'num_key_value_heads': 2, 'head_dim': 64},
    'medium': {'hidden_size': 512, 'intermediate_size': 1408, 'num_hidden_layers': 10, 'num_attention_heads': 8,
               'num_key_value_heads': 4, 'head_dim': 64},
}


def config_of(size, vocab_size, context):
    return {
        'architectures': ['LlamaForCausalLM'], 'model_type': 'llama', **SIZES[size], 'hidden_act': 'silu',
        'rms_norm_eps': 1e-5, 'rope_theta': 10000.0, 'vocab_size': vocab_size, 'tie_word_embeddings': True,
        'max_position_embeddings': context, 'bos_token_id': 0, 'eos_token_id': 2, 'pad_token_id': 0,
        'attention_bias': False, 'mlp_bias': False, 'torch_dtype': 'float16',
    }


@torch.no_grad()
def int4_scales(weight):
    """The scale of each group of 32 along a row that makes the squared error least: [out, in/32], rounded to f16."""
    groups = weight.float().reshape(-1, GROUP)
    largest = groups.abs().amax(1, keepdim=True).clamp_min(1e-12)
    best = largest / 7
    best_error = torch.full_like(best, math.inf)
    for candidate in range(CANDIDATES):
        scale = largest / 7 * (1.05 - candidate * 0.02)
        levels = (groups / scale).round().clamp(-7, 7)
        # Least squares for these levels.
        scale = (groups * levels).sum(1, keepdim=True) / levels.square().sum(1, keepdim=True).clamp_min(1)
        scale = scale.half().float().clamp_min(1e-12)
        error = (groups - (groups / scale).round().clamp(-7, 7) * scale).square().sum(1, keepdim=True)
        better = error < best_error
        best, best_error = torch.where(better, scale, best), torch.where(better, error, best_error)
    return best.reshape(weight.shape[0], -1)


def int4(weight, scales):
    """What int4 makes of a matrix."""
    groups = weight.reshape(weight.shape[0], -1, GROUP)
    scales = scales[:, :, None]
    return ((groups / scales).round().clamp(-7, 7) * scales).reshape(weight.shape)


class StraightThrough:
    """Between `enter` and `leave` the matrices are what int4 makes of them; gradients taken there are applied to the
    weights themselves (Bengio et al. 2013). `refresh` chooses the scales anew."""

    def __init__(self, model):
        self.matrices = [p for p in model.parameters() if p.dim() == 2]
        self.whole = [torch.empty_like(p) for p in self.matrices]
        self.scales = None

    @torch.no_grad()
    def enter(self):
        if self.scales is None:
            self.scales = [int4_scales(p) for p in self.matrices]
        for p, whole, scales in zip(self.matrices, self.whole, self.scales):
            whole.copy_(p)
            p.copy_(int4(p, scales))

    @torch.no_grad()
    def leave(self):
        for p, whole in zip(self.matrices, self.whole):
            p.copy_(whole)

    def refresh(self):
        self.scales = None


class Layer(nn.Module):
    def __init__(self, config, dropout):
        super().__init__()
        self.dropout = dropout
        size, head = config['hidden_size'], config['head_dim']
        self.heads, self.kv_heads, self.head = config['num_attention_heads'], config['num_key_value_heads'], head
        self.eps = config['rms_norm_eps']
        linear = lambda columns, rows: nn.Linear(columns, rows, bias=False)
        self.q_proj = linear(size, self.heads * head)
        self.k_proj = linear(size, self.kv_heads * head)
        self.v_proj = linear(size, self.kv_heads * head)
        self.o_proj = linear(self.heads * head, size)
        self.gate_proj = linear(size, config['intermediate_size'])
        self.up_proj = linear(size, config['intermediate_size'])
        self.down_proj = linear(config['intermediate_size'], size)
        self.input_layernorm = nn.Parameter(torch.ones(size))
        self.post_attention_layernorm = nn.Parameter(torch.ones(size))

    def forward(self, x, rope, mask):
        batch, length, _ = x.shape
        split = lambda y, count: y.view(batch, length, count, self.head).transpose(1, 2)
        y = rms_norm(x, self.input_layernorm, self.eps)
        q = rotate(split(self.q_proj(y), self.heads), rope)
        k = rotate(split(self.k_proj(y), self.kv_heads), rope)
        v = split(self.v_proj(y), self.kv_heads)
        repeat = self.heads // self.kv_heads
        mixed = attend(q, k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1), mask)
        x = x + self.drop(self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1)))
        y = rms_norm(x, self.post_attention_layernorm, self.eps)
        return x + self.drop(self.down_proj(F.silu(self.gate_proj(y)) * self.up_proj(y)))

    def drop(self, y):
        return F.dropout(y, self.dropout, self.training)


def rms_norm(x, weight, eps):
    """Zhang & Sennrich 2019, in f32."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps) * weight).type_as(x)


def rotate(x, rope):
    """RoPE (Su et al. 2021), halves."""
    cos, sin = rope
    low, high = x.chunk(2, -1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], -1).type_as(x)


def attend(q, k, v, mask):
    if hasattr(F, 'scaled_dot_product_attention'):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = (q @ k.transpose(2, 3)).float() / math.sqrt(q.shape[-1])
    return scores.masked_fill(~mask, -math.inf).softmax(-1).type_as(v) @ v


class Thumbling(nn.Module):
    def __init__(self, config, dropout=0.0):
        super().__init__()
        self.config, self.dropout = config, dropout
        size, head = config['hidden_size'], config['head_dim']
        self.embed_tokens = nn.Parameter(torch.empty(config['vocab_size'], size))
        self.layers = nn.ModuleList(Layer(config, dropout) for _ in range(config['num_hidden_layers']))
        self.norm = nn.Parameter(torch.ones(size))
        frequencies = config['rope_theta'] ** (-torch.arange(0, head, 2).float() / head)
        angles = torch.outer(torch.arange(config['max_position_embeddings']).float(), frequencies)
        self.register_buffer('cos', angles.cos(), persistent=False)
        self.register_buffer('sin', angles.sin(), persistent=False)
        self.reset()

    def reset(self):
        nn.init.normal_(self.embed_tokens, std=0.02)
        depth = math.sqrt(2 * len(self.layers))
        for name, parameter in self.layers.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith(('o_proj.weight', 'down_proj.weight'))
                std = 1 / math.sqrt(parameter.shape[1])
                nn.init.normal_(parameter, std=std / depth if residual else std)

    def hidden(self, ids, documents):
        """ids, documents [B, T]: a token sees the earlier ones of its own document."""
        length = ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        mask = (causal & (documents[:, :, None] == documents[:, None, :]))[:, None]
        rope = (self.cos[:length], self.sin[:length])
        x = F.dropout(F.embedding(ids, self.embed_tokens), self.dropout, self.training)
        for layer in self.layers:
            x = layer(x, rope, mask)
        return rms_norm(x, self.norm, self.config['rms_norm_eps'])

    def logits(self, ids, documents, rows, columns):
        """[N, vocabulary] after the places (row, column)."""
        return F.linear(self.hidden(ids, documents)[rows, columns], self.embed_tokens).float()

    def logprobs(self, ids, documents, rows, columns, targets):
        """Natural log-probability of a target after each place (row, column)."""
        return -F.cross_entropy(self.logits(ids, documents, rows, columns), targets, reduction='none')

    def hf_tensors(self):
        """(name, tensor) as Hugging Face's Llama names them."""
        yield 'model.embed_tokens.weight', self.embed_tokens
        for index, layer in enumerate(self.layers):
            prefix = f'model.layers.{index}.'
            for name in ('q_proj', 'k_proj', 'v_proj', 'o_proj'):
                yield f'{prefix}self_attn.{name}.weight', getattr(layer, name).weight
            for name in ('gate_proj', 'up_proj', 'down_proj'):
                yield f'{prefix}mlp.{name}.weight', getattr(layer, name).weight
            for name in ('input_layernorm', 'post_attention_layernorm'):
                yield f'{prefix}{name}.weight', getattr(layer, name)
        yield 'model.norm.weight', self.norm
