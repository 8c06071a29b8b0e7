"""A model begins where a smaller one ended: its weights in the corner of the larger ones, its words in the new tokenizer.

Function-preserving growth as in Net2Net (Chen et al. 2016): new channels are written by everyone and read by no one
yet, new heads and hidden units read everything and write nothing yet, so the grown model starts with the smaller one's predictions.
An entry that only the new tokenizer has starts as the mean of the old entries that spell it.
"""

import math

import torch

from tokenizer import SPECIALS


def grow_into(model, source, tokenizer, source_tokenizer):
    """Fills `model` (Thumbling) with `source`, which has as many layers, key-value heads and numbers a head, and no
    dimension larger. Raises ValueError where they do not fit."""
    new, old = model.config, source.config
    for field in ('num_hidden_layers', 'num_key_value_heads', 'head_dim'):
        if new[field] != old[field]:
            raise ValueError(f'{field}: {old[field]} cannot grow to {new[field]}')
    for field in ('hidden_size', 'intermediate_size', 'num_attention_heads'):
        if new[field] < old[field]:
            raise ValueError(f'{field}: {old[field]} is larger than {new[field]}')
    width, wide = old['hidden_size'], new['hidden_size']
    hidden, head, kv_heads = old['intermediate_size'], old['head_dim'], old['num_key_value_heads']
    # Query heads of a key-value head lie together: the old ones come first within each group.
    before, after = old['num_attention_heads'] // kv_heads, new['num_attention_heads'] // kv_heads
    queries = torch.cat([torch.arange(before * head) + group * after * head for group in range(kv_heads)])
    channels = torch.arange(width)
    # RMSNorm divides by the mean over all channels; the new ones are nearly zero.
    shrink = math.sqrt(width / wide)

    def norm(parameter, weight):
        parameter.fill_(shrink * weight.mean().item())
        parameter[:width] = shrink * weight

    def matrix(parameter, weight, rows, columns):
        """Old rows read old columns only; new rows keep the initial numbers everywhere."""
        parameter[rows] = 0
        parameter[rows[:, None], columns[None, :]] = weight

    with torch.no_grad():
        for word, index in tokenizer.vocabulary.items():
            pieces = [index] if index < len(SPECIALS) else list(source_tokenizer.spell(list(word)))
            model.embed_tokens[index, :width] = source.embed_tokens[pieces].mean(0)
        norm(model.norm, source.norm)
        for layer, given in zip(model.layers, source.layers):
            norm(layer.input_layernorm, given.input_layernorm)
            norm(layer.post_attention_layernorm, given.post_attention_layernorm)
            matrix(layer.q_proj.weight, given.q_proj.weight, queries, channels)
            for name in ('k_proj', 'v_proj'):
                matrix(getattr(layer, name).weight, getattr(given, name).weight, torch.arange(kv_heads * head), channels)
            matrix(layer.o_proj.weight, given.o_proj.weight, channels, queries)
            for name in ('gate_proj', 'up_proj'):
                matrix(getattr(layer, name).weight, getattr(given, name).weight, torch.arange(hidden), channels)
            matrix(layer.down_proj.weight, given.down_proj.weight, channels, torch.arange(hidden))
