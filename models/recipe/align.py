"""Teaches a trained model to follow an instruction of style, and the answers of its own dialogues once more, those of
questions with one right answer above all.

    python3 models/recipe/align.py [--build models/recipe/build] [--model models/recipe/build/model] [--tokens 4.5e6]

Reads and rewrites model.safetensors. Each step learns replies as train.py's last phase does, and, for prompts that have
replies in several styles, that the reply that an instruction asks for is likelier per token than the others: the
length-normalised preference of SimPO (Meng et al. 2024) without its margin, over all the prompt's replies at once.

It learns in stages: several times from the same weights, from different mixtures, after which the mean of what came of it
goes on (Wortsman et al. 2022). The later mixtures often show prompts that are answered in several styles, half of them without
an instruction: what a user wishes for is then never far.
"""

import argparse
import gzip
import json
import os
import random
import time
from functools import partial

# First: it says how many threads compute.
from train import MAX_GRAD_NORM, Workers

import numpy as np
import torch

from data import evaluation_prompts, fingerprint, is_held, read_dialogues
from model import StraightThrough, Thumbling
from optimizers import optimizers_of
from reader import Part, Reader, learned_of, seen_of
from safetensors_file import read_safetensors, write_safetensors
from tokenizer import HERE, Tokenizer


def dialogues(names):
    return [f'dialogues/{name}.txt' for name in names.split()]


# Parts of own.jsonl that are mixed in by themselves: what has one right answer, which is what a model this small gets
# wrong; everyday "How do I …?", which it else declines, as harmful requests begin like that too; the prompts with a reply
# in each style.
OWN_PARTS = {
    'questions': dialogues('quiz quiz-b quiz-c quiz-d sense sense-b reasoning reasoning-b reasoning-c numbers words things '
                           'nature people world'),
    'help': dialogues('howto-b howto advice help'),
    'drills': ['drills'],
    'styles': ["Thumbling's own styles"],
}
# Mixtures: each part's share of what is read. HELPFUL answers at more length; WILLING knows every style.
ANSWERS = {'own': 0.35, 'questions': 0.3, 'drills': 0.25, 'chat': 0.1}
STYLED = {'own': 0.33, 'questions': 0.27, 'drills': 0.18, 'styles': 0.12, 'chat': 0.1}
HELPFUL = {'own': 0.26, 'questions': 0.26, 'help': 0.1, 'drills': 0.15, 'styles': 0.15, 'chat': 0.08}
WILLING = {'own': 0.27, 'questions': 0.2, 'help': 0.05, 'drills': 0.08, 'styles': 0.3, 'chat': 0.1}
# A stage's tokens and rate, as factors of the options'; the weight of what it begins with in the mean that it ends with;
# for each time that it learns its weight in that mean, its mixture, its seed.
STAGES = [
    {'tokens': 1, 'rate': 1, 'keep': 0, 'mixes': [
        (0.15, ANSWERS, 1), (0.28, STYLED, 1), (0.27, STYLED, 2), (0.15, HELPFUL, 1), (0.15, HELPFUL, 2)]},
    {'tokens': 2 / 9, 'rate': 0.6, 'keep': 0.5, 'mixes': [(0.5, WILLING, 1)]},
]
# Tokens of a row; rows at once; how often in a step, and how many prompts beside them, how often.
ROW, ROWS, REPLIES = 512, 4, 4
PROMPTS, PREFERENCES, MOST_OTHERS = 4, 2, 5
# SimPO's beta, and the weight of the preference beside a reply's token.
BETA, WEIGHT = 10.0, 50.0
SCALES_EVERY, LOG_EVERY = 8, 20


def style_groups(rng):
    """[(prompt, [(wordings of an instruction, the reply that it asks for)])] of the prompts with several replies, without
    what data.py keeps out of training."""
    unwanted = evaluation_prompts()
    with open(os.path.join(HERE, 'instructions.json'), encoding='utf-8') as file:
        wordings = json.load(file)
    groups = {}
    with gzip.open(os.path.join(HERE, 'data', 'thumbling_styles.jsonl.gz'), 'rt', encoding='utf-8') as file:
        for record in map(json.loads, file):
            if record['split'] == 'held':
                unwanted.add(fingerprint(record['prompt']))
            elif record['style'] in wordings:
                groups.setdefault(record['prompt'], []).append((wordings[record['style']], record['response']))
    folder = os.path.join(HERE, 'dialogues')
    for name in sorted(os.listdir(folder)):
        for turns in read_dialogues(os.path.join(folder, name)):
            if turns[0]['role'] == 'system' and not is_held(json.dumps(turns)):
                groups.setdefault(turns[1]['content'], []).append(([turns[0]['content']], turns[2]['content']))
    chosen = [(prompt, replies) for prompt, replies in groups.items()
              if len(replies) > 1 and fingerprint(prompt) not in unwanted]
    rng.shuffle(chosen)
    return chosen


class Preferences:
    """Walks over the prompts, an instruction at random for each."""

    def __init__(self, tokenizer, seed):
        self.random = random.Random(seed)
        self.groups = style_groups(self.random)
        self.tokenizer = tokenizer
        self.at = 0

    def next(self):
        """[[(ids, learned) of the wanted reply, then of others] of each prompt]"""
        prompts = []
        for _ in range(PROMPTS):
            prompt, replies = self.groups[self.at % len(self.groups)]
            self.at += 1
            wanted = self.random.randrange(len(replies))
            instruction = self.random.choice(replies[wanted][0])
            others = [reply for index, (_, reply) in enumerate(replies) if index != wanted]
            prompts.append([self.tokenizer.chat([
                {'role': 'system', 'content': instruction}, {'role': 'user', 'content': prompt},
                {'role': 'assistant', 'content': reply}])
                for reply in [replies[wanted][1], *self.random.sample(others, min(MOST_OTHERS, len(others)))]])
        return prompts


def preference_loss(model, prompts):
    """(sum over the prompts of -log softmax(BETA x mean logprob) of the wanted reply, how often it is the likeliest)"""
    sequences = [sequence for prompt in prompts for sequence in prompt]
    longest = max(len(ids) for ids, _ in sequences)
    ids = np.zeros((len(sequences), longest), dtype=np.int64)
    learned = np.zeros((len(sequences), longest), dtype=bool)
    for row, (tokens, wanted) in enumerate(sequences):
        ids[row, :len(tokens)] = tokens
        learned[row, :len(tokens)] = wanted
    rows, columns = learned[:, 1:].nonzero()
    device = model.embed_tokens.device
    there = lambda array: torch.from_numpy(array).to(device)
    documents = torch.zeros(len(sequences), longest - 1, dtype=torch.long, device=device)
    logprobs = model.logprobs(there(ids[:, :-1].copy()), documents, there(rows), there(columns), there(ids[rows, columns + 1]))
    means = torch.zeros(len(sequences), device=device).index_add(0, there(rows), logprobs) / there(learned.sum(1))
    loss, right = 0.0, 0
    for of in means.split([len(prompt) for prompt in prompts]):
        loss = loss - (BETA * of).log_softmax(0)[0]
        right += int(of.argmax() == 0)
    return loss, right


def learn(model, parts, tokenizer, mix, seed, most, rate):
    """Trains the model on so many tokens of a mixture of parts. @param rate factor of train.py's learning rates"""
    print(json.dumps(mix), flush=True)
    torch.manual_seed(seed)
    reader, preferences = Reader(parts, seed), Preferences(tokenizer, seed)
    optimizers = optimizers_of(model, 'muon', 0.1)
    initial = [[rate * group['lr'] for group in optimizer.param_groups] for optimizer in optimizers]
    rounding = StraightThrough(model)
    device = model.embed_tokens.device.type
    workers = Workers(model, [], device)
    seen, step, begun = 0, 0, time.time()
    losses, rights = [], []

    def preference(batch):
        with torch.autocast(device, torch.bfloat16, enabled=workers.native):
            loss, right = preference_loss(model, batch)
        rights.append(right / PROMPTS)
        return WEIGHT * loss

    while seen < most:
        if step % SCALES_EVERY == 0:
            rounding.refresh()
        rounding.enter()
        replies = [reader.rows(ROWS, ROW, mix, True) for _ in range(REPLIES)]
        tokens = learned_of(replies)
        sums = workers.accumulate([*(partial(preference, preferences.next()) for _ in range(PREFERENCES)),
                                   *(partial(workers.loss, batch) for batch in replies)], tokens)
        losses.append(sum(map(float, sums[PREFERENCES:])) / tokens)
        rounding.leave()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        progress = seen / most
        for optimizer, rates in zip(optimizers, initial):
            for group, lr in zip(optimizer.param_groups, rates):
                group['lr'] = lr * min(1, step / 10) * (1 - progress)
            optimizer.step()
        model.zero_grad(set_to_none=True)
        seen += seen_of(replies)
        step += 1
        if step % LOG_EVERY == 0 or seen >= most:
            print(json.dumps({'step': step, 'tokens': seen, 'loss': round(float(np.mean(losses)), 4),
                              'style': round(float(np.mean(rights)), 3), 'seconds': round(time.time() - begun)}), flush=True)
            losses.clear()
            rights.clear()


def load(model, weights):
    """Puts weights, by their names in a model folder, into the model."""
    for name, parameter in model.hf_tensors():
        parameter.data.copy_(weights[name])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default=os.path.join(HERE, 'build'))
    parser.add_argument('--model', help='folder of model.safetensors and config.json: BUILD/model by default')
    parser.add_argument('--out', help='folder of the new model.safetensors: that of the model by default')
    parser.add_argument('--tokens', type=float, default=4.5e6)
    parser.add_argument('--rate', type=float, default=0.2, help='factor of the learning rates of train.py')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    source = options.model or os.path.join(options.build, 'model')
    target = options.out or source
    # Before the hours of training, not after them: a folder that cannot be made is known at once.
    os.makedirs(target, exist_ok=True)
    tokenizer = Tokenizer(os.path.join(options.build, 'tokenizer.json'))
    with open(os.path.join(source, 'config.json'), encoding='utf-8') as file:
        config = json.load(file)
    stored = {name: torch.from_numpy(array.astype(np.float32))
              for name, array in read_safetensors(os.path.join(source, 'model.safetensors')).items()}
    own = Part(options.build, 'own', tokenizer)
    parts = {'own': own, 'chat': Part(options.build, 'chat', tokenizer),
             **{name: own.only(*sources) for name, sources in OWN_PARTS.items()}}
    model = Thumbling(config).to(options.device)
    for stage in STAGES:
        tokens, rate = stage['tokens'] * options.tokens, stage['rate'] * options.rate
        mean = {name: stage['keep'] * weight for name, weight in stored.items()}
        for weight, mix, seed in stage['mixes']:
            load(model, stored)
            learn(model, parts, tokenizer, mix, options.seed + seed - 1, tokens, rate)
            for name, parameter in model.hf_tensors():
                mean[name].add_(parameter.detach().cpu(), alpha=weight)
        stored = mean
    write_safetensors(os.path.join(target, 'model.safetensors'),
                      {name: weight.half().numpy() for name, weight in stored.items()})


if __name__ == '__main__':
    main()
