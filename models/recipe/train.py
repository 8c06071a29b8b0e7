"""Trains Thumbling: plain text and chats, then replies, then replies in int4 at the full context.

    python3 models/recipe/train.py --size small --tokens 60e6 [--build models/recipe/build] [--device cuda]

Reads what data.py and tokenizer.py wrote. Writes checkpoint.pt every few minutes and goes on from it when started again;
when done, safetensors, config.json and tokenizer files into BUILD/model, and one JSON line every 20 steps into log.jsonl.
"""

import argparse
import json
import math
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

# Each worker computes with one thread: small products divided among threads wait for each other most of the time.
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ.setdefault(name, '1')

import numpy as np
import torch

from evaluate import load
from grow import grow_into
from model import Quantizer, Thumbling, config_of
from safetensors_file import write_safetensors
from tokenizer import HERE, Tokenizer

# Share of all tokens; share of each part among them; tokens of a row; loss on replies only; in int4.
PHASES = [
    {'name': 'text', 'share': 0.50, 'parts': {'plain': 0.15, 'chat': 0.40, 'own': 0.45}, 'row': 256, 'replies': False,
     'int4': False},
    {'name': 'chat', 'share': 0.35, 'parts': {'plain': 0.02, 'chat': 0.28, 'own': 0.70}, 'row': 256, 'replies': True,
     'int4': False},
    {'name': 'finish', 'share': 0.15, 'parts': {'plain': 0.02, 'chat': 0.18, 'own': 0.80}, 'row': 1024, 'replies': True,
     'int4': True},
]
CONTEXT = 1024
# Warm-up, then constant, then linear to zero (WSD, Hu et al. 2024): ends of these parts, as shares of all tokens.
WARM, DECAY = 0.02, 0.55
# Muon (Jordan et al. 2024) for the layers' matrices, AdamW for the rest.
MUON = {'lr': 0.02, 'momentum': 0.95}
ADAM = {'lr': 3e-3, 'betas': (0.9, 0.95), 'eps': 1e-8}
WEIGHT_DECAY = 0.05
MAX_GRAD_NORM = 1.0
SCALES_EVERY = 16


class Part:
    """The documents of one part as one array of tokens."""

    def __init__(self, build, name, tokenizer):
        cache = os.path.join(build, f'tokens-{name}.npz')
        source = os.path.join(build, name + '.jsonl')
        if not os.path.exists(cache) or os.path.getmtime(cache) < os.path.getmtime(source):
            ids, learned, ends = [], [], []
            with open(source, encoding='utf-8') as file:
                for line in file:
                    record = json.loads(line)
                    if 'text' in record:
                        tokens = [*tokenizer.encode(record['text']), 0]
                        wanted = [1] * len(tokens)
                    else:
                        tokens, wanted = tokenizer.chat(record['messages'])
                    ids.append(np.array(tokens, dtype=np.uint16))
                    learned.append(np.array(wanted, dtype=bool))
                    ends.append(len(tokens))
            np.savez(cache, ids=np.concatenate(ids), learned=np.concatenate(learned), ends=np.cumsum(ends))
        with np.load(cache) as data:
            self.ids, self.learned, self.ends = data['ids'], data['learned'], data['ends']

    def document(self, index):
        start = self.ends[index - 1] if index else 0
        return self.ids[start:self.ends[index]], self.learned[start:self.ends[index]]


class Reader:
    """Rows of whole documents from several parts; a document that does not fit its row goes on in the next one."""

    def __init__(self, parts, seed):
        self.parts = parts
        self.random = np.random.default_rng(seed)
        self.orders = {name: [] for name in parts}
        self.epochs = {name: 0 for name in parts}
        self.taken = {name: 0 for name in parts}
        self.rest = None

    def next_document(self, shares):
        # The part that is furthest behind its share.
        name = min(shares, key=lambda n: self.taken[n] / shares[n])
        if not self.orders[name]:
            self.orders[name] = self.random.permutation(len(self.parts[name].ends)).tolist()
            self.epochs[name] += 1
        document = self.parts[name].document(self.orders[name].pop())
        self.taken[name] += len(document[0])
        return document

    def begin(self):
        """A new phase has new shares."""
        self.taken = {name: 0 for name in self.parts}
        self.rest = None

    def rows(self, count, length, shares, replies):
        """ids, document numbers [count, length + 1], and whether each next token is learned [count, length]."""
        ids = np.zeros((count, length + 1), dtype=np.int64)
        documents = np.full((count, length + 1), -1)
        learned = np.zeros((count, length + 1), dtype=bool)
        for row in range(count):
            at, number = 0, 0
            while at < length + 1:
                tokens, wanted = self.rest or self.next_document(shares)
                self.rest = None
                size = min(len(tokens), length + 1 - at)
                # Little of a document says nothing.
                if size < len(tokens) and size < 16:
                    self.rest = (tokens, wanted)
                    break
                ids[row, at:at + size] = tokens[:size]
                documents[row, at:at + size] = number
                learned[row, at:at + size] = wanted[:size] if replies else True
                # Nothing comes before the first token of a document.
                learned[row, at] = False
                if size < len(tokens):
                    self.rest = (tokens[size:], wanted[size:])
                at, number = at + size, number + 1
        return ids, documents, learned[:, 1:]


def orthogonalize(update):
    """Newton-Schulz towards the nearest orthogonal matrix: five steps of Muon's quintic."""
    x = update / (update.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum):
        super().__init__(parameters, {'lr': lr, 'momentum': momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group['params']:
                state = self.state[p]
                if not state:
                    state['velocity'] = torch.zeros_like(p)
                velocity = state['velocity'].lerp_(p.grad, 1 - group['momentum'])
                update = orthogonalize(p.grad.lerp(velocity, group['momentum']))
                p.mul_(1 - group['lr'] * WEIGHT_DECAY)
                p.add_(update, alpha=-group['lr'] * math.sqrt(max(1, p.shape[0] / p.shape[1])))


def optimizers_of(model, kind):
    matrices = [p for p in model.layers.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() == 1]
    adam = [{'params': [model.embed_tokens], 'weight_decay': 0.0}, {'params': others, 'weight_decay': 0.0}]
    if kind == 'muon':
        return [Muon(matrices, **MUON), torch.optim.AdamW(adam, **ADAM)]
    return [torch.optim.AdamW([{'params': matrices, 'weight_decay': WEIGHT_DECAY}, *adam], **ADAM)]


def rate(progress):
    if progress < WARM:
        return progress / WARM
    return 1.0 if progress < DECAY else max(0.0, (1 - progress) / (1 - DECAY))


def phase_at(progress):
    end = 0.0
    for index, phase in enumerate(PHASES):
        end += phase['share']
        if progress < end:
            return index
    return len(PHASES) - 1


def batch_loss(model, batch, device):
    """(sum of the losses of learned tokens, how many)"""
    ids, documents, learned = (torch.from_numpy(array).to(device) for array in batch)
    rows, columns = learned.nonzero(as_tuple=True)
    logprobs = model.logprobs(ids[:, :-1], documents[:, :-1], rows, columns, ids[rows, columns + 1])
    return -logprobs.sum(), len(rows)


class Workers:
    """Adds up the gradients of micro-batches, several at a time where the device is the processor."""

    def __init__(self, model, device, count):
        self.model, self.device = model, device
        self.parameters = list(model.parameters())
        self.pool = ThreadPoolExecutor(count)
        # bf16 where the device multiplies it natively.
        self.native = device == 'cuda' or multiplies_bf16()

    def gradients(self, batch):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.native):
            loss, tokens = batch_loss(self.model, batch, self.device)
        return torch.autograd.grad(loss, self.parameters), loss.item(), tokens

    def accumulate(self, batches):
        """Mean gradients into the parameters; (sum of the losses of learned tokens, how many)."""
        loss, tokens = 0.0, 0
        for gradients, one_loss, one_tokens in self.pool.map(self.gradients, batches):
            loss, tokens = loss + one_loss, tokens + one_tokens
            for parameter, gradient in zip(self.parameters, gradients):
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        for parameter in self.parameters:
            parameter.grad /= tokens
        return loss, tokens


def export(model, build, tokens):
    folder = os.path.join(build, 'model')
    os.makedirs(folder, exist_ok=True)
    write_safetensors(os.path.join(folder, 'model.safetensors'),
                      {name: tensor.detach().half().cpu().numpy() for name, tensor in model.hf_tensors()})
    with open(os.path.join(folder, 'config.json'), 'w', encoding='utf-8') as file:
        json.dump(model.config, file, indent=1)
    for name in ('tokenizer.json', 'tokenizer_config.json'):
        shutil.copy(os.path.join(build, name), folder)
    print(f'{folder}: {sum(p.numel() for p in model.parameters())} parameters, {tokens} tokens seen')


def multiplies_bf16():
    """Whether the processor does, as far as Linux tells."""
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            return 'avx512_bf16' in file.read()
    except OSError:
        return False


def keep(path, model, optimizers, reader, seen, step, phase):
    """Writes a checkpoint whole or not at all."""
    state = {key: value for key, value in reader.__dict__.items() if key != 'parts'}
    torch.save({'model': model.state_dict(), 'optimizers': [o.state_dict() for o in optimizers], 'reader': state,
                'seen': seen, 'step': step, 'phase': phase}, path + '.new')
    os.replace(path + '.new', path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default=os.path.join(HERE, 'build'))
    parser.add_argument('--size', default='small', choices=['small', 'medium', 'smoke'])
    parser.add_argument('--tokens', type=float, default=60e6)
    parser.add_argument('--batch', type=int, default=8192, help='tokens a step')
    parser.add_argument('--micro', type=int, default=8192 if torch.cuda.is_available() else 1024, help='tokens at once')
    parser.add_argument('--optimizer', default='muon', choices=['muon', 'adamw'])
    parser.add_argument('--rate', type=float, default=1, help='factor of the learning rates; a grown model wants less')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--workers', type=int, default=1 if torch.cuda.is_available() else os.cpu_count(),
                        help='micro-batches at a time')
    parser.add_argument('--minutes', type=float, default=math.inf, help='stop after so many, to go on later')
    parser.add_argument('--save-every', type=float, default=5, help='minutes between checkpoints')
    parser.add_argument('--from', dest='source', help='a model folder of the page to begin with: as it is, or grown')
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    tokenizer = Tokenizer(os.path.join(options.build, 'tokenizer.json'))
    reader = Reader({name: Part(options.build, name, tokenizer) for name in ('plain', 'chat', 'own')}, options.seed)
    model = Thumbling(config_of(options.size, len(tokenizer.vocabulary), CONTEXT)).to(options.device)
    if options.source:
        grow_into(model, load(options.source), tokenizer, Tokenizer(os.path.join(options.source, 'tokenizer.json')))
    optimizers = optimizers_of(model, options.optimizer)
    rates = [[options.rate * group['lr'] for group in optimizer.param_groups] for optimizer in optimizers]
    quantizer = Quantizer()
    checkpoint = os.path.join(options.build, 'checkpoint.pt')
    seen, step, phase = 0, 0, -1
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint, map_location=options.device)
        model.load_state_dict(state['model'])
        for optimizer, saved in zip(optimizers, state['optimizers']):
            optimizer.load_state_dict(saved)
        seen, step, phase = state['seen'], state['step'], state['phase']
        reader.__dict__.update(state['reader'])
        print(f'goes on after {seen} tokens')
    workers = Workers(model, options.device, options.workers)
    begun = saved_at = time.time()
    sums, count = 0.0, 0
    while seen < options.tokens and time.time() - begun < 60 * options.minutes:
        progress = seen / options.tokens
        if phase_at(progress) != phase:
            phase = phase_at(progress)
            reader.begin()
        now = PHASES[phase]
        model.weight_of = quantizer if now['int4'] else (lambda weight: weight)
        if step % SCALES_EVERY == 0:
            quantizer.refresh()
        batches = [reader.rows(max(1, options.micro // now['row']), now['row'], now['parts'], now['replies'])
                   for _ in range(max(1, options.batch // options.micro))]
        loss, learned = workers.accumulate(batches)
        sums, count = sums + loss, count + learned
        seen += sum(int((documents >= 0).sum()) for _, documents, _ in batches)
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        for optimizer, initial in zip(optimizers, rates):
            for group, lr in zip(optimizer.param_groups, initial):
                group['lr'] = lr * rate(progress)
            optimizer.step()
        model.zero_grad(set_to_none=True)
        step += 1
        if step % 20 == 0:
            line = {'step': step, 'tokens': seen, 'phase': now['name'], 'loss': round(sums / count, 4),
                    'epochs': reader.epochs, 'seconds': round(time.time() - begun)}
            print(json.dumps(line), flush=True)
            with open(os.path.join(options.build, 'log.jsonl'), 'a', encoding='utf-8') as file:
                file.write(json.dumps(line) + '\n')
            sums, count = 0.0, 0
        if time.time() - saved_at > 60 * options.save_every:
            saved_at = time.time()
            keep(checkpoint, model, optimizers, reader, seen, step, phase)
    keep(checkpoint, model, optimizers, reader, seen, step, phase)
    if seen >= options.tokens:
        export(model, options.build, seen)


if __name__ == '__main__':
    main()
