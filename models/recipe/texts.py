"""Chooses the dialogues that ship with the model, evenly over their topics: anchors, which no training has seen and which
measure what an update unlearns, and rehearsal, from the training split, which keeps an update from unlearning. probes.json,
what an update may not make the model do, is written by hand and shipped as it is.

    python3 models/recipe/texts.py models/recipe/data/thumbling_dialogues.jsonl.gz models/thumbling
"""

import gzip
import json
import os
import shutil
import sys

# File: (split, how many, most characters).
CHOICES = {"anchors.json": ("held", 64, 400), "rehearsal.json": ("train", 256, 300)}


def choose(dialogues, split, count, most):
    topics = {}
    for dialogue in dialogues:
        prompt, reply = dialogue["messages"][:2]
        if dialogue["split"] != split or len(prompt["content"]) + len(reply["content"]) > most:
            continue
        if prompt["role"] == "user" and reply["role"] == "assistant":
            text = {"prompt": prompt["content"], "reply": reply["content"]}
            topics.setdefault(dialogue["topic"], []).append(text)
    # Every k-th of a topic: neighbours are alike.
    share = -(-count // len(topics))
    chosen = []
    for topic in sorted(topics):
        texts = topics[topic]
        step = max(1, len(texts) // share)
        chosen.append(texts[::step][:share])
    return [texts[i] for i in range(share) for texts in chosen if i < len(texts)][:count]


def main(data, folder):
    with gzip.open(data, "rt") as file:
        dialogues = [json.loads(line) for line in file]
    for name, (split, count, most) in CHOICES.items():
        with open(os.path.join(folder, name), "w") as file:
            json.dump(choose(dialogues, split, count, most), file, indent=1)
            file.write("\n")
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "probes.json"), folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
