"""Draws the training's loss over the tokens seen, for the model card.

    python3 models/recipe/curve.py [--build models/recipe/build] --out models/thumbling/loss.svg

Phases learn from different tokens (all of a text, or replies only), so their losses are drawn in colours of their own; under
teachers the loss is what they and the tokens ask for together. "held" is the loss on held-out texts and replies.
"""

import argparse
import json
import os

from tokenizer import HERE

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 700, 24, 272
COLOURS = {'mix': '#0072b2', 'finish': '#009e73'}
HELD = '#d55e00'
TICKS = 6


def read_log(path):
    """One point every 20 steps; what a checkpoint made the training do again counts as it was done last."""
    points = {}
    with open(path, encoding='utf-8') as file:
        for line in file:
            point = json.loads(line)
            points = {step: kept for step, kept in points.items() if step < point['step']}
            points[point['step']] = point
    return list(points.values())


def draw(points):
    tokens = max(point['tokens'] for point in points)
    low, high = (bound(point['loss'] for point in points) for bound in (min, max))
    x = lambda value: LEFT + (RIGHT - LEFT) * value / tokens
    y = lambda value: BOTTOM - (BOTTOM - TOP) * (value - low) / ((high - low) or 1)
    lines = []
    for index in range(TICKS + 1):
        loss, seen = low + (high - low) * index / TICKS, tokens * index / TICKS
        lines.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y(loss):.1f}" y2="{y(loss):.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.2f}</text>'
                     f'<text x="{x(seen):.1f}" y="{BOTTOM + 20}" text-anchor="middle">{seen / 1e6:.1f} M</text>')
    curves = [(phase, colour, [(p['tokens'], p['loss']) for p in points if p['phase'] == phase])
              for phase, colour in COLOURS.items()]
    curves.append(('held', HELD, [(p['tokens'], p['held']) for p in points if 'held' in p]))
    for index, (name, colour, curve) in enumerate(curves):
        path = ' '.join(f'{x(seen):.1f},{y(loss):.1f}' for seen, loss in curve)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
                     f'<text x="{RIGHT - 60}" y="{TOP + 16 + 18 * index}" fill="{colour}">{name}</text>')
    body = '\n'.join(lines)
    return f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#222" role="img" aria-label="Loss in nats a token over tokens seen">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
{body}
<text x="{(LEFT + RIGHT) / 2:.0f}" y="{BOTTOM + 40}" text-anchor="middle">tokens seen; loss in nats a token</text>
</svg>
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default=os.path.join(HERE, 'build'))
    parser.add_argument('--out', required=True)
    options = parser.parse_args()
    with open(options.out, 'w', encoding='utf-8') as file:
        file.write(draw(read_log(os.path.join(options.build, 'log.jsonl'))))


if __name__ == '__main__':
    main()
