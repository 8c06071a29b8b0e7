"""The documents that a model learns from: tokens kept on disk, read in rows of fixed length."""

import copy
import json
import os

import numpy as np


class Part:
    """The documents of one part as one array of tokens."""

    def __init__(self, build, name, tokenizer):
        cache = os.path.join(build, f'tokens-{name}.npz')
        source = os.path.join(build, name + '.jsonl')
        if not os.path.exists(cache) or (os.path.exists(source) and os.path.getmtime(cache) < os.path.getmtime(source)):
            ids, learned, ends, sources = [np.zeros(0, np.uint16)], [np.zeros(0, bool)], [], []
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
                    sources.append(record['source'])
            np.savez_compressed(cache, ids=np.concatenate(ids), learned=np.concatenate(learned), ends=np.cumsum(ends, dtype=np.int64),
                                sources=np.array(sources))
        with np.load(cache) as data:
            self.ids, self.learned, self.ends, self.sources = (data[key] for key in ('ids', 'learned', 'ends', 'sources'))
        self.documents = np.arange(len(self.ends))

    def only(self, *sources):
        """The part's documents of these sources."""
        part = copy.copy(self)
        part.documents = self.documents[np.isin(self.sources[self.documents], sources)]
        if not len(part.documents):
            raise SystemExit(f'no document is of {", ".join(sources)}: data.py names the sources')
        return part

    def document(self, index):
        start = self.ends[index - 1] if index else 0
        return self.ids[start:self.ends[index]], self.learned[start:self.ends[index]]


class Reader:
    """Rows of whole documents from several parts; a document that does not fit its row goes on in the next one. Parts
    without a document, those of corpora that are not there, leave their share to the others."""

    def __init__(self, parts, seed):
        self.parts = parts = {name: part for name, part in parts.items() if len(part.documents)}
        self.random = np.random.default_rng(seed)
        self.orders = {name: [] for name in parts}
        self.epochs = {name: 0 for name in parts}
        self.taken = {name: 0 for name in parts}
        self.rest = None

    def next_document(self, shares):
        # The part that is furthest behind its share.
        name = min((n for n in shares if n in self.parts), key=lambda n: self.taken[n] / shares[n])
        if not self.orders[name]:
            self.orders[name] = self.random.permutation(self.parts[name].documents).tolist()
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


def learned_of(batches):
    """How many tokens are learned."""
    return sum(int(learned.sum()) for _, _, learned in batches)


def seen_of(batches):
    """How many tokens are not padding."""
    return sum(int((documents >= 0).sum()) for _, documents, _ in batches)
