"""Chooses the anchor texts that an adapter must not unlearn: held-out dialogues, evenly over their topics.

    python3 models/recipe/anchors.py models/recipe/data/thumbling_dialogues.jsonl.gz models/thumbling/anchors.json
"""

import gzip
import json
import sys

COUNT = 64
MAX_CHARACTERS = 400


def main(data, out):
    topics = {}
    with gzip.open(data, "rt") as file:
        for line in file:
            dialogue = json.loads(line)
            prompt, reply = dialogue["messages"][:2]
            if dialogue["split"] != "held" or len(prompt["content"]) + len(reply["content"]) > MAX_CHARACTERS:
                continue
            if prompt["role"] == "user" and reply["role"] == "assistant":
                anchor = {"prompt": prompt["content"], "reply": reply["content"]}
                topics.setdefault(dialogue["topic"], []).append(anchor)
    anchors = []
    while len(anchors) < COUNT:
        for topic in sorted(topics):
            if topics[topic] and len(anchors) < COUNT:
                anchors.append(topics[topic].pop(0))
    with open(out, "w") as file:
        json.dump(anchors, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
