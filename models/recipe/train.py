"""Trains Thumbling: text and chats first, then replies in int4 at the full context.

    python3 models/recipe/train.py --size small --tokens 60e6 [--build models/recipe/build] [--teacher CHECKPOINT ...]

Reads what data.py and tokenizer.py wrote into BUILD. Writes into OUT (BUILD by default): checkpoint.pt every few minutes,
and goes on from it when started again; one JSON line every 20 steps into log.jsonl; when done, safetensors, config.json and
tokenizer files into OUT/model. With teachers, models trained by this script before, it learns what they expect of each
token beside the token itself: they have seen no more than it has, but many agree on less that is wrong.
"""

import argparse
import json
import math
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

# Each worker computes with one thread: small products divided among threads wait for each other most of the time.
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ.setdefault(name, '1')

import torch

from evaluate import load
from grow import grow_into
from model import StraightThrough, Thumbling, config_of
from optimizers import multiplies_bf16, optimizers_of
from reader import Part, Reader, learned_of, seen_of
from safetensors_file import write_safetensors
from tokenizer import HERE, Tokenizer

# Share of all tokens; share of each part among them; tokens of a row; loss on replies only; in int4.
PHASES = [
    {'name': 'mix', 'share': 0.65, 'parts': {'plain': 0.25, 'chat': 0.40, 'own': 0.35}, 'row': 256, 'replies': False, 'int4': False},
    {'name': 'finish', 'share': 0.35, 'parts': {'plain': 0.05, 'chat': 0.40, 'own': 0.55}, 'row': 1024, 'replies': True, 'int4': True},
]
CONTEXT = 1024
# Warm-up, then constant, then linear to zero (WSD, Hu et al. 2024): ends of these parts, as shares of all tokens.
WARM, DECAY = 0.02, 0.6
MAX_GRAD_NORM = 1.0
# Weight of the teachers' distribution beside the token itself (Hinton et al. 2015, temperature 1).
DISTILLATION = 0.7
SCALES_EVERY = 16
LOG_EVERY, HELD_EVERY, HELD_BATCHES = 20, 200, 20


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


class Workers:
    """Adds up the gradients of micro-batches, several at a time where the device is the processor."""

    def __init__(self, model, teachers, device, count=None):
        self.model, self.teachers, self.device = model, teachers, device
        self.parameters = list(model.parameters())
        self.pool = ThreadPoolExecutor(count or (1 if device == 'cuda' else os.cpu_count()))
        self.native = multiplies_bf16(device)

    def loss(self, batch):
        """Sum of the losses of learned tokens."""
        ids, documents, learned = batch
        rows, columns = learned.nonzero()
        there = lambda array: torch.from_numpy(array).to(self.device, non_blocking=True)
        targets = there(ids[rows, columns + 1])
        places = (there(ids[:, :-1]), there(documents[:, :-1]), there(rows), there(columns))
        with torch.autocast(self.device, torch.bfloat16, enabled=self.native):
            if not self.teachers or not self.model.training:
                return -self.model.logprobs(*places, targets).sum()
            with torch.no_grad():
                expected = sum(teacher.logits(*places).softmax(-1) for teacher in self.teachers) / len(self.teachers)
            logprobs = self.model.logits(*places).log_softmax(-1)
            return -(DISTILLATION * (expected * logprobs).sum() + (1 - DISTILLATION) * logprobs.gather(1, targets[:, None]).sum())

    def accumulate(self, losses, tokens):
        """The sum of the losses' gradients, divided by `tokens`, into the parameters. Each of `losses` is called in a
        thread and returns a sum; gives these sums, where the device has them."""

        def gradients(loss):
            value = loss()
            return torch.autograd.grad(value, self.parameters), value.detach()

        sums = []
        for found, value in self.pool.map(gradients, losses):
            sums.append(value)
            for parameter, gradient in zip(self.parameters, found):
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        torch._foreach_div_([parameter.grad for parameter in self.parameters], tokens)
        return sums

    @torch.no_grad()
    def measure(self, batches):
        """Mean loss of the learned tokens."""
        self.model.eval()
        total = sum(self.loss(batch).item() for batch in batches)
        self.model.train()
        return total / learned_of(batches)


def compiled(model, device):
    """On a GPU each layer is one program: launching its parts one by one would take longer than computing them."""
    if device == 'cuda':
        for layer in model.layers:
            layer.compile(dynamic=False)
    return model


def teacher_of(path, device):
    saved = torch.load(path, map_location=device, weights_only=False)
    teacher = Thumbling(saved['config']).to(device).eval()
    teacher.load_state_dict(saved['model'])
    return compiled(teacher, device)


def export(model, build, out, tokens):
    folder = os.path.join(out, 'model')
    os.makedirs(folder, exist_ok=True)
    write_safetensors(os.path.join(folder, 'model.safetensors'),
                      {name: tensor.detach().half().cpu().numpy() for name, tensor in model.hf_tensors()})
    with open(os.path.join(folder, 'config.json'), 'w', encoding='utf-8') as file:
        json.dump(model.config, file, indent=1)
    for name in ('tokenizer.json', 'tokenizer_config.json'):
        shutil.copy(os.path.join(build, name), folder)
    print(f'{folder}: {sum(p.numel() for p in model.parameters())} parameters, {tokens} tokens seen')


def keep(path, model, optimizers, reader, seen, step, phase):
    """Writes a checkpoint whole or not at all."""
    state = {key: value for key, value in reader.__dict__.items() if key != 'parts'}
    torch.save({'config': model.config, 'model': model.state_dict(), 'optimizers': [o.state_dict() for o in optimizers], 'reader': state,
                'seen': seen, 'step': step, 'phase': phase}, path + '.new')
    os.replace(path + '.new', path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default=os.path.join(HERE, 'build'))
    parser.add_argument('--out', help='folder of the checkpoint, the log and the model: BUILD by default')
    parser.add_argument('--size', default='small', choices=['small', 'medium', 'smoke'])
    parser.add_argument('--tokens', type=float, default=220e6)
    parser.add_argument('--batch', type=int, default=32768 if torch.cuda.is_available() else 8192, help='tokens a step')
    parser.add_argument('--micro', type=int, default=32768 if torch.cuda.is_available() else 1024, help='tokens at once')
    parser.add_argument('--optimizer', default='muon', choices=['muon', 'adamw'])
    parser.add_argument('--weight-decay', type=float, default=0.1, help='of the layers\' matrices')
    parser.add_argument('--dropout', type=float, default=0, help='of the embedding and of what the layers add to it')
    parser.add_argument('--teacher', action='append', default=[], help='checkpoint.pt of a model with the same tokenizer')
    parser.add_argument('--rate', type=float, default=1, help='factor of the learning rates; a grown model wants less')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--workers', type=int, help='micro-batches at a time: one on a GPU, else one a core, by default')
    parser.add_argument('--minutes', type=float, default=math.inf, help='stop after so many, to go on later')
    parser.add_argument('--save-every', type=float, default=5, help='minutes between checkpoints')
    parser.add_argument('--from', dest='source', help='a model folder of the page to begin with: as it is, or grown')
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    out = options.out or options.build
    os.makedirs(out, exist_ok=True)
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    tokenizer = Tokenizer(os.path.join(options.build, 'tokenizer.json'))
    part = lambda name: Part(options.build, name, tokenizer)
    reader = Reader({name: part(name) for name in ('plain', 'chat', 'own')}, options.seed)
    held = Reader({'held': part('held')}, options.seed)
    held = [held.rows(8, 256, {'held': 1}, True) for _ in range(HELD_BATCHES)]
    model = Thumbling(config_of(options.size, len(tokenizer.vocabulary), CONTEXT), options.dropout).to(options.device)
    if options.source:
        grow_into(model, load(options.source), tokenizer, Tokenizer(os.path.join(options.source, 'tokenizer.json')))
    compiled(model, options.device)
    teachers = [teacher_of(path, options.device) for path in options.teacher]
    optimizers = optimizers_of(model, options.optimizer, options.weight_decay)
    rates = [[options.rate * group['lr'] for group in optimizer.param_groups] for optimizer in optimizers]
    rounding = StraightThrough(model)
    checkpoint = os.path.join(out, 'checkpoint.pt')
    seen, step, phase = 0, 0, -1
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint, map_location=options.device, weights_only=False)
        model.load_state_dict(state['model'])
        for optimizer, saved in zip(optimizers, state['optimizers']):
            optimizer.load_state_dict(saved)
        seen, step, phase = state['seen'], state['step'], state['phase']
        reader.__dict__.update(state['reader'])
        print(f'goes on after {seen} tokens')
    workers = Workers(model, teachers, options.device, options.workers)
    # One thread reads ahead while the device computes.
    ahead = ThreadPoolExecutor(1)

    def read(at):
        """(index of the phase at so many tokens, its micro-batches)"""
        nonlocal phase
        if phase_at(at / options.tokens) != phase:
            phase = phase_at(at / options.tokens)
            reader.begin()
        now = PHASES[phase]
        return phase, [reader.rows(max(1, options.micro // now['row']), now['row'], now['parts'], now['replies'])
                       for _ in range(max(1, options.batch // options.micro))]

    begun = saved_at = time.time()
    sums, count = 0.0, 0
    coming = ahead.submit(read, seen)
    while seen < options.tokens and time.time() - begun < 60 * options.minutes:
        progress = seen / options.tokens
        index, batches = coming.result()
        seen += seen_of(batches)
        more, due = seen < options.tokens, time.time() - saved_at > 60 * options.save_every
        if more and not due:
            coming = ahead.submit(read, seen)
        if PHASES[index]['int4']:
            if step % SCALES_EVERY == 0:
                rounding.refresh()
            rounding.enter()
        learned = learned_of(batches)
        sums = sums + sum(workers.accumulate([partial(workers.loss, batch) for batch in batches], learned))
        count += learned
        measured = workers.measure(held) if (step + 1) % HELD_EVERY == 0 or not more else None
        if PHASES[index]['int4']:
            rounding.leave()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        for optimizer, initial in zip(optimizers, rates):
            for group, lr in zip(optimizer.param_groups, initial):
                group['lr'] = lr * rate(progress)
            optimizer.step()
        model.zero_grad(set_to_none=True)
        step += 1
        if step % LOG_EVERY == 0 or measured:
            line = {'step': step, 'tokens': seen, 'phase': PHASES[index]['name'], 'loss': round(float(sums) / count, 4),
                    'epochs': reader.epochs, 'seconds': round(time.time() - begun)}
            if measured:
                line['held'] = round(measured, 4)
            print(json.dumps(line), flush=True)
            with open(os.path.join(out, 'log.jsonl'), 'a', encoding='utf-8') as file:
                file.write(json.dumps(line) + '\n')
            sums, count = 0.0, 0
        if more and due:
            # Nothing is read ahead now: what is would be lost to one who goes on from here.
            saved_at = time.time()
            keep(checkpoint, model, optimizers, reader, seen, step, phase)
            coming = ahead.submit(read, seen)
    coming.result()
    keep(checkpoint, model, optimizers, reader, seen, step, phase)
    if seen >= options.tokens:
        export(model, options.build, out, seen)


if __name__ == '__main__':
    main()
