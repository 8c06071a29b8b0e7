"""The whole recipe, from the data to the model folder that the page loads.

    python3 models/recipe/make.py --corpora FOLDER [--size small] [--tokens 220e6] [--teachers 2] [--out models/thumbling] [--smoke]

Each step is a script of its own that can be run alone; a training that was cut off goes on where it was. --smoke takes a
little of everything and tiny models, to see that all of it works: two minutes. Options of train.py are passed on to it.
"""

import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# A teacher sees each dialogue some ten times and must not learn them by heart.
TEACHING = ['--dropout', '0.1', '--weight-decay', '0.5']


def run(*command):
    print('$ ' + ' '.join(command), flush=True)
    subprocess.run(command, check=True, cwd=ROOT)


def script(name, *arguments):
    run(sys.executable, os.path.join(HERE, name), *arguments)


def cli(*arguments):
    # On Windows npm is a batch file, which is found by its full name only.
    run(shutil.which('npm') or 'npm', 'run', '--silent', 'cli', '--', *arguments)


def copy_if_missing(out, *names):
    """What is written by hand or found by a search, from the shipped model."""
    for name in names:
        if not os.path.exists(os.path.join(out, name)):
            shutil.copy(os.path.join(ROOT, 'models', 'thumbling', name), out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--corpora', help='folder of the third-party corpora')
    parser.add_argument('--size', default='small')
    parser.add_argument('--tokens', default='220e6', help='that the model sees')
    parser.add_argument('--teachers', type=int, default=2, help='larger models that are trained before it and teach it')
    parser.add_argument('--teacher-tokens', default='50e6', help='that each teacher sees')
    parser.add_argument('--vocabulary', default='6144')
    parser.add_argument('--build', default=os.path.join(HERE, 'build'))
    parser.add_argument('--out', default=os.path.join(ROOT, 'models', 'thumbling'))
    parser.add_argument('--smoke', action='store_true')
    options, more = parser.parse_known_args()
    build, out = os.path.abspath(options.build), os.path.abspath(options.out)
    size, tokens, vocabulary, smoke = options.size, options.tokens, options.vocabulary, []
    teacher_size, teacher_tokens = 'medium', options.teacher_tokens
    if options.smoke:
        build = os.path.join(build, 'smoke')
        out = os.path.join(build, 'thumbling')
        shutil.rmtree(build, ignore_errors=True)
        size, tokens, vocabulary, smoke = 'smoke', '3e5', '1024', ['--smoke']
        teacher_size, teacher_tokens = 'smoke', '1e5'
    corpora = ['--corpora', os.path.abspath(options.corpora)] if options.corpora else []
    if not os.path.exists(os.path.join(build, 'tokenizer.json')):
        script('data.py', '--out', build, *corpora, *smoke)
        script('tokenizer.py', '--build', build, '--vocabulary', vocabulary)
    taught = []
    for number in range(1, options.teachers + 1):
        folder = os.path.join(build, f'teacher-{number}')
        script('train.py', '--build', build, '--out', folder, '--size', teacher_size, '--tokens', teacher_tokens,
               '--seed', str(number), *TEACHING, *more)
        taught += ['--teacher', os.path.join(folder, 'checkpoint.pt')]
    script('train.py', '--build', build, '--size', size, '--tokens', tokens, *taught, *more)
    script('align.py', '--build', build, *(['--tokens', '2e4'] if options.smoke else []))
    cli('quantize', '--in', os.path.join(build, 'model'), '--out', out, '--name', 'Thumbling')
    script('texts.py', os.path.join(HERE, 'data', 'thumbling_dialogues.jsonl.gz'), out)
    copy_if_missing(out, 'MODEL_CARD.md', 'hyperparameters.json')
    script('curve.py', '--build', build, '--out', os.path.join(out, 'loss.svg'))
    script('evaluate.py', '--model', out, '--held', os.path.join(build, 'held.jsonl'))
    if not options.smoke:
        script('tokenizer_golden.py', '--model', out, '--out', os.path.join(ROOT, 'tests', 'fixtures', 'tokenizer-ids.json'))
        cli('bench', 'quality', '--model', out, '--held', os.path.join(build, 'held.jsonl'), '--card', os.path.join(out, 'MODEL_CARD.md'))


if __name__ == '__main__':
    main()
