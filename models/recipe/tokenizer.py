"""Byte-level BPE (Sennrich et al. 2016) as tokenizer.json, and the same tokenizer for the training.

    python3 models/recipe/tokenizer.py [--build models/recipe/build] [--vocabulary 4096]

Reads what data.py wrote; writes tokenizer.json and tokenizer_config.json into the build folder.
"""

import argparse
import collections
import functools
import heapq
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
SPECIALS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']
# GPT-2's pieces, written for `re`: letters with one space before them, digits and other signs likewise, spaces.
GPT2 = r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+|DIGITS| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+"
# Digits stand alone here: a small model adds better when each is a token.
PIECES = re.compile(GPT2.replace('DIGITS', r'\d'))
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
# Characters of each source that the merges are counted on: what is said most in chats gets the tokens.
SAMPLE = {'own': 12_000_000, 'chat': 12_000_000, 'plain': 6_000_000}


def byte_characters():
    """GPT-2's printable character for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (b for b in range(256) if b not in printable)
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + n) for n, b in enumerate(others)}}


BYTES = byte_characters()


def characters(piece):
    return [BYTES[b] for b in piece.encode('utf-8')]


def learn(counts, size):
    """Merges of the most frequent pair, until the vocabulary has `size` entries. counts {piece: how often}."""
    words = [characters(piece) for piece in counts]
    weights = list(counts.values())
    pairs, places = collections.Counter(), collections.defaultdict(set)
    for index, word in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += weights[index]
            places[pair].add(index)
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(heap)
    merges = []
    while heap and len(merges) < size - len(SPECIALS) - 256:
        negative, pair = heapq.heappop(heap)
        if -negative != pairs[pair]:
            if pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
            continue
        if -negative < 2:
            break
        merges.append(pair)
        changed = set()
        for index in list(places.pop(pair)):
            word, weight = words[index], weights[index]
            for old in zip(word, word[1:]):
                pairs[old] -= weight
            words[index] = word = merge(word, pair)
            for new in zip(word, word[1:]):
                pairs[new] += weight
                places[new].add(index)
                changed.add(new)
        for new in changed:
            heapq.heappush(heap, (-pairs[new], new))
    return merges


def merge(word, pair):
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and word[i] == pair[0] and word[i + 1] == pair[1]:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


class Tokenizer:
    """Ids as @huggingface/tokenizers gives them for the same file."""

    def __init__(self, path):
        with open(path, encoding='utf-8') as file:
            tokenizer = json.load(file)
        model = tokenizer['model']
        alone = 'Digits' in json.dumps(tokenizer['pre_tokenizer'])
        self.pieces = PIECES if alone else re.compile(GPT2.replace('DIGITS', r' ?\d+'))
        self.vocabulary = model['vocab']
        merges = [tuple(m.split(' ')) if isinstance(m, str) else tuple(m) for m in model['merges']]
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.piece = functools.lru_cache(maxsize=1 << 18)(self._piece)

    def _piece(self, piece):
        return self.spell(characters(piece))

    def spell(self, word):
        """The ids of a word given as its bytes' characters."""
        while len(word) > 1:
            pair = min(zip(word, word[1:]), key=lambda p: self.ranks.get(p, len(self.ranks)))
            if pair not in self.ranks:
                break
            word = merge(word, pair)
        return tuple(self.vocabulary[part] for part in word)

    def encode(self, text):
        return [i for piece in self.pieces.findall(text) for i in self.piece(piece)]

    def chat(self, messages):
        """(ids, 1 where the model is to learn the token: replies and what ends them)."""
        start, end, newline = (self.vocabulary.get(SPECIALS[1], 1), self.vocabulary.get(SPECIALS[2], 2), self.encode('\n'))
        ids, learned = [], []
        for message in messages:
            head = [start, *self.encode(message['role'] + '\n')]
            body = [*self.encode(message['content']), end]
            ids += head + body + newline
            wanted = int(message['role'] == 'assistant')
            learned += [0] * len(head) + [wanted] * len(body) + [0] * len(newline)
        return ids, learned


def texts_of(record):
    return [record['text']] if 'text' in record else [m['content'] for m in record['messages']]


def tokenizer_json(merges):
    tokens = [*SPECIALS, *sorted(BYTES.values()), *(a + b for a, b in merges)]
    return {
        'version': '1.0',
        'truncation': None,
        'padding': None,
        'added_tokens': [
            {'id': i, 'content': token, 'single_word': False, 'lstrip': False, 'rstrip': False, 'normalized': False,
             'special': True} for i, token in enumerate(SPECIALS)],
        'normalizer': None,
        'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [
            {'type': 'Digits', 'individual_digits': True},
            {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}]},
        'post_processor': None,
        'decoder': {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': True, 'use_regex': True},
        'model': {
            'type': 'BPE', 'dropout': None, 'unk_token': None, 'continuing_subword_prefix': None,
            'end_of_word_suffix': None, 'fuse_unk': False, 'byte_fallback': False,
            'vocab': {token: i for i, token in enumerate(tokens)}, 'merges': [' '.join(pair) for pair in merges]},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default=os.path.join(HERE, 'build'))
    parser.add_argument('--vocabulary', type=int, default=4096)
    parser.add_argument('--context', type=int, default=1024)
    options = parser.parse_args()
    counts = collections.Counter()
    for part, most in SAMPLE.items():
        read = 0
        with open(os.path.join(options.build, part + '.jsonl'), encoding='utf-8') as file:
            for line in file:
                for text in texts_of(json.loads(line)):
                    counts.update(PIECES.findall(text))
                    read += len(text)
                if read > most:
                    break
    tokenizer = tokenizer_json(learn(counts, options.vocabulary))
    config = {
        'tokenizer_class': 'PreTrainedTokenizerFast', 'bos_token': None, 'eos_token': SPECIALS[2], 'pad_token': SPECIALS[0],
        'unk_token': None, 'model_max_length': options.context, 'clean_up_tokenization_spaces': False,
        'add_prefix_space': False, 'chat_template': CHAT_TEMPLATE}
    for name, content in (('tokenizer.json', tokenizer), ('tokenizer_config.json', config)):
        with open(os.path.join(options.build, name), 'w', encoding='utf-8') as file:
            json.dump(content, file, indent=1)
            file.write('\n')
    print(f"{len(tokenizer['model']['vocab'])} entries from {sum(counts.values())} pieces, {len(counts)} of them different")


if __name__ == '__main__':
    main()
