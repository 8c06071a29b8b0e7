"""What the recipe's own tokenizer makes of the held-out texts, for the test that the page's tokenizer does the same.

    python3 models/recipe/tokenizer_golden.py --model models/thumbling --out tests/fixtures/tokenizer-ids.json

Writes one number for each text, in the order of the files in `data/`: the CRC-32 of its ids as comma-separated decimals.
"""

import argparse
import gzip
import json
import os
import zlib

from tokenizer import HERE, Tokenizer


def held_texts():
    for name in ('thumbling_dialogues', 'thumbling_styles'):
        with gzip.open(os.path.join(HERE, 'data', name + '.jsonl.gz'), 'rt', encoding='utf-8') as file:
            for line in file:
                record = json.loads(line)
                if record['split'] == 'held':
                    yield from (m['content'] for m in record['messages']) if 'messages' in record else [record['response']]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default=os.path.join(HERE, '..', 'thumbling'))
    parser.add_argument('--out', required=True)
    options = parser.parse_args()
    tokenizer = Tokenizer(os.path.join(options.model, 'tokenizer.json'))
    sums = [zlib.crc32(','.join(map(str, tokenizer.encode(text))).encode()) for text in held_texts()]
    with open(options.out, 'w', encoding='utf-8') as file:
        json.dump(sums, file)
        file.write('\n')
    print(f'{len(sums)} texts')


if __name__ == '__main__':
    main()
