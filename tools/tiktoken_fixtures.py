"""Ranks in tiktoken's form, made of a byte-level tokenizer.json, with texts and the ids that the package tiktoken gives them.

    tiktoken_fixtures.py TOKENIZER.json OUT [--tokens 1200] [--texts 200]
"""

import argparse
import base64
import json
import os
import random

import tiktoken

from sentencepiece_fixtures import random_text

# Llama 3's tokenizer.py, pat_str.
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_of_character():
    printable = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    for index, byte in enumerate(byte for byte in range(256) if byte not in printable):
        table[chr(256 + index)] = byte
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("out")
    parser.add_argument("--tokens", type=int, default=1200)
    parser.add_argument("--texts", type=int, default=200)
    args = parser.parse_args()
    with open(args.tokenizer, encoding="utf-8") as file:
        vocabulary = json.load(file)["model"]["vocab"]
    table = byte_of_character()
    ranks = {}
    for token, rank in sorted(vocabulary.items(), key=lambda item: item[1]):
        if all(c in table for c in token) and (len(token) == 1 or len(ranks) < args.tokens):
            ranks[bytes(table[c] for c in token)] = len(ranks)
    for byte in range(256):
        ranks.setdefault(bytes([byte]), len(ranks))
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "tokenizer.model"), "w", encoding="utf-8") as file:
        for token, rank in ranks.items():
            file.write(f"{base64.b64encode(token).decode()} {rank}\n")
    with open(os.path.join(args.out, "config.json"), "w", encoding="utf-8") as file:
        file.write('{"model_type": "llama"}\n')
    encoding = tiktoken.Encoding("made", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    rng = random.Random(0)
    words = sorted({"the", "keys", "they're", "I'LL", "12345", "don't", "naïve", "x2", "(a)", "\r\n", "\n\n", "…", "1,000.5", "house", "children"})
    with open(os.path.join(args.out, "cases.jsonl"), "w", encoding="utf-8") as file:
        for _ in range(args.texts):
            text = random_text(rng, words)
            file.write(json.dumps({"text": text, "ids": encoding.encode_ordinary(text)}, ensure_ascii=False) + "\n")
    print(len(ranks), "ranks")


if __name__ == "__main__":
    main()
