"""Bits per byte of a model folder's int4 weights on held-out texts, in PyTorch: what `bench quality` must agree with.

    python3 models/recipe/evaluate.py --model models/thumbling --held models/recipe/build/held.jsonl

Prints one JSON object: a figure for each source, `chat` and `plain` for all of a kind.
"""

import argparse
import collections
import json
import math
import os

import torch

from model import Thumbling
from quantized import linear_shapes, read_model
from tokenizer import HERE, Tokenizer

LONGEST = 2048


def load(folder):
    """The model folder's int4 weights as PyTorch computes them."""
    config, tensors, _ = read_model(folder)
    model = Thumbling({**config, 'max_position_embeddings': LONGEST})
    put = lambda parameter, array: parameter.data.copy_(torch.from_numpy(array))
    put(model.embed_tokens, tensors['model.embed_tokens'])
    put(model.norm, tensors['model.norm'])
    for index, layer in enumerate(model.layers):
        prefix = f'model.layers.{index}.'
        put(layer.input_layernorm, tensors[prefix + 'input_layernorm'])
        put(layer.post_attention_layernorm, tensors[prefix + 'post_attention_layernorm'])
        for path, _, parts in linear_shapes(config):
            at = 0
            for name, rows in parts:
                put(getattr(layer, name.split('.')[-1]).weight, tensors[prefix + path][at:at + rows])
                at += rows
    return model


def sequences_of(record, tokenizer):
    """(prompt ids, reply ids, bytes of the reply): each reply of a chat, or a plain text after its first token."""
    if 'text' in record:
        ids = tokenizer.encode(record['text'])
        return [(ids[:1], ids[1:], len(record['text'].encode()))] if len(ids) > 1 else []
    sequences = []
    for index, turn in enumerate(record['messages']):
        if turn['role'] == 'assistant':
            before, _ = tokenizer.chat(record['messages'][:index])
            whole, _ = tokenizer.chat(record['messages'][:index + 1])
            head, end = len(before) + 1 + len(tokenizer.encode('assistant\n')), len(whole) - len(tokenizer.encode('\n'))
            sequences.append((whole[:head], whole[head:end], len(turn['content'].encode())))
    return sequences


@torch.no_grad()
def bits(model, sequence):
    prompt, reply, _ = sequence
    ids = torch.tensor([prompt + reply])
    columns = torch.arange(len(prompt) - 1, ids.shape[1] - 1)
    rows = torch.zeros_like(columns)
    return -model.logprobs(ids[:, :-1], torch.zeros_like(ids[:, :-1]), rows, columns, ids[0, columns + 1]).sum().item() / math.log(2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default=os.path.join(HERE, '..', 'thumbling'))
    parser.add_argument('--held', default=os.path.join(HERE, 'build', 'held.jsonl'))
    options = parser.parse_args()
    tokenizer = Tokenizer(os.path.join(options.model, 'tokenizer.json'))
    model = load(options.model)
    sums = collections.defaultdict(lambda: [0.0, 0])
    with open(options.held, encoding='utf-8') as file:
        for line in file:
            record = json.loads(line)
            for sequence in sequences_of(record, tokenizer):
                value = bits(model, sequence)
                for key in (record['source'], 'plain' if 'text' in record else 'chat'):
                    sums[key][0] += value
                    sums[key][1] += sequence[2]
    print(json.dumps({key: total / size for key, (total, size) in sums.items()}, indent=1))


if __name__ == '__main__':
    main()
