"""Reads all sources, cleans them, holds some out, and writes what the tokenizer and the training take.

    python3 models/recipe/data.py --corpora FOLDER [--out models/recipe/build] [--smoke]

Writes plain.jsonl (`{"source", "text"}`), chat.jsonl and own.jsonl (`{"source", "messages"}`), held.jsonl (both kinds, never
trained on) and report.json. The project's own data lies in `data/` and `dialogues/`; FOLDER holds the third-party corpora
that data.json names. Without FOLDER, or with a corpus missing from it, the model is made from the rest, and said so.
"""

import argparse
import collections
import glob
import gzip
import hashlib
import json
import os
import random
import re

from drills import drills

HERE = os.path.dirname(os.path.abspath(__file__))
# Of every source, and of the project's own: 1 in 50.
HELD = 50
DRILL_SEEDS = range(3, 15)
PLAIN_CHARACTERS = 2400
# Texts as a context of 256 tokens holds them, so that every model can be compared on them.
HELD_CHARACTERS = 700
HELD_LINES = 40
QUOTES = str.maketrans({'‘': "'", '’': "'", '“': '"', '”': '"', '–': '-', '—': '--', '…': '...', '\u00a0': ' '})
# Crude, sexual, or of hate: a chat with one of these is left out whole.
UNWANTED = re.compile(
    r'\b(?:fuck\w*|shit\w*|bitch\w*|cunt|dick(?:s|head)?|pussy|porn\w*|sex(?:y|ual\w*)?|nude\w*|naked|rape\w*|whore\w*|slut\w*|'
    r'nigg\w*|negro\w*|fag(?:got)?s?|retard\w*|bastard\w*|damn\w*|asshole\w*|cocaine|heroin|suicid\w*|nazi\w*|hitler|'
    r'trump|biden|obama|clinton|putin|kill (?:yourself|myself|him|her|them))\b', re.I)
STYLE_OF_PERSONA = {'professional': 'formal', 'witty': 'playful', 'caring': 'warm'}


def clean(text):
    """ASCII quotes, no markup, single spaces; paragraphs stay."""
    text = text.translate(QUOTES)
    text = re.sub(r'\[(?:Illustration|Footnote|Transcriber)[^\]]*\]', '', text)
    text = re.sub(r'<[^>]{1,80}>|https?://\S+', '', text)
    text = re.sub(r'(?<![\w_])_([^_\n]{1,200})_(?![\w_])', r'\1', text).replace('**', '').replace('#', '')
    text = re.sub(r'[ \t]+', ' ', text)
    return re.sub(r'\n{3,}', '\n\n', text).strip()


def tidy_turn(text):
    """A turn of people who type fast: one line, a capital at the beginning, "I" in upper case."""
    text = re.sub(r'\s+', ' ', clean(text))
    text = re.sub(r"\bi(?='(?:m|ll|ve|d)\b|\b(?!'))", 'I', text)
    return text[:1].upper() + text[1:]


def unwrap(text):
    """Paragraphs of a book without the line breaks of its page, headings left out."""
    paragraphs = (re.sub(r'\s*\n\s*', ' ', p).strip() for p in re.split(r'\n\s*\n', clean(text)))
    return [p for p in paragraphs if len(p) > 40 and not p.isupper() and sum(map(str.isalpha, p)) > 0.7 * len(p)]


def pieces(paragraphs, size=PLAIN_CHARACTERS):
    """Whole paragraphs, joined to texts of about `size` characters."""
    piece = ''
    for paragraph in paragraphs:
        if piece and len(piece) + len(paragraph) > size:
            yield piece
            piece = ''
        piece += ('\n\n' if piece else '') + paragraph[:2 * size]
    if len(piece) > 200:
        yield piece


def fingerprint(text):
    return hashlib.sha256(re.sub(r'\W+', ' ', text.lower()).strip().encode()).digest()


def is_held(key):
    """The same texts in every run, whatever stands beside them."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], 'little') % HELD == 0


def chat_of(messages):
    """Turns that alternate from the user's first to the assistant's last, or None."""
    turns = [{'role': m['role'], 'content': tidy_turn(m['content'])} for m in messages]
    while turns and turns[-1]['role'] != 'assistant':
        turns.pop()
    expected = ['user', 'assistant'] * (len(turns) // 2)
    if not turns or [t['role'] for t in turns] != expected or not all(t['content'] for t in turns):
        return None
    return None if any(UNWANTED.search(t['content']) for t in turns) else turns


def read_dialogues(path):
    """The project's own dialogues in text form: lines `role: content`, dialogues parted by an empty line."""
    with open(path, encoding='utf-8') as file:
        for block in re.split(r'\n{2,}', file.read().strip()):
            turns = []
            for line in block.split('\n'):
                role, _, content = line.partition(': ')
                if role not in ('system', 'user', 'assistant') or not content.strip():
                    raise SystemExit(f'{path}: "{line[:60]}" is no turn')
                turns.append({'role': role, 'content': content.strip()})
            roles = [t['role'] for t in turns if t['role'] != 'system']
            if roles != ['user', 'assistant'] * (len(roles) // 2) or not roles:
                raise SystemExit(f'{path}: the dialogue that begins "{block[:60]}" does not alternate')
            yield turns


class Corpus:
    def __init__(self, evaluation):
        self.lines = {name: [] for name in ('plain', 'chat', 'own', 'held')}
        self.counts = collections.defaultdict(collections.Counter)
        self.seen = set()
        self.evaluation = evaluation

    def add(self, part, source, record, key, held):
        """One text; a repeated one, and a chat that begins as a question of the evaluation does, is dropped."""
        mark = fingerprint(key)
        if mark in self.seen:
            self.counts[source]['repeated'] += 1
            return
        self.seen.add(mark)
        if 'messages' in record:
            first = next(m['content'] for m in record['messages'] if m['role'] == 'user')
            if fingerprint(first) in self.evaluation:
                self.counts[source]['in the evaluation'] += 1
                return
        part = 'held' if held else part
        self.counts[source][part] += 1
        self.lines[part].append({'source': source, **record})


def evaluation_prompts():
    """Fingerprints of every question and prompt that measures the model or an update of it."""
    prompts = []
    for name, field in (('questions.jsonl', 'question'), ('safety.jsonl', 'prompt')):
        with open(os.path.join(HERE, name), encoding='utf-8') as file:
            prompts += [json.loads(line)[field] for line in file]
    with open(os.path.join(HERE, 'probes.json'), encoding='utf-8') as file:
        prompts += [probe['prompt'] for probes in json.load(file).values() for probe in probes]
    for name in ('prompts.txt', 'conversations.txt'):
        with open(os.path.join(HERE, name), encoding='utf-8') as file:
            # "hi" and its like are what everyone begins with.
            prompts += [line for line in file.read().split('\n') if len(line.split()) > 3]
    return {fingerprint(prompt) for prompt in prompts}


def styled(prompt, reply, style, wordings, rng):
    """A style's reply, half of the time under an instruction that asks for it."""
    turns = [{'role': 'user', 'content': prompt}, {'role': 'assistant', 'content': reply}]
    if style in wordings and rng.random() < 0.5:
        turns.insert(0, {'role': 'system', 'content': rng.choice(wordings[style])})
    return turns


def read_corpus(corpus, entry, path, wordings, smoke):
    rng = random.Random(1)
    use, source = entry['use'], entry['source']
    with gzip.open(path, 'rt', encoding='utf-8') as file:
        for number, line in enumerate(file):
            if smoke and number >= (400 if use != 'plain' else 10):
                break
            record = json.loads(line)
            if rng.random() >= entry.get('share', 1) or record.get('group', '') != entry.get('group', record.get('group', '')):
                continue
            if use == 'own':
                key = json.dumps(record['messages'])
                corpus.add('own', source, {'messages': record['messages']}, key, record['split'] == 'held')
            elif use in ('styles', 'personas'):
                style = STYLE_OF_PERSONA.get(record['style'], record['style'])
                held = record['split'] == 'held' if use == 'styles' else record['scenario'] % 5 == 0
                turns = styled(record['prompt'], record['response'], style, wordings, rng)
                part = 'own' if use == 'styles' else 'chat'
                # One in three of the personas: few replies, many times over.
                if use == 'styles' or (number % 3 == 0 and chat_of(turns[-2:])):
                    corpus.add(part, source, {'messages': turns}, style + record['prompt'] + record['response'], held)
            elif 'messages' in record:
                turns = chat_of(record['messages'])
                if turns:
                    key = turns[0]['content'] + turns[1]['content']
                    corpus.add('chat', source, {'messages': turns}, key, is_held(key))
            else:
                for text in pieces(unwrap(record['text'])):
                    corpus.add('plain', source, {'text': text}, text, is_held(record['title']))


def shorten(record):
    """A held-out text, cut where every model's context still holds it, or None."""
    if 'text' in record:
        return {**record, 'text': record['text'][:HELD_CHARACTERS]}
    total, kept = 0, []
    for turn in record['messages']:
        total += len(turn['content'])
        if total > HELD_CHARACTERS:
            break
        kept.append(turn)
    while kept and kept[-1]['role'] != 'assistant':
        kept.pop()
    return {**record, 'messages': kept} if kept else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--corpora', help='folder of the third-party corpora')
    parser.add_argument('--out', default=os.path.join(HERE, 'build'))
    parser.add_argument('--smoke', action='store_true', help='a little of each source')
    options = parser.parse_args()
    with open(os.path.join(HERE, 'data.json'), encoding='utf-8') as file:
        entries = json.load(file)
    with open(os.path.join(HERE, 'instructions.json'), encoding='utf-8') as file:
        wordings = json.load(file)
    corpus = Corpus(evaluation_prompts())
    missing = []
    for entry in entries:
        own = os.path.join(HERE, 'data', entry['file'])
        path = own if os.path.exists(own) else os.path.join(options.corpora or '', entry['file'])
        if not os.path.exists(path):
            missing.append(f"{entry['file']}: {entry['source']} ({entry['licence']}), from {entry['from']}")
            continue
        with open(path, 'rb') as file:
            if hashlib.sha256(file.read()).hexdigest() != entry['sha256']:
                raise SystemExit(f'{path} is not the file that data.json describes')
        read_corpus(corpus, entry, path, wordings, options.smoke)
    for path in sorted(glob.glob(os.path.join(HERE, 'dialogues', '*.txt'))):
        name = 'dialogues/' + os.path.basename(path)
        for turns in read_dialogues(path):
            key = json.dumps(turns)
            corpus.add('own', name, {'messages': turns}, key, is_held(key))
    for turns in (turns for seed in DRILL_SEEDS for turns in drills(random.Random(seed))):
        key = json.dumps(turns)
        corpus.add('own', 'drills', {'messages': turns}, key, is_held(key))
    os.makedirs(options.out, exist_ok=True)
    rng = random.Random(2)
    for name, lines in corpus.lines.items():
        rng.shuffle(lines)
        if name == 'held':
            taken = collections.Counter()
            chosen = []
            for line in filter(None, map(shorten, lines)):
                taken[line['source']] += 1
                if taken[line['source']] <= HELD_LINES:
                    chosen.append(line)
            lines = chosen
        with open(os.path.join(options.out, name + '.jsonl'), 'w', encoding='utf-8') as file:
            file.writelines(json.dumps(line) + '\n' for line in lines)
    report = {source: dict(counts) for source, counts in corpus.counts.items()}
    with open(os.path.join(options.out, 'report.json'), 'w', encoding='utf-8') as file:
        json.dump({'records': report, 'missing': missing}, file, indent=1)
    for source, counts in report.items():
        print(f'{source}: ' + ', '.join(f'{n} {what}' for what, n in counts.items()))
    for line in missing:
        print('missing: ' + line)


if __name__ == '__main__':
    main()
