"""Quantized models in MLC's q4 layout, and seeded random numbers that the TypeScript tests repeat bit for bit."""

import hashlib
import json
import os

import numpy as np

GROUP = 32
CONFIG_FIELDS = [
    'hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads', 'num_key_value_heads',
    'head_dim', 'rms_norm_eps', 'rope_theta', 'vocab_size', 'tie_word_embeddings',
]


def mix(x):
    """Bijective mixing of 32 bits ("lowbias32" of C. Wellons' hash-prospector, constants only)."""
    x = np.asarray(x, dtype=np.uint32)
    with np.errstate(over='ignore'):
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


class HashRandom:
    """A hash of (seed, index): the twin of tests/reference/random.ts."""

    def __init__(self, seed):
        self.key = mix(seed)
        self.index = 0

    def uniform(self, n):
        """n numbers in [0, 1)."""
        indices = np.arange(self.index, self.index + n, dtype=np.uint32)
        self.index += n
        return mix(indices ^ self.key).astype(np.float64) / 2.0**32

    def below(self, n, limit):
        """n integers in [0, limit)."""
        return np.floor(self.uniform(n) * limit).astype(np.int64)

    def array32(self, n, scale=1.0):
        """n numbers in [-scale, scale), rounded to float32."""
        return (scale * (2 * self.uniform(n) - 1)).astype(np.float32)


def linear_shapes(config):
    """[(path, in, [(path of the part, out)])] of a layer, in forward order."""
    d, ffn = config['hidden_size'], config['intermediate_size']
    q = config['num_attention_heads'] * config['head_dim']
    kv = config['num_key_value_heads'] * config['head_dim']
    return [
        ('self_attn.qkv_proj', d, [('self_attn.q_proj', q), ('self_attn.k_proj', kv), ('self_attn.v_proj', kv)]),
        ('self_attn.o_proj', q, [('self_attn.o_proj', d)]),
        ('mlp.gate_up_proj', d, [('mlp.gate_proj', ffn), ('mlp.up_proj', ffn)]),
        ('mlp.down_proj', ffn, [('mlp.down_proj', d)]),
    ]


def expected_tensors(config):
    """[(name, shape)]: two dimensions for int4 matrices, one for norms."""
    d = config['hidden_size']
    tensors = [('model.embed_tokens', (config['vocab_size'], d))]
    for layer in range(config['num_hidden_layers']):
        prefix = f'model.layers.{layer}.'
        tensors += [(prefix + 'input_layernorm', (d,)), (prefix + 'post_attention_layernorm', (d,))]
        for path, columns, parts in linear_shapes(config):
            tensors.append((prefix + path, (sum(out for _, out in parts), columns)))
    tensors.append(('model.norm', (d,)))
    if not config['tie_word_embeddings']:
        tensors.append(('lm_head', (config['vocab_size'], d)))
    return tensors


def dequantize(weight, scale):
    """weight uint32 [out, in/8], scale [out, in/32] -> float64 [out, in]; w = (q - 7)*scale."""
    shifts = np.arange(0, 32, 4, dtype=np.uint32)
    quanta = (weight[:, :, None] >> shifts) & np.uint32(15)
    quanta = quanta.reshape(weight.shape[0], -1).astype(np.float64) - 7
    return quanta * np.repeat(scale.astype(np.float64), GROUP, axis=1)


def read_model(folder):
    """(config, tensors in float64 by module path, sha-256 of the shards one after the other) of a model folder."""
    with open(os.path.join(folder, 'mlc-chat-config.json'), encoding='utf-8') as file:
        model_config = json.load(file)['model_config']
    with open(os.path.join(folder, 'tensor-cache.json'), encoding='utf-8') as file:
        shards = json.load(file)['records']
    config = {name: model_config[name] for name in CONFIG_FIELDS}
    digest = hashlib.sha256()
    raw = {}
    for shard in shards:
        with open(os.path.join(folder, shard['dataPath']), 'rb') as file:
            data = file.read()
        digest.update(data)
        for record in shard['records']:
            start = record['byteOffset']
            array = np.frombuffer(data[start:start + record['nbytes']], dtype=np.dtype(record['dtype']))
            raw[record['name']] = array.reshape(record['shape'])
    tensors = {}
    for name, shape in expected_tensors(config):
        if len(shape) == 2:
            tensors[name] = dequantize(raw[name + '.q_weight'], raw[name + '.q_scale'])
        else:
            tensors[name] = raw[name + '.weight'].astype(np.float64)
        if tensors[name].shape != shape:
            raise SystemExit(f'{folder}: {name} has shape {tensors[name].shape}, expected {shape}')
    return config, tensors, digest.hexdigest()


def seeded_model(config, seed):
    """The random model of tests/reference/seeded-model.ts, dequantized to float64."""
    random = HashRandom(seed)
    tensors = {}
    for name, shape in expected_tensors(config):
        if len(shape) == 1:
            tensors[name] = (1 + random.array32(shape[0], 0.2)).astype(np.float32).astype(np.float64)
            continue
        rows, columns = shape
        quanta = random.below(rows * columns, 15).reshape(rows, columns).astype(np.float64) - 7
        bits = ((9 << 10) | random.below(rows * columns // GROUP, 1024)).astype(np.uint16)
        scale = bits.view(np.float16).astype(np.float64).reshape(rows, columns // GROUP)
        tensors[name] = quanta * np.repeat(scale, GROUP, axis=1)
    return tensors
