"""Records for examples/pronouns from the pairs of stories260K: every prompt with the other gender's pronoun.

    python3 tools/make_pronoun_task.py ../shared/data/models/stories260K/task_pronoun.jsonl -o examples/pronouns

Splits are by name, so that no name of dev or test is trained on. Standard library only.
"""
import argparse
import json
import pathlib
import random

PRONOUNS = {"clean": " she", "corrupted": " he"}
HELD_OUT = {"dev": 2, "test": 4}  # names of each gender


def names_of(pairs, side):
    """Name by prompt, for one side of the pairs."""
    found = {}
    for pair in pairs:
        before, after = pair["template"].split("{n}")
        prompt = pair[side]
        found[prompt] = prompt[len(before):len(prompt) - len(after)]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs")
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pairs = [json.loads(line) for line in open(options.pairs, encoding="utf-8")]
    splits = {"train": [], "dev": [], "test": []}
    for side, pronoun in PRONOUNS.items():
        other = PRONOUNS["corrupted" if side == "clean" else "clean"]
        prompts = names_of(pairs, side)
        # Frequent names are held out: a rare one stands in one or two of the five sentences only.
        frequent = sorted({n for n in prompts.values() if sum(m == n for m in prompts.values()) >= 4})
        random.Random(options.seed).shuffle(frequent)
        dev, test = HELD_OUT["dev"], HELD_OUT["test"]
        split_of = {**dict.fromkeys(frequent[:dev], "dev"), **dict.fromkeys(frequent[dev:dev + test], "test")}
        for prompt, name in sorted(prompts.items()):
            record = {"text": prompt + other,
                      "readouts": [{"byte": len(prompt.encode()), "correct": other, "wrong": pronoun}]}
            splits[split_of.get(name, "train")].append(record)
    folder = pathlib.Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    for split, records in splits.items():
        random.Random(options.seed).shuffle(records)
        with open(folder / f"{split}.jsonl", "w", encoding="utf-8") as out:
            out.writelines(json.dumps(record) + "\n" for record in records)
        print(f"{split}: {len(records)} records")


if __name__ == "__main__":
    main()
