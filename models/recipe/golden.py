"""Golden values from PyTorch for the tests of the int4 model and of its training.

    python3 models/recipe/golden.py --model models/thumbling --out tests/fixtures

Needs PyTorch 1.13 or later and numpy (Debian: python3-torch). Everything is computed in float64, in one thread, with
automatic differentiation, on the dequantized weights; arrays are written as base64 of little-endian float32. Writes
golden-training-tiny.json (a seeded random model, complete updates) and golden-training-model.json (the model folder).
"""

import argparse
import base64
import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

from quantized import HashRandom, linear_shapes, read_model, seeded_model
from tokenizer import Tokenizer

COMMAND = 'python3 models/recipe/golden.py --model models/thumbling --out tests/fixtures'
OPTIMIZER = {'lr': 1e-3, 'beta1': 0.9, 'beta2': 0.999, 'eps': 1e-8, 'weight_decay': 0.01, 'clip': 1.0}
# Below the gradients' norm, so that clipping takes part.
TINY_OPTIMIZER = {**OPTIMIZER, 'clip': 0.5}
STEPS = 10
RANK, ALPHA, ADAPTER_SEED = 4, 8, 20
TINY_SEED, TINY_TOKENS_SEED = 7, 8
# What is said to the shipped model.
CASES = [
    ('Hello, how are you?', 'I am doing well, thank you.'),
    ('Are you smart?', 'I try to be helpful.'),
    ('what is 2 + 3', '2 + 3 is 5.'),
    ('Tell me a story about a fox.', 'Once there was a fox who lived in the woods.'),
]
TINY_CONFIG = {
    'hidden_size': 64, 'intermediate_size': 96, 'num_hidden_layers': 2, 'num_attention_heads': 4,
    'num_key_value_heads': 2, 'head_dim': 32, 'rms_norm_eps': 1e-5, 'rope_theta': 10000.0, 'vocab_size': 128,
    'tie_word_embeddings': True,
}


class LoraLinear(torch.nn.Module):
    """y = x W^T + scale (x A^T) B^T with W frozen."""

    def __init__(self, weight, rank, scale, random):
        super().__init__()
        out, columns = weight.shape
        self.register_buffer('weight', weight)
        self.scale = scale
        a = random.array32(rank * columns, 1 / math.sqrt(columns)).reshape(rank, columns)
        b = random.array32(out * rank, 0.05).reshape(out, rank)
        self.a = torch.nn.Parameter(torch.from_numpy(a).double())
        self.b = torch.nn.Parameter(torch.from_numpy(b).double())

    def forward(self, x, adapted):
        y = F.linear(x, self.weight)
        return y + self.scale * F.linear(F.linear(x, self.a), self.b) if adapted else y


class Llama(torch.nn.Module):
    """One sequence at a time, without a cache."""

    def __init__(self, config, tensors):
        super().__init__()
        self.config = config
        self.tensors = {name: torch.from_numpy(array) for name, array in tensors.items()}
        self.linears = {}
        random = HashRandom(ADAPTER_SEED)
        for layer in range(config['num_hidden_layers']):
            for path, _, parts in linear_shapes(config):
                stacked = self.tensors[f'model.layers.{layer}.{path}']
                for (part, _), weight in zip(parts, torch.split(stacked, [out for _, out in parts])):
                    self.linears[f'model.layers.{layer}.{part}'] = LoraLinear(weight, RANK, ALPHA / RANK, random)

    def norm(self, x, name):
        variance = x.pow(2).mean(-1, keepdim=True)
        return x * torch.rsqrt(variance + self.config['rms_norm_eps']) * self.tensors[name]

    def rotate(self, x):
        """x [heads, T, head_dim]"""
        half = self.config['head_dim'] // 2
        frequencies = self.config['rope_theta'] ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.outer(torch.arange(x.shape[1], dtype=torch.float64), frequencies)
        cos, sin = angles.cos(), angles.sin()
        low, high = x[..., :half], x[..., half:]
        return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)

    def attend(self, x, prefix, adapted):
        config = self.config
        length = x.shape[0]

        def heads(name, count):
            y = self.linears[prefix + name](x, adapted)
            return y.reshape(length, count, config['head_dim']).transpose(0, 1)

        groups = config['num_attention_heads'] // config['num_key_value_heads']
        q = self.rotate(heads('self_attn.q_proj', config['num_attention_heads']))
        k = self.rotate(heads('self_attn.k_proj', config['num_key_value_heads'])).repeat_interleave(groups, 0)
        v = heads('self_attn.v_proj', config['num_key_value_heads']).repeat_interleave(groups, 0)
        scores = q @ k.transpose(1, 2) / math.sqrt(config['head_dim'])
        mask = torch.ones(length, length, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(mask, -math.inf).softmax(-1) @ v
        return self.linears[prefix + 'self_attn.o_proj'](mixed.transpose(0, 1).reshape(length, -1), adapted)

    def logits(self, ids, adapted):
        """ids [T] -> [T, vocabulary]"""
        embedding = self.tensors['model.embed_tokens']
        x = embedding[torch.tensor(ids)]
        for layer in range(self.config['num_hidden_layers']):
            prefix = f'model.layers.{layer}.'
            x = x + self.attend(self.norm(x, prefix + 'input_layernorm'), prefix, adapted)
            y = self.norm(x, prefix + 'post_attention_layernorm')
            gate = self.linears[prefix + 'mlp.gate_proj'](y, adapted)
            up = self.linears[prefix + 'mlp.up_proj'](y, adapted)
            x = x + self.linears[prefix + 'mlp.down_proj'](F.silu(gate) * up, adapted)
        head = embedding if self.config['tie_word_embeddings'] else self.tensors['lm_head']
        return F.linear(self.norm(x, 'model.norm'), head)

    def logprob(self, prompt, reply, adapted):
        """Sum over the reply's tokens, its end token included."""
        rows = self.logits(prompt + reply, adapted)[len(prompt) - 1:-1].log_softmax(-1)
        return rows.gather(1, torch.tensor(reply)[:, None]).sum()


def example_loss(model, example, settings):
    """(loss without the example's weight, margin, log-probabilities)"""
    beta, sft = settings['beta'], settings['sft_weight']
    score = {name: model.logprob(example['prompt'], example[name], True) for name in example['reference']}
    reward = {name: beta * (score[name] - example['reference'][name]) for name in score}
    logprobs = [value.item() for value in score.values()]
    if example['kind'] == 'pair':
        epsilon = settings['label_smoothing']
        m = reward['chosen'] - reward['rejected']
        dpo = (-(1 - epsilon) * F.logsigmoid(m) + epsilon * F.logsigmoid(-m)) / (1 - 2 * epsilon)
        return dpo - sft * score['chosen'] / len(example['chosen']), m.item(), logprobs
    r, mean = reward['reply'], score['reply'] / len(example['reply'])
    if example['kind'] == 'up':
        return settings['lambda_up'] * (1 - torch.sigmoid(r - settings['z0'])) - sft * mean, r.item(), logprobs
    if example['kind'] == 'down':
        return settings['lambda_down'] * (1 - torch.sigmoid(settings['z0'] - r)), -r.item(), logprobs
    return -mean, 0.0, logprobs


def encode(tensor):
    array = tensor.detach().numpy().astype('<f4')
    return base64.b64encode(array.tobytes()).decode('ascii')


def train(model, examples, settings, options, complete):
    """The golden run of STEPS AdamW steps on all examples; `complete` keeps every value of the updates."""
    for example in examples:
        names = ['chosen', 'rejected'] if example['kind'] == 'pair' else ['reply']
        with torch.no_grad():
            example['reference'] = {n: model.logprob(example['prompt'], example[n], False).item() for n in names}
    parameters = [p for linear in model.linears.values() for p in (linear.a, linear.b)]
    initial = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(
        parameters, lr=options['lr'], betas=(options['beta1'], options['beta2']), eps=options['eps'],
        weight_decay=options['weight_decay'])
    steps, gradients = [], {}
    for step in range(STEPS):
        optimizer.zero_grad()
        results = [example_loss(model, example, settings) for example in examples]
        losses = [example['weight'] * loss for example, (loss, _, _) in zip(examples, results)]
        sum(losses).backward()
        if step == 0:
            gradients = {k: {'a': encode(x.a.grad), 'b': encode(x.b.grad)} for k, x in model.linears.items()}
        norm = torch.nn.utils.clip_grad_norm_(parameters, options['clip'])
        optimizer.step()
        steps.append({
            'loss': sum(losses).item(), 'losses': [loss.item() for loss in losses],
            'margins': [margin for _, margin, _ in results], 'logprobs': [logprobs for _, _, logprobs in results],
            'gradient_norm': norm.item()})
    updates = iter([p.detach() - before for p, before in zip(parameters, initial)])
    describe = encode if complete else lambda update: update.norm().item()
    return {
        'rank': RANK, 'lora_alpha': ALPHA, 'adapter_seed': ADAPTER_SEED, 'settings': settings, 'optimizer': options,
        'examples': examples, 'steps': steps, 'gradients': gradients,
        'updates' if complete else 'update_norms':
            {key: {'a': describe(next(updates)), 'b': describe(next(updates))} for key in model.linears},
    }


def tiny_golden():
    random = HashRandom(TINY_TOKENS_SEED)

    def tokens(n):
        return [int(x) for x in 3 + random.below(n, TINY_CONFIG['vocab_size'] - 3)]

    def reply(n):
        return tokens(n) + [2]

    examples = [
        {'kind': 'pair', 'weight': 0.25, 'prompt': tokens(5), 'chosen': reply(6), 'rejected': reply(3)},
        {'kind': 'pair', 'weight': 0.15, 'prompt': tokens(9), 'chosen': reply(2), 'rejected': reply(7)},
        {'kind': 'up', 'weight': 0.3, 'prompt': tokens(1), 'reply': reply(4)},
        {'kind': 'down', 'weight': 0.2, 'prompt': tokens(4), 'reply': reply(5)},
        {'kind': 'sft', 'weight': 0.1, 'prompt': tokens(1), 'reply': reply(8)},
    ]
    settings = {'beta': 0.1, 'label_smoothing': 0.1, 'sft_weight': 0.2, 'z0': 0.05, 'lambda_up': 1.0, 'lambda_down': 1.25}
    model = Llama(TINY_CONFIG, seeded_model(TINY_CONFIG, TINY_SEED))
    return {'model_seed': TINY_SEED, 'config': TINY_CONFIG, 'training': train(model, examples, settings, TINY_OPTIMIZER, True)}


def model_golden(folder):
    config, tensors, sha256 = read_model(folder)
    tokenizer = Tokenizer(os.path.join(folder, 'tokenizer.json'))
    cases = []
    for prompt, reply in CASES:
        asked, _ = tokenizer.chat([{'role': 'user', 'content': prompt}])
        cases.append({
            'prompt_ids': [*asked, tokenizer.vocabulary['<|im_start|>'], *tokenizer.encode('assistant\n')],
            'reply_ids': [*tokenizer.encode(reply), tokenizer.vocabulary['<|im_end|>']]})
    model = Llama(config, tensors)
    golden = []
    for case in cases:
        prompt, reply = case['prompt_ids'], case['reply_ids']
        with torch.no_grad():
            logits = model.logits(prompt, False)[-1]
            golden.append({
                'prompt_ids': prompt, 'reply_ids': reply, 'last_prompt_logits': encode(logits),
                'reply_logprob': model.logprob(prompt, reply, False).item()})
    prompts = [case['prompt_ids'] for case in cases]
    replies = [case['reply_ids'] for case in cases]
    examples = [
        {'kind': 'pair', 'weight': 0.25, 'prompt': prompts[0], 'chosen': replies[0], 'rejected': replies[1]},
        {'kind': 'pair', 'weight': 0.25, 'prompt': prompts[1], 'chosen': replies[1], 'rejected': replies[2]},
        {'kind': 'up', 'weight': 0.3, 'prompt': prompts[2], 'reply': replies[2]},
        {'kind': 'down', 'weight': 0.2, 'prompt': prompts[3], 'reply': replies[3]},
    ]
    settings = {'beta': 0.1, 'label_smoothing': 0.1, 'sft_weight': 0.2, 'z0': 0.0, 'lambda_up': 1.0, 'lambda_down': 1.0}
    return {'shards_sha256': sha256, 'cases': golden, 'training': train(model, examples, settings, OPTIMIZER, False)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', required=True, help='model folder in MLC layout')
    parser.add_argument('--out', required=True, help='folder for the two fixtures')
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    fixtures = {'tiny': tiny_golden(), 'model': model_golden(options.model)}
    for name, fixture in fixtures.items():
        header = {'command': COMMAND, 'torch': torch.__version__, 'arrays': 'base64 of little-endian float32'}
        with open(os.path.join(options.out, f'golden-training-{name}.json'), 'w', encoding='utf-8') as file:
            json.dump({**header, **fixture}, file, indent=1)
            file.write('\n')


if __name__ == '__main__':
    main()
